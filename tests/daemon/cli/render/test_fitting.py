"""Tables on terminals with less room than they would like."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from daemon.cli.render import tasks, threads
from daemon.cli.render.consensus import verdict
from daemon.cli.render.fitting import GAP, LEAST, LEAST_NAME, fit, shorten, shorten_name
from daemon.cli.render.models import models
from daemon.cli.render.records import history
from daemon.cli.render.status import metrics, providers, status
from daemon.cli.render.table import Cell, Paint, Row, no_colours, table
from daemon.cli.render.whatif import whatif
from ipc.listing import ModelsResult
from ipc.results import HistoryResult, MetricsResult, ProvidersResult
from ipc.tasks import TaskListResult
from ipc.threads import ThreadsListResult
from tests.daemon.cli import test_tasks, test_threads
from tests.daemon.cli.render import (
    test_consensus,
    test_models,
    test_records,
    test_status,
    test_whatif,
)

NAMES = ("id", "state", "began", "cost", "what is said", "note")


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]], list[str], list[str]]:
    """Headers, rows, the columns that may be shortened, those that may go."""
    headers = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    row = st.lists(st.text(max_size=70), min_size=len(headers), max_size=len(headers))
    some = st.lists(st.sampled_from(NAMES), unique=True)
    return headers, draw(st.lists(row, max_size=4)), draw(some), draw(some)


@given(tables(), st.integers(1, 200), st.booleans())
def test_no_line_is_wider_than_the_room_if_what_must_stay_fits(
    made: tuple[list[str], list[list[str]], list[str], list[str]],
    room: int,
    right: bool,
) -> None:
    headers, texts, long, spare = made
    rows: list[Row] = [[*row] for row in texts]
    shown = table(
        headers,
        rows,
        Paint(width=room),
        right=headers if right else [],
        long=long[::2],
        names=long[1::2],
        spare=spare,
    )
    needed = 0
    stay = [header for header in headers if header not in spare]
    for header in stay:
        cells = [row[headers.index(header)] for row in texts]
        width = max(len(header), *(len(cell) for cell in cells), 0)
        floor = max(len(header), LEAST)
        needed += min(width, floor) if header in long else width
    needed += GAP * max(0, len(stay) - 1)

    lines = shown.splitlines()
    if needed <= room:
        assert max(map(len, lines)) <= room
    for header in stay:
        assert header in lines[0]


@given(tables(), st.booleans())
def test_without_a_width_nothing_changes(
    made: tuple[list[str], list[list[str]], list[str], list[str]],
    roomy: bool,
) -> None:
    headers, texts, long, spare = made
    rows: list[Row] = [[*row] for row in texts]
    paint = Paint(width=10_000) if roomy else no_colours

    plain = table(headers, rows, no_colours)

    assert table(headers, rows, paint, long=long, spare=spare) == plain


def test_long_columns_give_before_any_is_left_out() -> None:
    columns = {"id": 10, "what": 60, "note": 40, "at": 10}

    assert fit(columns, 100, long=["note", "what"], spare=["at"]) == {
        "id": 10,
        "what": 54,
        "note": LEAST,
        "at": 10,
    }


def test_columns_are_left_out_before_names_cannot_be_told_apart() -> None:
    columns = {"name": 60, "at": 10, "id": 10}

    kept = fit(columns, 50, names=["name", "missing"], spare=["at"])
    assert kept == {"name": 38, "id": 10}
    kept = fit(columns, 54, names=["name"], spare=["at"])
    assert kept == {"name": LEAST_NAME, "at": 10, "id": 10}
    assert fit(columns, 35, names=["name"], spare=["at"]) == {"name": 23, "id": 10}
    assert fit(columns, 5, names=["name"]) == {"name": LEAST, "at": 10, "id": 10}


def test_columns_go_in_the_order_named_and_the_rest_takes_their_room() -> None:
    columns = {"id": 10, "what": 60, "note": 40, "at": 10}
    spare = ["missing", "at", "note", "id"]

    assert fit(columns, 54, long=["what", "note"], spare=spare) == {
        "id": 10,
        "what": LEAST,
        "note": LEAST,
    }
    assert fit(columns, 53, long=["what", "note"], spare=spare) == {
        "id": 10,
        "what": 41,
    }
    assert fit(columns, 5, spare=spare) == {"what": 60}


def test_the_end_says_what_was_left_out() -> None:
    row: Row = ["1", "2" * 30, Cell("3" * 30, "good")]

    def lines(width: int) -> list[str]:
        paint = Paint(width=width)
        shown = table(["a", "b", "c"], [row], paint, long=["b"], spare=["c", "b"])
        return shown.splitlines()

    assert lines(50) == [
        "a  b",
        "1  " + "2" * 30,
        "1 column left out: c; wider terminal or --json",
        "shows it",
    ]
    assert " ".join(lines(20)[2:]) == (
        "2 columns left out: b, c; wider terminal or --json shows them"
    )


def test_colours_do_not_count() -> None:
    paint = Paint(coloured=True, width=25)

    shown = table(["a"], [[Cell("x" * 40, "bad")]], paint, long=["a"])

    assert shown.splitlines()[1] == f"\x1b[31m{'x' * 24}…\x1b[0m"


def test_what_fits_is_not_shortened() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten_name("abc", 3) == "abc"


def test_text_loses_its_end_and_a_name_its_middle() -> None:
    assert shorten("ab cd", 4) == "ab…"
    assert shorten_name("one/model-70b", 8) == "one/…70b"
    assert shorten_name("one/model-70b", 7) == "one…70b"


def test_a_shortened_name_keeps_what_is_said_of_it() -> None:
    paint = Paint(width=30)
    name = f"{'m' * 40} (simulated)"

    assert table(["m"], [[name]], paint, names=["m"]).endswith("mm (simulated)")


LONG_ID = "01JQZ8K3M4N5P6Q7R8S9T0V1W2"
MODEL = "openrouter/meta-llama/llama-3.3-70b-instruct"
ENTRY = replace(test_records.ENTRY, decision_id=LONG_ID, model=MODEL)
TASK = replace(test_tasks.DONE, task_id=LONG_ID, title="minutes of it " * 9)
THREAD = replace(test_threads.SUMMARY, thread_id=LONG_ID, title="Ship it? " * 9)
BALLOTS = replace(
    test_consensus.INFO,
    ballots=tuple(
        replace(each, member=MODEL, error="the provider said no " * 5)
        for each in test_consensus.INFO.ballots
    ),
)
METRICS = MetricsResult(
    requests=10,
    failures=1,
    prompt_tokens=123_456_789,
    completion_tokens=123_456_789,
    cost_usd=Decimal("0.25"),
    unpriced_calls=2,
    providers=(test_status.snapshot(simulated=True),),
)
LISTINGS: dict[str, Callable[[Paint], str]] = {
    "history": lambda paint: history(HistoryResult((ENTRY,)), paint),
    "models": lambda paint: models(
        ModelsResult((replace(test_models.KNOWN, name=MODEL),)), paint
    ),
    "providers": lambda paint: providers(
        ProvidersResult((test_status.snapshot(simulated=True),)), paint
    ),
    "metrics": lambda paint: metrics(METRICS, paint),
    "status": lambda paint: status(
        test_status.status_of(
            providers=(replace(test_status.AT_A_GLANCE, model=MODEL, simulated=True),)
        ),
        paint,
    ),
    "tasks": lambda paint: tasks.listing(TaskListResult((TASK,)), paint),
    "threads": lambda paint: threads.listing(ThreadsListResult((THREAD,), None), paint),
    "consensus": lambda paint: verdict(BALLOTS, paint),
    "whatif": lambda paint: whatif(test_whatif.FOUND, paint),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_every_table_fits_the_usual_terminal(name: str) -> None:
    usual = LISTINGS[name](Paint(width=80)).splitlines()
    wide = LISTINGS[name](no_colours).splitlines()

    added = [line for line in usual if line not in wide]
    assert all(len(line) <= 80 for line in added), added
    assert max(len(line) for line in usual if "  " in line.strip()) <= 80


@pytest.mark.parametrize("name", ["providers", "status", "metrics"])
def test_a_narrow_table_still_says_who_is_simulated(name: str) -> None:
    assert "(simulated)" in LISTINGS[name](Paint(width=80))
