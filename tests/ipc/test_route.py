"""The params of ``route`` become one request, or an error that names the param."""

from decimal import Decimal

import msgspec
import pytest

from actors.errors import InvalidRequest
from actors.messages.chat import ChatRequest, Message
from actors.messages.consensus import ConsensusAsk
from actors.messages.routing import RouteRequest
from ipc.fields import MAX_NAME
from ipc.route import (
    STRATEGIES,
    ConsensusParams,
    RouteParams,
    parse_budget,
    parse_deadline,
    parse_strategy,
    parse_stream_mode,
    route_request,
)


def routed(**params: object) -> RouteRequest:
    read = msgspec.convert(params, RouteParams)
    return route_request(read, request_id="r1", user="ann", door="json")


def refused(field: str, **params: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        routed(**params)
    assert caught.value.field == field
    return caught.value


def test_a_prompt_is_a_request() -> None:
    assert routed(prompt="hi") == RouteRequest(
        request_id="r1",
        chat=ChatRequest(messages=(Message("user", "hi"),)),
        user="ann",
        door="json",
    )


def test_every_param_arrives() -> None:
    request = routed(
        messages=[{"role": "user", "content": "hi"}],
        system="be brief",
        task_type="code_review",
        strategy="cost_optimized",
        provider="claude",
        model="auto",
        max_tokens=5,
        temperature=0,
        top_p=1,
        stop="x",
        seed=1,
        reasoning_effort="low",
        stream=True,
        stream_mode="buffered",
        deadline_s=2,
        budget_usd=0.1,
        priority="low",
        metadata={"a": [1]},
    )

    assert request == RouteRequest(
        request_id="r1",
        chat=ChatRequest(
            messages=(Message("system", "be brief"), Message("user", "hi")),
            max_tokens=5,
            temperature=0.0,
            top_p=1.0,
            stop=("x",),
            seed=1,
            reasoning_effort="low",
        ),
        model="auto",
        provider="claude",
        strategy="cost",
        task_type="code_review",
        stream=True,
        stream_mode="buffered",
        deadline_s=2.0,
        budget_usd=Decimal("0.1"),
        priority="low",
        metadata={"a": [1]},
        user="ann",
        door="json",
    )


def test_there_is_a_prompt_or_messages_but_not_both() -> None:
    refused("prompt")
    refused("prompt", prompt="")
    refused("messages", prompt="x", messages=[{"role": "user", "content": "y"}])
    refused("messages", messages=[])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hedge", 0.1),
    ],
)
def test_what_does_not_exist_yet_is_refused_as_such(field: str, value: object) -> None:
    assert "not supported yet" in refused(field, prompt="x", **{field: value}).message


@pytest.mark.parametrize(
    ("said", "use"),
    [
        (None, None),
        (True, "on"),
        (False, "off"),
        ("on", "on"),
        ("off", "off"),
        ("refresh", "refresh"),
    ],
)
def test_what_is_wanted_of_the_cache(said: object, use: str | None) -> None:
    assert routed(prompt="x", cache=said).cache == use


def test_a_request_has_a_name_that_its_repeats_share() -> None:
    assert routed(prompt="x", idempotency_key="k").idempotency_key == "k"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", ""),
        ("provider", ""),
        ("task_type", ""),
        ("strategy", "cheapest"),
        ("priority", "urgent"),
        ("priority", "High"),
        ("stream_mode", "slow"),
        ("cache", "yes"),
        ("cache", 1),
        ("idempotency_key", ""),
        ("idempotency_key", "k" * 201),
        ("idempotency_key", 7),
        ("deadline_s", 0),
        ("deadline_s", "soon"),
        ("budget_usd", -1),
        ("metadata", "x"),
        ("metadata", {"a": b"x"}),
        ("max_tokens", "many"),
        ("tools", [{}]),
    ],
)
def test_a_wrong_param_is_named(field: str, value: object) -> None:
    error = refused(
        "tools[0].type" if field == "tools" else field,
        prompt="x",
        **{field: value},
    )
    assert error.got
    assert error.wanted


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_seeds_spellings_of_strategies_are_understood(strategy: str) -> None:
    spellings = (strategy, f"{strategy}_optimized", strategy.upper().replace("_", "-"))

    assert {parse_strategy(spelling) for spelling in spellings} == {strategy}


