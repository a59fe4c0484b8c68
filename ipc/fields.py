"""Reading untyped input field by field, and saying what came and what was wanted.

Every reader takes the value and the path it stood at (``messages[0].role``) and returns
the value with a type, or raises ``InvalidRequest`` with that path.
"""

import math
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TypeGuard

from actors.errors import InvalidRequest

MAX_DEPTH = 100
"""How deep JSON that is passed on to a provider may be nested."""

MAX_NAME = 200
"""Characters of a name: of a model, a provider, a task type."""

_SHOWN_CHARACTERS = 60
_SHOWN_NAMES = 40


def shown(value: object) -> str:
    """The value in a few words, however large it is. Never raises.

    Texts and names are cut after 60 characters; containers are only counted.
    """
    if isinstance(value, Mapping):
        return f"an object with {len(value)} fields"
    if isinstance(value, list | tuple):
        return f"an array of {len(value)}"
    if isinstance(value, str):
        cut = value[:_SHOWN_CHARACTERS]
        more = f"… ({len(value)} characters)" if len(value) > len(cut) else ""
        return f'"{cut}"{more}'.encode(errors="replace").decode()
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes of binary data"
    return _shown_scalar(value)


def _shown_scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, int | float):
        return str(value)
    return f"a value of type {type(value).__name__}"


def wrong(field: str, value: object, wanted: str) -> InvalidRequest:
    """The error for a value that stands where something else was wanted."""
    got = shown(value)
    return InvalidRequest(
        f"{field}: got {got}, wanted {wanted}", field=field, got=got, wanted=wanted
    )


def missing(field: str, wanted: str) -> InvalidRequest:
    """The error for a field that must be there and is not."""
    return InvalidRequest(
        f"{field} is missing, wanted {wanted}",
        field=field,
        got="nothing",
        wanted=wanted,
    )


def unsupported(field: str, value: object, instead: str = "") -> InvalidRequest:
    """The error for a known field whose feature does not exist (yet)."""
    advice = f"; {instead}" if instead else ""
    return InvalidRequest(
        f"{field} is not supported yet{advice}",
        field=field,
        got=shown(value),
        wanted="this field left out",
    )


def nearest(name: str, names: Collection[str]) -> str:
    """A hint at the name that may have been meant (``; did you mean ...?``) or nothing."""
    import difflib  # noqa: PLC0415 - for mistakes only, and 0.2 MB

    close = difflib.get_close_matches(name[:_SHOWN_NAMES], names, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def text(value: object, field: str, wanted: str = "a string") -> str:
    if not isinstance(value, str):
        raise wrong(field, value, wanted)
    return value


def name(value: object, field: str) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value:
        raise wrong(field, value, "a string that is not empty")
    return value


def short_name(value: object, field: str) -> str:
    """A name as it goes into the ledger and the metrics, which others read as well."""
    found = name(value, field)
    if len(found) > MAX_NAME:
        raise wrong(field, found, f"at most {MAX_NAME} characters")
    return found


def boolean(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(field, value, "true or false")
    return value


def integer(value: object, field: str, low: int | None = None) -> int:
    """A whole number that fits 64 bits, at least ``low``."""
    wanted = "an integer" if low is None else f"an integer of at least {low}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(field, value, wanted)
    if low is not None and value < low:
        raise wrong(field, value, wanted)
    if value.bit_length() > 63:
        raise wrong(field, value, f"{wanted} that fits 64 bits")
    return value


def number(value: object, field: str, low: float, high: float = math.inf) -> float:
    """A finite number in [low, high]."""
    limit = f"of at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
    wanted = f"a number {limit}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong(field, value, wanted)
    if not low <= value <= min(high, sys.float_info.max):
        raise wrong(field, value, wanted)
    return float(value)


def choice(value: object, field: str, options: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in options:
        raise wrong(field, value, "one of " + ", ".join(options))
    return value


def array(value: object, field: str, wanted: str = "an array") -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise wrong(field, value, wanted)
    return value


def mapping(
    value: object, field: str, wanted: str = "an object"
) -> Mapping[str, object]:
    if not isinstance(value, dict) or not _has_text_keys(value):
        raise wrong(field, value, wanted)
    return value


def _has_text_keys(value: dict[object, object]) -> TypeGuard[dict[str, object]]:
    return all(isinstance(key, str) for key in value)


def plain(value: object, field: str) -> object:
    """Check that the value is JSON through and through, so that it can be passed on.

    msgpack can carry what JSON cannot (binary, extensions, keys that are not text, NaN).

    Raises:
        InvalidRequest: It is not, or it is nested deeper than ``MAX_DEPTH``.
    """
    layer: list[object] = [value]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for item in layer:
            below.extend(_children(item, field))
        if not below:
            return value
        layer = below
    raise wrong(field, value, f"JSON nested at most {MAX_DEPTH} deep")


def _children(item: object, field: str) -> Collection[object]:
    if isinstance(item, list):
        return item
    if isinstance(item, dict):
        return mapping(item, field, "JSON: object keys are strings").values()
    scalar = item is None or isinstance(item, str | int)
    if not scalar and not (isinstance(item, float) and math.isfinite(item)):
        raise wrong(field, item, "JSON: text, finite numbers, true, false, null")
    return ()


def plain_object(value: object, field: str) -> dict[str, object]:
    """A JSON object, as ``plain``."""
    checked = mapping(value, field)
    plain(checked, field)
    return dict(checked)
