"""A real daemon in a process of its own, for tests of the whole house.

The pretend providers run in the test's own loop; the daemon finds them by the base URLs
in its configuration, and its keys in its environment. Every wait is bounded, and
whatever happens no process outlives its context. Logs go to files, so that a daemon
that is killed leaves them whole and a test that does not read them slows nothing down.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic

import anyio
import msgspec

from daemon.simulator import SimulatedProvider
from tests.support.log_page import assert_on_the_page

START_S = 20.0
STOP_S = 20.0
POLL_S = 0.005

KEYS = {
    "OPENAI_API_KEY": "sk-test-openai",
    "XAI_API_KEY": "xai-test-key",
    "ANTHROPIC_API_KEY": "sk-ant-test-key",
}

LogLine = dict[str, object]


class DaemonFailed(AssertionError):
    """Raised when the daemon did not do in time what was waited for."""


def configuration(providers: Mapping[str, SimulatedProvider], more: str = "") -> str:
    """A TOML configuration whose providers are the pretended ones.

    Prices are those the pretend providers bill, so that costs can be compared exactly.
    ``more`` goes in front: top-level tables of its own.
    """
    return "\n".join([more, *(_provider_table(p) for p in providers.values())])


def _provider_table(provider: SimulatedProvider) -> str:
    model = provider.behaviour.models[0]
    return f"""
[providers.{provider.name}]
kind = "{provider.kind}"
base_url = "{provider.base_url}"
model = "{model.id}"
timeouts = {{ connect_s = 1.0, first_token_s = 0.5, idle_s = 0.5, total_s = 1.5 }}
price = {{ input = {model.price.input}, output = {model.price.output}, cached_input = {model.price.cached_input} }}
"""


class DaemonProcess:
    """One state folder and socket, and the daemon that runs on them, if one does.

    Attributes:
        wrapper: What goes before the command, such as ``ulimited``.
        stdout: A descriptor for its log, instead of a file; ``logs`` finds none then.
    """

    def __init__(self, folder: Path, config: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        # A socket's path may have 107 bytes, and pytest's folders are deep.
        self.socket = folder / "s"
        self.config = folder / "gitbridge.toml"
        self.config.write_text(config)
        self.environ: dict[str, str] = {}  # over what every daemon of a test gets
        self.flags: list[str] = []
        self.prefix: list[str] = []  # a command that becomes the daemon
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self.spawned_at = 0.0
        self.wrapper: tuple[str, ...] = ()
        self.stdout: int | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "no daemon was started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # ---- life

    def spawn(self) -> None:
        """Start a process; it is not ready yet."""
        assert not self.running
        self._starts += 1
        command = [
            *self.wrapper,
            *(*self.prefix, sys.executable, "-m", "daemon", "serve"),
            *("--config", str(self.config)),
            *("--state-dir", str(self.state)),
            *("--socket", str(self.socket)),
            *self.flags,
        ]
        self._path("out").touch()
        with self._path("out").open("ab") as out, self._path("err").open("ab") as err:
            self.spawned_at = monotonic()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out if self.stdout is None else self.stdout,
                stderr=err,
                cwd=self.folder,
                env=process_environment(self.folder) | self.environ,
                start_new_session=True,  # so that its children can be ended with it
            )

    async def start(self) -> None:
        """Start a process and wait until its doors are open.

        Raises:
            DaemonFailed: It ended, or took too long.
        """
        self.spawn()
        await self.wait_for_log("ready", START_S)

    def signal(self, number: signal.Signals) -> None:
        """Send it to the daemon alone."""
        os.kill(self.pid, number)

    async def stop(self) -> int:
        """Ask it to end and wait for that; returns its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """``kill -9``, its children too."""
        self.kill_now()
        await self.ended()

    def kill_now(self) -> None:
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    async def ended(self) -> int:
        """Wait for its end; returns its exit code."""
        assert self._process is not None
        deadline = monotonic() + STOP_S
        while (code := self._process.poll()) is None:
            if monotonic() > deadline:
                self.kill_now()
                raise DaemonFailed(f"the daemon did not end\n{self.tail()}")
            await anyio.sleep(POLL_S)
        return code

    def reap(self) -> None:
        """The last resort: no process outlives its test."""
        self.kill_now()
        if self._process is not None:
            self._process.wait(STOP_S)

    # ---- what it says

    def logs(self, event: str | None = None) -> list[LogLine]:
        """Log lines of this start, or those of one event."""
        lines = _lines_of(self._path("out"))
        return [x for x in lines if event is None or x["event"] == event]

    def all_logs(self) -> list[LogLine]:
        """Log lines of every start."""
        starts = sorted(self.folder.glob("daemon-*.out"))
        return [line for path in starts for line in _lines_of(path)]

    def output(self) -> str:
        """Its log as it is, of this start."""
        return self._path("out").read_text()

    def errors(self) -> str:
        """What it wrote to stderr; nothing, when all is well."""
        return self._path("err").read_text(errors="replace")

    def everything_said(self) -> str:
        """Logs and stderr of this start."""
        return self._path("out").read_text(errors="replace") + self.errors()

    def bugs(self) -> list[LogLine]:
        """Log lines of this start that say that something of ours is broken.

        A condition is no bug: a provider that is down makes one of the worst kind.
        """
        return [
            line
            for line in self.logs()
            if line["event"] != "condition_raised"
            if line["level"] in {"error", "critical"}
            or line["event"] == "actor_restarted"
        ]

    async def wait_for_log(
        self, event: str, timeout_s: float = 10.0, *, count: int = 1
    ) -> LogLine:
        """Wait for the ``count``-th line of that event; returns it.

        Raises:
            DaemonFailed: It ended, or took too long.
        """
        deadline = monotonic() + timeout_s
        while True:
            ended = not self.running
            if len(found := self.logs(event)) >= count:
                return found[count - 1]
            if ended or monotonic() > deadline:
                why = "ended" if ended else f"said no {event!r} in {timeout_s} s"
                raise DaemonFailed(f"the daemon {why}\n{self.tail()}")
            await anyio.sleep(POLL_S)

    def tail(self) -> str:
        """The end of its logs and all of its stderr, for messages."""
        lines = self._path("out").read_text(errors="replace").splitlines()[-20:]
        return "\n".join([*lines, self.errors()])

    def _path(self, kind: str) -> Path:
        return self.folder / f"daemon-{self._starts}.{kind}"

    # ---- what it takes

    def open_files(self) -> int:
        """How many descriptors it has: with each connection one more."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def memory(self) -> tuple[int, int]:
        """Resident and proportional set size in bytes."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return _kilobytes(rollup, "Rss:"), _kilobytes(rollup, "Pss:")


