"""How a round goes, a line a notice."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from actors.messages import progress
from daemon.cli.render.progress import progress_line
from daemon.cli.render.table import no_colours

WHOSE: Any = {"request_id": "r", "decision_id": "d", "user": "ada"}
LINES: list[tuple[str, Struct, str]] = [
    (
        "round_began",
        progress.RoundBegan(
            method="cascade",
            members=("a/x", "b/y"),
            quorum=2,
            deadline_s=120.0,
            budget_usd=Decimal("0.1"),
            **WHOSE,
        ),
        "cascade: 2 members, at least 2 must answer within 2 m 00 s",
    ),
    (
        "member_asked",
        progress.MemberAsked(member="a/x", **WHOSE),
        "a/x is asked",
    ),
    (
        "member_asked",
        progress.MemberAsked(member="a/x", replaces="b/y", **WHOSE),
        "a/x is asked in place of b/y",
    ),
    (
        "member_answered",
        progress.MemberAnswered(
            member="a/x",
            kind="option",
            rule="boxed",
            answer="B",
            agrees_with=("b/y", "c/z"),
            latency_s=0.5,
            cost_usd=Decimal("0.001"),
            **WHOSE,
        ),
        "a/x says B (option, boxed), as b/y, c/z, 500 ms, $0.00100",
    ),
    (
        "member_answered",
        progress.MemberAnswered(
            member="a/x",
            kind="option",
            rule=None,
            answer=None,
            agrees_with=(),
            latency_s=0.5,
            cost_usd=None,
            **WHOSE,
        ),
        "a/x abstains, 500 ms",
    ),
    (
        "member_answered",
        progress.MemberAnswered(
            member="a/x",
            kind="text",
            rule="whole",
            answer="words " * 20,
            agrees_with=(),
            latency_s=0.5,
            cost_usd=None,
            **WHOSE,
        ),
        f"a/x says {'words ' * 9}words... (text, whole), 500 ms",
    ),
    (
        "member_answered",
        progress.MemberAnswered(
            member="a/x",
            kind="text",
            rule="whole",
            answer=None,
            agrees_with=(),
            latency_s=0.5,
            cost_usd=None,
            **WHOSE,
        ),
        "a/x says - (text, whole), 500 ms",
    ),
    (
        "member_failed",
        progress.MemberFailed(
            member="a/x", error="provider_error", message="500\nno", **WHOSE
        ),
        "a/x failed: 500 no",
    ),
    (
        "member_absent",
        progress.MemberAbsent(member="a/x", reason="nobody else", **WHOSE),
        "a/x is not replaced: nobody else",
    ),
    (
        "round_stopped_early",
        progress.RoundStoppedEarly(cancelled=("a/x",), not_asked=("b/y",), **WHOSE),
        "enough was said: not waiting for a/x and not asking b/y",
    ),
    (
        "round_stopped_early",
        progress.RoundStoppedEarly(cancelled=(), not_asked=(), **WHOSE),
        "enough was said: everybody was heard",
    ),
    (
        "writing_began",
        progress.WritingBegan(method="synthesis", model="a/x", **WHOSE),
        "the answers differ: a/x writes one from all",
    ),
    (
        "writing_began",
        progress.WritingBegan(method="auto", model="a/x", **WHOSE),
        "the answers differ: a/x judges",
    ),
    (
        "round_decided",
        progress.RoundDecided(
            method="auto",
            kind="number",
            rule="prior accuracies",
            agreement=2 / 3,
            confidence=None,
            members=("a/x",),
            **WHOSE,
        ),
        "decided: prior accuracies, agreement 0.67, confidence -",
    ),
    (
        "round_failed",
        progress.RoundFailed(error="provider_error", message="1 of 3", **WHOSE),
        "no verdict: 1 of 3",
    ),
]


@pytest.mark.parametrize(("name", "body", "line"), LINES)
def test_a_notice_is_a_line_however_it_comes(
    name: str, body: Struct, line: str
) -> None:
    sent: object = msgspec.msgpack.decode(msgspec.msgpack.encode(body))

    assert progress_line(name, body, no_colours) == line
    assert progress_line(name, sent, no_colours) == line


def test_every_kind_of_progress_has_a_line() -> None:
    kinds = {type(body) for _, body, _ in LINES}
    assert kinds == set(progress.Progress.__args__)


def test_what_is_not_known_says_nothing() -> None:
    assert progress_line("round_finished", {}, no_colours) is None
