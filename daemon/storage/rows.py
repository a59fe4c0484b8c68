"""Records as database rows: which column holds what, and money as integers."""

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Context, Decimal

from actors.messages.routing import AttemptRecord, RequestRecord
from actors.policy.pricing import MAX_COST_USD

Value = str | bytes | int | float | None

PICO = Decimal(10) ** 12
_MAX_COUNT = 1 << 40
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)

_REQUEST_COLUMNS = (
    "request_id, decision_id, at, door, strategy, outcome, requested_model, provider,"
    " model, task_type, user, stream, attempts, latency_s, overhead_s,"
    " time_to_first_token_s, prompt_tokens, completion_tokens, cost, known_cost,"
    " cost_source, confidence, degraded, finish_reason, error_message, prompt_chars,"
    " simulated, reused, saved, record"
)
_ATTEMPT_COLUMNS = (
    "seq, attempt_id, provider, model, answered_model, outcome, status, started_at,"
    " latency_s, prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens,"
    " reasoning_tokens, total_tokens, cost, cost_source, held"
)


def sighting_rows(record: RequestRecord) -> Iterator[tuple[Value, ...]]:
    """For ``INSERT_SIGHTINGS``: each epoch's first and last number in this record."""
    epochs: dict[str, tuple[int, int]] = {}
    for each in record.sightings:
        first, _ = epochs.get(each.epoch, (each.seq, each.seq))
        epochs[each.epoch] = first, each.seq
    for epoch, (first, last) in epochs.items():
        yield epoch, first, last, record.request_id, record.decision.decision_id


def _marks(columns: str) -> str:
    return ", ".join("?" * (columns.count(",") + 1))


INSERT_REQUEST = (
    f"INSERT INTO requests ({_REQUEST_COLUMNS})"  # noqa: S608 - constants
    f" VALUES ({_marks(_REQUEST_COLUMNS)})"
    " ON CONFLICT (request_id, decision_id) DO NOTHING"
)
INSERT_ATTEMPT = (
    f"INSERT INTO attempts (request, {_ATTEMPT_COLUMNS})"  # noqa: S608 - same
    f" SELECT id, {_marks(_ATTEMPT_COLUMNS)} FROM requests"
    " WHERE request_id = ? AND decision_id = ?"
    " ON CONFLICT (request, seq) DO NOTHING"
)
INSERT_SIGHTINGS = (
    "INSERT INTO sightings (epoch, first, last, request) SELECT ?, ?, ?, id"
    " FROM requests WHERE request_id = ? AND decision_id = ?"
    " ON CONFLICT (epoch, last) DO NOTHING"
)
# After the attempts above a given id were inserted, in the same transaction.
ADD_TOTALS = """
INSERT INTO totals
SELECT provider, COUNT(*), SUM(outcome NOT IN ('ok', 'cancelled')),
  SUM(COALESCE(prompt_tokens, 0)), SUM(COALESCE(completion_tokens, 0)),
  SUM(COALESCE(cost, 0)), SUM(cost IS NULL), MAX(started_at)
FROM attempts WHERE id > ? GROUP BY provider
ON CONFLICT (provider) DO UPDATE SET
  requests = requests + excluded.requests,
  failures = failures + excluded.failures,
  prompt_tokens = prompt_tokens + excluded.prompt_tokens,
  completion_tokens = completion_tokens + excluded.completion_tokens,
  cost = cost + excluded.cost,
  unpriced_calls = unpriced_calls + excluded.unpriced_calls,
  last_request_at = MAX(last_request_at, excluded.last_request_at)
"""


def pico_dollars(usd: Decimal | None) -> int | None:
    """An amount as an integer; ``None`` for what is unknown, or cannot be true."""
    if usd is None or not usd.is_finite() or abs(usd) > MAX_COST_USD:
        return None
    return int((usd * PICO).to_integral_value(ROUND_HALF_EVEN, _EXACT))


def dollars(pico: int) -> Decimal:
    """The exact amount, without trailing zeros and without an exponent."""
    amount = _EXACT.scaleb(Decimal(pico), -12).normalize(_EXACT)
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:
        return amount.quantize(Decimal(1), context=_EXACT)
    return amount


def request_row(record: RequestRecord, payload: bytes) -> tuple[Value, ...]:
    """For ``INSERT_REQUEST``; ``payload`` is the record as it was spooled."""
    return (
        record.request_id,
        record.decision.decision_id,
        _number(record.at),
        record.door,
        record.decision.strategy,
        record.outcome,
        record.requested_model,
        record.provider,
        record.model,
        record.task_type,
        record.user,
        record.stream,
        _calls(record),
        _number(record.latency_s),
        _number(record.overhead_s),
        record.time_to_first_token_s,
        _count(record.usage.prompt_tokens),
        _count(record.usage.completion_tokens),
        pico_dollars(record.cost_usd),
        pico_dollars(record.known_cost_usd) or 0,
        record.cost_source,
        record.decision.confidence,
        record.decision.degraded,
        record.finish_reason,
        record.error_message,
        _count(record.prompt_chars) or 0,
        record.simulated,
        None if record.reused is None else record.reused.kind,
        None if record.reused is None else pico_dollars(record.reused.saved_usd),
        payload,
    )


def _calls(record: RequestRecord) -> int:
    """Upstream calls; a round's are those of its members, in their records."""
    return record.consensus.calls if record.consensus else len(record.attempts)


def attempt_rows(record: RequestRecord) -> list[list[Value]]:
    """One row an attempt, for ``INSERT_ATTEMPT``."""
    ids = (record.request_id, record.decision.decision_id)
    # Lists: CPython 3.11 keeps 2,000 freed tuples of just this length, unused, for ever.
    return [
        [seq, *_attempt_row(attempt), *ids]
        for seq, attempt in enumerate(record.attempts)
    ]


def _attempt_row(attempt: AttemptRecord) -> tuple[Value, ...]:
    usage = attempt.usage
    return (
        attempt.attempt_id,
        attempt.provider,
        attempt.model,
        attempt.answered_model,
        attempt.outcome,
        _count(attempt.status),
        _number(attempt.started_at),
        _number(attempt.latency_s),
        _count(usage.prompt_tokens),
        _count(usage.completion_tokens),
        _count(usage.cached_tokens),
        _count(usage.cache_write_tokens),
        _count(usage.reasoning_tokens),
        _count(usage.total_tokens),
        pico_dollars(attempt.cost_usd),
        attempt.cost_source,
        pico_dollars(attempt.held_usd),
    )


def _count(value: int | None) -> int | None:
    """A count; ``None`` for one that cannot be true (and would break sums)."""
    return value if value is not None and -_MAX_COUNT < value < _MAX_COUNT else None


def _number(value: float) -> float:
    """A time that SQLite keeps: it takes NaN for NULL."""
    return value if value == value else 0.0  # noqa: PLR0124 - the test for NaN
