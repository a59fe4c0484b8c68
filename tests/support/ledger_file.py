"""Reads what a daemon left in its state folder, without asking the daemon."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from actors.messages.routing import AttemptRecord, RequestRecord
from daemon.storage.records import decode_record
from daemon.storage.rows import PICO

T = TypeVar("T")


class UsageMetadata(Struct):
    request_id: str
    decision_id: str
    outcome: str
    prompt_length: int


class UsageLine(Struct):
    """A line of a usage log, as far as tests look at it."""

    timestamp: str
    provider: str
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    cost: Decimal | None
    metadata: UsageMetadata


class Sums(Struct, frozen=True):
    """Of a set of attempts: how many, what they used, what of the cost is known."""

    attempts: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal


class LedgerFile:
    """The database and the usage logs of one state folder."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def records(self) -> list[RequestRecord]:
        """Every request, in the order of folding; decoded from the whole record."""
        rows = self._rows("SELECT record FROM requests ORDER BY id", tuple[bytes])
        return [decode_record(payload) for (payload,) in rows]

    def totals(self) -> dict[str, Sums]:
        """The running totals by provider, which are kept apart from the attempts."""
        return self._sums(
            "SELECT provider, requests, prompt_tokens, completion_tokens, cost"
            " FROM totals"
        )

    def attempt_rows(self) -> dict[str, Sums]:
        """The sums by provider over the table of attempts."""
        return self._sums(
            "SELECT provider, COUNT(*), SUM(COALESCE(prompt_tokens, 0)),"
            " SUM(COALESCE(completion_tokens, 0)), SUM(COALESCE(cost, 0))"
            " FROM attempts GROUP BY provider"
        )

    def check(self) -> str:
        """SQLite's own opinion: ``ok``."""
        with closing(self._connect()) as connection:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])

    def usage_lines(self) -> list[UsageLine]:
        """Every line of every usage log."""
        decode = msgspec.json.Decoder(UsageLine).decode
        return [
            decode(line)
            for path in sorted((self._state / "logs").glob("*_usage.jsonl"))
            for line in path.read_bytes().splitlines()
        ]

    def _sums(self, query: str) -> dict[str, Sums]:
        rows = self._rows(query, tuple[str, int, int, int, int])
        return {row[0]: Sums(row[1], row[2], row[3], row[4] / PICO) for row in rows}

    def _rows(self, query: str, row: type[T]) -> list[T]:
        with closing(self._connect()) as connection:
            return msgspec.convert(connection.execute(query).fetchall(), list[row])  # type: ignore[valid-type]  # a type at run time

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._state / "gitbridge.db")


def sums(attempts: Iterable[AttemptRecord]) -> dict[str, Sums]:
    """By provider, exactly."""
    found: dict[str, list[AttemptRecord]] = {}
    for attempt in attempts:
        found.setdefault(attempt.provider, []).append(attempt)
    return {
        provider: Sums(
            len(each),
            sum(a.usage.prompt_tokens or 0 for a in each),
            sum(a.usage.completion_tokens or 0 for a in each),
            sum((a.cost_usd or Decimal(0) for a in each), Decimal(0)),
        )
        for provider, each in found.items()
    }


def reported(attempt: AttemptRecord) -> bool:
    """Whether an attempt has a line in its provider's usage log."""
    usage = attempt.usage
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    return bool(attempt.cost_usd) or any(count is not None for count in counts)


def usage_sums(lines: Iterable[UsageLine]) -> dict[str, Sums]:
    """The same by provider over the lines of the usage logs."""
    found: dict[str, list[UsageLine]] = {}
    for line in lines:
        found.setdefault(line.provider, []).append(line)
    return {
        provider: Sums(
            len(each),
            sum(x.prompt_tokens or 0 for x in each),
            sum(x.completion_tokens or 0 for x in each),
            sum((x.cost or Decimal(0) for x in each), Decimal(0)),
        )
        for provider, each in found.items()
    }
