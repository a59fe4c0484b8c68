"""The params of a call as their Struct, or an error that says what was wrong with them."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

from actors.errors import InvalidRequest
from ipc import fields

P = TypeVar("P", bound=Struct)


def read_params(kind: type[P], document: object, *, strict: bool = True) -> P:
    """Params of a call as their Struct.

    Args:
        kind: ``Method.params``.
        document: What came: an object, or ``None`` for none.
        strict: False reads numbers and booleans from text too (a query string).

    Raises:
        InvalidRequest: With the path of the field, what came and what was wanted.
    """
    given = fields.mapping(
        {} if document is None else document, "params", "an object of params by name"
    )
    try:
        return msgspec.convert(given, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise _explained(str(error), kind, given) from None


def _explained(
    reason: str, kind: type[Struct], given: Mapping[str, object]
) -> InvalidRequest:
    """Say what came, too: msgspec names only path and type."""
    names = kind.__struct_fields__
    for field, value in given.items():
        if field not in names:
            return _unknown(field, value, names)
    wanted, _, path = reason.partition(" - at `$.")
    field = path.rstrip("`")
    if not field:
        return fields.missing(reason.split("`")[1], "it among the params")
    if wanted.startswith("Invalid enum value"):
        options = ", ".join(_options(get_type_hints(kind)[field]))
        return fields.wrong(field, given[field], f"one of {options}")
    return fields.wrong(field, _at(given, field), _in_words(wanted))


def _options(wanted: object) -> Iterator[str]:
    """The words that a literal, or one of several types, allows."""
    for each in get_args(wanted):
        if isinstance(each, str):
            yield each
        else:
            yield from _options(each)


def _unknown(field: str, value: object, names: tuple[str, ...]) -> InvalidRequest:
    hint = fields.nearest(field, names)
    return InvalidRequest(
        f"{fields.shown(field)} is no param of this method{hint}",
        field=field[:200],
        got=fields.shown(value),
        wanted="one of " + ", ".join(names) if names else "no params",
    )


def _at(given: Mapping[str, object], path: str) -> object:
    """What came at a path as msgspec writes it: ``check.required[0]``."""
    value: object = given
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list | tuple) and step.isdigit():
            value = value[int(step)]
    return value


_EXPECTED: Final = re.compile(
    r"Expected `(?P<types>[^`]+)`(?P<length> of length)?"
    r"(?: (?P<sign>[<>]=?) (?P<bound>[^ ]+))?"
)
_TYPES: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
}
_SIGNS: Final = {">=": "of at least", "<=": "of at most", ">": "above", "<": "below"}


def _in_words(reason: str) -> str:
    """What msgspec calls ``Expected `int` >= 1`` as it is said elsewhere."""
    found = _EXPECTED.match(reason)
    if found is None:
        return reason.replace("`", "")
    types = found["types"].split(" | ")
    wanted = " or ".join(_TYPES.get(each, each) for each in types)
    if found["bound"] is None:
        return wanted
    bound = found["bound"].removesuffix(".0")
    if found["length"] is None:
        return f"{wanted} {_SIGNS[found['sign']]} {bound}"
    if (found["sign"], bound) == (">=", "1"):
        return f"{wanted} that is not empty"
    parts = "characters" if found["types"] == "str" else "items"
    return f"{wanted} {_SIGNS[found['sign']]} {bound} {parts}"
