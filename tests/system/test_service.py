"""The service under a real systemd: it starts, says how it is, and is told things.

One sandbox for all (``conftest``); each test puts the service back to its beginning.
"""

from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from daemon.simulator import Fault, Latency, SimulatedProvider
from tests.support.documents import ROOT
from tests.support.installed import PROGRAM
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
from tests.support.wire_client import wire_client

SOCKET_PATHS = ("/run/gitbridge", "/run/gitbridge/gitbridge.sock")
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
    shown = service.box.run("stat", "-c%a %U:%G", *SOCKET_PATHS).stdout.splitlines()
    assert shown == ["755 root:root", "660 root:gitbridge-users"]
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
        told = service.box.run(PROGRAM, "service", "status", check=False)
        service.systemctl("stop", UNIT)

        assert service.show("ExecMainStatus") == "243"
        assert "/CREDENTIALS" in service.said()
        assert (
            told.returncode,
            "the credentials folder must exist" in told.stdout,
        ) == (
            69,
            True,
        ), told.stdout
    finally:
        folder.with_name("away").rename(folder)


async def test_a_program_in_a_home_folder_is_not_seen(service: Service) -> None:
    service.box.write("/home/gitbridge/program", "#!/bin/sh\nsleep 60\n", 0o755)
    service.drop_in(
        "Restart=no", "ExecStart=", "ExecStart=/home/gitbridge/program serve"
    )
    await service.do("start", UNIT, check=False)
    told = service.box.run(PROGRAM, "service", "status", check=False)

    assert service.show("ExecMainStatus") == "203"
    assert "a system service sees no home folder" in told.stdout


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
    # With Type=notify it may end a moment before the daemon has got the signal.
    await service.has_said('"event":"reloaded"')
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


async def test_the_drop_in_for_newer_systemd(
    service: Service, provider: SimulatedProvider
) -> None:
    version = int(service.systemctl("--version").stdout.split()[1])
    service.drop_in_text((ROOT / "systemd" / "notify-reload.conf").read_text())
    service.configure(patient(provider))
    await service.start()
    done = await service.do("reload", UNIT, check=False)

    if version < 253:  # as the file says: it is not known there
        assert service.show("Type") == "notify"
        assert "not applicable" in done.stderr
    else:
        assert service.show("Type") == "notify-reload"
        assert done.returncode == 0
        await service.has_said('"event":"reloaded"')
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


async def test_the_journal_may_be_restarted_meanwhile(
    service: Service, provider: SimulatedProvider
) -> None:
    service.configure(patient(provider))
    await service.start()
    await service.do("restart", "systemd-journald")
    assert (await asked(service)).result["provider"] == "openai"

    await service.has_said("request_finished")


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
