"""When, and whether, a provider wants to be asked again (provider-apis 1.6)."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from actors.wire.tolerant import mapping, sequence

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_MAX_DETAILS = 8


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds the server wants us to wait; ``None`` where it does not say.

    ``retry-after-ms``, then ``retry-after`` in (fractional) seconds, then as an HTTP
    date against ``now`` (UTC epoch seconds). A zero, a past date or nonsense falls
    through to the next source (provider-apis 1.6). Use it on failures only: Anthropic
    sends the header with 200 too.
    """
    milliseconds = _positive(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    return _positive(value) or _until(value, now)


def retry_info_s(details: object) -> float | None:
    """Seconds in the RetryInfo among an error's ``details``: Gemini has no header."""
    for detail in map(mapping, sequence(details)[:_MAX_DETAILS]):
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and delay.endswith("s"):
            return _positive(delay[:-1])
    return None


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """What ``x-should-retry`` says, over anything the status says."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", ""))


def _positive(value: str | None) -> float | None:
    seconds = None if value is None else _SECONDS.fullmatch(value.strip())
    return None if seconds is None else float(seconds[0]) or None


def _until(value: str | None, now: float) -> float | None:
    if value is None or len(value) > 64:
        return None
    try:
        seconds = parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if seconds > 0 else None
