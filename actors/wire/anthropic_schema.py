"""JSON Schemas cut down to what Anthropic's structured output takes (provider-apis 3.2)."""

from collections.abc import Iterator

from actors.wire.tolerant import mapping, sequence

Schema = dict[str, object]

_REFUSED = frozenset(
    {
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength", "maxItems", "uniqueItems", "contains"),
        *("minContains", "maxContains", "prefixItems"),
        *("minProperties", "maxProperties", "patternProperties", "propertyNames"),
        *("if", "then", "else", "not"),
    }
)
_BY_NAME = ("properties", "$defs", "definitions")
_IN_LIST = ("anyOf", "allOf")


def cleaned(schema: Schema, lost: set[str]) -> Schema:
    """``schema`` without the keywords that are refused, whose names go into ``lost``.

    ``oneOf`` becomes ``anyOf``, and every object is closed to further properties.
    """
    clean: Schema = {}
    for keyword, value in schema.items():
        if keyword in _REFUSED or (keyword == "minItems" and value not in (0, 1)):
            lost.add(keyword)
        elif keyword in _BY_NAME and isinstance(value, dict):
            clean[keyword] = {k: _inner(v, lost) for k, v in value.items()}
        elif keyword in _IN_LIST or keyword == "items":
            clean[keyword] = _inner(value, lost)
        elif keyword not in ("oneOf", "additionalProperties"):
            clean[keyword] = value
    if "oneOf" in schema:
        lost.add("oneOf")
        choices = [_inner(choice, lost) for choice in sequence(schema["oneOf"])]
        clean["anyOf"] = [*sequence(clean.get("anyOf")), *choices]
    _close(schema, clean, lost)
    return clean


def is_recursive(schema: Schema) -> bool:
    """Whether some definition contains itself, which structured output refuses."""
    definitions: dict[str, list[str]] = {"#": list(_references(schema, top=True))}
    for group in ("$defs", "definitions"):
        for name, value in mapping(schema.get(group)).items():
            definitions[f"#/{group}/{name}"] = list(_references(value))
    done: set[str] = set()
    path: set[str] = set()
    stack = [("#", iter(definitions["#"]))]
    path.add("#")
    while stack:
        name, targets = stack[-1]
        target = next(targets, None)
        if target is None:
            stack.pop()
            path.discard(name)
            done.add(name)
        elif target in path:
            return True
        elif target in definitions and target not in done:
            path.add(target)
            stack.append((target, iter(definitions[target])))
    return False


def _inner(value: object, lost: set[str]) -> object:
    if isinstance(value, dict):
        return cleaned(value, lost)
    if isinstance(value, list):
        return [_inner(item, lost) for item in value]
    return value


def _close(schema: Schema, clean: Schema, lost: set[str]) -> None:
    kind = schema.get("type")
    is_object = kind == "object" or "object" in sequence(kind) or "properties" in schema
    if is_object:
        clean["additionalProperties"] = False
    if schema.get("additionalProperties", False) is not False:
        lost.add("additionalProperties")


def _references(value: object, *, top: bool = False) -> Iterator[str]:
    """Every ``$ref`` in ``value``; at the top without those in the definitions."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str):
                yield reference
            hidden = ("$defs", "definitions") if top else ()
            waiting.extend(v for k, v in value.items() if k not in hidden)
            top = False
        elif isinstance(value, list):
            waiting.extend(value)
