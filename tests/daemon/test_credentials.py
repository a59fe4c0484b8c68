"""Where keys are found, in which order, and that they stay out of sight."""

import pickle
import tomllib
from pathlib import Path

import msgspec
import pytest

from daemon.config import Settings
from daemon.config_load import settings_from
from daemon.credentials import (
    KeyFinder,
    Resolved,
    Secret,
    is_key,
    resolve,
)
from daemon.exits import ConfigError


def settings(text: str = "") -> Settings:
    return settings_from(tomllib.loads(text), environ={})


def found(text: str, environ: dict[str, str], cwd: Path) -> Resolved:
    return resolve(settings(text), environ=environ, cwd=cwd)


def source_of(name: str, environ: dict[str, str], cwd: Path) -> tuple[str, str | None]:
    provider = settings().config.providers[name]
    credential = KeyFinder(environ, cwd).find(name, provider)
    value = credential.secret.reveal() if credential.secret else ""
    return value, credential.source


def every_tier(folder: Path) -> dict[str, str]:
    """A machine that has the key everywhere, each with a value of its own."""
    folder.joinpath(".env").write_text("OPENAI_API_KEY=from-dotenv\n")
    folder.joinpath(".env").chmod(0o600)
    credentials = folder / "credentials"
    credentials.mkdir()
    for name in ("keys_openai", "openai"):
        (credentials / name).write_text(f"from-{name}\n")
    return {
        "OPENAI_API_KEY": "from-environment",
        "CREDENTIALS_DIRECTORY": str(credentials),
        "GITHUB_OPENAI_API_KEY": "from-ci",
    }


def test_the_tiers_in_their_order(tmp_path: Path) -> None:
    environ = every_tier(tmp_path)
    seen = [source_of("openai", environ, tmp_path)]
    del environ["OPENAI_API_KEY"]
    seen.append(source_of("openai", environ, tmp_path))
    (tmp_path / ".env").unlink()
    seen.append(source_of("openai", environ, tmp_path))
    (tmp_path / "credentials/keys_openai").unlink()
    seen.append(source_of("openai", environ, tmp_path))
    (tmp_path / "credentials/openai").unlink()
    seen.append(source_of("openai", environ, tmp_path))
    del environ["GITHUB_OPENAI_API_KEY"]
    seen.append(source_of("openai", environ, tmp_path))

    assert seen == [
        ("from-environment", "environment OPENAI_API_KEY"),
        ("from-dotenv", ".env OPENAI_API_KEY"),
        ("from-keys_openai", "systemd credential keys_openai"),
        ("from-openai", "systemd credential openai"),
        ("from-ci", "CI secret GITHUB_OPENAI_API_KEY"),
        ("", None),
    ]


def test_the_providers_own_file_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("from-file\n")
    path.chmod(0o600)
    text = f'[providers.openai]\napi_key_file = "{path}"'
    result = found(text, every_tier(tmp_path), tmp_path)

    assert result.secrets() == ["from-file"]
    assert result.credentials["openai"].source == f"file {path}"
    assert result.warnings == ()


def test_systemd_credentials_by_name_then_by_kind(tmp_path: Path) -> None:
    (tmp_path / "keys_xai").write_text("by-kind")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert source_of("grok", environ, tmp_path)[0] == "by-kind"

    (tmp_path / "grok").write_text("by-name")
    assert source_of("grok", environ, tmp_path)[0] == "by-name"


@pytest.mark.parametrize(
    ("environ", "value"),
    [
        ({"XAI_API_KEY": "x", "GROK_API_KEY": "g"}, "x"),
        ({"GROK_API_KEY": "g"}, "g"),
        ({"GITHUB_GROK_API_KEY": "c"}, "c"),
        ({"XAI_API_KEY": "  ", "GROK_API_KEY": "g"}, "g"),
    ],
)
def test_xai_keys_have_two_names(
    environ: dict[str, str], value: str, tmp_path: Path
) -> None:
    assert source_of("grok", environ, tmp_path)[0] == value


def test_built_in_providers_are_on_by_their_keys(tmp_path: Path) -> None:
    result = found("", {"ANTHROPIC_API_KEY": "a", "XAI_API_KEY": "x"}, tmp_path)
    config = result.settings.config

    assert list(config.enabled_providers) == ["grok", "claude"]
    assert config.routing.tasks["documentation"].providers == ("claude",)
    assert config.provider_aliases == {}


def test_without_any_key_the_sentence_names_variables_and_simulate(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError) as caught:
        found("", {}, tmp_path)
    text = str(caught.value)

    assert caught.value.exit_code == 78
    for word in (
        "OPENAI_API_KEY",
        "XAI_API_KEY or GROK_API_KEY",
        "ANTHROPIC_API_KEY",
        "--simulate",
    ):
        assert word in text


