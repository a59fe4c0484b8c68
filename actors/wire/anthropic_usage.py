"""Token counts of the Messages API -> ``Usage`` (provider-apis 1.3 and 3.3)."""

from actors.messages.chat import Usage
from actors.wire.tolerant import count, mapping, sequence

_MAX_COUNT = 10**15  # more than that is no count of anything here

_COUNTERS = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)

_KEPT = frozenset(
    {
        *_COUNTERS,
        *("cache_creation", "output_tokens_details", "iterations", "service_tier"),
    }
)

Raw = dict[str, object]


def updated(usage: Raw, later: object) -> Raw:
    """``usage`` brought up to date: a stream's counts are cumulative, never added."""
    said = mapping(later).items()
    return usage | {k: v for k, v in said if v is not None and k in _KEPT}


def decode_usage(raw: object) -> Usage:
    """Normalise a ``usage`` object; anything that is none gives an empty ``Usage``.

    ``input_tokens`` is only what was neither read from nor written to a cache. Where
    the server went through several iterations, the bill is their sum, and the counts
    beside them may cover only a part.
    """
    usage = mapping(raw)
    rows = [mapping(row) for row in sequence(usage.get("iterations"))]
    fresh, written, read, output = (_billed(usage, rows, name) for name in _COUNTERS)
    long, short = (
        _nested(usage, rows, "cache_creation", f"ephemeral_{ttl}_input_tokens")
        for ttl in ("1h", "5m")
    )
    if written is None and (long is not None or short is not None):
        written = (long or 0) + (short or 0)
    prompt = None if fresh is None else fresh + (written or 0) + (read or 0)
    known = prompt is not None and output is not None
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=output,
        cached_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=long,
        reasoning_tokens=_nested(
            usage, rows, "output_tokens_details", "thinking_tokens"
        ),
        total_tokens=(prompt or 0) + (output or 0) if known else None,
    )


def _billed(usage: Raw, rows: list[Raw], name: str) -> int | None:
    parts = [part for part in (_count(row, name) for row in rows) if part is not None]
    whole = _count(usage, name)
    return max(whole or 0, sum(parts)) if parts else whole


def _nested(usage: Raw, rows: list[Raw], group: str, name: str) -> int | None:
    inner = [mapping(row.get(group)) for row in rows]
    return _billed(mapping(usage.get(group)), inner, name)


def _count(source: Raw, name: str) -> int | None:
    value = count(source.get(name))
    return value if value is not None and value < _MAX_COUNT else None
