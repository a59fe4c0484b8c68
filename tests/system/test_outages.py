"""A thousand requests while a provider dies, comes back, hangs, refuses and cuts.

Everybody is answered, or told who is to blame and why; nobody twice, nobody with half an
answer; and afterwards the ledger says exactly what the providers themselves counted.
``GITBRIDGE_LONG=1`` makes it ten times as long, each provider failing in turn.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from actors.messages.routing import AttemptRecord, RequestRecord
from daemon.simulator import SimulatedProvider
from daemon.simulator.stats import Exchange
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    daemon_process,
)
from tests.support.ledger_file import LedgerFile, Sums, reported, sums, usage_sums
from tests.support.load import Load, NativeDoor, Told, open_doors, promised
from tests.support.outages import FAULTS, LAP, Outages, outages
from tests.support.wire_client import WireClient, wire_client

LAPS = 10 if "GITBRIDGE_LONG" in os.environ else 1
IN_FLIGHT = 64

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 + 60 * LAPS)]

Providers = Mapping[str, SimulatedProvider]


async def test_everybody_is_answered_once_and_the_ledger_is_exact(
    tmp_path: Path,
) -> None:
    async with outages() as world, daemon_process(tmp_path, world.config) as daemon:
        told = await outage_run(daemon, world)
        async with wire_client(daemon.socket) as client:
            history = await whole_history(client)
            usage = (await client.call("usage")).result
        code = await daemon.stop()

        assert code == 0
        assert_well(daemon)
        assert len(daemon.logs("request_finished")) == LAPS * LAP
        assert_everybody_was_told(told, world.providers)
        ledger = LedgerFile(daemon.state)
        records = ledger.records()
        assert_every_fault_struck(world.providers, records)
        assert_recorded_once(told, records, history)
        for provider in world.providers.values():
            assert_same_calls(provider, attempts_of(records, provider.name))
        assert_sums_agree(records, ledger, usage)


async def outage_run(daemon: DaemonProcess, world: Outages) -> list[Told]:
    async with open_doors(daemon.socket) as doors:
        told = await Load(
            doors,
            LAPS * LAP,
            in_flight=IN_FLIGHT,
            on_start=world.on_start,
            forced=world.forced,
        ).run()
        for door in doors:
            if isinstance(door, NativeDoor):
                door.assert_nothing_else_came()
    return told


async def whole_history(client: WireClient) -> list[dict[str, object]]:
    """Every entry, page by page."""
    entries: list[dict[str, object]] = []
    cursor: object = None
    while True:
        page = (await client.call("history", {"limit": 500, "cursor": cursor})).result
        entries += cast("list[dict[str, object]]", page["entries"])
        cursor = page["cursor"]
        if cursor is None:
            return entries


# ---- what clients were told


def assert_everybody_was_told(told: Sequence[Told], providers: Providers) -> None:
    assert sorted(t.number for t in told) == list(range(LAPS * LAP))
    for each in told:
        assert each.replies == 1, each
        if each.outcome == "ok":
            assert_whole(each, providers)
        else:
            assert_explained(each, providers)
    free = [t for t in told if t.forced is None]
    assert sum(t.outcome == "ok" for t in free) >= 0.9 * len(free), Counter(
        (t.outcome, t.message) for t in free
    )


def assert_whole(told: Told, providers: Providers) -> None:
    assert told.provider is not None
    wanted = promised(providers[told.provider], told.prompt)
    if told.stream:
        assert told.pieces == wanted
    if told.content is not None:
        assert told.content == wanted
    assert told.content is not None or told.door == "http"


def assert_explained(told: Told, providers: Providers) -> None:
    """There is a reason and somebody it is due to; what came before is no nonsense."""
    owners = {
        "provider_error": {"provider", "us"},
        "rate_limited": {"provider", "us"},
        "no_provider": {"provider", "us"},
        "deadline_exceeded": {"caller"},  # it is the caller's own, and one may hang
    }
    assert told.owner in owners.get(told.outcome, set()), told
    assert told.message
    assert any(
        promised(p, told.prompt).startswith(told.pieces) for p in providers.values()
    ), told


def assert_every_fault_struck(
    providers: Providers, records: Sequence[RequestRecord]
) -> None:
    for victim in list(providers.values())[:LAPS]:
        struck = {kind for kind in FAULTS if victim.stats.faults[kind]}
        refused = [a.outcome == "connect" for a in attempts_of(records, victim.name)]

        assert struck == FAULTS
        assert any(refused)


# ---- what was written down


def assert_recorded_once(
    told: Sequence[Told],
    records: Sequence[RequestRecord],
    history: Sequence[dict[str, object]],
) -> None:
    by_decision = {r.decision.decision_id: r for r in records}

    assert len(records) == len(told)
    assert len({r.request_id for r in records}) == len(records)
    assert len(by_decision) == len(records)
    assert [h["request_id"] for h in reversed(history)] == [
        r.request_id for r in records
    ]
    known = [t for t in told if t.decision_id is not None]
    assert len({t.decision_id for t in known}) == len(known)
    for each in known:
        record = by_decision[str(each.decision_id)]
        assert record.outcome == each.outcome, each
        assert record.stream == each.stream
        assert record.door == each.door
        if each.attempts is not None:
            assert len(record.attempts) == each.attempts
    assert Counter(r.outcome for r in records) == Counter(t.outcome for t in told)


def attempts_of(records: Sequence[RequestRecord], provider: str) -> list[AttemptRecord]:
    return [a for r in records for a in r.attempts if a.provider == provider]


def assert_same_calls(
    provider: SimulatedProvider, attempts: Sequence[AttemptRecord]
) -> None:
    """The ledger's calls are the ones the provider saw, one by one where it answered.

    A call without an answer is known to both sides only as a number. What was refused
    or dropped with the provider's connections the provider may not have seen; what it
    dropped unanswered was asked again by the transport, as the same attempt.
    """
    stats = provider.stats
    assert stats.requests == len(stats.log)
    seen = {_public_id(provider, x): x for x in stats.log}
    assert len(seen) == stats.requests
    answered = {a.provider_request_id: a for a in attempts if a.provider_request_id}
    assert len(answered) == sum(a.provider_request_id is not None for a in attempts)
    assert answered.keys() <= seen.keys()
    for request_id, attempt in answered.items():
        _assert_same_call(seen[request_id], attempt)

    unanswered = [x for i, x in seen.items() if i not in answered]
    without = [a for a in attempts if a.provider_request_id is None]
    dropped = sum(x.fault is None for x in unanswered)
    unseen = sum(a.outcome == "connect" for a in without)
    assert dropped <= IN_FLIGHT * LAPS  # only those it was answering when it went down
    assert -dropped <= len(without) - len(unanswered) <= unseen
    assert {a.outcome for a in without} <= {"connect", "timeout", "cancelled"}


def _public_id(provider: SimulatedProvider, exchange: Exchange) -> str:
    """The id a provider puts into its answer's head."""
    if provider.kind == "anthropic":
        return f"req_{exchange.id[:24]}"
    return f"req_{exchange.id}" if provider.kind == "openai" else exchange.id


