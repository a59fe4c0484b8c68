"""What is the SQLite store's own: its file, its threads and its commits."""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, SupportsIndex

import pytest
from msgspec.structs import replace
from typing_extensions import override

from actors.errors import InvalidRequest, QueueUnavailable
from actors.messages.tasks import TaskQuery
from daemon.storage.migrations import scripts
from daemon.storage.tasks import reading, sqlite
from daemon.storage.tasks.sqlite import SqliteTasks
from tests.support.tasks import NOW, ids, new


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteTasks]:
    made = SqliteTasks(tmp_path)
    yield made
    await made.close()


async def test_what_was_submitted_is_there_after_opening_again(
    store: SqliteTasks, tmp_path: Path
) -> None:
    spec = replace(new(1), deadline_at=NOW + 9, title="why", batch_id="b")
    await store.submit((spec,))
    await store.close()
    again = SqliteTasks(tmp_path)
    found = await again.get("t1")
    await again.close()

    assert found is not None
    assert (found.spec, found.state, found.attempts) == (spec, "queued", 0)


async def test_a_task_that_cannot_be_stored_takes_no_other_with_it(
    store: SqliteTasks,
) -> None:
    """They wait for the same commit."""
    await store.open()
    bad = replace(new(1), created_at=float("nan"))
    refused, kept = await asyncio.gather(
        store.submit((bad,)), store.submit((new(2),)), return_exceptions=True
    )

    assert isinstance(refused, InvalidRequest)
    assert not isinstance(kept, BaseException)
    assert ids((await store.find(TaskQuery())).tasks) == ["t2"]


class Meeting(tuple[str, ...]):
    """Migrations at which both threads meet, if they can, knowing the layout's version."""

    __slots__ = ()
    both = threading.Barrier(2)

    @override
    def __getitem__(self, wanted: SupportsIndex | slice) -> Any:
        with suppress(threading.BrokenBarrierError):
            self.both.wait(0.2)
        return super().__getitem__(wanted)


async def test_the_first_read_and_the_first_write_make_one_database(
    store: SqliteTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Meeting(scripts(sqlite.MIGRATIONS))
    monkeypatch.setattr(sqlite, "scripts", lambda _: made)
    (kept,), found = await asyncio.gather(store.submit((new(1),)), store.get("nobody"))

    assert (kept.task.task_id, found) == ("t1", None)


async def test_depths_are_those_of_one_moment(
    store: SqliteTasks, tmp_path: Path
) -> None:
    """A task that is claimed between two of the questions is in all answers, or none."""
    await store.submit((new(1),))
    path = tmp_path / "tasks.db"

    class Meanwhile(sqlite3.Connection):
        """Before anybody hears how old the oldest is, it is claimed."""

        @override
        def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
            if "age_from" in sql:
                with closing(sqlite3.connect(path)) as other:
                    other.execute("UPDATE tasks SET queue = NULL, age_from = NULL")
                    other.execute("UPDATE depths SET part = 'in_work'")
                    other.commit()
            return super().execute(sql, values)

    with closing(
        sqlite3.connect(path, factory=Meanwhile, isolation_level=None)
    ) as reader:
        (before,) = reading.stats(reader, NOW + 5).depths
        (after,) = reading.stats(reader, NOW + 5).depths
    assert (before.queued, before.in_work, before.oldest_s) == (1, 0, 5.0)
    assert (after.queued, after.in_work, after.oldest_s) == (0, 1, None)


RARE: tuple[tuple[TaskQuery, int], ...] = (
    (TaskQuery(types=("rare",)), 1),
    (TaskQuery(types=("nothing",)), 0),
    (TaskQuery(kinds=("event",)), 1),
    (TaskQuery(user="ann"), 1),
    (TaskQuery(user="ann", types=("common",)), 1),
    (TaskQuery(user="ci", types=("rare",)), 1),
    (TaskQuery(types=("rare",), states=("queued",)), 1),
    (TaskQuery(types=("common",), states=("cancelled",)), 1),
    (TaskQuery(user="ci", states=("cancelled", "dead")), 1),
    (TaskQuery(batch_id="b"), 2),
    (TaskQuery(batch_id="b", types=("common",), states=("cancelled",)), 1),
    (TaskQuery(batch_id="b", user="ci", states=("queued",)), 1),
)


@pytest.mark.parametrize(("query", "count"), RARE)
async def test_a_list_of_what_is_rare_passes_by_nothing_else(
    store: SqliteTasks, tmp_path: Path, query: TaskQuery, count: int
) -> None:
    several = [replace(new(n), type="common", user="ci") for n in range(5000)]
    several[0] = replace(several[0], type="rare", kind="event", batch_id="b")
    several[1] = replace(several[1], user="ann")
    several[2] = replace(several[2], batch_id="b")
    await store.submit(several)
    await store.cancel("t2", NOW)
    steps: list[int] = []
    with closing(sqlite3.connect(tmp_path / "tasks.db")) as connection:
        connection.set_progress_handler(lambda: steps.append(1), 1)
        found = reading.find(connection, query)

    assert len(found.tasks) == count
    assert len(steps) < 500, "a walk over all of them takes ten times as many"


async def test_a_file_that_is_no_database_is_said_to_be_unavailable(
    tmp_path: Path,
) -> None:
    (tmp_path / "tasks.db").write_bytes(b"not a database" * 400)
    store = SqliteTasks(tmp_path)
    with pytest.raises(QueueUnavailable, match=r"tasks\.db"):
        await store.submit((new(1),))
    await store.close()


def delete(folder: Path) -> None:
    for each in folder.iterdir():
        each.unlink()


def put_aside(folder: Path) -> None:
    for each in list(folder.iterdir()):
        each.rename(folder / f"aside-{each.name}")


def damage(folder: Path) -> None:
    for each in folder.iterdir():
        with each.open("r+b") as file:
            file.write(b"x" * each.stat().st_size)


@pytest.mark.parametrize("gone", [delete, put_aside])
async def test_nothing_is_kept_in_a_file_that_is_not_there_any_more(
    store: SqliteTasks, tmp_path: Path, gone: Callable[[Path], None]
) -> None:
    await store.submit((new(1),))
    assert await store.get("t1") is not None
    gone(tmp_path)
    await store.submit((new(2),))
    assert await store.get("t1") is None
    await store.close()

    again = SqliteTasks(tmp_path)
    assert ids((await again.find(TaskQuery())).tasks) == ["t2"]
    await again.close()


async def test_nothing_is_kept_in_a_folder_that_is_not_there_any_more(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    store = SqliteTasks(folder)
    await store.submit((new(1),))
    shutil.rmtree(folder)
    with pytest.raises(QueueUnavailable):
        await store.submit((new(2),))
    folder.mkdir()
    await store.submit((new(3),))

    assert ids((await store.find(TaskQuery())).tasks) == ["t3"]
    await store.close()


async def test_a_file_that_was_damaged_may_be_taken_away(
    store: SqliteTasks, tmp_path: Path
) -> None:
    await store.submit((new(1),))
    damage(tmp_path)
    with pytest.raises(QueueUnavailable):
        await store.submit((new(2),))
    delete(tmp_path)
    await store.submit((new(3),))

    assert ids((await store.find(TaskQuery())).tasks) == ["t3"]


async def test_a_task_that_is_none_is_as_a_store_that_is_away(
    store: SqliteTasks, tmp_path: Path
) -> None:
    await store.submit((new(1),))
    with closing(sqlite3.connect(store.path)) as other, other:
        other.execute("UPDATE tasks SET status = x'ff'")
    with pytest.raises(QueueUnavailable, match="is none"):
        await store.get("t1")
