"""Who needs an API key, and what the variables are called that hold it."""

from urllib.parse import urlsplit

from actors.wire.presets import PRESETS
from daemon.config import ProviderConfig
from daemon.config_rules import is_loopback

KEY_VARIABLES = {
    "openai": ("OPENAI_API_KEY",),
    "xai": ("XAI_API_KEY", "GROK_API_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY",),
}

EVENT_SECRETS = {
    "GITBRIDGE_WEBHOOK_SECRET": "github_webhook",
    "GITHUB_TOKEN": "github_token",
    "GITBRIDGE_ACTION_SECRET": "action_secret",
}
"""Variable -> systemd credential of what events and actions need."""


def needs_key(provider: ProviderConfig) -> bool:
    """Compatible servers, often one's own, need not want one; those of a preset do.

    What stands in the place of a preset's own server is one's own again.
    """
    if provider.preset is None:
        return provider.kind != "compatible"
    preset = PRESETS[provider.preset]
    if preset.base_url is None:
        host = urlsplit(provider.base_url or "").hostname
        return preset.needs_key and not is_loopback(host or "")
    return preset.needs_key and provider.base_url == preset.base_url


def variables_of(name: str, server: str) -> tuple[str, ...]:
    """The environment variables a provider's key may stand in, by kind or preset."""
    if server in KEY_VARIABLES:
        return KEY_VARIABLES[server]
    plain = "".join(c if c.isalnum() else "_" for c in name).upper()
    usual = PRESETS[server].key_variables if server in PRESETS else ()
    return tuple(dict.fromkeys((f"{plain}_API_KEY", *usual)))


def is_key_variable(name: str) -> bool:
    """``.env`` is read for keys only; settings there would surprise."""
    return name.endswith("_API_KEY") or name == "HF_TOKEN" or name in EVENT_SECRETS
