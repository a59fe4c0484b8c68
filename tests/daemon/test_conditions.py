"""The watch asks everybody, and logs what comes and goes."""

from collections.abc import Iterator

import anyio
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from actors.messages.lifecycle import Finding
from daemon.conditions import LOOK_S, ConditionWatch

BUSY = Finding(code="event_loop_lag", values={"lag": "2 s"})


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> ConditionWatch:
    return ConditionWatch(clock, lambda: 1_800_000_000.0)


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


def test_what_any_reporter_finds_is_a_condition(watch: ConditionWatch) -> None:
    found: list[Finding] = []
    watch.reporters.append(lambda: found)
    assert watch.look() == ()
    found.append(BUSY)
    watch.troubles.declare("configuration_refused", error="bad")
    codes = [each.code for each in watch.look()]
    watch.troubles.withdraw("configuration_refused")
    found.clear()

    assert codes == ["configuration_refused", "event_loop_lag"]
    assert watch.look() == ()


def test_it_is_logged_when_it_comes_and_when_it_goes(
    watch: ConditionWatch, clock: Clock, logs: list[EventDict]
) -> None:
    watch.troubles.declare("spool_unwritable", error="No space left on device")
    watch.look()
    watch.look()
    clock.now += 7.5
    watch.troubles.withdraw("spool_unwritable")
    watch.look()

    raised, cleared = logs
    assert (raised["event"], raised["log_level"]) == ("condition_raised", "error")
    assert raised["code"] == "spool_unwritable"
    assert "No space left" in raised["text"]
    assert raised["advice"]
    assert (cleared["event"], cleared["log_level"]) == ("condition_cleared", "info")
    assert (cleared["code"], cleared["lasted_s"]) == ("spool_unwritable", 7.5)


def test_the_level_is_as_bad_as_it_is(
    watch: ConditionWatch, logs: list[EventDict]
) -> None:
    watch.troubles.declare("configuration_refused", error="bad")
    watch.troubles.declare("model_retiring", provider="p", model="m", day="2026-12-01")
    watch.look()

    assert [line["log_level"] for line in logs] == ["warning", "info"]
    assert [(line["provider"], line["model"]) for line in logs] == [
        (None, None),
        ("p", "m"),
    ]


async def test_a_bug_in_a_reporter_ends_nobody(
    watch: ConditionWatch, logs: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.conditions.LOOK_S", 0.0)
    looked = 0

    def reporter() -> list[Finding]:
        nonlocal looked
        looked += 1
        if looked == 1:
            raise ZeroDivisionError
        return [BUSY]

    watch.reporters.append(reporter)
    async with anyio.create_task_group() as group:
        group.start_soon(watch.run)
        with anyio.fail_after(10.0):
            while looked < 2:  # noqa: ASYNC110 - a counter sets no event
                await anyio.sleep(0.0)
        group.cancel_scope.cancel()

    assert [line["event"] for line in logs] == ["conditions_bug", "condition_raised"]


async def test_somebody_looks_even_when_nobody_asks(
    watch: ConditionWatch, logs: list[EventDict]
) -> None:
    looked = anyio.Event()

    def reporter() -> list[Finding]:
        looked.set()
        return [BUSY]

    watch.reporters.append(reporter)
    async with anyio.create_task_group() as group:
        group.start_soon(watch.run)
        with anyio.fail_after(LOOK_S):
            await looked.wait()
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()

    assert [line["code"] for line in logs] == ["event_loop_lag"]
