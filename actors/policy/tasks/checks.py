"""Whether an answer is what was asked for."""

from typing import Final

import msgspec

from actors.messages.routing import RouteResult
from actors.messages.work import Check

_FENCE: Final = "```"


def fault(check: Check, result: RouteResult) -> str | None:
    """What is wrong with an answer, in words for whoever gave it; ``None``: nothing.

    Its schema and its pattern are not looked at here: see ``AnswerCheck``.
    """
    content = result.content or ""
    found = _cut(check, result)
    if not content.strip() and not result.tool_calls:
        found = "the answer is empty"
    if found is not None:
        return found
    if check.schema is None and not check.required:
        return None
    return _json_fault(check, json_text(result))


def _cut(check: Check, result: RouteResult) -> str | None:
    if result.finish_reason == "content_filter":
        return "the answer was cut by a content filter"
    if result.finish_reason == "length" and check.finish == "whole":
        return "the answer was cut at its greatest length"
    return None


def json_text(result: RouteResult) -> str:
    """The JSON in an answer, which may stand between fences."""
    content = result.content or ""
    first, _, rest = content.strip().partition("\n")
    inner = rest.removesuffix(f"\n{_FENCE}")
    language = first.strip().removeprefix(_FENCE).strip()
    if len(inner) == len(rest) or not first.startswith(_FENCE):
        return content
    return inner if language in {"", "json"} else content


def _json_fault(check: Check, text: str) -> str | None:
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        return f"the answer is not JSON: {error}"
    if check.required:
        if not isinstance(value, dict):
            return "the answer is no JSON object"
        absent = [key for key in check.required if key not in value]
        if absent:
            return f"the answer lacks {', '.join(absent)}"
    return None
