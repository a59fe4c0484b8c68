"""``logs/<provider>_usage.jsonl``: one JSON line for every attempt that used tokens.

Written from the database, exactly once even over ``kill -9``: the size of each file is
recorded in the transaction that records the last attempt exported. Where a file is
longer, and goes on as the lines that are to be written begin, a crash has left them:
they are cut off first. Anything else in a file is somebody else's and stays: a file that
was rotated away is begun anew, one that was put in its place is appended to.
"""

import errno
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import aiosqlite
import msgspec
from msgspec import Struct

from daemon.storage.rows import dollars
from daemon.storage.shield import in_thread
from daemon.storage.sqlite import Database, Row

_GROUP = 500
_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_799  # what a datetime can say
_LINE = msgspec.json.Encoder(decimal_format="number").encode
_SELECT = """
SELECT a.id, a.started_at + a.latency_s, a.provider, a.model, a.prompt_tokens,
  a.completion_tokens, COALESCE(a.total_tokens, a.prompt_tokens + a.completion_tokens),
  a.cost, a.cost_source, r.prompt_chars, r.request_id, r.decision_id, r.task_type, a.outcome,
  r.simulated
FROM attempts a JOIN requests r ON r.id = a.request
WHERE a.id > (SELECT attempt FROM exported) ORDER BY a.id LIMIT ?
"""
_REMEMBER = (
    "INSERT INTO usage_logs VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
    " SET inode = excluded.inode, size = excluded.size"
)


class _Attempt(Struct, frozen=True, array_like=True):
    id: int
    ended_at: float
    provider: str
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    cost: int | None
    cost_source: str
    prompt_chars: int
    request_id: str
    decision_id: str
    task_type: str | None
    outcome: str
    simulated: bool

    @property
    def reported(self) -> bool:
        counts = (self.prompt_tokens, self.completion_tokens, self.total_tokens)
        return bool(self.cost) or any(count is not None for count in counts)


class Metadata(Struct, frozen=True):
    """What else a line says. ``prompt_length`` is in characters."""

    prompt_length: int
    request_id: str
    decision_id: str
    task_type: str | None
    outcome: str
    simulated: bool


class Line(Struct, frozen=True):
    """One line. ``cost`` is in US dollars, ``None`` when the price is not known."""

    timestamp: str
    provider: str
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    cost: Decimal | None
    cost_source: str
    metadata: Metadata


class Mark(Struct, frozen=True):
    """A file and how much of it is known to be whole."""

    inode: int
    size: int


class _Step(Struct, frozen=True):
    """Lines by file, where each file goes on, and, once it did, where it ends.

    ``last`` is the id of the newest attempt among the lines.
    """

    lines: dict[str, bytes]
    marks: dict[str, Mark]
    last: int
    written: dict[str, Mark] | None


