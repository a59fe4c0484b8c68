"""Who can be chosen at all, and why not."""

import re
from collections.abc import Sequence
from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Exclusion, Target
from actors.policy.eligibility import Groups, fits
from actors.policy.measures import Measured
from actors.policy.rank_input import RankInput

NOW = 100.0
ASK = RankInput(
    strategy="hybrid",
    now=NOW,
    draw=0.5,
    prompt_tokens_estimate=1000,
    prompt_tokens_upper=3000,
    max_output_tokens=500,
    expected_output_tokens=200,
)
GOOD = ModelSnapshot(provider="good", model="m", success_alpha=50.0, calls=50)
BAD = ModelSnapshot(provider="bad", model="m", success_beta=50.0, calls=50)


class Sorted:
    """Groups and the hard exclusions together, with the words."""

    def __init__(self, snapshots: Sequence[ModelSnapshot], ask: RankInput) -> None:
        measured = [Measured(snapshot, ask.now) for snapshot in snapshots]
        for place, item in enumerate(measured):
            item.rest = ask.preferred is not None and place >= ask.preferred
        kept, self.hard = fits(measured, ask)
        groups = Groups(kept)
        self.eligible = groups.eligible
        self.soft = [(each[0], groups.exclusion(each, ask.now)) for each in groups.soft]


def sort(*snapshots: ModelSnapshot, ask: RankInput = ASK) -> Sorted:
    return Sorted(snapshots, ask)


def names(result: Sorted) -> list[str]:
    return [item.target.provider for item in result.eligible]


def soft(result: Sorted) -> list[tuple[str, str]]:
    return [(entry[1].target.provider, entry[1].code) for entry in result.soft]


def hard(result: Sorted) -> list[tuple[str, str]]:
    return [(exclusion.target.provider, exclusion.code) for exclusion in result.hard]


def priced(provider: str, price: str) -> ModelSnapshot:
    return ModelSnapshot(
        provider=provider,
        model="m",
        input_price=Decimal(price),
        output_price=Decimal(price),
    )


# For this request


def test_a_provider_of_which_no_model_is_known_is_out() -> None:
    result = sort(ModelSnapshot(provider="new", model=""), GOOD)

    assert names(result) == ["good"]
    assert result.hard == [
        Exclusion(Target("new", ""), "no_model", "no model known yet")
    ]


def test_a_window_surely_too_small_is_out() -> None:
    result = sort(
        replace(GOOD, provider="small", context_window=1499),
        replace(GOOD, provider="tight", context_window=1500),
        replace(GOOD, provider="sure", context_window=3500),
        GOOD,
    )

    assert hard(result) == [("small", "context")]
    assert "1500 tokens" in result.hard[0].detail
    assert names(result) == ["tight", "sure", "good"]


def test_a_budget_excludes_the_dear_and_those_of_unknown_price() -> None:
    ask = replace(ASK, budget_usd=Decimal("0.0012"))
    exact, dear = priced("exact", "1"), priced("dear", "1.01")

    result = sort(exact, dear, GOOD, ask=ask)

    assert names(result) == ["exact"]
    assert hard(result) == [("dear", "budget"), ("good", "budget")]


def test_an_answer_that_the_budget_has_room_for_is_named() -> None:
    def told(output_tokens: int) -> str:
        ask = replace(
            ASK,
            budget_usd=Decimal("0.0012"),
            expected_output_tokens=output_tokens,
            output_tokens={},
        )
        (out,) = sort(priced("dear", "1"), ask=ask).hard or (None,)
        return "" if out is None else out.detail

    found = re.search(
        r" \(it would fit with max_tokens of at most (\d+)\)$", told(9999)
    )
    assert found is not None
    most = int(found[1])
    assert told(most) == ""
    assert told(most + 1).endswith(found[0])


def test_tiny_sums_are_written_out() -> None:
    ask = replace(ASK, budget_usd=Decimal("1E-7"))
    result = sort(priced("dear", "0.01"), GOOD, ask=ask)

    assert [each.detail for each in result.hard] == [
        "expected to cost $0.000012, the budget is $0.0000001",
        "its price is unknown and the budget is $0.0000001",
    ]
    assert "unknown" in result.hard[1].detail


# Now