def _assert_same_call(seen: Exchange, attempt: AttemptRecord) -> None:
    if attempt.outcome == "ok":
        assert attempt.usage.prompt_tokens == seen.prompt_tokens
        assert attempt.usage.completion_tokens == seen.completion_tokens
        assert attempt.cost_usd == seen.cost_usd
        assert seen.ending == "answered"
    elif seen.status is not None and seen.status >= 400:
        assert attempt.status == seen.status
        assert attempt.cost_usd == 0


def assert_sums_agree(
    records: Sequence[RequestRecord], ledger: LedgerFile, usage: dict[str, object]
) -> None:
    """Records, rows, running totals, usage logs and ``usage`` say the same, exactly."""
    attempts = [a for r in records for a in r.attempts]
    exact = sums(attempts)
    assert ledger.check() == "ok"
    assert ledger.attempt_rows() == exact
    assert ledger.totals() == exact
    assert usage_sums(ledger.usage_lines()) == sums(a for a in attempts if reported(a))
    told = _by_provider(cast("list[dict[str, object]]", usage["rows"]))
    assert told == exact


def _by_provider(rows: Sequence[dict[str, object]]) -> dict[str, Sums]:
    """A provider's calls that were not answered are not known to be simulated: a row
    apart."""
    found: dict[str, Sums] = {}
    for row in rows:
        before = found.get(str(row["key"]), Sums(0, 0, 0, Decimal(0)))
        found[str(row["key"])] = Sums(
            before.attempts + cast("int", row["attempts"]),
            before.prompt_tokens + cast("int", row["prompt_tokens"]),
            before.completion_tokens + cast("int", row["completion_tokens"]),
            before.cost_usd + Decimal(str(row["cost_usd"] or 0)),
        )
    return found
