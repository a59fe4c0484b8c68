from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.messages.consensus import Ballot, BallotState, ConsensusInfo
from actors.messages.rounds import MemberRow, RoundsRow
from actors.messages.routing import RequestRecord
from actors.policy.voting.reporting import MIN_KNOWN, Reporting
from tests.support.records import record

PRICES = {"good": Decimal("0.01"), "fair": Decimal("0.002"), "poor": Decimal("0.001")}


def a_round(
    number: int,
    said: dict[str, str | None],
    winner: str | None,
    states: dict[str, BallotState] | None = None,
) -> RequestRecord:
    """Decision ``d<number>``; a member's is ``d<number>-<member>``."""
    answers = list(dict.fromkeys(each for each in said.values() if each))
    groups = tuple(
        tuple(name for name, each in said.items() if each == answer)
        for answer in answers
    )
    ballots = tuple(
        Ballot(
            member=name,
            state=(states or {}).get(name, "answered"),
            group=answers.index(answer) if answer else None,
            cost_usd=PRICES[name],
            decision_id=f"d{number}-{name}",
        )
        for name, answer in said.items()
    )
    info = ConsensusInfo(
        method="calibrated",
        kind="words",
        rule="x",
        agreement=1.0,
        confidence=None,
        winner=answers.index(winner) if winner else None,
        groups=groups,
        ballots=ballots,
    )
    cost = sum((PRICES[name] for name in said), Decimal(0))
    whole = record(number, attempts=())
    return replace(whole, consensus=info, cost_usd=cost, simulated=False)


def reported(rounds: list[RequestRecord], scores: dict[str, float]) -> RoundsRow:
    reporting = Reporting(scores)
    for each in rounds:
        reporting.add(each)
    (row,) = reporting.rows()
    return row


def members(row: RoundsRow) -> dict[str, MemberRow]:
    return {each.member: each for each in row.members}


def test_who_was_right_what_it_bought_and_what_it_cost() -> None:
    """In 30 rounds all agree, in 10 ``good`` stands alone and is rightly followed."""
    agreed = [
        a_round(n, {"good": "a", "fair": "a", "poor": "a"}, "a") for n in range(30)
    ]
    differed = [
        a_round(n, {"good": "a", "fair": "b", "poor": "b"}, "b" if n < 32 else "a")
        for n in range(30, 54)
    ]
    scores = {f"d{n}-good": 1.0 for n in range(30)}
    scores |= {f"d{n}-fair": 0.0 for n in (30, 31)}
    scores |= {f"d{n}-good": 0.5 for n in range(32, 54)}
    row = reported([*agreed, *differed], scores)

    assert (row.task_type, row.simulated) == ("code_review", False)
    assert (row.rounds, row.disagreed, row.labelled) == (54, 24, 54)
    assert row.accuracy == pytest.approx(52 / 54)
    assert row.best_single == "good"
    found = members(row)
    # Of two rounds it is only known that "b" was wrong: "good" may have been right.
    assert (found["good"].right, found["good"].known) == (22, 22)
    assert (found["fair"].right, found["fair"].known) == (0, 24)
    assert (found["good"].share, found["fair"].share) == (1.0, 0.0)
    assert (found["good"].at_least, found["good"].at_most) == (52 / 54, 1.0)
    assert row.bought_at_least == pytest.approx(52 / 54 - 1.0)
    assert row.bought_at_most == pytest.approx(0.0)
    assert row.usd == Decimal("0.013")
    assert row.extra_usd == Decimal("0.003")
    assert row.unknown == ()
    assert row.members[0] == found["good"]


def test_with_few_labels_nothing_is_claimed_and_it_is_said_why() -> None:
    rounds = [a_round(n, {"good": "a", "fair": "b"}, "a") for n in range(MIN_KNOWN)]
    scores = {f"d{n}-good": 1.0 for n in range(MIN_KNOWN - 1)}
    row = reported(rounds, scores)

    assert (row.accuracy, row.best_single, row.bought_at_least) == (None, None, None)
    assert row.extra_usd is None
    assert row.unknown == ("19 verdicts have feedback, 20 are needed",)
    good = members(row)["good"]
    assert (good.right, good.known, good.share, good.at_least) == (19, 19, None, None)