def test_a_strategy_is_text() -> None:
    with pytest.raises(InvalidRequest, match="one of cost"):
        parse_strategy(3)


def test_stream_modes() -> None:
    assert parse_stream_mode(None) is None
    assert parse_stream_mode("passthrough") == "passthrough"


def test_deadlines_are_seconds() -> None:
    assert parse_deadline(None) is None
    assert parse_deadline(1.5) == 1.5


@pytest.mark.parametrize("field", ["model", "provider", "task_type"])
def test_a_name_is_short_for_everybody_reads_it_in_the_ledger(field: str) -> None:
    assert routed(prompt="x", **{field: "n" * MAX_NAME}) is not None
    error = refused(field, prompt="x", **{field: "n" * (MAX_NAME + 1)})

    assert error.wanted == "at most 200 characters"
    assert error.got is not None
    assert error.got.endswith("(201 characters)")


def test_budgets_are_exact() -> None:
    assert parse_budget(None) is None
    assert parse_budget(0.1) == Decimal("0.1")
    assert parse_budget("0.000000000001") == Decimal("1e-12")
    assert parse_budget("0e-99999999") == parse_budget(0) == 0
    assert parse_budget(1e12) == Decimal(10) ** 12


@pytest.mark.parametrize(
    "value",
    ["x", "NaN", "Infinity", "-1", True, [], "1,5", "1e-99999999", "1e999999999", 1e13],
)
def test_a_wrong_budget_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest):
        parse_budget(value)


def consented(**params: object) -> RouteRequest:
    read = msgspec.convert({"prompt": "x", **params}, ConsensusParams)
    return route_request(read, request_id="r1", user="ann", door="json")


@pytest.mark.parametrize(
    ("model", "ask"),
    [
        ("consensus", ConsensusAsk()),
        ("consensus:quorum", ConsensusAsk(method="quorum")),
        ("auto", None),
        ("consensus-model-1", None),
        (None, None),
    ],
)
def test_a_consensus_can_be_asked_for_as_a_model(
    model: str | None, ask: ConsensusAsk | None
) -> None:
    assert routed(prompt="x", model=model).consensus == ask


def test_every_param_of_a_consensus_arrives() -> None:
    request = consented(
        method="judge",
        members=["a", "b/c"],
        quorum=2,
        judge="d",
        replace=True,
        task_type="t",
    )

    assert request.consensus == ConsensusAsk(
        method="judge", members=("a", "b/c"), quorum=2, judge="d", replace=True
    )
    assert request.task_type == "t"


def test_providers_are_another_word_for_members() -> None:
    ask = consented(providers=["a", "b"]).consensus

    assert ask is not None
    assert ask.members == ("a", "b")


def test_the_method_may_stand_in_the_model() -> None:
    ask = consented(model="consensus:majority").consensus

    assert ask is not None
    assert ask.method == "majority"


@pytest.mark.parametrize(
    ("field", "params"),
    [
        ("method", {"method": "dice"}),
        ("model", {"model": "consensus:dice"}),
        ("model", {"model": "gpt-4o"}),
        ("providers", {"members": ["a"], "providers": ["b"]}),
        ("quorum", {"quorum": 0}),
        ("quorum", {"quorum": "two"}),
        ("members", {"members": [""]}),
        ("judge", {"judge": ""}),
    ],
)
def test_a_wrong_param_of_a_consensus_is_named(
    field: str, params: dict[str, object]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        consented(**params)

    assert caught.value.field == field
