"""Reading the ledger: history, one record, usage sums, totals.

What may be many or large is decoded in a thread, not on the event loop. Costs are summed as integers in two halves, so that no sum can overflow.
"""

from decimal import Decimal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.ledger import HistoryEntry, Own, Span, UsageGrouping, UsageRow
from actors.messages.provider import ProviderTotals
from actors.messages.routing import Decision, RequestRecord
from actors.messages.sighting import Sighting
from actors.policy.budgets import DAY_S
from actors.policy.recall import Key, seen_by
from daemon.storage.records import decode_record
from daemon.storage.rows import dollars
from daemon.storage.shield import in_thread
from daemon.storage.sqlite import Database, Row

MAX_HISTORY = 10_000

_HALF = 10**9

_HISTORY = [
    name
    for name in HistoryEntry.__struct_fields__
    if name not in {"cursor", "cost_usd", "known_cost_usd"}
]
_HISTORY_SQL = (
    f"SELECT id, cost, known_cost, {', '.join(_HISTORY)} FROM requests"  # noqa: S608 - constants
    " WHERE id < ?{own} ORDER BY id DESC LIMIT ?"
)
_EXPLAIN_SQL = (
    "SELECT record FROM requests WHERE decision_id = ?1 OR request_id = ?1"
    " ORDER BY id DESC LIMIT 1"
)
_SPAN_SQL = (
    "SELECT MIN(at), MIN(id), MAX(id) FROM"
    " (SELECT id, at FROM requests WHERE at >= ? ORDER BY id DESC LIMIT ?)"
)
_RECORDS_SQL = (
    "SELECT id, record FROM requests WHERE id > ? AND at >= ? ORDER BY id LIMIT ?"
)
_CARRIER_SQL = (
    "SELECT record FROM sightings JOIN requests ON requests.id = sightings.request"
    " WHERE epoch = ? AND last >= ? AND first <= ? ORDER BY last LIMIT 1"
)
_SUMS = (
    "COALESCE(SUM(a.prompt_tokens), 0), COALESCE(SUM(a.completion_tokens), 0),"
    " COALESCE(SUM(a.cached_tokens), 0), COALESCE(SUM(a.reasoning_tokens), 0),"
    f" COALESCE(SUM(a.cost / {_HALF}), 0), COALESCE(SUM(a.cost % {_HALF}), 0),"
    " COUNT(a.id) - COUNT(a.cost), r.simulated,"
    # Who was given another's answer had no call, so stands in one row here.
    " SUM(r.reused IS NOT NULL AND r.outcome = 'ok'),"
    f" COALESCE(SUM(r.saved / {_HALF}), 0), COALESCE(SUM(r.saved % {_HALF}), 0)"
)
_FAILED = "NOT IN ('ok', 'cancelled')"
_BY_ATTEMPT = (
    "SELECT {key}, COUNT(DISTINCT r.id), COUNT(a.id),"  # noqa: S608 - constants
    f" SUM(a.outcome {_FAILED}),"
    f" {_SUMS} FROM requests r JOIN attempts a ON a.request = r.id"
    " WHERE r.at >= ?{{own}} GROUP BY 1, r.simulated"
)
_BY_REQUEST = (
    "SELECT {key}, COUNT(DISTINCT r.id), COUNT(a.id),"  # noqa: S608 - constants
    f" COUNT(DISTINCT CASE WHEN r.outcome {_FAILED} THEN r.id END), {_SUMS}"
    " FROM requests r LEFT JOIN attempts a ON a.request = r.id"
    " WHERE r.at >= ?{{own}} GROUP BY 1, r.simulated"
)
_USAGE_SQL: dict[UsageGrouping, str] = {
    "provider": _BY_ATTEMPT.format(key="a.provider"),
    "model": _BY_ATTEMPT.format(key="a.provider || '/' || a.model"),
    "task_type": _BY_REQUEST.format(key="r.task_type"),
    "user": _BY_REQUEST.format(key="r.user"),
}
_SPENT_SQL = (
    f"SELECT r.user, SUM(COALESCE(a.cost, a.held, 0) / {_HALF}),"  # noqa: S608 - constants
    f" SUM(COALESCE(a.cost, a.held, 0) % {_HALF})"
    " FROM requests r JOIN attempts a ON a.request = r.id"
    " WHERE r.at >= ? AND a.started_at >= ? AND r.at + r.latency_s < ?"
    " GROUP BY r.user"
)
_TOTALS_SQL = (
    "SELECT provider, requests, failures, prompt_tokens, completion_tokens, cost,"
    " unpriced_calls, last_request_at FROM totals"
)


