"""Does a parsed TOML value have the shape its Struct declares? All problems at once.

msgspec stops at the first error and does not say the value; this walk goes on and says
both. Types and bounds are read from the Structs, so they are written down once.
"""

import math
import re
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import inspect as shapes

from daemon.exits import Problem
from daemon.redis_address import masked_redis_url

SHOWN_CHARS = 60
_SECRET_WORDS = ("key", "secret", "password", "token")
_SECRET_STARTS = ("sk-", "xai-", "gsk_", "Bearer ")
_KEYS_HINT = (
    "; keys are never in this file: use api_key_file, the environment or a credential"
)


def problems_of(
    value: object, shape: type, origins: Mapping[str, str]
) -> list[Problem]:
    """Everything about ``value`` that does not fit the Struct ``shape``."""
    return list(_walk(value, shapes.type_info(shape), "", origins))


def shown(value: object, key: str = "") -> str:
    """The value for a message: as TOML would write it, short, and never a key."""
    if _looks_secret(value, key):
        return "(a value that is not shown)"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        value = masked_redis_url(value)  # any URL's password
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"


def _looks_secret(value: object, key: str) -> bool:
    if not isinstance(value, str):
        return isinstance(value, dict | list)
    leaf = key.rpartition(".")[2].lower()
    if value.startswith(_SECRET_STARTS):
        return True
    return leaf != "api_key_file" and any(word in leaf for word in _SECRET_WORDS)


def _walk(
    value: object, shape: shapes.Type, path: str, origins: Mapping[str, str]
) -> Iterator[Problem]:
    inner = _container_of(shape)
    if isinstance(inner, shapes.StructType):
        yield from _walk_struct(value, inner, path, origins)
    elif isinstance(inner, shapes.DictType) and isinstance(value, dict):
        for name, item in value.items():
            yield from _walk(item, inner.value_type, _join(path, name), origins)
    elif isinstance(inner, shapes.VarTupleType) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, inner.item_type, f"{path}[{index}]", origins)
    elif inner is not None or not _fits(value, shape):
        yield _unfit(value, shape, path, origins)


def _walk_struct(
    value: object, shape: shapes.StructType, path: str, origins: Mapping[str, str]
) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield _unfit(value, shape, path, origins)
        return
    fields = {field.name: field for field in shape.fields}
    for name, item in value.items():
        key = _join(path, name)
        if name in fields:
            yield from _walk(item, fields[name].type, key, origins)
        else:
            text = _unknown(name, list(fields))
            yield Problem(key, _shown_unknown(item, key), text, origins.get(key))
    for name, field in fields.items():
        if field.required and name not in value:
            wanted = f"is missing, wanted {wanted_text(field.type)}"
            yield Problem(_join(path, name), None, wanted)


def _shown_unknown(value: object, key: str) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return shown(value, key)


def _unknown(name: str, known: list[str]) -> str:
    """Unknown keys are errors; the nearest known one is most often what was meant."""
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to exit 78

    near = get_close_matches(name, known, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    hint = _KEYS_HINT if name in {"api_key", "key", "token"} else ""
    return f"unknown key; {guess}known here: {', '.join(known)}{hint}"


def _unfit(
    value: object, shape: shapes.Type, path: str, origins: Mapping[str, str]
) -> Problem:
    got = _shown_unknown(value, path)
    return Problem(path, got, f"wanted {wanted_text(shape)}", origins.get(path))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _container_of(shape: shapes.Type) -> shapes.Type | None:
    """The container a value of this shape must be; ``X | None`` counts as ``X``."""
    if isinstance(shape, shapes.UnionType):
        inner = [t for t in shape.types if not isinstance(t, shapes.NoneType)]
        return _container_of(inner[0]) if len(inner) == 1 else None
    if isinstance(shape, shapes.StructType | shapes.DictType | shapes.VarTupleType):
        return shape
    return None


def _fits(value: object, shape: shapes.Type) -> bool:
    match shape:
        case shapes.UnionType():
            return any(_fits(value, each) for each in shape.types)
        case shapes.BoolType():
            return isinstance(value, bool)
        case shapes.StrType() | shapes.LiteralType():
            return isinstance(value, str) and _fits_text(value, shape)
        case shapes.IntType() | shapes.FloatType() | shapes.DecimalType():
            whole = isinstance(shape, shapes.IntType)
            right = type(value) is int or (type(value) is float and not whole)
            return right and _in_bounds(value, shape)
        case _:
            return False  # null, which TOML does not have


def _fits_text(value: str, shape: shapes.StrType | shapes.LiteralType) -> bool:
    if isinstance(shape, shapes.LiteralType):
        return value in shape.values
    if shape.pattern is not None and re.search(shape.pattern, value) is None:
        return False
    return len(value) >= (shape.min_length or 0)


def _in_bounds(value: object, shape: shapes.Type) -> bool:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return False
    if not isinstance(shape, shapes.IntType | shapes.FloatType):
        return value >= 0  # money
    return not (
        (shape.ge is not None and value < shape.ge)
        or (shape.gt is not None and value <= shape.gt)
        or (shape.le is not None and value > shape.le)
    )


def wanted_text(shape: shapes.Type) -> str:
    """What a value of this shape is, in words: "a whole number of at least 1"."""
    match shape:
        case shapes.UnionType():
            rest = (t for t in shape.types if not isinstance(t, shapes.NoneType))
            return " or ".join(wanted_text(each) for each in rest)
        case shapes.LiteralType():
            names = [f'"{each}"' for each in shape.values]
            return names[0] if len(names) == 1 else f"one of {', '.join(names)}"
        case shapes.IntType() | shapes.FloatType():
            kind = "a whole number" if isinstance(shape, shapes.IntType) else "a number"
            return kind + _bounds_text(shape)
        case shapes.StrType() if shape.pattern is not None:
            return f"text matching {shape.pattern}"
        case _:
            return _PLAIN_WORDS[type(shape)]


_PLAIN_WORDS: dict[type[shapes.Type], str] = {
    shapes.BoolType: "true or false",
    shapes.StrType: "text",
    shapes.DecimalType: "a number of at least 0 (US dollars)",
    shapes.StructType: "a table",
    shapes.DictType: "a table",
    shapes.VarTupleType: "a list",
}


def _bounds_text(shape: shapes.IntType | shapes.FloatType) -> str:
    low = f" of at least {shape.ge:g}" if shape.ge is not None else ""
    if shape.gt is not None:
        low = f" above {shape.gt:g}"
    high = f" up to {shape.le:g}" if shape.le is not None else ""
    return f"{low} and{high}" if low and high else f"{low}{high}"
