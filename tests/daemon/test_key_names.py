"""Who needs a key, and where it may stand."""

import msgspec
import pytest

from actors.wire.presets import PRESETS
from daemon.config import ProviderConfig
from daemon.key_names import EVENT_SECRETS, is_key_variable, needs_key, variables_of


def provider(preset: str, base_url: str | None = None) -> ProviderConfig:
    default = PRESETS[preset].base_url
    data = {"kind": "compatible", "preset": preset, "base_url": base_url or default}
    return msgspec.convert(data, ProviderConfig)


@pytest.mark.parametrize("preset", ["groq", "mistral", "gemini", "huggingface"])
def test_a_presets_own_server_wants_a_key(preset: str) -> None:
    assert needs_key(provider(preset))


@pytest.mark.parametrize("preset", ["ollama", "vllm", "llamacpp"])
def test_a_server_of_ones_own_does_not(preset: str) -> None:
    assert not needs_key(provider(preset))


def test_what_stands_in_its_place_does_not() -> None:
    assert not needs_key(provider("groq", "https://proxy.example.com/v1"))


@pytest.mark.parametrize(
    ("url", "needed"),
    [("https://res.openai.azure.com", True), ("http://127.0.0.1:1", False)],
)
def test_azure_wants_a_key_except_on_this_machine(url: str, needed: bool) -> None:
    assert needs_key(provider("azure", url)) is needed


@pytest.mark.parametrize(
    ("kind", "needed"),
    [("openai", True), ("xai", True), ("anthropic", True), ("compatible", False)],
)
def test_kinds_without_a_preset(kind: str, needed: bool) -> None:
    assert needs_key(msgspec.convert({"kind": kind}, ProviderConfig)) is needed


@pytest.mark.parametrize(
    ("name", "server", "variables"),
    [
        ("openai", "openai", ("OPENAI_API_KEY",)),
        ("my-box", "compatible", ("MY_BOX_API_KEY",)),
        ("groq", "groq", ("GROQ_API_KEY",)),
        ("fast.one", "groq", ("FAST_ONE_API_KEY", "GROQ_API_KEY")),
        ("g", "gemini", ("G_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")),
    ],
)
def test_the_own_variable_comes_before_the_usual_ones(
    name: str, server: str, variables: tuple[str, ...]
) -> None:
    assert variables_of(name, server) == variables


def test_every_usual_variable_may_stand_in_a_dotenv_file() -> None:
    names = [name for p in PRESETS.values() for name in p.key_variables]

    assert all(map(is_key_variable, (*names, *EVENT_SECRETS)))
    assert not is_key_variable("GROQ_MODEL")
