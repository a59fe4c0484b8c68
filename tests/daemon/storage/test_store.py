"""Folding: every record is in the database exactly once."""

import asyncio
import errno
import shutil
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import aiosqlite
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from actors.errors import LedgerNotOpen, LedgerRefused, LedgerUnavailable
from actors.messages.chat import Usage
from daemon.storage.batches import Batch
from daemon.storage.spool import Spool
from daemon.storage.store import Store
from tests.support.records import START, attempt, record
from tests.support.stored import Stored, database_threads


async def test_a_fold_moves_records_and_values(stored: Stored) -> None:
    for number in range(3):
        stored.spool.append(record(number))
    first = await stored.store.fold(2, {"breaker": b"1"})
    second = await stored.store.fold(2, {"breaker": b"2"}, roll=False)

    assert (first.records, first.more) == (2, True)
    assert (second.records, second.more) == (1, False)
    assert await stored.all_ids() == ["r0", "r1", "r2"]
    assert await stored.store.states() == {"breaker": b"2"}


async def test_only_what_was_there_at_the_roll_is_folded(stored: Stored) -> None:
    stored.spool.append(record(1))
    stored.spool.roll()
    stored.spool.append(record(2))
    folded = await stored.store.fold(10, {}, roll=False)

    assert (folded.records, folded.more) == (1, False)
    assert await stored.fold() == 1


async def test_a_record_folded_again_is_in_there_once(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ended after the commit and before the segment was removed."""
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "done", lambda *_: None)
        stored.spool.append(record(1))
        await stored.store.fold(10, {})
    await stored.fold(record(2))

    assert await stored.all_ids() == ["r1", "r2"]
    assert (await stored.store.totals())["openai"].requests == 2
    assert stored.logged() == ["r1", "r2"]


async def test_requests_that_share_an_id_are_both_kept(stored: Stored) -> None:
    twin = msgspec.structs.replace(record(2), request_id="r1")
    await stored.fold(record(1), twin)

    assert await stored.all_ids() == ["r1", "r1"]


async def test_a_locked_database_keeps_the_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    store = Store(tmp_path, spool, busy_timeout_s=0.05)
    await store.open()
    other = sqlite3.connect(tmp_path / "gitbridge.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    spool.append(record(1))
    with pytest.raises(LedgerUnavailable, match="locked"):
        await store.fold(10, {"k": b"v"})
    other.execute("ROLLBACK")
    other.close()

    assert (await store.fold(10, {"k": b"v"})).records == 1
    await store.close()


async def test_a_cancelled_fold_is_finished(stored: Stored) -> None:
    stored.spool.append(record(1))
    caller = asyncio.ensure_future(stored.store.fold(10, {}))
    await asyncio.sleep(0)  # noqa: TID251 - let it begin
    caller.cancel()
    await asyncio.wait([caller])
    await stored.fold(record(2))

    assert await stored.all_ids() == ["r1", "r2"]
    assert stored.logged() == ["r1", "r2"]


async def test_a_fold_takes_the_same_few_turns_whatever_its_size(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement is a turn of the connection's thread and one of the loop."""
    turns: list[str] = []

    def counted(name: str) -> Callable[..., object]:
        original = getattr(aiosqlite.Connection, name)

        def call(*arguments: object) -> object:
            turns.append(name)
            return original(*arguments)

        return call

    await stored.fold(record(0))
    for name in ("execute", "executemany", "execute_fetchall", "commit"):
        monkeypatch.setattr(aiosqlite.Connection, name, counted(name))
    await stored.fold(record(1))
    few = len(turns)
    await stored.fold(*map(record, range(2, 82)))

    assert few == len(turns) - few == 11
    assert len(await stored.all_ids()) == 82


async def test_folds_at_the_same_time_do_not_disturb_each_other(
    stored: Stored,
) -> None:
    for number in range(40):
        stored.spool.append(record(number))
    await asyncio.gather(*(stored.store.fold(10, {}) for _ in range(6)))

    assert len(await stored.all_ids()) == 40
    assert len(stored.logged()) == 40


async def test_a_record_that_is_refused_holds_up_nothing(stored: Stored) -> None:
    await stored.store.open()
    other = sqlite3.connect(stored.folder / "gitbridge.db")
    other.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON requests WHEN NEW.request_id = 'r3'"
        " BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    other.close()
    for number in range(6):
        stored.spool.append(record(number))
    damaged = 0
    folded = await stored.store.fold(10, {})
    while folded.more:
        damaged += folded.damaged
        folded = await stored.store.fold(10, {}, roll=False)
    damaged += folded.damaged

    assert await stored.all_ids() == ["r0", "r1", "r2", "r4", "r5"]
    assert damaged == 1
    assert len(list((stored.folder / "spool" / "damaged").iterdir())) == 1


async def test_a_corrupt_database_is_replaced_and_the_spool_folded_into_the_new_one(
    stored: Stored,
) -> None:
    (stored.folder / "gitbridge.db").write_bytes(b"no database at all" * 500)
    stored.spool.append(record(1))
    await stored.store.open()
    folded = await stored.store.fold(10, {})

    assert folded.replaced == str(stored.folder / "gitbridge.db.corrupt-1")
    assert await stored.all_ids() == ["r1"]
    assert (await stored.store.fold(10, {})).replaced is None


async def test_a_corrupt_database_that_cannot_be_moved_is_not_open_and_stays(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored.folder / "gitbridge.db"
    path.write_bytes(b"no database at all" * 500)
    stored.spool.append(record(1))

    def refuse(_path: Path, _target: Path) -> Path:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(LedgerNotOpen, match="moved aside: Read-only file system"):
            await stored.store.open()
        with pytest.raises(LedgerNotOpen, match="not a database"):
            await stored.store.fold(10, {})
    assert path.read_bytes().startswith(b"no database")
    folded = await stored.store.fold(10, {})

    assert folded.replaced == f"{path}.corrupt-1"
    assert await stored.all_ids() == ["r1"]


async def test_damage_during_operation_loses_no_record_of_the_spool(
    stored: Stored,
) -> None:
    await stored.fold(*(record(number) for number in range(50)))
    await stored.store.close()
    path = stored.folder / "gitbridge.db"
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 200_000)
    folded = await stored.fold(record(99))

    assert folded == 1
    assert await stored.all_ids() == ["r99"]
    assert stored.logged()[-1] == "r99"
    assert len(stored.logged()) == 51


async def test_closing_folds_what_is_left(stored: Stored) -> None:
    stored.spool.append(record(1))
    await stored.store.close()
    reopened = Store(stored.folder, Spool(stored.folder / "spool"))

    assert [e.request_id for e in await reopened.history(5, None)] == ["r1"]
    await reopened.close()


async def test_closing_writes_what_the_actor_left(stored: Stored) -> None:
    stored.store.stash({"breaker": b"open"})
    await stored.store.close()

    assert await stored.store.states() == {"breaker": b"open"}


async def test_closing_a_store_that_a_newer_version_made_only_closes_it(
    tmp_path: Path,
) -> None:
    other = sqlite3.connect(tmp_path / "gitbridge.db")
    other.execute("PRAGMA user_version = 99")
    other.close()
    spool = Spool(tmp_path / "spool")
    store = Store(tmp_path, spool)
    spool.append(record(1))
    with pytest.raises(LedgerRefused):
        await store.open()
    await store.close()

    assert Spool(tmp_path / "spool").pending_bytes > 0


@pytest.mark.parametrize("turns", range(1, 40, 3))
async def test_whoever_is_cancelled_while_it_closes_leaves_no_thread(
    tmp_path: Path, turns: int
) -> None:
    store = Store(tmp_path, spool := Spool(tmp_path / "spool"))
    await store.open()
    spool.append(record(1))
    caller = asyncio.ensure_future(store.close())
    for _ in range(turns):
        await asyncio.sleep(0)  # noqa: TID251 - let it get further
    caller.cancel()
    await asyncio.wait([caller])

    assert database_threads() == []


async def test_closing_works_when_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "gitbridge.db").mkdir()
    spool = Spool(tmp_path / "spool")
    store = Store(tmp_path, spool)
    spool.append(record(1))
    await store.close()

    assert Spool(tmp_path / "spool").pending_bytes > 0


