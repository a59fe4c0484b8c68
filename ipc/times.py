"""Points in time as people type them."""

import re
from datetime import UTC, datetime
from typing import Final

from actors.errors import InvalidRequest

_AGE: Final = re.compile(r"^(\d+(?:\.\d+)?)([smhdw])$")
_AGE_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_EPOCH: Final = re.compile(r"^\d{9,11}(?:\.\d+)?$")
"""Seconds from 1973 on: fewer digits are a date without dashes, or lack a unit."""
_EARLIEST: Final = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def parse_since(value: float | str | None, now: float) -> float | None:
    """Epoch seconds of a number, an ISO 8601 date or time (UTC), or an age (``7d``).

    Raises:
        InvalidRequest: It is none of these, or of no year that can be written down.
    """
    if value is None:
        return None
    at = float(value) if isinstance(value, int | float) else _typed(value, now)
    if not _EARLIEST <= at <= _LATEST:
        raise InvalidRequest(
            f"since: {value!r:.100} is outside the years 1 to 9999",
            field="since",
            got=str(value)[:100],
            wanted="the years 1 to 9999",
        )
    return at


def _typed(value: str, now: float) -> float:
    if _EPOCH.match(value.strip()):
        return float(value)
    age = _AGE.match(value.strip())
    if age is not None:
        return now - float(age[1]) * _AGE_SECONDS[age[2]]
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        raise InvalidRequest(
            f"since: {value[:100]!r} is no point in time",
            field="since",
            got=value[:100],
            wanted="epoch seconds, an ISO 8601 date or time, or an age like 24h or 7d",
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
