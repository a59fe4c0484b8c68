"""A preset says where a compatible server is and how it is spoken to."""

import tomllib
from pathlib import Path

import pytest

from actors.wire.presets import PRESETS
from daemon.assembly import provider_settings
from daemon.config import ProviderConfig
from daemon.config_load import settings_from
from daemon.credentials import Resolved, resolve
from daemon.exits import ConfigError

AZURE = """
[providers.az]
preset = "azure"
base_url = "https://r.openai.azure.com"
model = "m"
"""
GROQ = '[providers.fast]\npreset = "groq"\nmodel = "m"\n'


def loaded(text: str) -> ProviderConfig:
    config = settings_from(tomllib.loads(text), environ={}).config
    return next(iter(config.providers.values()))


def refusal(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        settings_from(tomllib.loads(text), environ={})
    return [problem.sentence() for problem in raised.value.problems]


def resolved(text: str, environ: dict[str, str], cwd: Path) -> Resolved:
    settings = settings_from(tomllib.loads(text), environ=environ)
    return resolve(settings, environ=environ, cwd=cwd)


def test_a_preset_needs_only_a_model() -> None:
    provider = loaded(GROQ)

    assert provider.kind == "compatible"
    assert provider.base_url == "https://api.groq.com/openai/v1"
    assert provider.models == ("m",)
    assert provider.max_tokens is None


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_can_be_configured(name: str) -> None:
    where = 'base_url = "https://r.openai.azure.com/"' if name == "azure" else ""
    text = f'[providers.x]\nkind = "compatible"\npreset = "{name}"\nmodel = "m"\n'
    provider = loaded(text + where)

    assert provider.server == name
    assert provider.base_url is not None
    assert not provider.base_url.endswith("/")


def test_another_address_takes_the_place_of_the_presets() -> None:
    provider = loaded(GROQ + 'base_url = "https://proxy.example.com/v1/"')

    assert provider.base_url == "https://proxy.example.com/v1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[providers.x]\npreset = "grok"\nmodel = "m"',
            'providers.x.preset: got "grok", wanted one of "azure", "cerebras"',
        ),
        (
            '[providers.x]\nkind = "openai"\npreset = "groq"\nmodel = "m"',
            'providers.x.kind: got "openai", wanted "compatible", or none, beside a preset',
        ),
        (
            '[providers.x]\npreset = "azure"\nmodel = "m"',
            "providers.x.base_url: is missing for this kind",
        ),
        (
            GROQ + 'api_version = "2024-10-21"',
            'providers.fast.api_version: got "2024-10-21", wanted only with preset',
        ),
        (
            AZURE + 'api_version = "1&x=2"',
            'providers.az.api_version: got "1&x=2", wanted text matching',
        ),
    ],
)
def test_what_does_not_go_together_is_refused(text: str, expected: str) -> None:
    (sentence,) = refusal(text)

    assert sentence.startswith(expected)


def test_its_key_is_found_under_its_usual_name(tmp_path: Path) -> None:
    found = resolved(GROQ, {"GROQ_API_KEY": "gsk_1"}, tmp_path)

    assert found.credentials["fast"].source == "environment GROQ_API_KEY"


def test_two_of_a_preset_can_have_keys_of_their_own(tmp_path: Path) -> None:
    environ = {"GROQ_API_KEY": "gsk_1", "FAST_API_KEY": "gsk_2"}
    found = resolved(GROQ, environ, tmp_path)

    assert found.credentials["fast"].source == "environment FAST_API_KEY"


def test_without_its_key_it_is_left_out(tmp_path: Path) -> None:
    text = GROQ + '[providers.local]\npreset = "ollama"\nmodel = "m"\n'
    found = resolved(text, {}, tmp_path)

    assert list(found.credentials) == ["local"]
    assert found.warnings == (
        "provider fast is left out: no key found (set FAST_API_KEY or GROQ_API_KEY)",
    )


def test_the_actor_is_told_who_it_talks_to() -> None:
    text = AZURE + 'api_version = "2024-10-21"'
    config = settings_from(tomllib.loads(text), environ={}).config
    told = provider_settings("az", config.providers["az"], config, None)

    assert told.kind == "azure"  # so that prices are looked up under its own name
    assert told.endpoint.api_version == "2024-10-21"
