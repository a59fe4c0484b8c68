"""The service under a real systemd: it starts, says how it is, hangs, dies, comes back.

One sandbox for all (``conftest``); each test puts the service back to its beginning.
"""

from pathlib import Path
from time import monotonic

import anyio
import anyio.to_thread
import pytest

from daemon.simulator import Fault, Latency, SimulatedProvider
from tests.support.installed import HOOKS, PROGRAM, PYTHON
from tests.support.ledger_file import LedgerFile
from tests.support.raw_server import Caller, raw_server
from tests.support.sandboxed_service import (
    CANARIES,
    CANARY_PROMPT,
    UNIT,
    Service,
    asked,
    patient,
    secrets_in,
)
from tests.support.waiting import until
from tests.support.wire_client import Exchange, wire_client

CLIENTS = 20
WELL = "1/1 simulated providers healthy"
REFUSED = f"0 active, {WELL}; configuration refused at the last reload"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def test_it_says_that_it_is_ready_and_how_it_is(
    service: Service, provider: SimulatedProvider
) -> None:
    service.configure(patient(provider))
    await service.start()

    assert service.show("ActiveState") == "active"
    assert (await asked(service)).result["provider"] == "openai"
    await service.says_it_is(f"0 active, {WELL}")
    await provider.change(latency=Latency(median_s=60.0))
    async with wire_client(service.socket) as client:
        client.start("route", {"prompt": "Wait."})
        await service.says_it_is(f"1 active, {WELL}")
    run = service.box.run
    assert "OK" in run("systemd-analyze", "security", "--threshold=12", UNIT).stdout


async def test_keys_come_from_the_credentials_folder_and_new_ones_at_a_restart(
    service: Service,
) -> None:
    seen: list[str] = []

    async def refuse(caller: Caller) -> None:
        while True:
            for line in (await caller.request()).splitlines():
                name, _, value = line.partition(":")
                if name.lower() == "authorization":
                    seen.append(value.strip())
            await caller.answer(b"{}", status="401 Unauthorized")

    async with raw_server(refuse) as server:
        service.configure(f'[providers.openai]\nbase_url = "{server.url}/v1"\n')
        await service.start()
        await asked(service)
        assert set(seen) == {f"Bearer {CANARIES['openai']}"}

        seen.clear()
        service.key("openai", CANARIES["grok"])
        await service.do("reload", UNIT)
        await asked(service)
        assert set(seen) == {f"Bearer {CANARIES['openai']}"}

        seen.clear()
        await service.do("restart", UNIT)
        await asked(service)
        assert set(seen) == {f"Bearer {CANARIES['grok']}"}

    sources = {str(line["source"]) for line in service.logs("credential")}
    assert sources == {"systemd credential keys_openai"}


async def test_without_the_credentials_folder_it_does_not_start(
    service: Service,
) -> None:
    folder = service.box.path("/etc/gitbridge/credentials")
    folder.rename(folder.with_name("away"))
    try:
        await service.do("start", UNIT, check=False)
        service.systemctl("stop", UNIT)

        assert service.show("ExecMainStatus") == "243"
        assert "/CREDENTIALS" in service.said()
    finally:
        folder.with_name("away").rename(folder)


async def test_a_wrong_configuration_is_not_tried_again(service: Service) -> None:
    service.configure("[routing]\nstrategy = 3\n")
    started = await service.do("start", UNIT, check=False)

    assert started.returncode == 1
    assert service.show("ActiveState") == "failed"
    assert service.show("ExecMainStatus") == "78"
    assert service.show("NRestarts") == "0"
    assert "routing.strategy" in service.said()

    told = service.box.run(PROGRAM, "service", "install", "--now", check=False)
    assert told.returncode == 1
    assert "its configuration is wrong, exit status 78" in told.stderr
    assert "routing.strategy" in told.stderr
    told = service.box.run(PROGRAM, "service", "status", check=False)
    assert told.returncode == 69


async def test_a_reload_takes_up_the_new_configuration(
    service: Service, provider: SimulatedProvider
) -> None:
    service.configure(patient(provider))
    await service.start()
    before = service.pid
    service.configure(patient(provider, '[routing]\nstrategy = "cost"\n'))
    await service.do("reload", UNIT)
    async with wire_client(service.socket) as client:
        told = (await client.call("strategy.get")).result

    assert told["strategy"] == "cost"
    assert service.pid == before
    assert service.show("ActiveState") == "active"
    assert len(service.logs("reloaded")) == 1


