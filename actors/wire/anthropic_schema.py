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
_INSIDE = ("anyOf", "allOf", "items")


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
        elif keyword in _INSIDE:
            clean[keyword] = _inner(value, lost)
        elif keyword not in ("oneOf", "additionalProperties"):
            clean[keyword] = value
    if "oneOf" in schema:
        lost.add("oneOf")
        choices = [_inner(choice, lost) for choice in sequence(schema["oneOf"])]
        clean["anyOf"] = [*sequence(clean.get("anyOf")), *choices]
    _close(schema, clean, lost)
    return clean


def expressible(schema: Schema) -> bool:
    """Whether ``cleaned`` leaves every value possible that ``schema`` asks for.

    Neither recursion nor objects with names that are not known before can be said.
    """
    return not (_is_open(schema) or _is_recursive(schema))


def _is_open(schema: Schema) -> bool:
    for node in _objects(schema):
        further = node.get("additionalProperties", False)
        if node.get("patternProperties") or isinstance(further, dict):
            return True
        if further is True and not node.get("properties"):
            return True
    return False


def _is_recursive(schema: Schema) -> bool:
    """Whether following references from the top comes round to where it was."""
    groups = ("$defs", "definitions")
    top = {key: value for key, value in schema.items() if key not in groups}
    parts: dict[str, object] = {"#": top}
    for group in groups:
        for name, value in mapping(schema.get(group)).items():
            parts[f"#/{group}/{name}"] = value
    done: set[str] = set()
    path = {"#": _references(top)}  # in order, from the top to where we are
    while path:
        here, targets = next(reversed(path.items()))
        target = next(targets, None)
        if target is None:
            done.add(here)
            del path[here]
        elif target in path:
            return True
        elif target in parts and target not in done:
            path[target] = _references(parts[target])
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


def _references(value: object) -> Iterator[str]:
    for node in _objects(value):
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield reference


def _objects(value: object) -> Iterator[Schema]:
    """Every JSON object in ``value``, itself included."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
