"""The load generator and the mock provider: compiling and running them."""

import os
import shutil
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.gateway import processes

HERE = Path(__file__).parent
EXPECTED = "Hello there"
INFLIGHT = 64
"""Requests at a time on one multiplexed connection."""


class NoCompiler(Exception):
    """Raised where there is no C compiler."""


class Load(Struct, frozen=True, kw_only=True):
    """What is asked: ``conns`` requests at a time, for ``secs`` or ``requests``."""

    conns: int
    secs: float
    requests: int = 0
    stream: bool = False


class Latency(Struct, frozen=True):
    """Microseconds."""

    p50: float
    p99: float


class LoadResult(Struct, frozen=True):
    """What ``loadgen`` prints."""

    requests: int
    ok: int
    errors: int
    rps: float
    lat_us: Latency
    events: int = 0
    events_per_s: float = 0.0
    ttfc_us: Latency | None = None


class LoadGenerator:
    """Both programs, built into ``tmp``; generator and mock share a core.

    Raises:
        NoCompiler: There is none.
    """

    def __init__(self, tmp: Path) -> None:
        self.tmp = tmp
        cores = sorted(os.sched_getaffinity(0))
        pin = shutil.which("taskset")
        self._pinned = [pin, "-c", str(cores[0])] if pin else []
        self.pinned_gateway = [pin, "-c", str(cores[-1])] if pin else []
        self.cores = len(cores)
        compiler = shutil.which(os.environ.get("CC", "")) or shutil.which("cc")
        if compiler is None:
            raise NoCompiler(
                "the load generator is C and there is no compiler (cc); on Debian and"
                " Ubuntu: apt install gcc libc6-dev"
            )
        for name in ("loadgen", "mock"):
            program, source = str(tmp / name), str(HERE / f"{name}.c")
            command = [compiler, "-O2", "-w", "-o", program, source]
            subprocess.run(command, check=True)
        self._body = msgspec.json.decode((HERE / "bodies" / "chat.json").read_bytes())

    def run(
        self,
        target: str,
        proto: str,
        path: str,
        headers: tuple[str, ...],
        load: Load,
    ) -> LoadResult | str:
        """Run ``loadgen`` once; text is why that did not work."""
        body = {**self._body, "stream": load.stream}
        encode = msgspec.json.encode if proto == "http" else msgspec.msgpack.encode
        file = self.tmp / "body"
        file.write_bytes(encode(body))
        many = 1 if proto == "http" else min(load.conns, INFLIGHT)
        command = [
            *self._pinned,
            *(str(self.tmp / "loadgen"), "--target", target, "--proto", proto),
            *("--body", str(file), "--path", path, "--secs", str(load.secs)),
            *("--conns", str(max(1, load.conns // many)), "--inflight", str(many)),
            *(("--max", str(load.requests)) if load.requests else ()),
            *(("--stream",) if load.stream else ("--expect", EXPECTED)),
        ]
        for header in headers:
            command += ("--header", header)
        done = subprocess.run(
            command, check=False, capture_output=True, timeout=load.secs + 30
        )
        with suppress(msgspec.DecodeError):
            return msgspec.json.decode(done.stdout, type=LoadResult)
        return (done.stdout + done.stderr).decode(errors="replace")[-300:]

    def mock(self) -> "Mock":
        return Mock([*self._pinned, str(self.tmp / "mock")])


class Mock:
    """The pretend provider, running."""

    def __init__(self, command: list[str]) -> None:
        port = processes.free_port()
        self.address = f"127.0.0.1:{port}"
        self._process = subprocess.Popen([*command, "--port", str(port)])
        time.sleep(0.2)

    def behave(self, *, delay_us: int = 0) -> None:
        """Answer after this long, from now on."""
        url = f"http://{self.address}/_cfg?delay_us={delay_us}"
        urllib.request.urlopen(url, timeout=5).read()

    def stop(self) -> None:
        processes.end(self._process)
