"""The service under a real systemd: it hangs, is killed, stops, and comes back.

In the same sandbox as ``test_service``.
"""

from pathlib import Path
from time import monotonic

import anyio
import pytest

from daemon.simulator import Latency, SimulatedProvider
from tests.support.installed import HOOKS, PYTHON
from tests.support.ledger_file import LedgerFile, sums
from tests.support.sandboxed_service import (
    CANARY_PROMPT,
    UNIT,
    Service,
    asked,
    many_visits,
    patient,
    visited,
)
from tests.support.waiting import until
from tests.support.wire_client import wire_client

CLIENTS = 20

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def test_nobody_who_connects_during_a_restart_fails(
    service: Service, provider: SimulatedProvider
) -> None:
    service.configure(patient(provider))
    await service.start()
    before = service.pid
    async with anyio.create_task_group() as group:
        group.start_soon(service.do, "restart", UNIT)
        told = await many_visits(service, CLIENTS, pause_s=0.03)

    assert service.pid != before
    assert [(t.outcome, t.provider) for t in told] == [("ok", "openai")] * CLIENTS


async def test_kill_nine_loses_what_was_in_flight_and_nothing_else(
    service: Service, provider: SimulatedProvider, tmp_path: Path
) -> None:
    service.configure(patient(provider))
    await service.start()
    await provider.change(latency=Latency(median_s=60.0))
    async with wire_client(service.socket) as client:
        lost = client.start("route", {"prompt": CANARY_PROMPT})
        await until(lambda: provider.stats.in_flight == 1)
        await provider.change(latency=Latency(median_s=0.01))
        told = [await visited(service, number) for number in range(6)]
        # Their records are in the spool: nobody has had the time to fold them.
        service.kill("SIGKILL")
        told += await many_visits(service, CLIENTS)
        await lost.ended.wait()

    assert lost.lost
    assert [t.outcome for t in told] == ["ok"] * (6 + CLIENTS)
    await service.shows("NRestarts", "1")
    await service.do("stop", UNIT)
    ledger = LedgerFile(service.state_in(tmp_path / "state"))
    records = {r.decision.decision_id: r for r in ledger.records()}
    assert records.keys() == {t.decision_id for t in told}
    assert all(r.cost_usd is not None for r in records.values())
    assert ledger.totals() == sums(a for r in records.values() for a in r.attempts)


async def test_the_watchdog_ends_a_process_that_was_stopped(
    service: Service, provider: SimulatedProvider
) -> None:
    service.configure(patient(provider))
    service.drop_in("WatchdogSec=2", "RestartSec=100ms")
    await service.start()
    before = service.pid
    service.kill("SIGSTOP")
    await service.restarted()

    assert (await asked(service)).result["provider"] == "openai"
    assert service.pid != before
    assert "Watchdog timeout" in service.said()


async def test_a_loop_that_hangs_is_ended_and_says_where_it_hung(
    service: Service, provider: SimulatedProvider
) -> None:
    service.configure(patient(provider))
    service.drop_in(
        *("WatchdogSec=2", "RestartSec=100ms", "ExecStart="),
        f"ExecStart={PYTHON} {HOOKS}/blocking_daemon.py serve",
    )
    await service.start()
    service.kill("SIGUSR1")
    await service.restarted()

    said = await service.has_said("Watchdog timeout", "in hang_in_the_event_loop")
    assert "blocking_daemon.py" in said
    assert (await asked(service)).result["provider"] == "openai"


async def test_asked_for_its_stack_it_says_so_and_goes_on(
    service: Service, provider: SimulatedProvider
) -> None:
    service.configure(patient(provider))
    await service.start()
    before = service.pid
    service.kill("SIGQUIT")
    await service.has_said("daemon/app.py")

    assert (await asked(service)).result["provider"] == "openai"
    assert service.pid == before


async def test_a_request_in_flight_is_answered_before_it_stops(
    service: Service, provider: SimulatedProvider
) -> None:
    await provider.change(latency=Latency(median_s=1.0))
    service.configure(patient(provider))
    await service.start()
    async with wire_client(service.socket) as client:
        waiting = client.start("route", {"prompt": CANARY_PROMPT})
        await until(lambda: provider.stats.in_flight == 1)
        await service.do("stop", UNIT)
        await waiting.ended.wait()

    assert waiting.result["provider"] == "openai"
    assert service.show("Result") == "success"
    assert service.show("ExecMainStatus") == "0"


async def test_systemd_waits_longer_for_who_asks_for_the_time(
    service: Service, provider: SimulatedProvider
) -> None:
    await provider.change(latency=Latency(median_s=2.5))
    service.configure(patient(provider))
    service.drop_in("TimeoutStopSec=1")
    await service.start()
    async with wire_client(service.socket) as client:
        waiting = client.start("route", {"prompt": CANARY_PROMPT})
        await until(lambda: provider.stats.in_flight == 1)
        await service.do("stop", UNIT)
        await waiting.ended.wait()

    assert waiting.result["provider"] == "openai"
    assert service.show("Result") == "success"


async def test_past_the_deadline_a_request_is_told_and_the_stop_is_clean(
    service: Service, provider: SimulatedProvider
) -> None:
    await provider.change(latency=Latency(median_s=60.0))
    service.configure(patient(provider, "[server]\ndrain_s = 0.5\n"))
    await service.start()
    async with wire_client(service.socket) as client:
        waiting = client.start("route", {"prompt": CANARY_PROMPT})
        await until(lambda: provider.stats.in_flight == 1)
        began = monotonic()
        await service.do("stop", UNIT)
        await waiting.ended.wait()

    assert waiting.error is not None
    assert monotonic() - began < 10
    assert service.show("Result") == "success"
    assert service.logs("drain_incomplete")[0]["interrupted"] == 1


async def test_a_stopped_service_keeps_its_socket_and_comes_when_called(
    service: Service, provider: SimulatedProvider
) -> None:
    service.configure(patient(provider))
    await service.start()
    await service.do("stop", UNIT)
    assert service.socket.is_socket()
    assert service.show("ActiveState") == "inactive"

    assert (await asked(service)).result["provider"] == "openai"
    assert service.show("ActiveState") == "active"

    await service.do("stop", "gitbridge.socket")
    assert not service.socket.exists()
    assert service.show("ActiveState") == "inactive"