def file_name(provider: str) -> str:
    """The log's name, without anything that could leave the folder."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", provider)[:100]
    return f"{safe or '_'}_usage.jsonl"


class UsageLog:
    """Exports attempts; one at a time, called after every fold."""

    def __init__(self, folder: Path, database: Database, *, sync: bool = False) -> None:
        self._folder = folder
        self._database = database
        self._sync = sync
        self._marks: dict[str, Mark] | None = None

    async def export(self) -> None:
        """Write a line for every attempt that has none yet.

        Raises:
            OSError: A file cannot be written; what is missing comes with the next call.
            LedgerUnavailable: The database cannot be used now; likewise.
        """
        rows = await self._database.reread(_SELECT, (_GROUP,))
        while rows:
            await self._write(rows)
            full = len(rows) == _GROUP
            rows = await self._database.reread(_SELECT, (_GROUP,)) if full else []

    def forget(self) -> None:
        """The database was replaced: what it recorded is gone."""
        self._marks = None

    async def _write(self, rows: list[Row]) -> None:
        step = await in_thread(self._go_on, rows, await self._known_marks())
        written = step.written
        if written is None:
            await self._remember(step.marks, None)
            written = await in_thread(self._append, step.lines, step.marks)
        await self._remember(written, step.last)

    async def _known_marks(self) -> dict[str, Mark]:
        if self._marks is None:
            rows = await self._database.read("SELECT name, inode, size FROM usage_logs")
            self._marks = {
                msgspec.convert(name, str): msgspec.convert(
                    {"inode": inode, "size": size}, Mark
                )
                for name, inode, size in rows
            }
        return self._marks

    async def _remember(self, marks: dict[str, Mark], last: int | None) -> None:
        async def work(connection: aiosqlite.Connection) -> None:
            await connection.executemany(
                _REMEMBER,
                [(name, mark.inode, mark.size) for name, mark in marks.items()],
            )
            if last is not None:
                await connection.execute("UPDATE exported SET attempt = ?", (last,))

        await self._database.write(work)
        self._marks = {**(self._marks or {}), **marks}

    # ---- in a thread

    def _go_on(self, rows: list[Row], known: dict[str, Mark]) -> _Step:
        """Append the lines, unless a file was met that is not recorded yet."""
        attempts = msgspec.convert(rows, list[_Attempt], strict=False)
        lines = _lines(attempts)
        marks = self._prepare(lines, known)
        new = any(known.get(name) != mark for name, mark in marks.items())
        written = None if new else self._append(lines, marks)
        return _Step(lines, marks, attempts[-1].id, written)

    def _prepare(
        self, lines: dict[str, bytes], known: dict[str, Mark]
    ) -> dict[str, Mark]:
        """Find or make the files and where in them to go on."""
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        return {
            name: _adopt(self._folder / name, known.get(name), data)
            for name, data in lines.items()
        }

    def _append(
        self, lines: dict[str, bytes], marks: dict[str, Mark]
    ) -> dict[str, Mark]:
        return {
            name: _extend(self._folder / name, marks[name], data, sync=self._sync)
            for name, data in lines.items()
        }


def _lines(attempts: Iterable[_Attempt]) -> dict[str, bytes]:
    """The lines to write by file; attempts that reported nothing have none."""
    lines: dict[str, list[bytes]] = {}
    for attempt in attempts:
        if attempt.reported:
            lines.setdefault(attempt.provider, []).append(_LINE(_line(attempt)))
    files: dict[str, bytes] = {}
    for provider, found in lines.items():
        name = file_name(provider)  # which two providers may share
        files[name] = files.get(name, b"") + b"\n".join([*found, b""])
    return files


def _line(attempt: _Attempt) -> Line:
    return Line(
        timestamp=_rfc3339(attempt.ended_at),
        provider=attempt.provider,
        model=attempt.model,
        prompt_tokens=attempt.prompt_tokens,
        completion_tokens=attempt.completion_tokens,
        total_tokens=attempt.total_tokens,
        cost=None if attempt.cost is None else dollars(attempt.cost),
        cost_source=attempt.cost_source,
        metadata=Metadata(
            prompt_length=attempt.prompt_chars,
            request_id=attempt.request_id,
            decision_id=attempt.decision_id,
            task_type=attempt.task_type,
            outcome=attempt.outcome,
            simulated=attempt.simulated,
        ),
    )


def _rfc3339(at: float) -> str:
    possible = _YEAR_1 <= at < _YEAR_10000
    second, milliseconds = divmod(round(at * 1000) if possible else 0, 1000)
    return f"{_to_the_second(second)}.{milliseconds:03d}Z"


@lru_cache(maxsize=64)
def _to_the_second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()[:19]


def _adopt(path: Path, known: Mark | None, data: bytes) -> Mark:
    """Where in this file to write ``data``; it is made when it is not there."""
    with path.open("ab+") as file:
        status = os.fstat(file.fileno())
        size = status.st_size
        if known is not None and known.inode == status.st_ino:
            if 0 < size - known.size <= len(data):
                file.seek(known.size)
                if data.startswith(file.read()):  # a crash came before it was recorded
                    file.truncate(known.size)
                    return known
            if size == known.size:
                return known
        return Mark(status.st_ino, size + _end_line(file, size))


def _end_line(file: BinaryIO, size: int) -> int:
    """Finish somebody else's last line; returns the bytes added."""
    if size == 0:
        return 0
    file.seek(size - 1)
    return 0 if file.read(1) == b"\n" else file.write(b"\n")


def _extend(path: Path, mark: Mark, data: bytes, *, sync: bool) -> Mark:
    """Append the lines; all of them, or (``OSError``) none."""
    with path.open("ab", buffering=0) as file:
        status = os.fstat(file.fileno())
        if (status.st_ino, status.st_size) != (mark.inode, mark.size):
            raise OSError(errno.ESTALE, "the file was changed meanwhile", str(path))
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) or 0 :]
            if sync:
                os.fdatasync(file.fileno())
        except OSError:
            with suppress(OSError):  # the next export cuts it off
                file.truncate(mark.size)
            raise
    return Mark(mark.inode, mark.size + len(data))
