"""The commands of ``docs/systemd.md``, as they stand there, in a sandbox."""

import re

import anyio.to_thread
import pytest

from daemon.cli.service.systemd import WHY
from daemon.simulator import SimulatedProvider
from tests.support.documents import ROOT, blocks
from tests.support.installed import PREFIX, PROGRAM
from tests.support.sandboxed_service import CANARIES, Service

PAGE = "docs/systemd.md"
HOME = "/home/alice"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


async def test_the_commands_for_root_work_one_after_the_other(
    service: Service, provider: SimulatedProvider
) -> None:
    box = service.box
    box.write("/run/sysusers.d/alice.conf", f"u alice 2003 - {HOME}\n")
    box.run("systemd-sysusers", "/run/sysusers.d/alice.conf")
    box.run(PROGRAM, "service", "uninstall")
    # The commands start from nothing but the program, and ask no real provider.
    box.run("rm", "-r", "/etc/gitbridge")
    service.drop_in(f"Environment=OPENAI_BASE_URL={provider.base_url}")
    environ = {"OPENAI_API_KEY": CANARIES["openai"]}

    def run(code: str) -> None:
        box.run("bash", "-euo", "pipefail", "-c", code, environ=environ)

    try:
        for code in blocks(PAGE, "bash"):
            await anyio.to_thread.run_sync(run, code)
            if "systemctl reload" in code:  # may end a moment before the daemon knows
                await service.has_said('"event":"reloaded"')
        assert not box.path("/etc/systemd/system/gitbridge.service").exists()
        assert box.path("/etc/gitbridge/credentials/openai").exists()
        assert "alice" in box.run("getent", "group", "gitbridge-users").stdout
        assert provider.stats.models_requests > 0
    finally:
        await anyio.to_thread.run_sync(box.run, PROGRAM, "service", "install")


async def test_the_commands_for_users_work_one_after_the_other(
    service: Service, provider: SimulatedProvider
) -> None:
    box = service.box
    box.write("/run/sysusers.d/carol.conf", "u carol 2004 - /home/carol\n")
    box.run("systemd-sysusers", "/run/sysusers.d/carol.conf")
    box.run("install", "-d", "-m700", "--owner=carol", "--group=carol", "/home/carol")
    box.run("systemctl", "start", "user@2004.service")
    service.systemctl("stop", "gitbridge.socket")  # which clients would try first
    base = f"[Service]\nEnvironment=OPENAI_BASE_URL={provider.base_url}\n"
    path = "/etc/systemd/user/gitbridge.service.d/provider.conf"
    box.write(path, base)
    (code,) = blocks(PAGE, "sh")
    key, search = (
        f"OPENAI_API_KEY={CANARIES['openai']}",
        f"PATH={PREFIX}/bin:/usr/bin:/bin",
    )

    def run() -> str:
        sh = ("env", key, search, "sh", "-eux", "-c", code)
        return box.as_user("carol", *sh).stdout

    try:
        said = await anyio.to_thread.run_sync(run)
    finally:
        box.path(path).unlink()

    assert "the daemon answers" in said
    assert provider.stats.requests == 1
    assert box.path("/home/carol/.config/gitbridge/credentials/openai").exists()


def test_every_status_that_status_explains_is_on_the_page() -> None:
    text = (ROOT / PAGE).read_text()
    rows = [line for line in text.splitlines() if line.startswith("| status ")]
    on_page = {
        int(code)
        for row in rows
        for code in re.findall(r"\b\d{2,3}\b", row.split("|")[1])
    }

    assert {78, 203, 217, 218, 243} <= on_page
    assert on_page <= set(WHY)


def test_every_link_of_the_page_leads_somewhere() -> None:
    text = (ROOT / PAGE).read_text()
    links = [part.split(")")[0].partition("#")[0] for part in text.split("](")[1:]]

    assert [x for x in links if x and not (ROOT / "docs" / x).exists()] == []