async def test_a_full_state_folder_hurts_nobody(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Batch:
        raise OSError(28, "No space left on device")

    stored.spool.append(record(1))
    with monkeypatch.context() as patch:
        patch.setattr("daemon.storage.store.read_batch", full)
        with pytest.raises(OSError, match="No space"):
            await stored.store.fold(10, {})

    assert await stored.fold() == 1


async def test_old_requests_are_deleted_oldest_first(stored: Stored) -> None:
    await stored.fold(*(record(number) for number in range(10)))

    assert await stored.store.sweep(START + 8, 5) == 5
    assert await stored.all_ids() == ["r5", "r6", "r7", "r8", "r9"]
    assert await stored.store.sweep(START + 8, 5) == 3
    assert await stored.store.sweep(START + 8, 5) == 0


async def test_what_is_not_in_the_usage_logs_yet_is_not_deleted(
    stored: Stored,
) -> None:
    (stored.folder / "logs").write_text("in the way")
    await stored.fold(record(1), record(2, attempts=()))

    assert await stored.store.sweep(START + 100, 10) == 1
    assert await stored.all_ids() == ["r1"]
    (stored.folder / "logs").unlink()
    await stored.fold()
    assert await stored.store.sweep(START + 100, 10) == 1


@pytest.mark.slow
@given(text=st.text(max_size=20), number=st.integers(-(2**70), 2**70))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_no_value_in_a_record_can_stop_the_ledger(
    tmp_path: Path, text: str, number: int
) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    spool = Spool(folder / "spool")
    store = Store(folder, spool)
    call = attempt(text, provider=text, usage=Usage(number, number), cost=str(number))
    spool.append(
        msgspec.structs.replace(
            record(1, attempts=(call,), user=text, metadata={text: number}),
            request_id=text,
            known_cost_usd=Decimal(number),
            latency_s=float("inf"),
        )
    )
    folded = await store.fold(10, {text: b""})

    assert (folded.records, folded.damaged, folded.export_error) == (1, 0, None)
    await store.close()
    shutil.rmtree(folder)
