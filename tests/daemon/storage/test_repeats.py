"""Answers of idempotency keys in a file: kept over a restart, bounded, never in the way."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.storage.repeats import FILE, SqliteRepeats


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


Open = Callable[[], SqliteRepeats]


@pytest.fixture
async def opened(tmp_path: Path, clock: Clock) -> AsyncIterator[Open]:
    made: list[SqliteRepeats] = []

    def again() -> SqliteRepeats:
        made.append(SqliteRepeats(tmp_path, clock, max_bytes=1_000))
        return made[-1]

    yield again
    for each in made:
        await each.close()


def rows(folder: Path) -> list[tuple[bytes, int]]:
    with sqlite3.connect(folder / FILE) as connection:
        found = connection.execute("SELECT key, LENGTH(value) FROM repeats").fetchall()
    connection.close()
    return found


async def test_what_was_put_is_there_after_a_restart(opened: Open) -> None:
    first = opened()
    await first.put(b"k", b"answer", 60.0)
    await first.close()

    assert await opened().get(b"k") == b"answer"
    assert await opened().get(b"other") is None


async def test_its_time_goes_on_while_nobody_runs(
    opened: Open, clock: Clock, tmp_path: Path
) -> None:
    store = opened()
    await store.put(b"k", b"answer", 60.0)
    clock.now += 61.0

    assert await opened().get(b"k") is None
    await store.put(b"l", b"x", 60.0)
    assert rows(tmp_path) == [(b"l", 1)]


async def test_a_later_answer_stands_in_place_of_the_first(
    opened: Open, tmp_path: Path
) -> None:
    store = opened()
    await store.put(b"k", b"begun", 60.0)
    await store.put(b"k", b"answer", 60.0)

    assert await store.get(b"k") == b"answer"
    assert len(rows(tmp_path)) == 1


async def test_for_no_time_it_is_forgotten(opened: Open, tmp_path: Path) -> None:
    store = opened()
    await store.put(b"k", b"begun", 60.0)
    await store.put(b"k", b"", 0.0)

    assert await store.get(b"k") is None
    assert rows(tmp_path) == []


async def test_beyond_the_bound_the_oldest_go(
    opened: Open, clock: Clock, tmp_path: Path
) -> None:
    store = opened()
    for key in (b"a", b"b", b"c"):
        await store.put(key, b"x" * 400, 60.0)
        clock.now += 1.0
    await store.put(b"huge", b"x" * 2_000, 60.0)

    assert rows(tmp_path) == [(b"b", 400), (b"c", 400)]


async def test_what_is_there_already_counts_against_the_bound(
    opened: Open, clock: Clock, tmp_path: Path
) -> None:
    await opened().put(b"a", b"x" * 700, 60.0)
    clock.now += 1.0
    await opened().put(b"b", b"x" * 700, 60.0)

    assert rows(tmp_path) == [(b"b", 700)]


async def test_only_its_owner_may_read_it(opened: Open, tmp_path: Path) -> None:
    await opened().put(b"k", b"answer", 60.0)

    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


async def test_a_file_of_another_layout_is_made_anew(
    opened: Open, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("CREATE TABLE repeats (whatever)")
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    store = opened()
    await store.put(b"k", b"answer", 60.0)

    assert await store.get(b"k") == b"answer"


async def test_while_the_file_is_of_no_use_answers_are_kept_in_memory(
    opened: Open, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database, and never was one" * 100)
    store = opened()
    with capture_logs() as logs:
        await store.put(b"k", b"answer", 60.0)
        found = await store.get(b"k")
        missing = await store.get(b"l")

    assert (found, missing) == (b"answer", None)
    assert [each["event"] for each in logs] == ["repeats_unavailable"]


async def test_without_its_folder_answers_are_kept_in_memory(
    tmp_path: Path, clock: Clock
) -> None:
    store = SqliteRepeats(tmp_path / "gone", clock)
    with capture_logs() as logs:
        await store.put(b"k", b"answer", 60.0)
        found = await store.get(b"k")
    await store.close()

    assert found == b"answer"
    assert [each["event"] for each in logs] == ["repeats_unavailable"]


async def test_who_holds_the_file_holds_up_nobody_for_long(
    opened: Open, tmp_path: Path
) -> None:
    store = opened()
    await store.put(b"k", b"first", 60.0)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await store.put(b"k", b"second", 60.0)
    meanwhile = await store.get(b"k")
    other.execute("ROLLBACK")
    other.close()
    await store.put(b"k", b"third", 60.0)

    assert meanwhile == b"second"
    assert await store.get(b"k") == b"third"