async def test_a_wrong_configuration_fails_the_reload_and_changes_nothing(
    service: Service, provider: SimulatedProvider
) -> None:
    service.configure(patient(provider))
    await service.start()
    before = service.pid
    service.configure(patient(provider, '[routing]\nstrategy = "nonsense"\n'))
    done = await service.do("reload", UNIT, check=False)

    assert done.returncode == 1
    assert "routing.strategy" in service.said()
    assert (await asked(service)).result["provider"] == "openai"
    assert service.pid == before
    assert service.show("ActiveState") == "active"

    # As if nobody had checked before: the daemon refuses it by itself.
    service.kill("SIGHUP")
    await service.says_it_is(REFUSED)
    assert (await asked(service)).result["provider"] == "openai"


async def test_taking_it_away_and_installing_it_again_loses_nothing(
    service: Service, provider: SimulatedProvider
) -> None:
    box = service.box
    service.configure(patient(provider))
    await service.start()
    answer = await asked(service)

    def gitbridge(*argv: str) -> str:
        return box.run(PROGRAM, *argv).stdout

    try:
        await anyio.to_thread.run_sync(gitbridge, "service", "uninstall")
        assert not service.socket.exists()
        assert service.show("LoadState") == "not-found"
        assert box.path("/etc/gitbridge/credentials/openai").exists()
    finally:
        said = await anyio.to_thread.run_sync(
            gitbridge, "service", "install", "--now", "--json"
        )
    assert '"what":"/etc/gitbridge/gitbridge.toml","note":"yours"' in said
    known = await anyio.to_thread.run_sync(gitbridge, "history", "--json")
    assert str(answer.result["decision_id"]) in known


async def test_nobody_who_connects_during_a_restart_fails(
    service: Service, provider: SimulatedProvider
) -> None:
    service.configure(patient(provider))
    await service.start()
    before = service.pid
    answers: list[Exchange] = []

    async def visit(number: int) -> None:
        answers.append(await asked(service, number))

    async with anyio.create_task_group() as group:
        group.start_soon(service.do, "restart", UNIT)
        for number in range(CLIENTS):
            group.start_soon(visit, number)
            await anyio.sleep(0.03)

    assert service.pid != before
    assert [a.result["provider"] for a in answers] == ["openai"] * CLIENTS


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
        done = [await asked(service, number) for number in range(5)]
        # Their records are in the spool: nobody has had the time to fold them.
        service.kill("SIGKILL")
        answers: list[Exchange] = []

        async def visit(number: int) -> None:
            answers.append(await asked(service, number))

        async with anyio.create_task_group() as group:
            for number in range(CLIENTS):
                group.start_soon(visit, number)
        await lost.ended.wait()

    assert lost.lost
    assert len(answers) == CLIENTS
    assert {a.result["provider"] for a in answers} == {"openai"}
    await service.shows("NRestarts", "1")
    await service.do("stop", UNIT)
    ledger = LedgerFile(service.state_in(tmp_path / "state"))
    records = {r.decision.decision_id: r for r in ledger.records()}
    for each in (*done, *answers):
        record = records[str(each.result["decision_id"])]
        assert record.cost_usd is not None
        assert float(record.cost_usd) == each.result["cost_usd"]
    assert len(records) == len(done) + len(answers)
    assert ledger.totals()["openai"].attempts == len(records)


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


async def test_members_of_the_group_get_in_and_strangers_do_not(
    service: Service, provider: SimulatedProvider
) -> None:
    box = service.box
    box.write(
        "/run/sysusers.d/people.conf",
        "u member 2001\nu stranger 2002\nm member gitbridge-users\n",
    )
    box.run("systemd-sysusers", "/run/sysusers.d/people.conf")
    service.configure(patient(provider))
    await service.start()

    def ask(name: str) -> tuple[int, str]:
        done = box.as_user(name, PROGRAM, "ask", CANARY_PROMPT, check=False)
        return done.returncode, done.stderr

    assert (await anyio.to_thread.run_sync(ask, "member"))[0] == 0
    code, said = await anyio.to_thread.run_sync(ask, "stranger")
    assert (code, "ask for the group that owns it" in said) == (77, True), said
    # Who asked is known by number, which DynamicUser= leaves as it is.
    assert {line["user"] for line in service.logs("request_finished")} == {"member"}


async def test_neither_keys_nor_prompts_are_anywhere_in_the_journal(
    service: Service, provider: SimulatedProvider, tmp_path: Path
) -> None:
    service.configure(patient(provider, '[log]\nlevel = "debug"\n'))
    await service.start()
    assert (await asked(service)).result["provider"] == "openai"
    await provider.fail(Fault(kind="down"))
    assert (await asked(service)).error is not None
    service.kill("SIGQUIT")
    await service.has_said("daemon/app.py")
    await service.do("reload", UNIT)
    await service.do("stop", UNIT)
    whole = tmp_path / "journal"
    whole.write_text(service.box.run("journalctl", "-a", "-o", "json").stdout)

    assert whole.read_text().count("request_finished") >= 2
    assert secrets_in(whole) == []
    assert secrets_in(whole, ["request_finished"]) == ["request_finished"]
