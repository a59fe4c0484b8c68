"""Numbers with their units, and when two of them are the same.

Equal means: the same unit (or one without), and values within a relative 1e-6; a
percentage is also the fraction it stands for. Fractions, powers of ten, thousands
separators and LaTeX's ways of writing them are read; money signs are units.
"""

import re
from math import isclose, isfinite

from msgspec import Struct

REL_TOLERANCE = 1e-6
_UNSIGNED = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_POWER = r"(?:\s*(?:[xX*\u00d7\u22c5]|\\times|\\cdot)\s*10\s*\^?\s*\{?\s*(?P<exp>[+-]?\d+)\s*\}?)"
_NUMBER = re.compile(
    rf"(?P<lead>[$\u20ac\u00a3\u00a5]\s?)?(?P<sign>[-+]\s?)?(?:"
    rf"\\[dt]?frac\s*\{{\s*(?P<top>-?(?:{_UNSIGNED}))\s*\}}\s*\{{\s*(?P<bottom>{_UNSIGNED})\s*\}}"
    rf"|(?P<num>{_UNSIGNED})(?:[eE](?P<e>[+-]?\d+))?{_POWER}?"
    rf"(?:\s*/\s*(?P<den>(?:{_UNSIGNED})))?)"
    r"(?P<unit>\s*(?:\\?%|\u00b0\s?[CF]?|[A-Za-z\u00b5\u03a9][A-Za-z\u00b5\u03a9/^0-9*\u00b7]*))?"
)
_CLEAN = re.compile(r"\\(?:text|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_SPACING = re.compile(r"\\[,;!: ]|\\(?:left|right)|[$](?=\\|\s*$)|~")
_WORDS = frozenset(
    [
        "and",
        "or",
        "is",
        "are",
        "was",
        "were",
        "the",
        "a",
        "an",
        "of",
        "in",
        "to",
        "for",
        "so",
        "which",
        "that",
        "as",
        "at",
        "by",
        "with",
        "on",
        "from",
        "but",
        "than",
        "then",
        "if",
        "when",
        "where",
        "it",
        "this",
        "there",
    ]
)
_CURRENCIES = {"$": "usd", "\u20ac": "eur", "\u00a3": "gbp", "\u00a5": "jpy"}


class Quantity(Struct, frozen=True):
    """A number and its unit; ``unit`` is empty where none is written."""

    value: float
    unit: str = ""


def quantities(text: str) -> list[Quantity]:
    """Every number of a text, in order; linear in its length."""
    text = _SPACING.sub(" ", _CLEAN.sub(r" \1", text)).replace("\\$", "$")
    found = []
    for match in _NUMBER.finditer(text):
        value = _value(match)
        if value is not None and isfinite(value):
            found.append(Quantity(value, _unit(match)))
    return found


def only_quantity(text: str) -> Quantity | None:
    """The quantity a text consists of; ``None`` when it says anything else as well."""
    text = text.strip().rstrip(".")
    if len(text) > 1 and text[0] == text[-1] == "$":  # LaTeX's, not money's
        text = text[1:-1]
    text = _SPACING.sub(" ", _CLEAN.sub(r" \1", text)).replace("\\$", "$")
    text = text.strip().lstrip("=\u2248~ ")
    match = _NUMBER.fullmatch(text.strip())
    value = None if match is None else _value(match)
    if match is None or value is None or not isfinite(value):
        return None
    return Quantity(value, _unit(match))


def same_quantity(one: Quantity, other: Quantity) -> bool:
    """Whether both say the same; see the module."""
    if one.unit == other.unit or not one.unit or not other.unit:
        pairs = [(one.value, other.value)]
    else:
        return False
    if "%" in {one.unit, other.unit} and one.unit != other.unit:
        percent, plain = (one, other) if one.unit == "%" else (other, one)
        pairs.append((percent.value / 100.0, plain.value))
    return any(isclose(a, b, rel_tol=REL_TOLERANCE, abs_tol=1e-12) for a, b in pairs)


def _value(match: re.Match[str]) -> float | None:
    sign = -1.0 if (match["sign"] or "").startswith("-") else 1.0
    if match["top"] is not None:
        top, bottom = _float(match["top"]), _float(match["bottom"])
        return sign * top / bottom if bottom else None
    value = _float(match["num"])
    exponent = match["e"] or match["exp"]
    if exponent is not None:
        if abs(int(exponent[:6])) > 400:
            return None
        value *= float(f"1e{int(exponent[:6])}")  # beyond all floats: infinite
    if match["den"] is not None:
        bottom = _float(match["den"])
        if not bottom:
            return None
        value /= bottom
    return sign * value


def _unit(match: re.Match[str]) -> str:
    unit = (match["unit"] or "").strip().lstrip("\\").rstrip("*^/")
    if unit.casefold() in _WORDS:
        unit = ""
    lead = (match["lead"] or "").strip()
    return unit or _CURRENCIES.get(lead, "")


def _float(text: str) -> float:
    return float(text.replace(",", ""))
