"""The database: transactions that nobody can cancel, layouts, damage."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from actors.errors import LedgerRefused, LedgerUnavailable
from daemon.storage.migrations import scripts
from daemon.storage.sqlite import Database, DatabaseCorrupt
from tests.support.stored import database_threads

COUNT = "SELECT COUNT(*) FROM state"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gitbridge.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    made = Database(path, busy_timeout_s=0.05)
    yield made
    await made.close()


def contents(path: Path) -> bytes:
    return path.read_bytes()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


async def insert(connection: aiosqlite.Connection, key: str) -> None:
    await connection.execute("INSERT INTO state VALUES (?, ?)", (key, b"v"))


async def count(database: Database) -> object:
    ((number,),) = await database.read(COUNT)
    return number


async def test_it_is_made_with_the_newest_layout(
    database: Database, path: Path
) -> None:
    await database.open()
    other = sqlite3.connect(path)

    assert other.execute("PRAGMA user_version").fetchone() == (len(scripts()),)
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert other.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert mode(path) == 0o600
    other.close()


async def test_an_older_layout_is_brought_up_to_date_with_its_data(
    database: Database, path: Path
) -> None:
    """Version 0 with a foreign table stands for any older one."""
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE older (x)")
    other.execute("INSERT INTO older VALUES (7)")
    other.commit()
    other.close()

    assert await count(database) == 0
    assert await database.read("SELECT x FROM older") == [(7,)]


async def test_a_migration_that_fails_changes_nothing(
    database: Database, path: Path
) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE totals (in_the_way)")
    other.commit()
    with pytest.raises(LedgerUnavailable, match="already exists"):
        await database.open()

    assert other.execute("PRAGMA user_version").fetchone() == (0,)
    tables = other.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    assert tables.fetchall() == [("totals",)]
    assert database_threads() == []
    other.close()


async def test_a_newer_layout_is_refused_in_a_sentence_and_left_alone(
    database: Database, path: Path
) -> None:
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    before = contents(path)
    with pytest.raises(LedgerRefused, match=r"layout 99, made by a newer version"):
        await database.open()

    assert contents(path)[100:] == before[100:]
    assert database_threads() == []


async def test_writes_are_whole_or_not_at_all(database: Database) -> None:
    async def half(connection: aiosqlite.Connection) -> None:
        await insert(connection, "a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(half)
    await database.write(lambda connection: insert(connection, "b"))

    assert await count(database) == 1


async def test_a_cancelled_caller_does_not_stop_the_transaction(
    database: Database,
) -> None:
    """aiosqlite cannot stop SQL: half a transaction would stay open."""
    begun = asyncio.Event()
    go_on = asyncio.Event()

    async def slow(connection: aiosqlite.Connection) -> None:
        await insert(connection, "a")
        begun.set()
        await go_on.wait()
        await insert(connection, "b")

    caller = asyncio.ensure_future(database.write(slow))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    await database.write(lambda connection: insert(connection, "c"))

    assert await count(database) == 3


async def test_closing_waits_for_the_write_that_nobody_waits_for(
    database: Database, path: Path
) -> None:
    caller = asyncio.ensure_future(database.write(lambda c: insert(c, "a")))
    await asyncio.sleep(0)  # noqa: TID251 - let it begin
    caller.cancel()
    await asyncio.wait([caller])
    await database.close()
    other = sqlite3.connect(path)

    assert other.execute(COUNT).fetchone() == (1,)
    assert database_threads() == []
    other.close()


async def test_writes_do_not_mix(database: Database) -> None:
    async def both(connection: aiosqlite.Connection) -> int:
        await insert(connection, f"{id(asyncio.current_task())}")
        rows = await connection.execute_fetchall(COUNT)
        return int(next(iter(rows))[0])

    seen = await asyncio.gather(*(database.write(both) for _ in range(20)))

    assert sorted(seen) == list(range(1, 21))


async def test_reading_does_not_wait_for_a_write(database: Database) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: aiosqlite.Connection) -> None:
        await insert(connection, "a")
        begun.set()
        await go_on.wait()

    writing = asyncio.ensure_future(database.write(slow))
    await begun.wait()
    meanwhile = await count(database)
    go_on.set()
    await writing

    assert (meanwhile, await count(database)) == (0, 1)


async def test_what_was_just_written_can_be_read_where_it_was_written(
    database: Database,
) -> None:
    await database.write(lambda connection: insert(connection, "a"))

    assert await database.reread(COUNT) == [(1,)]
    with pytest.raises(LedgerUnavailable, match="no such table"):
        await database.reread("SELECT * FROM nowhere")


async def test_many_may_open_and_close_it_at_once(database: Database) -> None:
    async def use(number: int) -> object:
        if number % 4 == 3:
            await database.close()
        return await count(database)

    counts = await asyncio.gather(*(use(number) for number in range(16)))
    await database.close()

    assert counts == [0] * 16
    assert database_threads() == []


async def test_whoever_gives_up_while_it_is_opened_leaves_nothing_open(
    database: Database,
) -> None:
    caller = asyncio.ensure_future(database.open())
    await asyncio.sleep(0)  # noqa: TID251 - let it begin
    caller.cancel()
    await asyncio.wait([caller])
    await database.close()

    assert caller.cancelled()
    assert database_threads() == []


async def test_a_foreign_lock_is_an_error_that_passes(
    database: Database, path: Path
) -> None:
    await database.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="locked"):
        await database.write(lambda connection: insert(connection, "a"))
    assert await count(database) == 0  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    await database.write(lambda connection: insert(connection, "a"))

    assert await count(database) == 1


async def test_a_folder_that_is_not_there_is_an_error_that_passes(
    tmp_path: Path,
) -> None:
    database = Database(tmp_path / "later" / "gitbridge.db")
    with pytest.raises(LedgerUnavailable, match="unable to open"):
        await database.open()
    assert database_threads() == []
    (tmp_path / "later").mkdir()

    assert await count(database) == 0
    await database.close()


async def test_what_is_no_database_is_moved_aside(
    database: Database, path: Path
) -> None:
    put(path, b"no database at all" * 1000)
    with pytest.raises(DatabaseCorrupt):
        await database.open()
    assert database_threads() == []
    first = await database.move_aside()
    put(path, b"again no database!" * 1000)
    second = await database.move_aside()

    assert await count(database) == 0
    assert (first.name, second.name) == (
        "gitbridge.db.corrupt-1",
        "gitbridge.db.corrupt-2",
    )
    assert first.read_bytes().startswith(b"no database")


async def test_damage_is_noticed_when_it_is_met(database: Database, path: Path) -> None:
    async def fill(connection: aiosqlite.Connection) -> None:
        for number in range(200):
            await insert(connection, f"{number}" * 50)

    await database.write(fill)
    await database.close()
    data = bytearray(contents(path))
    data[4096:] = b"\xff" * (len(data) - 4096)
    put(path, bytes(data))

    with pytest.raises(DatabaseCorrupt):
        await database.read("SELECT * FROM state ORDER BY value")


async def test_the_reader_cannot_write(database: Database) -> None:
    with pytest.raises(LedgerUnavailable, match="readonly"):
        await database.read("INSERT INTO state VALUES ('a', 'b')")


async def test_space_of_deleted_rows_is_given_back(
    database: Database, path: Path
) -> None:
    async def fill(connection: aiosqlite.Connection) -> None:
        await connection.execute("INSERT INTO state VALUES ('a', zeroblob(1000000))")

    async def empty(connection: aiosqlite.Connection) -> None:
        await connection.execute("DELETE FROM state")

    await database.write(fill)
    await database.write(empty)
    await database.release_space()
    await database.close()

    assert len(contents(path)) < 200_000


async def test_full_sync_is_set_where_it_was_asked_for(path: Path) -> None:
    database = Database(path, sync=True)
    levels: list[int] = []

    async def look(connection: aiosqlite.Connection) -> None:
        rows = await connection.execute_fetchall("PRAGMA synchronous")
        levels.append(next(iter(rows))[0])

    await database.write(look)
    await database.close()

    assert levels == [2]