def test_simulation_needs_no_keys_and_reads_none(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "real-key"}
    result = resolve(settings(), environ=environ, cwd=tmp_path, simulate=True)

    assert list(result.credentials) == ["openai", "grok", "claude"]
    assert result.secrets() == []


def test_a_configured_provider_without_key_is_left_out_and_said(tmp_path: Path) -> None:
    text = "[providers.openai]\n[providers.grok]"
    result = found(text, {"OPENAI_API_KEY": "k"}, tmp_path)

    assert list(result.settings.config.enabled_providers) == ["openai"]
    assert result.settings.config.providers["grok"].enabled is False
    assert result.warnings == (
        "provider grok is left out: no key found (set XAI_API_KEY or GROK_API_KEY)",
    )


def test_compatible_providers_need_no_key(tmp_path: Path) -> None:
    text = """
    [providers.my-box]
    kind = "compatible"
    base_url = "http://127.0.0.1:1/v1"
    model = "m"
    """
    assert found(text, {}, tmp_path).credentials["my-box"].secret is None

    result = found(text, {"MY_BOX_API_KEY": "k"}, tmp_path)
    assert result.credentials["my-box"].source == "environment MY_BOX_API_KEY"


@pytest.mark.parametrize("content", ["", "two words", "line\nline", "ü"])
def test_a_key_file_without_a_key_is_an_error(content: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(ConfigError, match="wanted a file with one key"):
        found(f'[providers.openai]\napi_key_file = "{path}"', {}, tmp_path)


def test_a_missing_key_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    text = '[providers.openai]\napi_key_file = "/nonexistent/key"'
    with pytest.raises(
        ConfigError, match=r"openai\.api_key_file: got /nonexistent/key"
    ):
        found(text, {}, tmp_path)


def test_a_key_file_that_everybody_can_read_is_warned_about(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("k")
    path.chmod(0o644)
    result = found(f'[providers.openai]\napi_key_file = "{path}"', {}, tmp_path)

    assert result.warnings == (f"{path} can be read by every user: chmod 600 {path}",)


def test_a_dotenv_file_with_a_token_that_everybody_can_read_is_warned_about(
    tmp_path: Path,
) -> None:
    path, key = tmp_path / ".env", tmp_path / "key"
    for file, text in ((path, "GITHUB_TOKEN=t\n"), (key, "k")):
        file.write_text(text)
    path.chmod(0o644)
    key.chmod(0o600)
    own = f'[providers.openai]\napi_key_file = "{key}"\n[providers.grok]\n'
    result = found(own, {}, tmp_path)

    warning = f"{path} can be read by every user: chmod 600 {path}"
    assert warning in result.warnings


def test_dotenv_gives_keys_only_and_says_what_it_skips(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("OPENAI_API_KEY='k'\nSMARTROUTER_STRATEGY=cost\nnonsense\n")
    path.chmod(0o600)
    result = found("", {}, tmp_path)

    assert result.secrets() == ["k"]
    assert result.warnings == (f"{path} line 3 is left out: not NAME=value",)


def test_a_dotenv_that_cannot_be_read_is_no_disaster(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff")
    result = found("", {"OPENAI_API_KEY": "k"}, tmp_path)

    assert result.secrets() == ["k"]
    assert ".env is left out" in result.warnings[0]


def test_a_key_that_is_no_word_is_passed_over(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "two words", "GITHUB_OPENAI_API_KEY": "good"}
    result = found("", environ, tmp_path)

    assert result.secrets() == ["good"]
    assert "environment OPENAI_API_KEY is not usable" in result.warnings[0]
    assert "two words" not in result.warnings[0]


@pytest.mark.parametrize("text", ["", "a b", "a\tb", "a\n", "ä"])
def test_what_no_header_can_carry_is_no_key(text: str) -> None:
    assert not is_key(text)


def test_a_key_that_cannot_be_used_is_said_when_there_is_no_other(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError) as refused:
        found("", {"OPENAI_API_KEY": "two words"}, tmp_path)

    said = str(refused.value)
    assert "the key in environment OPENAI_API_KEY is not usable: not one word" in said
    assert "two words" not in said


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("sk-real")

    assert secret.reveal() == "sk-real"
    assert f"{secret} {secret!r} {secret!s} {[secret]} {secret:>20}".count("real") == 0


def test_a_secret_cannot_be_serialised_by_accident() -> None:
    secret = Secret("sk-real")
    with pytest.raises(TypeError):
        msgspec.json.encode({"key": secret})
    with pytest.raises(TypeError):
        msgspec.msgpack.encode(secret)
    with pytest.raises(TypeError, match="not to be serialised"):
        pickle.dumps(secret)


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