def _lines_of(path: Path) -> list[LogLine]:
    """The whole lines of a log that may still be written."""
    data = path.read_bytes()
    decode = msgspec.json.Decoder(LogLine).decode
    return [decode(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def ulimited(flag: str, value: int) -> tuple[str, ...]:
    """A wrapper that sets a limit of the shell's ``ulimit``, such as ``-n``."""
    return ("sh", "-c", f'ulimit {flag} {value} && exec "$@"', "sh")


def _kilobytes(rollup: str, field: str) -> int:
    line = next(x for x in rollup.splitlines() if x.startswith(field))
    return int(line.split()[1]) * 1024


def process_environment(folder: Path) -> dict[str, str]:
    """Nothing of the tester's own settings: neither keys nor strategies."""
    kept = {k: os.environ[k] for k in ("PATH", "LANG", "TZ") if k in os.environ}
    return {**kept, **KEYS, "HOME": str(folder)}


@asynccontextmanager
async def daemon_process(
    folder: Path, config: str, *, start: bool = True
) -> AsyncIterator[DaemonProcess]:
    """A running daemon; however the context is left, its process is gone after it."""
    with prepared_daemon(folder, config) as daemon:
        if start:
            await daemon.start()
        yield daemon


@contextmanager
def prepared_daemon(folder: Path, config: str) -> Iterator[DaemonProcess]:
    """As ``daemon_process``, but nothing is started yet.

    Whatever it has logged must be on the page of log events.
    """
    daemon = DaemonProcess(folder, config)
    try:
        yield daemon
    finally:
        daemon.reap()
    assert_on_the_page(daemon.all_logs())


def assert_well(daemon: DaemonProcess) -> None:
    """No bug of ours in its logs, nothing on its stderr."""
    assert daemon.bugs() == []
    assert daemon.errors() == ""
