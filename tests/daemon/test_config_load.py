"""The whole way from a TOML file to settings."""

import tomllib
from pathlib import Path

import pytest

from actors.messages.routing import Alias, TaskRule, Weights
from daemon.config import ServeOptions, Settings
from daemon.config_load import KIND_DEFAULTS, load_settings, settings_from
from daemon.exits import ConfigError

NOWHERE = {"HOME": "/nonexistent"}


def load(text: str = "", environ: dict[str, str] | None = None) -> Settings:
    return settings_from(tomllib.loads(text), environ=environ or {})


def refusal(text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text, environ)
    assert caught.value.exit_code == 78
    return str(caught.value)


def test_without_a_file_the_seeds_three_providers_have_their_defaults() -> None:
    config = load_settings(environ=NOWHERE).config
    openai, grok, claude = (config.providers[n] for n in ("openai", "grok", "claude"))

    assert (openai.kind, openai.model, openai.temperature) == ("openai", "gpt-4o", 0.3)
    assert (grok.kind, grok.model, grok.temperature) == ("xai", "grok-3-mini", 0.4)
    assert grok.reasoning_effort == "high"
    assert (claude.kind, claude.model) == ("anthropic", "claude-sonnet-5-5")
    assert {p.max_tokens for p in config.providers.values()} == {4000}


def test_without_a_file_every_section_has_the_documented_defaults() -> None:
    config = load().config

    assert config.server.mode == 0o660
    assert config.server.listen_address is None
    assert config.routing.weights.cost == 0.4
    assert config.routing.max_attempts == 4
    assert config.routing.deadline_s == 600
    assert config.health.interval_s == 60
    assert config.retry.same_first == "auto"
    assert (config.breaker.open_s, config.breaker.open_max_s) == (5, 15)
    assert config.log.level == "info"


def test_automatic_says_that_keys_decide_which_providers_are_on() -> None:
    assert load().automatic is True
    assert load("[providers.openai]").automatic is False


def test_only_listed_providers_are_on() -> None:
    assert list(load("[providers.grok]").config.providers) == ["grok"]


