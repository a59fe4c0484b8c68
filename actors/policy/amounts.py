"""Money and time as they are said in errors and reasons."""

from decimal import Context, Decimal
from typing import Final

_SIX_DIGITS: Final = Context(prec=6)


def dollars(amount: Decimal) -> str:
    """``$0.000012``: six digits that mean something at most, no zeros behind."""
    return f"${amount.normalize(_SIX_DIGITS):f}"


def lasting(span_s: float) -> str:
    """``0.25 s``, ``39.9 s``, ``3600 s``: three digits, or all before the point."""
    return f"{span_s:.0f} s" if span_s >= 100.0 else f"{span_s:.3g} s"
