"""The database: whole transactions from any thread, layouts, damage."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from actors.errors import LedgerRefused, LedgerUnavailable
from daemon.storage.migrations import scripts
from daemon.storage.sqlite import Database, DatabaseCorrupt

COUNT = "SELECT COUNT(*) FROM state"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gitbridge.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    made = Database(path, busy_timeout_s=0.05)
    yield made
    made.close()


def contents(path: Path) -> bytes:
    return path.read_bytes()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def insert(connection: sqlite3.Connection, key: str) -> None:
    connection.execute("INSERT INTO state VALUES (?, ?)", (key, b"v"))


def count(database: Database) -> object:
    ((number,),) = database.read(COUNT)
    return number


def test_it_is_made_with_the_newest_layout(database: Database, path: Path) -> None:
    database.open()
    other = sqlite3.connect(path)

    assert other.execute("PRAGMA user_version").fetchone() == (len(scripts()),)
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert other.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert mode(path) == 0o600
    other.close()


def test_an_older_layout_is_brought_up_to_date_with_its_data(
    database: Database, path: Path
) -> None:
    """Version 0 with a foreign table stands for any older one."""
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE older (x)")
    other.execute("INSERT INTO older VALUES (7)")
    other.commit()
    other.close()

    assert count(database) == 0
    assert database.read("SELECT x FROM older") == [(7,)]


def test_a_migration_that_fails_changes_nothing(database: Database, path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE totals (in_the_way)")
    other.commit()
    with pytest.raises(LedgerUnavailable, match="already exists"):
        database.open()

    assert other.execute("PRAGMA user_version").fetchone() == (0,)
    tables = other.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    assert tables.fetchall() == [("totals",)]
    other.close()


def test_a_newer_layout_is_refused_in_a_sentence_and_left_alone(
    database: Database, path: Path
) -> None:
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    before = contents(path)
    with pytest.raises(LedgerRefused, match=r"layout 99, made by a newer version"):
        database.open()

    assert contents(path)[100:] == before[100:]


def test_writes_are_whole_or_not_at_all(database: Database) -> None:
    def half(connection: sqlite3.Connection) -> None:
        insert(connection, "a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write(half)
    database.write(lambda connection: insert(connection, "b"))

    assert count(database) == 1


def test_writes_do_not_mix(database: Database) -> None:
    def both(connection: sqlite3.Connection, key: int) -> int:
        insert(connection, f"{key}")
        (number,) = connection.execute(COUNT).fetchone()
        return int(number)

    def write(key: int) -> int:
        return database.write(lambda connection: both(connection, key))

    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(write, range(40)))

    assert sorted(seen) == list(range(1, 41))


def test_reading_does_not_wait_for_a_write(database: Database) -> None:
    begun, go_on = Event(), Event()

    def slow(connection: sqlite3.Connection) -> None:
        insert(connection, "a")
        begun.set()
        assert go_on.wait(5.0)

    database.open()
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(database.write, slow)
        assert begun.wait(5.0)
        meanwhile = count(database)
        go_on.set()
        writing.result()

    assert (meanwhile, count(database)) == (0, 1)


def test_what_was_just_written_can_be_read_where_it_was_written(
    database: Database,
) -> None:
    database.write(lambda connection: insert(connection, "a"))

    assert database.reread(COUNT) == [(1,)]
    with pytest.raises(LedgerUnavailable, match="no such table"):
        database.reread("SELECT * FROM nowhere")


def test_closing_waits_for_a_write(database: Database, path: Path) -> None:
    begun, go_on = Event(), Event()

    def slow(connection: sqlite3.Connection) -> None:
        begun.set()
        assert go_on.wait(5.0)
        insert(connection, "a")

    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(database.write, slow)
        assert begun.wait(5.0)
        closing = threads.submit(database.close)
        go_on.set()
        writing.result()
        closing.result()
    other = sqlite3.connect(path)

    assert other.execute(COUNT).fetchone() == (1,)
    other.close()


def test_many_threads_may_open_it(path: Path) -> None:
    database = Database(path)
    with ThreadPoolExecutor(8) as threads:
        counts = list(threads.map(count, [database] * 16))
    database.close()

    assert counts == [0] * 16


def test_a_foreign_lock_is_an_error_that_passes(database: Database, path: Path) -> None:
    database.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="locked"):
        database.write(lambda connection: insert(connection, "a"))
    assert count(database) == 0  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    database.write(lambda connection: insert(connection, "a"))

    assert count(database) == 1


def test_a_folder_that_is_not_there_is_an_error_that_passes(
    tmp_path: Path,
) -> None:
    database = Database(tmp_path / "later" / "gitbridge.db")
    with pytest.raises(LedgerUnavailable, match="unable to open"):
        database.open()
    (tmp_path / "later").mkdir()

    assert count(database) == 0
    database.close()


def test_what_is_no_database_is_moved_aside(database: Database, path: Path) -> None:
    put(path, b"no database at all" * 1000)
    with pytest.raises(DatabaseCorrupt):
        database.open()
    first = database.move_aside()
    put(path, b"again no database!" * 1000)
    second = database.move_aside()

    assert count(database) == 0
    assert (first.name, second.name) == (
        "gitbridge.db.corrupt-1",
        "gitbridge.db.corrupt-2",
    )
    assert first.read_bytes().startswith(b"no database")


def test_damage_is_noticed_when_it_is_met(database: Database, path: Path) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        for number in range(200):
            insert(connection, f"{number}" * 50)

    database.write(fill)
    database.close()
    data = bytearray(contents(path))
    data[4096:] = b"\xff" * (len(data) - 4096)
    put(path, bytes(data))

    with pytest.raises(DatabaseCorrupt):
        database.read("SELECT * FROM state ORDER BY value")


def test_the_reader_cannot_write(database: Database) -> None:
    with pytest.raises(LedgerUnavailable, match="readonly"):
        database.read("INSERT INTO state VALUES ('a', 'b')")


def test_space_of_deleted_rows_is_given_back(database: Database, path: Path) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO state VALUES ('a', zeroblob(1000000))")

    def empty(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM state")

    database.write(fill)
    database.write(empty)
    database.release_space()
    database.close()

    assert len(contents(path)) < 200_000


def test_full_sync_is_set_where_it_was_asked_for(path: Path) -> None:
    database = Database(path, sync=True)
    levels: list[int] = []

    def look(connection: sqlite3.Connection) -> None:
        levels.extend(connection.execute("PRAGMA synchronous").fetchone())

    database.write(look)
    database.close()

    assert levels == [2]
