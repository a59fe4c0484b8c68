"""What rounds of consensus came to, as text."""

from decimal import Decimal

from msgspec.structs import replace

from actors.messages.rounds import MemberRow, RoundsReport, RoundsRow
from daemon.cli.render.rounds import rounds
from daemon.cli.render.table import no_colours

MEMBER = MemberRow(
    member="a/x",
    answered=50,
    right=20,
    known=25,
    share=0.8,
    at_least=0.7,
    at_most=0.75,
    usd=Decimal("0.01"),
)
ROW = RoundsRow(
    task_type="sums",
    simulated=False,
    rounds=60,
    disagreed=30,
    labelled=50,
    accuracy=0.8,
    best_single="a/x",
    bought_at_least=0.05,
    bought_at_most=0.1,
    usd=Decimal("0.03"),
    extra_usd=Decimal("0.02"),
    members=(MEMBER,),
)


def shown(row: RoundsRow) -> list[str]:
    report = RoundsReport(since=None, requests=60, rows=(row,))
    return rounds(report, no_colours).splitlines()


def test_a_task_type_has_its_verdicts_its_price_and_its_members() -> None:
    lines = shown(ROW)

    assert lines[0] == (
        "sums: 60 rounds, answers differed in 30, 50 verdicts have feedback"
    )
    assert lines[1].startswith("right in 80")
    assert lines[1].endswith("of those, +5.0 to +10.0 points beside a/x alone")
    assert lines[2] == "a round cost $0.0300, $0.0200 more than alone"
    assert lines[-1].split()[:3] == ["a/x", "20", "25"]


def test_what_is_known_exactly_is_one_figure() -> None:
    assert (
        "-2.0 points"
        in shown(replace(ROW, bought_at_least=-0.02, bought_at_most=-0.02))[1]
    )


def test_what_is_not_known_is_said_to_be() -> None:
    row = replace(
        ROW,
        task_type=None,
        simulated=True,
        rounds=1,
        accuracy=None,
        best_single=None,
        bought_at_least=None,
        bought_at_most=None,
        usd=None,
        extra_usd=None,
        members=(replace(MEMBER, share=None, at_least=None, at_most=None, usd=None),),
        unknown=("1 verdicts have feedback, 20 are needed",),
    )
    lines = shown(row)

    assert lines[0].startswith("without a task type (simulated): 1 round, ")
    assert lines[1] == "not known: 1 verdicts have feedback, 20 are needed"
    assert lines[-1].split() == ["a/x", "20", "25", "-", "-", "-", "-"]


def test_without_a_best_member_there_is_nothing_to_compare_with() -> None:
    row = replace(ROW, best_single=None, bought_at_least=None, extra_usd=None)
    lines = shown(row)

    assert lines[1].endswith("of those")
    assert lines[2] == "a round cost $0.0300"


def test_where_nobody_asked_several_it_is_said() -> None:
    report = RoundsReport(since=None, requests=7, rows=())

    assert rounds(report, no_colours) == "no round of consensus among 7 requests"