def test_an_open_breaker_is_out_until_it_is_due() -> None:
    result = sort(
        replace(GOOD, provider="open", breaker="open", breaker_open_until=NOW + 5),
        replace(GOOD, provider="due", breaker="open", breaker_open_until=NOW),
        replace(GOOD, provider="busy", breaker="half_open"),
        GOOD,
    )

    assert names(result) == ["due", "good"]
    assert soft(result) == [("open", "breaker_open"), ("busy", "breaker_open")]
    assert result.soft[0][1].detail == "open for another 5 s"
    assert "half-open" in result.soft[1][1].detail


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"auth_refused": True}, "auth"),
        ({"healthy": False}, "unhealthy"),
        ({"blocked_until": NOW + 3}, "rate_limited"),
        ({"concurrency_limit": 2, "provider_in_flight": 2}, "at_capacity"),
    ],
)
def test_what_stands_in_the_way_now_is_told(
    change: dict[str, object], code: str
) -> None:
    snapshot = replace(GOOD, provider="other", **change)

    assert soft(sort(snapshot, GOOD)) == [("other", code)]


def test_a_limit_not_reached_and_a_pause_over_stand_in_nobodys_way() -> None:
    free = replace(GOOD, blocked_until=NOW, concurrency_limit=2, provider_in_flight=1)

    assert names(sort(free)) == ["good"]


def test_the_soft_ones_come_least_bad_first() -> None:
    result = sort(
        replace(GOOD, provider="a", auth_refused=True),
        replace(GOOD, provider="b", breaker="open", breaker_open_until=NOW + 1),
        replace(BAD, provider="c", breaker="open", breaker_open_until=NOW + 1),
        replace(GOOD, provider="d", healthy=False),
        replace(GOOD, provider="e", provider_in_flight=1, concurrency_limit=1),
        replace(GOOD, provider="f", blocked_until=NOW + 9),
        replace(GOOD, provider="g", blocked_until=NOW + 2),
        replace(GOOD, provider="rest", blocked_until=NOW + 1),
        ask=replace(ASK, preferred=7),
    )

    assert [name for name, _ in soft(result)] == [*"gfedbca", "rest"]


# The gate


def test_a_dead_provider_is_gated_while_another_is_well() -> None:
    result = sort(BAD, GOOD)

    assert names(result) == ["good"]
    assert soft(result) == [("bad", "unavailable")]
    assert "where another has" in result.soft[0][1].detail


def test_it_is_not_while_nobody_is_well() -> None:
    assert names(sort(BAD)) == ["bad"]


def test_nor_is_a_half_open_one_whose_call_decides() -> None:
    trial = replace(BAD, breaker="half_open", probe_permit_free=True)

    assert names(sort(trial, GOOD)) == ["bad", "good"]


def test_nor_is_one_never_called() -> None:
    fresh = ModelSnapshot(provider="fresh", model="m")

    assert names(sort(fresh, GOOD)) == ["fresh", "good"]


SLOW = replace(
    GOOD,
    provider="slow",
    breaker="open",
    breaker_cause="slow",
    breaker_open_until=NOW + 5,
)


def test_a_slow_one_is_left_alone_while_another_is_well() -> None:
    result = sort(SLOW, GOOD)

    assert names(result) == ["good"]
    assert soft(result) == [("slow", "slow")]
    assert result.soft[0][1].detail == "slow: open for another 5 s"


def test_when_everybody_became_slow_nobody_is_left_out_for_it() -> None:
    other = replace(SLOW, provider="other", breaker="half_open")

    result = sort(SLOW, other)

    assert names(result) == ["slow", "other"]
    assert not any(item.trial for item in result.eligible)


def test_a_slow_one_is_better_than_one_that_hardly_ever_answers() -> None:
    assert "slow" in names(sort(SLOW, BAD))


def test_a_slow_one_that_is_due_takes_its_trial() -> None:
    due = replace(SLOW, breaker_open_until=NOW)

    assert names(sort(due, GOOD)) == ["slow", "good"]


def test_nobody_there_is_nobody() -> None:
    result = sort()

    assert (result.eligible, result.soft, result.hard) == ([], [], [])


def test_exclusions_are_data() -> None:
    [(_, exclusion)] = sort(BAD, GOOD).soft

    assert isinstance(exclusion, Exclusion)
    assert exclusion.target == Target("bad", "m")
