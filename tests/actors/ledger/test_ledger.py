"""The ledger actor in virtual time, over a store in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from typing_extensions import override

from actors.errors import InvalidRequest, LedgerNotOpen, LedgerUnavailable
from actors.ledger import LedgerHandle, LedgerSettings
from actors.messages.threads import ListThreads, ThreadList
from actors.runtime import ActorSystem, SupervisorSpec
from tests.support.ledger_store import MemoryStore
from tests.support.records import record

WALL = 1_800_000_000.0
BATCH = LedgerSettings().batch


class House:
    """A running ledger and what a test knows of it."""

    def __init__(self, store: MemoryStore, settings: LedgerSettings | None) -> None:
        self.store = store
        self.handle = LedgerHandle(store, lambda: WALL, settings, kept={"old": b"1"})
        self.began = anyio.current_time()

    def spool(self, *numbers: int) -> None:
        for number in numbers:
            self.store.spooled.append(record(number))
            self.handle.wake()

    @property
    def codes(self) -> set[str]:
        return {finding.code for finding in self.handle.findings()}

    @property
    def folds(self) -> list[tuple[float, int]]:
        """When records were moved since the start, and how many."""
        return [
            (round(at - self.began, 3), count)
            for at, count in self.store.folds
            if count
        ]


@asynccontextmanager
async def house(
    store: MemoryStore | None = None, settings: LedgerSettings | None = None
) -> AsyncIterator[House]:
    async with ActorSystem() as system:
        made = House(store or MemoryStore(), settings)
        root = system.start(SupervisorSpec(id="root", children=(made.handle.spec(),)))
        made.handle.connect(root.ref("ledger"))
        yield made


async def settled(of: House) -> None:
    """Let the round at start come to its end."""
    await anyio.sleep(0.01)


async def test_folds_at_start_what_an_earlier_process_left() -> None:
    store = MemoryStore()
    store.spooled.append(record(1))
    async with house(store) as ledger:
        await settled(ledger)

        assert [r.request_id for r in store.records] == ["r1"]


async def test_folds_a_group_fifty_milliseconds_after_its_first_record() -> None:
    async with house() as ledger:
        await anyio.sleep(1.0)
        ledger.spool(1)
        await anyio.sleep(0.03)
        ledger.spool(2, 3)
        await anyio.sleep(1.0)

        assert ledger.folds == [(1.05, 3)]


async def test_a_full_group_is_folded_at_once() -> None:
    async with house() as ledger:
        await anyio.sleep(1.0)
        ledger.spool(*range(500))
        await anyio.sleep(0.01)

        assert ledger.folds == [(1.0, 500)]


async def test_what_arrives_during_a_round_is_folded_soon_after_it() -> None:
    store = MemoryStore()
    store.fold_s = 0.2
    async with house(store) as ledger:
        await anyio.sleep(1.0)
        ledger.spool(1)
        await anyio.sleep(0.1)
        ledger.spool(2)
        await anyio.sleep(1.0)

        assert ledger.folds == [(1.05, 1), (1.3, 1)]


async def test_a_question_sees_what_was_spooled_before_it() -> None:
    store = MemoryStore()
    store.fold_s = 0.5
    async with house(store) as ledger:
        await anyio.sleep(0.1)  # in the middle of the first round
        ledger.spool(7)

        assert await ledger.handle.explain("d7") == record(7)


async def test_questions_do_not_wait_for_ever_behind_a_long_backlog() -> None:
    store = MemoryStore()
    store.fold_s = 0.5
    store.spooled.extend(record(number) for number in range(BATCH * 100))
    async with house(store) as ledger:
        await anyio.sleep(0.1)
        began = anyio.current_time()
        totals = await ledger.handle.totals()

        assert 2.0 <= anyio.current_time() - began <= 3.0
        assert 0 < totals["openai"].requests < BATCH * 100


async def test_flush_waits_for_the_whole_backlog() -> None:
    store = MemoryStore()
    store.fold_s = 0.5
    store.spooled.extend(record(number) for number in range(BATCH * 20))
    async with house(store) as ledger:
        worked = await ledger.handle.flush()

        assert worked
        assert len(store.records) == BATCH * 20


async def test_a_failing_store_is_tried_again_with_growing_pauses() -> None:
    store = MemoryStore()
    async with house(store) as ledger:
        await anyio.sleep(1.0)
        store.errors = [LedgerUnavailable("locked")] * 4
        ledger.spool(1)
        await anyio.sleep(60.0)

        assert ledger.folds == [(1.05 + 0.1 + 0.2 + 0.4 + 0.8, 1)]


async def test_pauses_end_at_thirty_seconds() -> None:
    store = MemoryStore()
    store.errors = [OSError("no")] * 20
    async with house(store) as ledger:
        ledger.spool(1)
        await anyio.sleep(0.1 * (2**9 - 1) + 30.0 * 11 + 1.0)

        assert len(ledger.folds) == 1


async def test_wakes_do_not_cut_a_back_off_short() -> None:
    store = MemoryStore()
    async with house(store) as ledger:
        await anyio.sleep(1.0)
        store.errors = [LedgerUnavailable("locked")] * 5
        for number in range(1000):
            ledger.spool(number)
            await anyio.sleep(0.002)
        await anyio.sleep(2.0)

        assert ledger.folds[0] == (1.05 + 0.1 + 0.2 + 0.4 + 0.8 + 1.6, BATCH)


async def test_a_store_that_fails_is_a_finding_until_it_works_again() -> None:
    store = MemoryStore()
    async with house(store) as ledger:
        await settled(ledger)
        store.errors = [LedgerUnavailable("locked")] * 2
        ledger.spool(1)
        await anyio.sleep(0.055)
        assert ledger.codes == {"ledger_behind"}
        (finding,) = ledger.handle.findings()
        assert finding.values == {"error": "locked"}
        await anyio.sleep(1.0)

        assert ledger.codes == set()


async def test_a_database_that_cannot_be_opened_is_worse_than_one_that_is_busy() -> (
    None
):
    store = MemoryStore()
    async with house(store) as ledger:
        await settled(ledger)
        store.errors = [LedgerUnavailable("locked"), LedgerUnavailable("locked")]
        store.errors += [LedgerNotOpen("gone"), LedgerNotOpen("gone")]
        ledger.spool(1)
        await anyio.sleep(0.2)
        assert ledger.codes == {"ledger_behind"}
        await anyio.sleep(0.5)
        assert ledger.codes == {"ledger_unavailable"}
        await anyio.sleep(2.0)

        assert ledger.codes == set()


async def test_an_unexpected_exception_of_the_store_crashes_nothing() -> None:
    store = MemoryStore()
    store.errors = [ZeroDivisionError()] * 12
    async with house(store) as ledger:
        ledger.spool(1)
        await anyio.sleep(300.0)

        assert len(ledger.folds) == 1


async def test_questions_are_answered_although_folding_fails() -> None:
    store = MemoryStore()
    async with house(store) as ledger:
        ledger.spool(1)
        await settled(ledger)
        await ledger.handle.flush()
        store.errors = [LedgerUnavailable("locked")] * 2

        assert not await ledger.handle.flush()
        assert await ledger.handle.explain("r1") == record(1)


@pytest.mark.parametrize(
    ("broken", "raised"),
    [
        (InvalidRequest("cursor"), InvalidRequest),
        (LedgerUnavailable("locked"), LedgerUnavailable),
        (ZeroDivisionError("oops"), LedgerUnavailable),
    ],
    ids=["caller", "store", "bug"],
)
async def test_a_question_that_fails_says_why(
    broken: Exception, raised: type[Exception]
) -> None:
    store = MemoryStore()
    store.broken = broken
    async with house(store) as ledger:
        for ask in (
            ledger.handle.history(5),
            ledger.handle.usage(None, "model"),
            ledger.handle.totals(),
        ):
            with pytest.raises(raised, match=str(broken)):
                await ask


async def test_a_store_that_hangs_fails_the_question_in_time() -> None:
    store = MemoryStore()
    store.fold_s = 1000.0
    async with house(store) as ledger:
        with pytest.raises(LedgerUnavailable, match="15 s"):
            await ledger.handle.history()
        assert not await ledger.handle.flush()


async def test_questions_before_the_start_are_refused() -> None:
    handle = LedgerHandle(MemoryStore(), lambda: WALL)
    handle.wake()

    with pytest.raises(LedgerUnavailable):
        await handle.history()


async def test_small_values_are_read_at_once_and_written_with_the_next_fold() -> None:
    async with house() as ledger:
        await settled(ledger)
        ledger.handle.save("breaker", b"open")

        assert ledger.handle.load("breaker") == b"open"
        assert ledger.handle.load("old") == b"1"
        assert ledger.handle.load("none") is None
        await anyio.sleep(0.1)
        assert ledger.store.saved == {"breaker": b"open"}


async def test_a_value_saved_while_an_older_one_is_written_is_written_too() -> None:
    store = MemoryStore()
    async with house(store) as ledger:
        await settled(ledger)
        store.fold_s = 0.2
        ledger.handle.save("k", b"1")
        await anyio.sleep(0.1)  # the fold has begun
        ledger.handle.save("k", b"2")
        await anyio.sleep(1.0)

        assert store.saved == {"k": b"2"}


async def test_values_outlive_a_failing_store() -> None:
    store = MemoryStore()
    store.errors = [OSError("full")] * 3
    async with house(store) as ledger:
        ledger.handle.save("k", b"1")
        await anyio.sleep(5.0)

        assert store.saved == {"k": b"1"}


async def test_trouble_with_the_spool_is_a_condition_until_it_is_over() -> None:
    async with house() as ledger:
        ledger.handle.spool_trouble(OSError(28, "No space left on device"))
        ledger.handle.spool_trouble(OSError(28, "No space left on device"))
        assert ledger.codes == {"spool_unwritable"}
        ledger.handle.spool_trouble(None)
        ledger.handle.spool_trouble(None)

        assert ledger.codes == set()


async def test_damage_and_a_replaced_database_are_told() -> None:
    store = MemoryStore()
    async with house(store) as ledger:
        await settled(ledger)
        store.damaged, store.replaced = 2, "/state/gitbridge.db.corrupt-1"
        ledger.spool(1)
        await anyio.sleep(0.1)
        store.damaged = 1
        ledger.spool(2)
        await anyio.sleep(0.1)

        told = {each.code: each.values for each in ledger.handle.findings()}
        assert told["spool_damaged"] == {"count": 3}
        assert told["database_corrupt"] == {"path": "/state/gitbridge.db.corrupt-1"}


async def test_usage_logs_that_cannot_be_written_hold_up_nothing() -> None:
    store = MemoryStore()
    async with house(store) as ledger:
        await anyio.sleep(1.0)
        store.export_error = "read-only"
        ledger.spool(1)
        await anyio.sleep(0.1)
        ledger.spool(2)
        await anyio.sleep(0.1)
        assert ledger.folds == [(1.05, 1), (1.15, 1)]
        assert ledger.codes == {"usage_log_unwritable"}
        store.export_error = None
        await anyio.sleep(31.0)

        assert ledger.codes == set()


async def test_old_requests_are_deleted_every_hour_in_small_batches() -> None:
    store = MemoryStore()
    store.records = [record(number, at=WALL - 8 * 86_400) for number in range(7)]
    store.records.append(record(99, at=WALL - 6 * 86_400))
    settings = LedgerSettings(retention_days=7, sweep_batch=3)
    async with house(store, settings):
        await anyio.sleep(2 * 3600.0 + 10.0)

        assert [r.request_id for r in store.records] == ["r99"]
        assert len(store.sweeps) == 3 + 1 + 1
        assert {before for _, before in store.sweeps} == {WALL - 7 * 86_400}


async def test_the_retention_time_may_change_and_is_followed_an_hour_later() -> None:
    store = MemoryStore()
    store.records = [record(n, at=WALL - n * 86_400) for n in range(10)]
    async with house(store) as ledger:
        await anyio.sleep(1800.0)
        ledger.handle.retain(7, None)
        ledger.handle.retain(7, None)
        await anyio.sleep(3500.0)
        assert store.sweeps == []
        await anyio.sleep(200.0)
        assert {before for _, before in store.sweeps} == {WALL - 7 * 86_400}
        ledger.handle.retain(None, None)
        swept = len(store.sweeps)
        await anyio.sleep(86_400.0)

        assert len(store.sweeps) == swept
        assert [r.request_id for r in store.records] == [f"r{n}" for n in range(8)]


async def test_old_entries_of_threads_are_deleted_by_a_time_of_their_own() -> None:
    store = MemoryStore()
    store.old_entries = 5
    async with house(store, LedgerSettings(thread_days=2, sweep_batch=3)) as ledger:
        await anyio.sleep(3600.0 + 10.0)
        assert {before for _, before in store.thread_sweeps} == {WALL - 2 * 86_400}
        assert len(store.thread_sweeps) == 2  # one more soon, for there was something
        ledger.handle.retain(None, 1)
        await anyio.sleep(3700.0)
        assert store.thread_sweeps[-1][1] == WALL - 86_400

        assert store.sweeps == []


async def test_a_sweep_of_requests_that_fails_holds_up_no_other() -> None:
    class Failing(MemoryStore):
        @override
        async def sweep(self, before: float, limit: int) -> int:
            raise OSError("disk")

    store = Failing()
    async with house(store, LedgerSettings(retention_days=1, thread_days=1)):
        await anyio.sleep(3700.0)

        assert len(store.thread_sweeps) == 1


async def test_threads_are_asked_for_once_everything_is_folded() -> None:
    async with house() as ledger:
        ledger.spool(1)
        assert await ledger.handle.threads(ListThreads(limit=1)) == ThreadList(())

        assert [r.request_id for r in ledger.store.records] == ["r1"]


async def test_nothing_is_deleted_without_a_retention_time() -> None:
    async with house() as ledger:
        await anyio.sleep(86_400.0)

        assert ledger.store.sweeps == []


async def test_an_orderly_stop_answers_the_questions_that_wait() -> None:
    store = MemoryStore()
    store.fold_s = 0.5
    found: list[object] = []

    async with house(store) as ledger, anyio.create_task_group() as tasks:

        async def ask() -> None:
            ledger.spool(1)
            found.append(await ledger.handle.explain("r1"))

        tasks.start_soon(ask)
        await anyio.sleep(0.1)

    assert found == [record(1)]


async def test_values_saved_just_before_a_stop_are_left_to_the_store() -> None:
    async with house() as ledger:
        await settled(ledger)
        ledger.handle.save("breaker", b"open")

    assert ledger.store.stashed == {"breaker": b"open"}


async def test_a_sweep_that_fails_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    calls: list[float] = []

    async def locked(before: float, limit: int) -> int:
        calls.append(anyio.current_time())
        raise LedgerUnavailable("locked")

    monkeypatch.setattr(store, "sweep", locked)
    async with house(store, LedgerSettings(retention_days=7)):
        await anyio.sleep(2 * 3600.0 + 10.0)

    assert len(calls) == 2
