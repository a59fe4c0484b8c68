"""Money and time as they are said in errors and reasons."""

from decimal import Context, Decimal
from typing import Final

_SIX_DIGITS: Final = Context(prec=6)
_THREE_DIGITS: Final = Context(prec=3)
_CENT: Final = Decimal("0.01")


def dollars(amount: Decimal) -> str:
    """``$0.000012``: six digits that mean something at most, no zeros behind.

    A part of a cent that has more of them is a quotient, and has three.
    """
    said = amount.normalize(_SIX_DIGITS)
    if said != amount and abs(said) < _CENT:
        said = amount.normalize(_THREE_DIGITS)
    return f"${said:f}"


def fitting(room: Decimal, prompt: Decimal, each: Decimal, tokens: float) -> str:
    """How many tokens of an answer a budget has room for, where it is fewer than asked.

    Args:
        room: US dollars that are left.
        prompt: What the prompt costs of them.
        each: What each token of the answer costs.
        tokens: How many were too many.

    Returns:
        The end of a sentence; empty where no shorter answer would fit.
    """
    most = int((room - prompt) / each) if each else 0
    if not 0 < most < tokens:
        return ""
    return f" (it would fit with max_tokens of at most {most})"


def lasting(span_s: float) -> str:
    """``0.25 s``, ``39.9 s``, ``3600 s``: three digits, or all before the point."""
    return f"{span_s:.0f} s" if span_s >= 100.0 else f"{span_s:.3g} s"
