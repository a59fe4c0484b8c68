"""What a requested name means."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.errors import FailureClass, InvalidRequest, UnknownModel
from actors.messages.provider import (
    Failure,
    ModelSnapshot,
    ProbeResult,
    ProviderSnapshot,
)
from actors.messages.routing import Alias, Target, TaskRule
from actors.policy.naming import (
    Resolution,
    candidates,
    canonical_provider,
    canonical_strategy,
    resolve,
)
from actors.policy.pricing import Price, PriceBook


def provider(
    name: str, default: str, *more: str, served: tuple[str, ...] = ()
) -> ProviderSnapshot:
    return ProviderSnapshot(
        provider=name,
        kind="compatible",
        version=1,
        default_model=default,
        models=tuple(
            ModelSnapshot(provider=name, model=model, calls=7)
            for model in (default, *more)
        ),
        served=served,
    )


SNAPSHOTS = (
    provider("openai", "gpt-4o", "gpt-4o-mini", served=("o3",)),
    provider("grok", "grok-3-mini"),
    provider("claude", "sonnet"),
    provider("groq", "llama", served=("openai/gpt-oss-120b", "o3")),
)
ALIASES = {
    "fast": Alias(candidates=("grok/grok-3-mini", "openai/gpt-4o-mini")),
    "review": Alias(
        candidates=("claude", "chatgpt/gpt-4o", "gone/model", "o3", "claude"),
        strategy="priority",
        max_tokens=99,
    ),
    "lost": Alias(candidates=("gone", "gone/model")),
    "gpt-4o": Alias(candidates=("claude",)),
}
OPENAI, GROK = Target("openai", "gpt-4o"), Target("grok", "grok-3-mini")
CLAUDE, GROQ = Target("claude", "sonnet"), Target("groq", "llama")


def look_up(
    model: str | None,
    forced: str | None = None,
    rule: TaskRule | None = None,
) -> Resolution:
    return resolve(model, forced, SNAPSHOTS, ALIASES, rule)


# Forms


@pytest.mark.parametrize("model", [None, "", "auto"])
def test_auto_is_every_provider_with_its_default_model(model: str | None) -> None:
    assert look_up(model) == Resolution(targets=(OPENAI, GROK, CLAUDE, GROQ))


@pytest.mark.parametrize(
    ("model", "strategy"),
    [
        ("auto:cost", "cost"),
        ("auto:performance", "performance"),
        ("auto:availability", "availability"),
        ("auto:hybrid", "hybrid"),
        ("auto:round_robin", "round_robin"),
        ("auto:cost_optimized", "cost"),
    ],
)
def test_auto_may_name_a_strategy(model: str, strategy: str) -> None:
    found = look_up(model)

    assert found.strategy == strategy
    assert len(found.targets) == 4
    assert not found.named


@pytest.mark.parametrize("model", ["auto:cheapest", "auto:"])
def test_an_unheard_of_strategy_is_refused_with_the_known_ones(model: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        look_up(model)

    assert caught.value.field == "model"
    assert caught.value.got == model
    assert "auto:cost|performance|" in (caught.value.wanted or "")


@pytest.mark.parametrize("model", ["consensus", "consensus:majority"])
def test_a_consensus_within_another_request_is_refused(model: str) -> None:
    with pytest.raises(InvalidRequest, match="asked for by itself"):
        look_up(model)


# Aliases


def test_an_alias_is_its_candidates() -> None:
    found = look_up("fast")

    assert found.targets == (GROK, Target("openai", "gpt-4o-mini"))
    assert found.alias is ALIASES["fast"]
    assert found.named
    assert not found.forced


def test_an_alias_may_name_providers_models_and_served_names_in_order() -> None:
    found = look_up("review")

    assert found.targets == (
        CLAUDE,
        OPENAI,
        Target("openai", "o3"),
        Target("groq", "o3"),
    )
    assert (found.strategy, found.max_tokens) == ("priority", 99)


def test_an_alias_goes_before_a_served_name() -> None:
    assert look_up("gpt-4o").targets == (CLAUDE,)


def test_an_alias_nobody_can_answer_is_unknown_and_named() -> None:
    with pytest.raises(UnknownModel, match=r"'lost'.*gone/model"):
        look_up("lost")


# A provider's own model


def test_a_providers_own_model_is_that_provider_only() -> None:
    assert look_up("openai/gpt-4o-mini") == Resolution(
        targets=(Target("openai", "gpt-4o-mini"),), forced=True, named=True
    )


def test_a_provider_may_serve_more_than_it_lists() -> None:
    assert look_up("claude/haiku").targets == (Target("claude", "haiku"),)


def test_chatgpt_is_openai() -> None:
    assert look_up("chatgpt/o3").targets == (Target("openai", "o3"),)
    assert look_up("auto", "ChatGPT").targets == (OPENAI,)
    assert canonical_provider("chatgpt", ["claude"]) is None


def test_a_provider_that_is_called_chatgpt_keeps_its_name() -> None:
    assert canonical_provider("chatgpt", ["openai", "chatgpt"]) == "chatgpt"


# Served names


def test_a_served_name_is_everyone_who_serves_it() -> None:
    assert look_up("o3").targets == (Target("openai", "o3"), Target("groq", "o3"))
    assert look_up("llama").targets == (GROQ,)
    assert look_up("gpt-4o-mini").targets == (Target("openai", "gpt-4o-mini"),)


@pytest.mark.parametrize("model", ["gpt-99", "nobody/gpt-4o", "openai/", "/", "AUTO"])
def test_an_unknown_model_is_named(model: str) -> None:
    with pytest.raises(UnknownModel, match=repr(model)):
        look_up(model)


def test_a_provider_in_place_of_a_model_is_told_from_one() -> None:
    with pytest.raises(UnknownModel, match=r"claude is a provider.*claude/<model>"):
        look_up("claude")


# A forced provider


def test_the_model_of_a_provider_that_is_not_known_yet_is_empty() -> None:
    new = ProviderSnapshot(
        provider="new", kind="ollama", version=1, default_model=None, models=()
    )
    aliases = {"mine": Alias(candidates=("new",))}
    for model, forced in ((None, None), (None, "new"), ("mine", None)):
        found = resolve(model, forced, (new,), aliases)

        assert found.targets == (Target("new", ""),)
        assert [m.model for m in candidates(found, (new,))] == [""]


def test_a_forced_provider_answers_with_its_default_model() -> None:
    found = look_up(None, "claude")

    assert found.targets == (CLAUDE,)
    assert found.forced
    assert look_up("auto:cost", "claude").strategy == "cost"


@pytest.mark.parametrize("model", ["gpt-4o-mini", "openai/gpt-4o-mini", "fast"])
def test_a_forced_provider_may_come_with_a_model(model: str) -> None:
    found = look_up(model, "openai")

    assert found.targets == (Target("openai", "gpt-4o-mini"),)
    assert found.forced


def test_a_forced_provider_is_asked_for_names_it_does_not_list() -> None:
    assert look_up("haiku", "claude").targets == (Target("claude", "haiku"),)


def test_a_slash_may_be_part_of_a_served_name() -> None:
    name = "openai/gpt-oss-120b"

    assert look_up(name, "groq").targets == (Target("groq", name),)
    assert look_up(name).targets == (Target("openai", "gpt-oss-120b"),)


def test_a_model_of_another_provider_contradicts() -> None:
    with pytest.raises(InvalidRequest) as caught:
        look_up("openai/gpt-4o", "claude")

    assert caught.value.field == "model"


def test_an_alias_without_the_forced_provider_is_unknown_there() -> None:
    with pytest.raises(UnknownModel, match="at claude"):
        look_up("fast", "claude")


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest) as caught:
        look_up(None, "gemini")

    assert caught.value.field == "provider"
    assert caught.value.got == "gemini"
    assert caught.value.wanted == "one of openai, grok, claude, groq"


# Task rules

RULE = TaskRule(providers=("claude", "grok", "gone"), strategy="cost", max_tokens=50)


def test_a_rule_says_who_is_asked_first_and_keeps_the_rest_behind() -> None:
    found = look_up(None, rule=RULE)

    assert found.targets == (CLAUDE, GROK)
    assert found.others == (OPENAI, GROQ)
    assert (found.strategy, found.max_tokens) == ("cost", 50)


def test_what_the_name_says_goes_before_the_rule() -> None:
    found = look_up("review", rule=RULE)

    assert (found.strategy, found.max_tokens) == ("priority", 99)
    assert found.targets == (CLAUDE,)
    assert found.others == (OPENAI, Target("openai", "o3"), Target("groq", "o3"))


def test_a_rule_none_of_whose_providers_serves_the_name_changes_nobody() -> None:
    found = look_up("o3", rule=RULE)

    assert found.targets == (Target("openai", "o3"), Target("groq", "o3"))
    assert found.others == ()


def test_a_rule_does_not_move_a_forced_request() -> None:
    assert look_up("openai/o3", rule=RULE).targets == (Target("openai", "o3"),)
    forced = look_up(None, "openai", RULE)
    assert (forced.targets, forced.others) == ((OPENAI,), ())
    assert (forced.strategy, forced.max_tokens) == ("cost", 50)


def test_a_rule_may_name_the_model_for_auto() -> None:
    rule = TaskRule(model="fast", providers=("chatgpt",))

    found = look_up("auto:cost", rule=rule)

    assert found.targets == (Target("openai", "gpt-4o-mini"),)
    assert found.others == (GROK,)
    assert found.strategy == "cost"
    assert not found.named
    assert look_up("llama", rule=rule).targets == (GROQ,)


# Snapshots of what was found


def test_candidates_are_their_snapshots_in_order() -> None:
    found = candidates(look_up(None, rule=RULE), SNAPSHOTS)

    assert [model.provider for model in found] == ["claude", "grok", "openai", "groq"]
    assert all(model.calls == 7 for model in found)


def test_a_model_not_called_yet_starts_fresh() -> None:
    found = candidates(look_up("claude/haiku"), SNAPSHOTS)

    assert found == [ModelSnapshot(provider="claude", model="haiku")]


# Spellings


@pytest.mark.parametrize(
    ("word", "strategy"),
    [
        ("COST_OPTIMIZED", "cost"),
        ("round-robin", "round_robin"),
        (" hybrid ", "hybrid"),
        ("priority", "priority"),
        ("cheapest", None),
    ],
)
def test_spellings_of_strategies(word: str, strategy: str | None) -> None:
    assert canonical_strategy(word) == strategy


@pytest.mark.parametrize(
    ("healthy", "failure", "expected"),
    [
        (None, None, (None, False)),
        (True, None, (True, False)),
        (False, "connect", (False, False)),
        (False, "auth", (False, True)),
    ],
)
def test_of_a_model_never_called_its_providers_health_is_known(
    healthy: bool | None, failure: FailureClass | None, expected: tuple[bool, bool]
) -> None:
    probe = ProbeResult(
        provider="claude",
        healthy=bool(healthy),
        at=0.0,
        latency_s=None,
        probe="models",
        failure=None
        if failure is None
        else Failure(failure=failure, message="no", owner="provider"),
    )
    snapshots = [replace(each, healthy=healthy, last_probe=probe) for each in SNAPSHOTS]

    (model,) = candidates(look_up("claude/never-called"), snapshots)

    assert (model.healthy, model.auth_refused) == expected


def test_a_model_that_was_not_called_yet_has_its_price_all_the_same() -> None:
    price = Price(input=Decimal(2), output=Decimal(8), cached_input=Decimal(1))
    book = PriceBook(overrides={"claude/never-called": price})

    (model,) = candidates(look_up("claude/never-called"), SNAPSHOTS, book.lookup)

    assert (model.input_price, model.output_price) == (price.input, price.output)
    assert (model.cached_input_price, model.price_source) == (Decimal(1), "config")
