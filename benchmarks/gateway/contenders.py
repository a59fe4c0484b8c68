"""Who is measured, and how each is started and reached: ``contenders.json``, typed."""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from string import Template
from typing import Literal

import msgspec
from msgspec import Struct

from benchmarks.gateway import processes
from benchmarks.gateway.load import Load, LoadGenerator, LoadResult

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


class Contender(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of ``contenders.json``.

    Text may hold ``{socket} {port} {mock} {tmp} {here} {python} {slug}`` and
    ``${ENVIRONMENT}``. ``files`` are written into ``{tmp}`` before the start; ``@name``
    is the content of a file beside this one. Without ``cmd`` the mock itself is asked.
    ``at_most`` and ``at_least`` are goals for CPU per request as a multiple of
    ``baseline``'s.
    """

    name: str
    about: str
    target: str
    proto: Literal["http", "mux", "rpc"] = "http"
    path: str = "/v1/chat/completions"
    headers: tuple[str, ...] = ()
    cmd: str | None = None
    env: dict[str, str] = {}
    files: dict[str, str] = {}
    baseline: str | None = None
    at_most: float | None = None
    at_least: float | None = None
    peer: bool = False
    needs: str | None = None
    start_timeout_s: float = 30.0
    warm_s: float = 1.0


def contenders(*, peers: bool) -> list[Contender]:
    """All of them; those of other projects only with ``peers``."""
    data = (HERE / "contenders.json").read_bytes()
    every = msgspec.json.decode(data, type=list[Contender])
    return [each for each in every if peers or not each.peer]


class Running:
    """A contender that has been started, and has answered once."""

    def __init__(self, contender: Contender, bench: LoadGenerator, mock: str) -> None:
        self.contender = contender
        self.ready_ms: float | None = None
        self.idle_mb: float | None = None
        self._bench = bench
        slug = "".join(c if c.isalnum() else "-" for c in contender.name)
        self._names = {
            "socket": str(bench.tmp / f"{slug}.sock"),
            "port": str(processes.free_port()),
            "mock": mock,
            "tmp": str(bench.tmp),
            "here": str(HERE),
            "python": sys.executable,
            "slug": slug,
        }
        self._log = bench.tmp / f"{slug}.log"
        self._process = self._started() if contender.cmd else None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def fill(self, text: str) -> str:
        for name, value in self._names.items():
            text = text.replace("{" + name + "}", value)
        return Template(text).safe_substitute(os.environ)

    def load(self, load: Load) -> LoadResult:
        """Put it under a load.

        Raises:
            RuntimeError: There was no answer, or a wrong one.
        """
        result = self._attempt(load)
        if isinstance(result, str) or result.errors:
            raise RuntimeError(f"{self.contender.name}: {result}{self._last_words()}")
        return result

    def cpu_s(self) -> float:
        return 0.0 if self.pid is None else processes.settled_cpu_s(self.pid)

    def rss_mb(self) -> float | None:
        return None if self.pid is None else processes.rss_mb(self.pid)

    def stop(self) -> None:
        if self._process:
            processes.end(self._process)

    def _last_words(self) -> str:
        return f"; its log ends: {self._log.read_text(errors='replace')[-700:]}"

    def _attempt(self, load: Load) -> LoadResult | str:
        it = self.contender
        headers = tuple(self.fill(each) for each in it.headers)
        return self._bench.run(self.fill(it.target), it.proto, it.path, headers, load)

    def _started(self) -> "subprocess.Popen[bytes]":
        it = self.contender
        for name, text in it.files.items():
            content = (HERE / text[1:]).read_text() if text[:1] == "@" else text
            (self._bench.tmp / self.fill(name)).write_text(self.fill(content))
        started = time.perf_counter()
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [*self._bench.pinned_gateway, *shlex.split(self.fill(it.cmd or ""))],
                env={**os.environ, **it.env},
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        problem = self._wait_ready(process, started)
        if problem:
            processes.end(process)
            raise RuntimeError(
                f"{it.name} did not start: {problem}{self._last_words()}"
            )
        self.idle_mb = processes.rss_mb(process.pid)
        return process

    def _wait_ready(
        self, process: "subprocess.Popen[bytes]", started: float
    ) -> str | None:
        once = Load(conns=1, secs=5.0, requests=1)
        while True:
            result = self._attempt(once)
            passed = time.perf_counter() - started
            if not isinstance(result, str) and result.ok:
                self.ready_ms = passed * 1e3
                return None
            if process.poll() is not None or passed > self.contender.start_timeout_s:
                return str(result)
            time.sleep(0.005)
