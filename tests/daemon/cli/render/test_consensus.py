"""How a round of consensus was decided, as text."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.messages.consensus import (
    Ballot,
    CascadePlan,
    ConsensusInfo,
    IndependentVotes,
)
from daemon.cli.render.consensus import round_account, verdict
from daemon.cli.render.table import no_colours
from tests.support.cli import REPLY

INFO = ConsensusInfo(
    method="cascade",
    kind="text",
    rule="judged by c in 2 orders",
    agreement=1 / 3,
    confidence=None,
    independent_votes=IndependentVotes(at_least=1.75, at_most=2.25),
    winner=1,
    groups=(("a/x",), ("b/y",)),
    ballots=(
        Ballot(
            member="a/x",
            state="answered",
            group=0,
            rule="whole",
            prior=0.8,
            score=3.0,
            latency_s=0.5,
            cost_usd=Decimal("0.001"),
            contributed="the idea",
        ),
        Ballot(member="b/y", state="answered", group=1),
        Ballot(member="c/z", state="answered"),
        Ballot(member="d/w", state="late", error="not waited for"),
    ),
    stopped_early=True,
)


def test_every_ballot_has_a_row_that_says_what_became_of_it() -> None:
    lines = verdict(INFO, no_colours).splitlines()
    rows = {line.split()[0]: line for line in lines[4:]}

    assert "3 of 4 answered, agreement 0.33, confidence -" in lines[0]
    assert "worth 1.8 to 2.2 independent votes, stopped early" in lines[0]
    assert lines[1] == "judged by c in 2 orders (compared as text)"
    assert rows["a/x"].split()[1:4] == ["A", "whole", "0.80"]
    assert "the idea" in rows["a/x"]
    assert "B won" in rows["b/y"]
    assert "abstained" in rows["c/z"]
    assert "late" in rows["d/w"]
    assert "not waited for" in rows["d/w"]


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        (IndependentVotes(at_least=1.52, at_most=1.49), "worth 1.5 independent votes"),
        (IndependentVotes(unknown="3 labelled rounds"), "confidence -, stopped"),
        (None, "confidence -, stopped"),
    ],
)
def test_the_worth_of_votes_is_said_as_far_as_it_is_known(
    votes: IndependentVotes | None, said: str
) -> None:
    assert said in verdict(replace(INFO, independent_votes=votes), no_colours)


def test_where_nobody_answered_nothing_is_said_of_agreement() -> None:
    late = Ballot(member="a/x", state="late", error="not waited for")
    info = replace(
        INFO, kind="none", rule="0 of 1 answered", agreement=0.0, ballots=(late,)
    )
    lines = verdict(info, no_colours).splitlines()

    assert "agreement -" in lines[0]
    assert lines[1] == "0 of 1 answered"


def test_the_account_ends_with_what_it_cost() -> None:
    account = round_account(replace(REPLY, consensus=INFO), no_colours)

    assert account.endswith("$0.00120 in 250 ms · decision d1")


def test_an_unknown_cost_is_said_to_be_unknown() -> None:
    reply = replace(REPLY, consensus=INFO, cost_usd=None)

    assert "cost unknown in" in round_account(reply, no_colours)


def test_a_reply_without_a_round_has_no_account() -> None:
    assert round_account(REPLY, no_colours) == ""


def test_a_cascade_shows_its_plan_and_why_it_is_that_one() -> None:
    plan = CascadePlan(
        steps=(("a/x", "b/y"), ("c/z",)), tau=0.7, learned=True, why="learned from 60"
    )
    lines = verdict(replace(INFO, plan=plan), no_colours).splitlines()

    assert lines[2:4] == [
        "plan: a/x and b/y, then c/z, until 0.7 sure",
        "(learned from 60)",
    ]