class _Sums(Struct, frozen=True, array_like=True):
    """A row of usage; cost = ``cost_high`` * 10**9 + ``cost_low`` pico-dollars.

    What was saved likewise.
    """

    key: str | None
    requests: int
    attempts: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_high: int
    cost_low: int
    unpriced: int
    simulated: int
    reused: int
    saved_high: int
    saved_low: int


class _Totals(Struct, frozen=True, array_like=True):
    provider: str
    requests: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    cost: int | float  # SQLite makes it a float where an integer would overflow
    unpriced_calls: int
    last_request_at: float | None


async def history(
    database: Database, limit: int, cursor: str | None, own: Own | None = None
) -> tuple[HistoryEntry, ...]:
    """Newest first, from ``cursor`` on; at most ``MAX_HISTORY`` at a time.

    Raises:
        InvalidRequest: ``cursor`` did not come from an earlier answer.
    """
    test, whose = _whose("user", own)
    values = (_position(cursor), *whose, min(max(limit, 0), MAX_HISTORY))
    rows = await database.read(_HISTORY_SQL.format(own=test), values)
    return await in_thread(_history_entries, rows)


async def explain(database: Database, any_id: str) -> RequestRecord | None:
    """The record with this decision id or request id.

    Without sightings: those it carries are mostly of other decisions.
    """
    rows = await database.read(_EXPLAIN_SQL, (any_id,))
    if not rows:
        return None
    record = decode_record(msgspec.convert(rows[0][0], bytes))
    return replace(record, sightings=())


async def span(database: Database, since: float | None, newest: int) -> Span:
    """The newest requests since then: see ``Span``."""
    rows = await database.read(_SPAN_SQL, (since or 0.0, newest))
    kind = tuple[float | None, int | None, int | None]
    at, first, last = msgspec.convert(rows[0], kind)
    return Span((since or 0.0) if at is None else at, first or 0, last or 0)


async def read_records(
    database: Database, since: float, after: int, limit: int
) -> tuple[tuple[int, RequestRecord], ...]:
    """Whole records with their numbers, oldest first."""
    rows = await database.read(_RECORDS_SQL, (after, since, limit))
    return await in_thread(_numbered_records, rows)


async def sightings(database: Database, decision: Decision) -> dict[Key, Sighting]:
    """Everything that this decision saw, as far as it is kept."""
    wanted = set(seen_by(decision))
    found: dict[Key, Sighting] = {}
    for epoch, seq in sorted(wanted):
        if (epoch, seq) in found:
            continue
        rows = await database.read(_CARRIER_SQL, (epoch, seq, seq))
        if rows:
            carrier = decode_record(msgspec.convert(rows[0][0], bytes))
            for each in carrier.sightings:
                if (each.epoch, each.seq) in wanted:
                    found[each.epoch, each.seq] = each
    return found


async def usage(
    database: Database,
    since: float | None,
    by: UsageGrouping,
    own: Own | None = None,
) -> tuple[UsageRow, ...]:
    """Sums since ``since`` (UTC epoch seconds), the largest cost first."""
    test, whose = _whose("r.user", own)
    sql = _USAGE_SQL[by].format(own=test)
    rows = await database.read(sql, (since or 0.0, *whose))
    return await in_thread(_usage_rows, rows)


