"""Whether a JSON value has the shape that a schema asks for.

The part of JSON Schema that models are held to by providers: types, objects, arrays,
choices and bounds. A schema with anything else is refused when the task is submitted,
rather than half obeyed. No regular expressions: they come from callers, and one of them
could stop the whole daemon.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

_MAX_DEPTH: Final = 100


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _is_whole(value: object) -> bool:
    return _is_number(value) and _number(value).is_integer()


_TYPES: Final[Mapping[str, Callable[[object], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": _is_whole,
}
_BOUNDS: Final[Mapping[str, tuple[type, Callable[[float, float], bool]]]] = {
    "minimum": (float, lambda size, bound: size >= bound),
    "maximum": (float, lambda size, bound: size <= bound),
    "exclusiveMinimum": (float, lambda size, bound: size > bound),
    "exclusiveMaximum": (float, lambda size, bound: size < bound),
    "minLength": (str, lambda size, bound: size >= bound),
    "maxLength": (str, lambda size, bound: size <= bound),
    "minItems": (list, lambda size, bound: size >= bound),
    "maxItems": (list, lambda size, bound: size <= bound),
    "minProperties": (dict, lambda size, bound: size >= bound),
    "maxProperties": (dict, lambda size, bound: size <= bound),
}
_WORDS: Final = frozenset(
    ("title", "description", "default", "examples", "$schema", "$id", "$comment")
)


def unusable(schema: object, path: str = "schema", depth: int = 0) -> str | None:
    """What of a schema is not understood, in words; ``None`` when all of it is."""
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return f"{path} is no object"
    for key, rule in schema.items():
        wrong = _misformed(key, rule)
        if wrong is not None:
            return f"{path}.{key} {wrong}"
    inner = (unusable(s, p, depth + 1) for p, s in _within(schema, path))
    return next((found for found in inner if found is not None), None)


def _misformed(key: object, rule: object) -> str | None:
    if key in _WORDS:
        return None
    wanted = _WANTED.get(str(key))
    if wanted is None:
        return "is not supported"
    shape, words = wanted
    return None if shape(rule) else f"must be {words}"


def _names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _types(value: object) -> bool:
    named = value if isinstance(value, list) else [value]
    return bool(named) and all(isinstance(n, str) and n in _TYPES for n in named)


_Shape = tuple[Callable[[object], bool], str]
_SCHEMAS: Final[_Shape] = (lambda value: isinstance(value, list), "an array of schemas")
_WANTED: Final[Mapping[str, _Shape]] = {
    "type": (_types, "one or more of " + ", ".join(_TYPES)),
    "enum": (lambda value: isinstance(value, list), "an array"),
    "const": (lambda _: True, "a value"),
    "properties": (lambda value: isinstance(value, dict), "an object of schemas"),
    "required": (_names, "an array of names"),
    "additionalProperties": (lambda v: isinstance(v, bool | dict), "a schema"),
    "items": (lambda value: isinstance(value, bool | dict), "a schema"),
    "anyOf": _SCHEMAS,
    "oneOf": _SCHEMAS,
    "allOf": _SCHEMAS,
    **dict.fromkeys(_BOUNDS, (_is_number, "a number")),
}


def _within(schema: Mapping[str, object], path: str) -> Iterator[tuple[str, object]]:
    """The schemas in a schema."""
    properties = schema.get("properties")
    if isinstance(properties, dict):
        yield from ((f"{path}.properties.{n}", s) for n, s in properties.items())
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield f"{path}.{key}", schema[key]
    for key in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(key)
        for index, each in enumerate(choices if isinstance(choices, list) else ()):
            yield f"{path}.{key}[{index}]", each


def mismatch(value: object, schema: object, path: str = "$") -> str | None:
    """What of a value is not as a usable schema wants it, in words."""
    if isinstance(schema, bool):
        return None if schema else f"{path} must not be there"
    assert isinstance(schema, dict)
    return (
        _of_type(value, schema, path)
        or _of_choice(value, schema, path)
        or _in_bounds(value, schema, path)
        or _inside(value, schema, path)
        or _combined(value, schema, path)
    )


def _of_type(value: object, schema: Mapping[str, object], path: str) -> str | None:
    wanted = schema.get("type")
    if wanted is None:
        return None
    named = [str(n) for n in (wanted if isinstance(wanted, list) else [wanted])]
    if any(_TYPES[name](value) for name in named):
        return None
    return f"{path} is no {' or '.join(named)}"


def _of_choice(value: object, schema: Mapping[str, object], path: str) -> str | None:
    choices = schema.get("enum")
    if isinstance(choices, list) and not any(_same(value, c) for c in choices):
        return f"{path} is none of the {len(choices)} values it may be"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{path} is not the one value it may be"
    return None


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _in_bounds(value: object, schema: Mapping[str, object], path: str) -> str | None:
    for key, (kind, within) in _BOUNDS.items():
        if key not in schema:
            continue
        if kind is float:
            size = _number(value) if _is_number(value) else None
        else:
            size = len(value) if isinstance(value, kind) else None  # type: ignore[arg-type]  # str, list, dict
        if size is not None and not within(size, _number(schema[key])):
            return f"{path} breaks {key} {schema[key]}"
    return None


def _inside(value: object, schema: Mapping[str, object], path: str) -> str | None:
    if isinstance(value, dict):
        return _in_object(value, schema, path)
    if isinstance(value, list) and "items" in schema:
        items = schema["items"]
        found = (mismatch(v, items, f"{path}[{i}]") for i, v in enumerate(value))
        return next((each for each in found if each is not None), None)
    return None


def _in_object(
    value: Mapping[str, object], schema: Mapping[str, object], path: str
) -> str | None:
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if name not in value:
            return f"{path}.{name} is missing"
    known = schema.get("properties")
    properties = known if isinstance(known, dict) else {}
    others = schema.get("additionalProperties", True)
    for name, each in value.items():
        found = mismatch(each, properties.get(name, others), f"{path}.{name}")
        if found is not None:
            return found
    return None


def _combined(value: object, schema: Mapping[str, object], path: str) -> str | None:
    for key in ("allOf", "anyOf", "oneOf"):
        choices = schema.get(key)
        if not isinstance(choices, list):
            continue
        found = [mismatch(value, each, path) for each in choices]
        fitting = found.count(None)
        if key == "allOf" and fitting < len(found):
            return next(each for each in found if each is not None)
        if key == "anyOf" and not fitting:
            return f"{path} fits none of the {len(found)} schemas in anyOf"
        if key == "oneOf" and fitting != 1:
            return f"{path} fits {fitting} of the schemas in oneOf, not one"
    return None
