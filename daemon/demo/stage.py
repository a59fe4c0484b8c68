"""A daemon of our own on a temporary socket, and the switches of its providers."""

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

CONFIG = """\
# What the demo runs: quick breakers and probes, so that nobody has to wait.
[health]
interval_s = 1
[breaker]
open_s = 1
open_max_s = 2
"""
START_LIMIT_S = 20.0
STOP_LIMIT_S = 15.0
LOOK_S = 0.02


class LogLine(msgspec.Struct):
    """The fields of the daemon's log that the demo reads."""

    event: str = ""
    provider: str | None = None
    control_url: str | None = None
    socket: str | None = None


class DemoFailed(Exception):
    """Raised when something did not do what it says."""


class Stage:
    """A running daemon. ``ready_s`` is the time from its start to its ready line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "demo.sock"
        self.log = folder / "daemon.log"
        self.ready_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon and wait for its ready line.

        Raises:
            DemoFailed: It ended or did not get ready; the message shows its log.
        """
        config = self.folder / "gitbridge.toml"
        config.write_text(CONFIG)
        command = [sys.executable, "-m", "daemon", "serve", "--simulate"]
        command += ["--config", str(config), "--socket", str(self.socket)]
        command += ["--state-dir", str(self.folder / "state")]
        started = time.monotonic()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command, stdout=log, stderr=subprocess.STDOUT, env=_clean_environ()
            )
        while not any(line.event == "ready" for line in self.lines()):
            if self._process.poll() is not None:
                raise DemoFailed(f"the daemon ended:\n{self.log.read_text()}")
            if time.monotonic() - started > START_LIMIT_S:
                raise DemoFailed(f"the daemon is not ready:\n{self.log.read_text()}")
            time.sleep(LOOK_S)
        self.ready_s = time.monotonic() - started

    def stop(self) -> int:
        """Ask it to stop as systemd would; its exit code."""
        process = self._process
        if process is None:
            return 0
        process.terminate()
        try:
            return process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def lines(self) -> list[LogLine]:
        """The daemon's log so far."""
        found = []
        for line in self.log.read_bytes().splitlines():
            try:
                found.append(msgspec.json.decode(line, type=LogLine))
            except msgspec.DecodeError:
                continue
        return found

    def switch(self, provider: str, *faults: dict[str, object]) -> None:
        """Make a pretend provider fail in these ways from now on; none: it is well."""
        self._control(provider, "POST", "behaviour", {"faults": list(faults)})

    def billed(self, provider: str) -> str:
        """What the pretend provider says it has charged, in US dollars."""
        stats = self._control(provider, "GET", "stats", None)
        return str(stats["billed_usd"])

    def _control(
        self, provider: str, method: str, what: str, body: object
    ) -> dict[str, object]:
        url = next(
            line.control_url
            for line in self.lines()
            if line.provider == provider and line.control_url
        )
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=5)
        payload = None if body is None else msgspec.json.encode(body)
        connection.request(method, f"{parts.path}/{what}", payload)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status != 200:
            raise DemoFailed(f"{url}/{what} answered {response.status}: {answer!r}")
        return msgspec.json.decode(answer, type=dict[str, object])


def _clean_environ() -> dict[str, str]:
    """Ours without what would change the demo."""
    ours = ("SMARTROUTER_", "GITBRIDGE_", "OPENAI_", "XAI_", "GROK_", "ANTHROPIC_")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)}


@contextmanager
def stage() -> Iterator[Stage]:
    """A started daemon; stopped, and its folder removed, at the end."""
    with tempfile.TemporaryDirectory(prefix="gitbridge-demo-") as name:
        running = Stage(Path(name))
        try:
            running.start()
            yield running
        finally:
            running.stop()
