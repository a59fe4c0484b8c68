"""The installed service in a sandbox, put back to its beginning for every test."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import anyio
import anyio.to_thread
import msgspec

from daemon.simulator import SimulatedProvider
from tests.support.daemon_process import configuration
from tests.support.installed import LIBRARY_PATH, PROGRAM, installed
from tests.support.load import HttpDoor, NativeDoor, Told
from tests.support.sandbox import Done, Entry, Sandbox, messages, sandbox
from tests.support.waiting import eventually
from tests.support.wire_client import Exchange, Spoken, wire_client

UNIT = "gitbridge.service"
SOCKET_UNIT = "gitbridge.socket"
INTERPRETER_LIBRARIES = f"[Service]\nEnvironment=LD_LIBRARY_PATH={LIBRARY_PATH}\n"

CANARIES = {
    "openai": "sk-canary-openai-0123456789abcdef",
    "grok": "xai-canary-grok-0123456789abcdef",
    "claude": "sk-ant-canary-claude-0123456789abcdef",
}
"""The keys in the credentials folder: they must be nowhere in the journal."""

NOWHERE = "".join(
    f'[providers.{name}]\nbase_url = "http://127.0.0.1:9/v1"\n' for name in CANARIES
)
"""A configuration that asks no real provider, whatever the network."""

CANARY_PROMPT = "canary-in-the-prompt"
"""Part of every prompt: likewise."""


class Service:
    """``gitbridge.service`` of one sandbox."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.socket = box.path("/run/gitbridge/gitbridge.sock")
        self.state = box.path("/var/lib/private/gitbridge")
        self._cursor: str | None = None

    # ---- what it is given

    def reset(self) -> None:
        """As freshly installed: not running, no state, all keys, no changes."""
        self.systemctl("stop", UNIT, SOCKET_UNIT, check=False)
        self.systemctl("reset-failed", check=False)
        shutil.rmtree(self.state, ignore_errors=True)
        self.configure(NOWHERE)
        for name, key in CANARIES.items():
            self.key(name, key)
        drop_in = self.box.path(f"/run/systemd/system/{UNIT}.d/test.conf")
        if drop_in.exists():
            drop_in.unlink()
            self.systemctl("daemon-reload")
        self.systemctl("start", SOCKET_UNIT)
        self._cursor = self._now()

    def state_in(self, folder: Path) -> Path:
        """A copy of the state folder: SQLite would take our way to it for its own."""
        shutil.copytree(self.state, folder)
        return folder

    def configure(self, text: str) -> None:
        self.box.write("/etc/gitbridge/gitbridge.toml", text)

    def key(self, name: str, key: str) -> None:
        self.box.write(f"/etc/gitbridge/credentials/{name}", key, 0o600)

    def drop_in(self, *lines: str) -> None:
        """Change the unit for this test; ``lines`` belong to ``[Service]``."""
        self.drop_in_text("\n".join(["[Service]", *lines, ""]))

    def drop_in_text(self, text: str) -> None:
        self.box.write(f"/run/systemd/system/{UNIT}.d/test.conf", text)
        self.systemctl("daemon-reload")

    # ---- life

    def systemctl(self, *words: str, check: bool = True) -> Done:
        return self.box.run("systemctl", *words, check=check)

    async def do(self, *words: str, check: bool = True) -> Done:
        """``systemctl``, while the test's own event loop goes on."""
        return await anyio.to_thread.run_sync(
            lambda: self.systemctl(*words, check=check)
        )

    async def start(self) -> None:
        await self.do("start", UNIT)

    def kill(self, signal: str) -> None:
        """Send the daemon, and nobody else of the service, a signal."""
        self.systemctl("kill", "--kill-whom=main", f"--signal={signal}", UNIT)

    def show(self, name: str) -> str:
        said = self.systemctl("show", "--value", f"--property={name}", UNIT)
        return said.stdout.strip()

    @property
    def pid(self) -> int:
        return int(self.show("MainPID"))

    async def shows(self, name: str, value: str, timeout_s: float = 30.0) -> None:
        """Wait until a property has that value."""

        async def is_so() -> bool:
            return await anyio.to_thread.run_sync(self.show, name) == value

        await eventually(is_so, timeout_s)

    async def restarted(self, timeout_s: float = 30.0) -> None:
        """Wait until systemd has started it again, however often."""

        async def is_so() -> bool:
            return await anyio.to_thread.run_sync(self.show, "NRestarts") != "0"

        await eventually(is_so, timeout_s)

    async def says_it_is(self, beginning: str, timeout_s: float = 30.0) -> None:
        """Wait until its status begins so; conditions may follow."""

        async def is_so() -> bool:
            text = await anyio.to_thread.run_sync(self.show, "StatusText")
            return text.startswith(beginning)

        await eventually(is_so, timeout_s)

    # ---- what it says

    def _now(self) -> str:
        words = ("journalctl", "-q", "-n0", "--show-cursor", "--no-pager")
        said = self.box.run(*words).stdout
        return said.partition("-- cursor: ")[2].strip()

    def journal(self, *words: str) -> list[Entry]:
        """What was said since the reset by the service, and about it by systemd."""
        after = [f"--after-cursor={self._cursor}"] if self._cursor else []
        return self.box.journal("-u", UNIT, *after, *words)

    def said(self, *words: str) -> str:
        return "\n".join(messages(self.journal(*words)))

    def logs(self, event: str) -> list[dict[str, object]]:
        """Log lines of that event since the reset."""
        lines = [m for m in messages(self.journal()) if m.startswith("{")]
        found = [msgspec.json.decode(m, type=dict[str, object]) for m in lines]
        return [each for each in found if each["event"] == event]

    async def has_said(self, *words: str, timeout_s: float = 30.0) -> str:
        """Wait until all of this is in its journal."""

        async def is_so() -> bool:
            said = await anyio.to_thread.run_sync(self.said)
            return all(word in said for word in words)

        await eventually(is_so, timeout_s)
        return self.said()


