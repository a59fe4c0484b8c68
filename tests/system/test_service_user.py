"""A user's own service, under the systemd of that user."""

from collections.abc import AsyncIterator

import anyio.to_thread
import pytest

from daemon.simulator import SimulatedProvider
from tests.support.installed import PROGRAM
from tests.support.sandbox import Done, messages
from tests.support.sandboxed_service import (
    CANARIES,
    CANARY_PROMPT,
    SOCKET_UNIT,
    UNIT,
    Service,
    patient,
)
from tests.support.waiting import eventually

NAME = "alice"
HOME = f"/home/{NAME}"
CONFIG = f"{HOME}/.config/gitbridge"
WATCHED = "[Service]\nWatchdogSec=2\nRestartSec=100ms\n"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Alice:
    """A user who is not root, is not logged in, and lingers."""

    def __init__(self, service: Service) -> None:
        self.box = service.box
        self.box.write("/run/sysusers.d/alice.conf", f"u {NAME} 2003 - {HOME}\n")
        self.box.run("systemd-sysusers", "/run/sysusers.d/alice.conf")
        own = (f"--owner={NAME}", f"--group={NAME}")
        self.box.run("install", "-d", "-m700", *own, HOME)
        self.box.run("loginctl", "enable-linger", NAME)
        self.box.run("systemctl", "start", "user@2003.service")

    def write(self, path: str, text: str) -> None:
        script = 'umask 077; mkdir -p "${1%/*}"; cat > "$1"'
        self.box.as_user(NAME, "sh", "-c", script, "sh", path, stdin=text)

    async def type(self, *argv: str, check: bool = True) -> Done:
        return await anyio.to_thread.run_sync(
            lambda: self.box.as_user(NAME, *argv, check=check)
        )

    async def systemctl(self, *words: str) -> str:
        return (await self.type("systemctl", "--user", *words)).stdout.strip()

    async def show(self, name: str) -> str:
        return await self.systemctl("show", "--value", f"--property={name}", UNIT)


@pytest.fixture
async def alice(service: Service) -> AsyncIterator[Alice]:
    service.systemctl("stop", SOCKET_UNIT)  # which clients would try first
    user = Alice(service)
    yield user
    await user.type(PROGRAM, "service", "uninstall", "--user")


async def test_it_is_installed_answers_reloads_hangs_stops_and_goes(
    alice: Alice, provider: SimulatedProvider
) -> None:
    alice.write(f"{CONFIG}/gitbridge.toml", patient(provider))
    alice.write(f"{CONFIG}/credentials/openai", CANARIES["openai"])
    done = await alice.type(PROGRAM, "service", "install", "--user", "--now")
    assert "the daemon answers" in done.stdout
    assert f"kept {CONFIG}/gitbridge.toml (yours)" in done.stdout

    # The socket is the user's alone; nothing of systemd's says where the state is.
    socket = alice.box.path("/run/user/2003/gitbridge/gitbridge.sock")
    assert socket.stat().st_mode & 0o777 == 0o600
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    await alice.type(PROGRAM, "ask", CANARY_PROMPT)
    state = alice.box.path(f"{HOME}/.local/state/gitbridge/gitbridge.db")
    assert state.exists()

    async def is_well() -> bool:
        return "1/1 simulated providers" in await alice.show("StatusText")

    await eventually(is_well, 30)

    await alice.systemctl("reload", UNIT)
    alice.write(f"{HOME}/.config/systemd/user/{UNIT}.d/short.conf", WATCHED)
    await alice.systemctl("daemon-reload")
    await alice.systemctl("restart", UNIT)
    await alice.systemctl("kill", "--kill-whom=main", "--signal=STOP", UNIT)

    async def came_back() -> bool:
        return await alice.show("NRestarts") != "0"

    await eventually(came_back, 40)
    await alice.type(PROGRAM, "ask", CANARY_PROMPT)

    await alice.systemctl("stop", UNIT)
    assert await alice.show("Result") == "success"
    told = await alice.type(PROGRAM, "service", "status", "--user", check=False)
    assert told.returncode == 69
    assert "the service is inactive" in told.stdout

    await alice.type(PROGRAM, "service", "uninstall", "--user")
    assert state.exists()
    assert alice.box.path(f"{CONFIG}/credentials/openai").exists()
    assert await alice.show("LoadState") == "not-found"
    said = messages(alice.box.journal(f"_SYSTEMD_USER_UNIT={UNIT}", "_UID=2003"))
    assert sum("request_finished" in line for line in said) == 2
