"""``kill -9`` at random moments of a busy run, again and again on one state folder.

What a client saw answered is in the ledger, once; what the ledger says adds up; and the
next process takes over the socket and answers at once. Some are killed while they start.
``GITBRIDGE_KILLS`` sets how often, ``GITBRIDGE_LONG=1`` makes it a thousand times;
``GITBRIDGE_SEED`` repeats a run.
"""

import os
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from time import monotonic
from typing import cast

import anyio
import pytest

from actors.messages.routing import RequestRecord
from daemon.storage.records import scan
from tests.support.daemon_process import DaemonProcess, assert_well, prepared_daemon
from tests.support.ledger_file import LedgerFile, reported, sums
from tests.support.load import Load, Told, open_doors, promised
from tests.support.outages import PHASES, Outages, outages
from tests.support.wire_client import wire_client

KILLS = int(
    os.environ.get("GITBRIDGE_KILLS", "1000" if "GITBRIDGE_LONG" in os.environ else "5")
)
SEED = int(os.environ.get("GITBRIDGE_SEED", "1"))
AT_ONCE_S = 5.0
"""Generous: the machine may be busy. What it really takes is told by the benchmark."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 + 8 * KILLS)]


async def test_what_was_answered_is_in_the_ledger_exactly_once(tmp_path: Path) -> None:
    random = Random(SEED)
    told: list[Told] = []
    async with outages() as world:
        with prepared_daemon(tmp_path, world.config) as daemon:
            for number in range(KILLS):
                await start(daemon, random)
                told += await killed_run(daemon, world, random, f"round {number}")
                assert daemon.socket.exists(), "the stale file the next one finds"
                assert_well(daemon)
            await daemon.start()
            await assert_answers_at_once(daemon, world, told)
            assert await daemon.stop() == 0
            assert_well(daemon)

    ledger = LedgerFile(daemon.state)
    records = ledger.records()
    assert_whole(told, world)
    assert_in_ledger_once(told, records)
    assert_adds_up(records, ledger)
    assert_known_to_providers(records, world)
    assert list((daemon.state / "spool").glob("*.spool")) == []
    assert_only_torn(daemon.state / "spool" / "damaged")


def assert_only_torn(folder: Path) -> None:
    """The kernel ends a killed process's write at a page: that one was not answered."""
    for piece in folder.glob("*.bin"):
        assert [damage.torn for damage in scan(piece.read_bytes()).damage] == [True]


async def start(daemon: DaemonProcess, random: Random) -> None:
    """Start it; now and then kill it while it starts, and start it again."""
    while random.random() < 0.3:
        daemon.spawn()
        await anyio.sleep(random.uniform(0.0, 0.8))
        await daemon.kill()
    await daemon.start()


async def killed_run(
    daemon: DaemonProcess, world: Outages, random: Random, name: str
) -> list[Told]:
    """A run that ends with the daemon: after so many answers, at any moment."""
    victim = random.choice(sorted(world.providers))
    await world.strike(victim, random.choice(list(PHASES.values())))
    answers = random.randint(1, 300)
    pause_s = random.uniform(0.0, 0.01)
    async with open_doors(daemon.socket) as doors:
        load = Load(doors, questions=10_000, name=name)
        async with anyio.create_task_group() as group:
            group.start_soon(load.run)
            await load.answered(answers)
            await anyio.sleep(pause_s)
            daemon.kill_now()
            load.stop()
    await daemon.kill()
    return load.told


async def assert_answers_at_once(
    daemon: DaemonProcess, world: Outages, told: Sequence[Told]
) -> None:
    """Right after the start, and knows what its predecessors answered."""
    await world.calm()
    started = monotonic()
    async with wire_client(daemon.socket) as client:
        answer = await client.call("route", {"prompt": "Still there?"})
        page = (await client.call("history", {"limit": 1000})).result
    taken_s = monotonic() - started
    known = {e["decision_id"] for e in cast("list[dict[str, object]]", page["entries"])}
    # A stream names its decision when it begins: one that was cut had no answer yet.
    whole = (t.decision_id for t in told if t.answered)
    last = [decision_id for decision_id in whole if decision_id is not None][-100:]

    assert answer.result["content"] == promised(
        world.providers[str(answer.result["provider"])], "Still there?"
    )
    assert known.issuperset(last)
    assert taken_s < AT_ONCE_S


# ---- afterwards


def assert_whole(told: Sequence[Told], world: Outages) -> None:
    for each in told:
        assert each.replies <= 1
        if each.outcome != "ok":
            continue
        assert each.provider is not None
        wanted = promised(world.providers[each.provider], each.prompt)
        assert each.content in {wanted, None}
        assert not each.stream or each.pieces == wanted


def assert_in_ledger_once(
    told: Sequence[Told], records: Sequence[RequestRecord]
) -> None:
    outcomes = {r.decision.decision_id: r.outcome for r in records}
    answered = [t for t in told if t.answered and t.decision_id is not None]

    assert len(answered) >= KILLS
    assert len({t.decision_id for t in answered}) == len(answered)
    assert len(outcomes) == len(records)
    assert len({r.request_id for r in records}) == len(records)
    for each in answered:
        assert outcomes[str(each.decision_id)] == each.outcome
    assert len(records) <= len(told) + 1


def assert_adds_up(records: Sequence[RequestRecord], ledger: LedgerFile) -> None:
    """Records, rows, running totals and usage logs: each attempt in each of them once."""
    exact = sums(a for r in records for a in r.attempts)
    written = Counter(
        _line(
            x.metadata.request_id,
            x.provider,
            x.prompt_tokens,
            x.completion_tokens,
            x.cost,
        )
        for x in ledger.usage_lines()
    )
    wanted = Counter(
        _line(
            r.request_id,
            a.provider,
            a.usage.prompt_tokens,
            a.usage.completion_tokens,
            a.cost_usd,
        )
        for r in records
        for a in r.attempts
        if reported(a)
    )

    assert ledger.check() == "ok"
    assert ledger.attempt_rows() == exact
    assert ledger.totals() == exact
    assert written == wanted


def _line(*fields: str | int | Decimal | None) -> tuple[object, ...]:
    return fields


def assert_known_to_providers(records: Sequence[RequestRecord], world: Outages) -> None:
    """Nothing was made up: each answered call is one that its provider answered."""
    for provider in world.providers.values():
        if provider.stats.requests > len(provider.stats.log):
            continue  # a long run: it remembers only so many
        seen = [x.id for x in provider.stats.log]
        ours = [
            a.provider_request_id.removeprefix("req_")
            for r in records
            for a in r.attempts
            if a.provider == provider.name and a.provider_request_id is not None
        ]

        assert len(ours) == len(set(ours))
        assert {x[:24] for x in ours} <= {x[:24] for x in seen}
