"""Limits from the configuration, and what was spent before from the ledger."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import anyio
import msgspec
import pytest
from typing_extensions import override

from actors.errors import LedgerUnavailable
from actors.messages.provider import BreakerTransition, Outcome, ProbeResult
from actors.policy.budgets import DAY_S
from daemon.budgeting import RETRY_S, Budgeting, budget_limits
from daemon.config import Config
from daemon.storage.spool import Spool
from daemon.storage.store import Store
from ipc.methods import Peer
from tests.support.ledger_memory import MemoryLedger
from tests.support.records import attempt, record
from tests.support.stored import Stored

ADMIN = Peer(door="json", tier="admin")
DAY = 20_000 * float(DAY_S)
NOON = DAY + DAY_S / 2


def config(**budgets: object) -> Config:
    return msgspec.convert({"budgets": budgets}, Config)


class Late(MemoryLedger):
    """Cannot be read the first ``failures`` times."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__(())
        self.failures = failures

    @override
    async def flush(self) -> bool:
        self.failures -= 1
        return self.failures < 0


@pytest.fixture
async def budgeting(tmp_path: Path) -> AsyncIterator[Budgeting]:
    spool = Spool(tmp_path / "spool")
    store = Store(tmp_path, spool)
    stored = Stored(tmp_path, spool, store)
    unknown = msgspec.structs.replace(
        attempt("a3", at=NOON - 1, cost=None), held_usd=Decimal("0.25")
    )
    under_way = msgspec.structs.replace(
        record(6, at=NOON - 2, attempts=(attempt("a5", at=NOON - 2, cost="11"),)),
        latency_s=2.5,  # counted when it ended
    )
    await stored.fold(
        record(1, at=DAY - 5, attempts=(attempt("a0", at=DAY - 5, cost="7"),)),
        record(2, at=DAY - 5, attempts=(attempt("a1", at=DAY, cost="0.5"),)),
        record(3, at=NOON - 2, user=None, attempts=(attempt("a2", at=NOON - 2),)),
        record(4, at=NOON - 2, attempts=(unknown,)),
        record(5, at=NOON, attempts=(attempt("a4", at=NOON, cost="9"),)),
        under_way,
    )
    yield Budgeting(Late(), store, lambda: NOON)
    await store.close()


def test_the_limits_are_those_of_the_configuration() -> None:
    token = {"name": "ci", "sha256": "0" * 64, "budget_usd_per_day": 2.5}
    other = {"name": "free", "sha256": "1" * 64}
    told = msgspec.convert(
        {
            "budgets": {"usd_per_day": 50, "per_user_usd_per_day": 0.1},
            "access": {"tokens": [token, other]},
        },
        Config,
    )

    limits = budget_limits(told)

    assert (limits.daemon, limits.per_user) == (Decimal(50), Decimal("0.1"))
    assert limits.tokens == {"ci": Decimal("2.5")}
    assert not budget_limits(Config()).any


async def test_what_began_today_before_we_counted_is_recalled_once(
    budgeting: Budgeting,
) -> None:
    budgeting.configure(config(usd_per_day=10))

    assert await budgeting.recall()
    assert await budgeting.recall()

    (row,) = budgeting.rows()
    assert row.spent_usd == Decimal("0.75") + Decimal("0.000125")


async def test_without_a_limit_nothing_is_asked_or_told(tmp_path: Path) -> None:
    ledger = Late(failures=1)
    budgeting = Budgeting(ledger, Store(tmp_path, Spool(tmp_path)), lambda: NOON)
    budgeting.configure(Config())

    assert await budgeting.recall()

    assert ledger.failures == 1
    assert budgeting.rows() == ()
    assert list(budgeting.findings()) == []
    assert budgeting.figures(ADMIN)[0].values == {}


async def test_a_ledger_that_comes_late_is_asked_again(
    budgeting: Budgeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgeting, "_ledger", Late(failures=1))
    monkeypatch.setattr("daemon.budgeting.RETRY_S", RETRY_S / 1000)
    budgeting.configure(config(usd_per_day=10))
    assert not await budgeting.recall()
    assert [each.code for each in budgeting.findings()] == ["budgets_unsure"]

    async with anyio.create_task_group() as group:
        group.start_soon(budgeting.run)
        with anyio.fail_after(5):
            while list(budgeting.findings()):  # noqa: ASYNC110 - real threads of SQLite
                await anyio.sleep(0.005)
        group.cancel_scope.cancel()

    (row,) = budgeting.rows()
    assert row.spent_usd > 0


async def test_a_store_that_cannot_be_read_is_a_condition(
    budgeting: Budgeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def locked(since: float, until: float) -> dict[str | None, Decimal]:
        raise LedgerUnavailable("it is locked")

    monkeypatch.setattr(budgeting._store, "spent", locked)
    budgeting.configure(config(usd_per_day=10))

    assert not await budgeting.recall()

    (finding,) = budgeting.findings()
    assert finding.values == {"error": "it is locked"}


def probe(cost: str | None) -> ProbeResult:
    outcome = Outcome(
        attempt_id="p",
        provider="a",
        model="m",
        latency_s=0.1,
        cost_usd=None if cost is None else Decimal(cost),
    )
    return ProbeResult(
        provider="a",
        healthy=True,
        at=NOON,
        latency_s=0.1,
        probe="completion",
        outcome=outcome,
    )


async def test_health_checks_that_cost_money_count(budgeting: Budgeting) -> None:
    budgeting.heard(probe("1"))  # nothing is limited yet
    budgeting.configure(config(usd_per_day=10))
    budgeting.heard(probe("2"))
    budgeting.heard(probe(None))
    budgeting.heard(
        BreakerTransition(
            provider="a", model="m", before="open", after="closed", reason="", at=NOON
        )
    )

    (row,) = budgeting.rows()
    assert row.spent_usd == 2
    assert budgeting.figures(ADMIN)[0].values == {
        ("daemon", "", "limit"): 10.0,
        ("daemon", "", "spent"): 2.0,
        ("daemon", "", "reserved"): 0.0,
    }


async def test_the_figures_of_others_are_for_administrators(
    budgeting: Budgeting,
) -> None:
    budgeting.configure(config(usd_per_day=100, per_user_usd_per_day=10))
    assert await budgeting.recall()
    users = [row.name or "" for row in budgeting.rows() if row.scope == "user"]
    user, nameless = sorted(users, reverse=True)
    assert (bool(user), nameless) == (True, "")

    def named(peer: Peer) -> set[tuple[str, ...]]:
        return {labels[:2] for labels in budgeting.figures(peer)[0].values}

    everybodys, own = {("daemon", "")}, {("user", user)}
    assert named(Peer(door="http", user=user)) == everybodys | own
    assert named(Peer(door="http", user="nobody else")) == everybodys
    assert named(ADMIN) == everybodys | own | {("user", nameless)}
