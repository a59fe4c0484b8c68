"""Numbers as people read them; what is not known is a dash, never 0."""

from datetime import UTC, datetime
from decimal import Decimal

UNKNOWN = "-"


def money(usd: Decimal | None) -> str:
    """US dollars, with more digits the smaller: $12.35, $0.0123, $0.00000450."""
    if usd is None:
        return UNKNOWN
    if usd == 0:
        return "$0"
    size = abs(usd)
    if size >= 1:
        return f"${usd:.2f}"
    # Three digits that mean something, at least four places.
    places = max(4, 2 - size.adjusted())
    return f"${usd:.{places}f}"


def seconds(value: float | None) -> str:
    """A duration: 850 µs, 12 ms, 1.34 s, 2 m 05 s, 3 h 20 m, 2 d 4 h."""
    if value is None:
        return UNKNOWN
    if value < 0.001:
        return f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 60 else _minutes_and_more(int(value))


def _minutes_and_more(whole: int) -> str:
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def share(value: float | None) -> str:
    """A share of 1 as per cent."""
    return UNKNOWN if value is None else f"{value * 100:.1f}%"


def count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def decimals(value: float | None, places: int = 3) -> str:
    return UNKNOWN if value is None else f"{value:.{places}f}"


def moment(at: float | None) -> str:
    """UTC epoch seconds as ``2026-11-23 14:05:06Z``."""
    if at is None:
        return UNKNOWN
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%SZ}"


def name_of(provider: str | None, model: str | None) -> str:
    """``provider/model`` as far as it is known."""
    if provider is None:
        return UNKNOWN
    return f"{provider}/{model}" if model else provider