def test_who_failed_or_abstained_was_not_right_and_who_was_cancelled_is_not_judged() -> (
    None
):
    said = {"good": "a", "fair": None, "poor": None}
    states: dict[str, BallotState] = {"fair": "failed", "poor": "answered"}
    rounds = [a_round(n, said, "a", states) for n in range(20)]
    rounds += [a_round(n, said, "a", {"fair": "cancelled"}) for n in range(20, 40)]
    row = reported(rounds, {f"d{n}-good": 1.0 for n in range(40)})
    found = members(row)

    assert (found["fair"].at_least, found["fair"].at_most) == (0.0, 0.0)
    assert found["fair"].answered == 0
    assert (found["poor"].at_most, found["poor"].answered) == (0.0, 40)
    assert found["good"].usd == PRICES["good"]
    assert row.bought_at_least == 0.0


def test_without_a_winner_of_its_own_a_verdict_has_no_label() -> None:
    row = reported([a_round(1, {"good": "a", "fair": "b"}, None)], {"d1-fair": 1.0})

    assert row.labelled == 0
    assert members(row)["fair"].right == 1
    assert members(row)["good"].known == 1


def test_costs_that_are_not_known_are_said_to_be() -> None:
    rounds = [
        replace(a_round(n, {"good": "a", "fair": "a"}, "a"), cost_usd=None)
        for n in range(20)
    ]
    row = reported(rounds, {f"d{n}-good": 1.0 for n in range(20)})

    assert row.usd is row.extra_usd is None
    assert row.unknown == ("no round's whole cost is known",)


def test_a_best_member_of_unknown_cost_has_no_price_to_compare_with() -> None:
    rounds = []
    for n in range(20):
        each = a_round(n, {"good": "a", "fair": "b"}, "a")
        info = each.consensus
        assert info is not None
        ballots = tuple(replace(ballot, cost_usd=None) for ballot in info.ballots)
        rounds.append(replace(each, consensus=replace(info, ballots=ballots)))
    row = reported(rounds, {f"d{n}-good": 1.0 for n in range(20)})

    assert row.extra_usd is None
    assert row.unknown == ("no cost of good is known",)


def test_members_that_change_all_the_time_have_no_best() -> None:
    rounds, scores = [], {}
    for n in range(30):
        name = ("good", "fair", "poor")[n % 3]
        rounds.append(a_round(n, {name: "a"}, "a"))
        scores[f"d{n}-{name}"] = 1.0
    row = reported(rounds, scores)

    assert row.accuracy == 1.0
    assert row.best_single is None
    assert row.unknown == (
        "no member was asked in half of the labelled rounds and 20 of them",
    )


def test_task_types_and_pretended_rounds_are_apart_and_others_left_out() -> None:
    one = a_round(1, {"good": "a"}, "a")
    reporting = Reporting({})
    for each in (
        one,
        replace(one, simulated=True),
        replace(one, task_type=None),
        replace(one, task_type=None),
        replace(one, outcome="provider_error"),
        record(2),
    ):
        reporting.add(each)
    found = [(r.task_type, r.simulated, r.rounds) for r in reporting.rows()]

    assert found == [
        (None, False, 2),
        ("code_review", False, 1),
        ("code_review", True, 1),
    ]


def test_a_member_that_was_asked_too_seldom_is_not_compared_with() -> None:
    rounds = [a_round(n, {"good": "a"}, "a") for n in range(15)]
    rounds += [a_round(n, {"fair": "a"}, "a") for n in range(15, 25)]
    scores = {f"d{n}-{'good' if n < 15 else 'fair'}": 1.0 for n in range(25)}
    row = reported(rounds, scores)

    assert (row.accuracy, row.best_single, row.bought_at_most) == (1.0, None, None)
    assert len(row.unknown) == 1