async def spent(
    database: Database, since: float, until: float
) -> dict[str | None, Decimal]:
    """What calls that began since then count for in daily budgets, by user.

    Of requests that had ended by ``until``: those that end later count themselves.
    """
    # A request may wait and retry for as long as its deadline before a call of it.
    asked = (since - DAY_S, since, until)
    rows = await database.read(_SPENT_SQL, asked)
    sums = msgspec.convert(rows, list[tuple[str | None, int, int]])
    return {user: dollars(high * _HALF + low) for user, high, low in sums}


async def totals(database: Database) -> dict[str, ProviderTotals]:
    """Per provider since the database was made, deleted requests included."""
    rows = msgspec.convert(await database.read(_TOTALS_SQL), list[_Totals])
    return {
        row.provider: ProviderTotals(
            requests=row.requests,
            failures=row.failures,
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            cost_usd=dollars(int(row.cost)),
            unpriced_calls=row.unpriced_calls,
            last_request_at=row.last_request_at,
        )
        for row in rows
    }


async def states(database: Database) -> dict[str, bytes]:
    """Every kept value by its key."""
    rows = await database.read("SELECT key, value FROM state")
    return dict(msgspec.convert(rows, list[tuple[str, bytes]]))


def _whose(column: str, own: Own | None) -> tuple[str, tuple[str | None, ...]]:
    """The test for one user's, and its value."""
    return ("", ()) if own is None else (f" AND {column} IS ?", (own.user,))


def _largest_first(row: UsageRow) -> tuple[bool, Decimal, int, str]:
    return row.simulated, -(row.cost_usd or Decimal(0)), -row.requests, row.key or ""


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 2**63 - 1
    if cursor.isascii() and cursor.isdecimal() and len(cursor) < 19:
        return int(cursor)
    raise InvalidRequest(
        f"cursor {cursor!r} is not one that history has given",
        field="cursor",
        got=cursor[:80],
        wanted="the cursor of an entry of an earlier answer",
    )


def _history_entries(rows: list[Row]) -> tuple[HistoryEntry, ...]:
    return tuple(map(_history_entry, rows))


def _history_entry(row: Row) -> HistoryEntry:
    number, cost, known_cost, *rest = row
    fields: dict[str, object] = dict(zip(_HISTORY, rest, strict=True))
    fields["cursor"] = str(number)
    fields["cost_usd"] = dollars(cost) if isinstance(cost, int) else None
    fields["known_cost_usd"] = dollars(msgspec.convert(known_cost, int))
    return msgspec.convert(fields, HistoryEntry, strict=False)


def _numbered_records(rows: list[Row]) -> tuple[tuple[int, RequestRecord], ...]:
    pairs = msgspec.convert(rows, list[tuple[int, bytes]])
    return tuple((number, decode_record(record)) for number, record in pairs)


def _usage_rows(rows: list[Row]) -> tuple[UsageRow, ...]:
    return tuple(sorted(map(_usage_row, rows), key=_largest_first))


def _usage_row(row: Row) -> UsageRow:
    sums = msgspec.convert(row, _Sums)
    known = sums.attempts > sums.unpriced or not sums.attempts
    return UsageRow(
        key=sums.key,
        requests=sums.requests,
        attempts=sums.attempts,
        failures=sums.failures,
        prompt_tokens=sums.prompt_tokens,
        completion_tokens=sums.completion_tokens,
        cached_tokens=sums.cached_tokens,
        reasoning_tokens=sums.reasoning_tokens,
        cost_usd=dollars(sums.cost_high * _HALF + sums.cost_low) if known else None,
        unpriced_attempts=sums.unpriced,
        simulated=bool(sums.simulated),
        reused=sums.reused,
        saved_usd=dollars(sums.saved_high * _HALF + sums.saved_low),
    )
