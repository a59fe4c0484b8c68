"""What the environment changes in the configuration, over the file.

``overlay`` writes into the parsed file before it is checked, so a bad value from the
environment is refused in the same words, with the variable's name.
"""

from collections.abc import Mapping

from daemon.exits import Problem

# The seeds' variables and our own, and where they go.
SETTING_VARIABLES = {
    "SMARTROUTER_STRATEGY": ("routing", "strategy"),
    "SMARTROUTER_COST_WEIGHT": ("routing", "weights", "cost"),
    "SMARTROUTER_PERFORMANCE_WEIGHT": ("routing", "weights", "performance"),
    "SMARTROUTER_AVAILABILITY_WEIGHT": ("routing", "weights", "availability"),
    "SMARTROUTER_HEALTH_CHECK_INTERVAL": ("health", "interval_s"),
    "SMARTROUTER_METRICS_WINDOW": ("routing", "metrics_window"),
    "GITBRIDGE_SOCKET": ("server", "socket"),
}

# Variables of one provider, by its kind: the first one that is set wins.
MODEL_VARIABLES = {
    "openai": ("OPENAI_MODEL",),
    "xai": ("XAI_MODEL", "GROK_MODEL"),
    "anthropic": ("ANTHROPIC_MODEL",),
}
BASE_URL_VARIABLES = {
    "openai": "OPENAI_BASE_URL",
    "xai": "XAI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
}

# They apply to the provider of that name only, not to every one of that kind.
NAMES_OF_KIND = {
    "openai": ("openai", "chatgpt"),
    "xai": ("grok", "xai"),
    "anthropic": ("claude", "anthropic"),
}

_NUMBERS = {"cost", "performance", "availability", "interval_s", "metrics_window"}


def overlay(
    data: dict[str, object], environ: Mapping[str, str], origins: dict[str, str]
) -> list[Problem]:
    """Put the variables that are set into ``data`` and say so in ``origins``.

    Returns the values that are no numbers where one is wanted. Empty variables count
    as not set.
    """
    problems = []
    for variable, path in SETTING_VARIABLES.items():
        if text := environ.get(variable, "").strip():
            value = _number(text) if path[-1] in _NUMBERS else text
            key = ".".join(path)
            if value is None:
                origin = f"environment {variable}"
                problems.append(Problem(key, f'"{text}"', "wanted a number", origin))
            else:
                put(data, path, value)
                origins[key] = f"environment {variable}"
    _overlay_providers(data, environ, origins)
    return problems


def _number(text: str) -> float | int | None:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return None


def _overlay_providers(
    data: dict[str, object], environ: Mapping[str, str], origins: dict[str, str]
) -> None:
    providers = data.get("providers")
    for name, table in providers.items() if isinstance(providers, dict) else ():
        kind = table.get("kind") if isinstance(table, dict) else None
        if not isinstance(kind, str) or name not in NAMES_OF_KIND.get(kind, ()):
            continue
        for variable in MODEL_VARIABLES[kind]:
            if model := environ.get(variable, "").strip():
                table["model"] = model
                origins[f"providers.{name}.model"] = f"environment {variable}"
                break
        variable = BASE_URL_VARIABLES[kind]
        if url := environ.get(variable, "").strip():
            table["base_url"] = with_version(url) if kind == "anthropic" else url
            origins[f"providers.{name}.base_url"] = f"environment {variable}"


def with_version(url: str) -> str:
    """Anthropic's own tools take the URL without ``/v1``; ours wants it."""
    trimmed = url.rstrip("/")
    return trimmed if trimmed.endswith("/v1") else f"{trimmed}/v1"


def put(data: dict[str, object], path: tuple[str, ...], value: object) -> None:
    """Set a nested key; a parent that is no table stays for the check to refuse."""
    table = data
    for name in path[:-1]:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        table = inner
    table[path[-1]] = value