def test_a_file_is_read_from_its_flag(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[routing]\nstrategy = "cost"\n')
    loaded = load_settings(ServeOptions(config=str(path)), environ=NOWHERE)

    assert loaded.config.routing.strategy == "cost"
    assert loaded.path == str(path)
    assert loaded.origins["routing.strategy"] == "file"


def test_a_file_that_is_no_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[routing\n")
    with pytest.raises(ConfigError, match=r"bad\.toml is no TOML: .*line 1"):
        load_settings(ServeOptions(config=str(path)), environ=NOWHERE)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_settings(ServeOptions(config=str(path)), environ=NOWHERE)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load_settings(ServeOptions(config=str(tmp_path)), environ=NOWHERE)


def test_a_named_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=r"\(--config\)"):
        load_settings(ServeOptions(config=missing), environ=NOWHERE)
    with pytest.raises(ConfigError, match=r"\(\$GITBRIDGE_CONFIG\)"):
        load_settings(environ={"GITBRIDGE_CONFIG": missing})


def test_flags_win_and_are_remembered() -> None:
    data = tomllib.loads('[server]\nlisten = "127.0.0.1:1"\n')
    flags = ServeOptions(listen="127.0.0.1:2", socket="/s")
    loaded = settings_from(data, flags=flags, environ={})

    assert loaded.config.server.listen_address == ("127.0.0.1", 2)
    assert loaded.config.server.socket == "/s"
    assert loaded.origins["server.listen"] == "flag --listen"


def test_the_environment_wins_over_the_file() -> None:
    loaded = load('[routing]\nstrategy="cost"', {"SMARTROUTER_STRATEGY": "hybrid"})

    assert loaded.config.routing.strategy == "hybrid"
    assert loaded.origins["routing.strategy"] == "environment SMARTROUTER_STRATEGY"


def test_every_mistake_is_reported_at_once() -> None:
    text = """
    [server]
    lisen = "x"
    drain_s = -1
    [routing]
    strategy = "cheap"
    [log]
    prompts = true
    [cache]
    enabled = "yes"
    [providers.grok]
    kind = "xay"
    timeouts = { idle_s = "60" }
    """
    found = refusal(text)

    assert "has 7 mistakes" in found
    assert 'cache.enabled: got "yes", wanted true or false (file)' in found
    assert "log.prompts: got true, is not supported yet" in found
    assert 'server.lisen: got "x", unknown key; did you mean listen?' in found
    assert "server.drain_s: got -1, wanted a number of at least 0 (file)" in found
    assert 'routing.strategy: got "cheap", wanted one of' in found
    assert 'providers.grok.kind: got "xay", wanted one of' in found
    assert 'providers.grok.timeouts.idle_s: got "60", wanted a number above 0' in found


def test_a_key_in_the_file_is_refused_without_being_shown() -> None:
    found = refusal('[providers.openai]\napi_key = "sk-very-secret-1234567890"')

    assert "sk-very" not in found
    assert "use api_key_file, the environment or a credential" in found


@pytest.mark.parametrize(
    "spelling", ["cost", "cost_optimized", "COST_OPTIMIZED", "cost-optimized"]
)
def test_the_seeds_spellings_of_a_strategy_are_accepted(spelling: str) -> None:
    text = f'[routing]\nstrategy = "{spelling}"'
    assert load(text).config.routing.strategy == "cost"
    assert load(environ={"SMARTROUTER_STRATEGY": spelling}).config.routing.strategy == (
        "cost"
    )


def test_weights_are_normalised() -> None:
    text = "[routing]\nweights = { cost = 2, performance = 1, availability = 1 }"
    weights = load(text).config.routing.weights

    assert isinstance(weights, Weights)
    assert (weights.cost, weights.performance, weights.availability) == (
        0.5,
        0.25,
        0.25,
    )


def test_all_weights_zero_is_an_error() -> None:
    text = "[routing]\nweights = { cost = 0, performance = 0, availability = 0 }"
    assert "routing.weights: got all zero" in refusal(text)


def test_default_task_rules_are_the_seeds() -> None:
    tasks = load().config.routing.tasks

    assert tasks["code_review"].providers == ("claude", "grok")
    assert tasks["documentation"].providers == ("openai", "claude")
    assert isinstance(tasks["code_review"], TaskRule)


def test_default_task_rules_leave_out_who_is_not_there() -> None:
    tasks = load("[providers.grok]").config.routing.tasks

    assert {n: t.providers for n, t in tasks.items()} == {"code_review": ("grok",)}


def test_a_task_rule_of_the_file_replaces_the_default_one() -> None:
    text = '[routing.tasks.code_review]\nproviders = ["chatgpt"]\nmax_tokens = 5'
    tasks = load(text).config.routing.tasks

    assert tasks["code_review"].providers == ("openai",)
    assert tasks["code_review"].max_tokens == 5
    assert tasks["documentation"].providers == ("openai", "claude")


def test_an_empty_task_rule_drops_the_default_one() -> None:
    assert (
        load("[routing.tasks.code_review]")
        .config.routing.tasks["code_review"]
        .providers
        == ()
    )


def test_an_alias_is_a_list_or_a_table() -> None:
    text = """
    [models]
    fast = ["grok/grok-3-mini", "chatgpt"]
    [models.review]
    candidates = ["claude"]
    strategy = "priority"
    stream_mode = "buffered"
    """
    models = load(text).config.models

    assert models["fast"].candidates == ("grok/grok-3-mini", "chatgpt")
    assert models["review"].strategy == "priority"
    assert isinstance(models["review"], Alias)


def test_a_compatible_provider_wants_address_and_model() -> None:
    found = refusal('[providers.x]\nkind = "compatible"')

    assert "providers.x.base_url: is missing for this kind" in found
    assert "providers.x.model: is missing for this kind" in found


def test_a_compatible_provider_has_no_defaults_of_ours() -> None:
    text = """
    [providers.local]
    kind = "compatible"
    base_url = "http://127.0.0.1:11434/v1/"
    models = ["a", "b", "a"]
    """
    local = load(text).config.providers["local"]

    assert local.base_url == "http://127.0.0.1:11434/v1"
    assert (local.model, local.models) == ("a", ("a", "b"))
    assert (local.temperature, local.max_tokens) == (None, None)


def test_the_default_model_is_first_of_the_served_ones() -> None:
    text = '[providers.openai]\nmodel = "b"\nmodels = ["a", "b"]'
    assert load(text).config.providers["openai"].models == ("b", "a")


def test_a_small_context_window_lowers_the_default_of_max_tokens() -> None:
    text = "[providers.openai]\ncontext_window = 100"
    assert load(text).config.providers["openai"].max_tokens == 100


def test_a_key_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "gitbridge.toml"
    path.write_text('[providers.openai]\napi_key_file = "keys/openai"\n')
    loaded = load_settings(ServeOptions(config=str(path)), environ=NOWHERE)

    assert loaded.config.providers["openai"].api_key_file == str(
        tmp_path / "keys/openai"
    )


def test_a_listener_that_refuses_everybody_is_warned_about() -> None:
    text = '[server]\nlisten = "127.0.0.1:4180"\n'
    assert "every request over TCP will be refused" in load(text).warnings[0]
    assert load(text + "[access]\nopen_loopback = true").warnings == ()


def test_kinds_have_defaults_for_every_kind() -> None:
    assert set(KIND_DEFAULTS) == {"openai", "xai", "anthropic", "compatible"}


def test_price_is_exact_decimal_money() -> None:
    text = "[providers.openai]\nprice = { input = 0.15, output = 1 }"
    price = load(text).config.providers["openai"].price

    assert price is not None
    assert (str(price.input), str(price.output)) == ("0.15", "1")


@pytest.mark.parametrize(
    ("name", "other"), [("openai", "chatgpt"), ("chatgpt", "openai")]
)
def test_chatgpt_and_openai_are_two_names_of_one_provider(
    name: str, other: str
) -> None:
    text = f"""
[providers.{name}]
[models]
fast = ["{other}/gpt-4o-mini"]
[routing.tasks.review]
providers = ["{other}"]
"""
    config = settings_from(
        tomllib.loads(text), environ={"OPENAI_MODEL": "gpt-x"}
    ).config

    assert config.providers[name].kind == "openai"
    assert config.providers[name].model == "gpt-x"
    assert config.provider_aliases == {other: name}
    assert config.routing.tasks["review"].providers == (name,)
    assert config.routing.tasks["documentation"].providers == (name,)