@contextmanager
def installed_service(folder: Path, journal: Path) -> Iterator[Service]:
    """A sandbox in which gitbridge has been installed by its own command."""
    with sandbox(installed(folder), journal) as box:
        box.environ["LD_LIBRARY_PATH"] = LIBRARY_PATH
        for scope in ("system", "user"):
            path = f"/etc/systemd/{scope}/{UNIT}.d/interpreter.conf"
            box.write(path, INTERPRETER_LIBRARIES)
        box.run(PROGRAM, "service", "install")
        yield Service(box)


def patient(provider: SimulatedProvider, more: str = "") -> str:
    """A configuration whose only provider may take a minute."""
    config = configuration({provider.name: provider}, more)
    return config.replace(
        "first_token_s = 0.5, idle_s = 0.5, total_s = 1.5",
        "first_token_s = 60.0, idle_s = 60.0, total_s = 60.0",
    )


async def asked(service: Service, number: int = 0) -> Exchange:
    """One client's whole visit."""
    async with wire_client(service.socket) as client:
        prompt = f"{CANARY_PROMPT} {number}"
        return await client.call("route", {"prompt": prompt}, timeout_s=40)


async def visited(service: Service, number: int) -> Told:
    """As ``asked``, over each protocol in turn, streamed and not."""
    spoken: Spoken = "json" if number % 3 == 0 else "msgpack"
    told = Told(number, spoken, f"{CANARY_PROMPT} {number}", stream=number % 2 == 1)
    if number % 3 == 1:
        connector = aiohttp.UnixConnector(str(service.socket))
        async with aiohttp.ClientSession(connector=connector) as session:
            await HttpDoor(session).ask(told)
    else:
        async with wire_client(service.socket, spoken) as client:
            await NativeDoor(client, spoken).ask(told)
    return told


async def many_visits(service: Service, count: int, pause_s: float = 0.0) -> list[Told]:
    """So many clients at once, one coming every ``pause_s`` seconds."""
    told: list[Told] = []

    async def visit(number: int) -> None:
        told.append(await visited(service, number))

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(visit, number)
            await anyio.sleep(pause_s)
    return told


def secrets_in(journal: Path, more: Sequence[str] = ()) -> list[str]:
    """Which of the canaries stand in a written journal, in whatever field."""
    text = journal.read_bytes().decode(errors="replace")
    canaries = (*CANARIES.values(), CANARY_PROMPT, *more)
    return [canary for canary in canaries if canary in text]
