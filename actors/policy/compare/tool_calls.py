"""Calls a model wants made: the same when they name the same functions and arguments.

Their order and their ids do not count: calls of one turn run side by side.
"""

from collections.abc import Sequence

import msgspec

from actors.messages.chat import ToolCall
from actors.policy.compare.json_values import canonical


def canonical_calls(calls: Sequence[ToolCall]) -> str:
    """A text that is the same for the same calls and for no others."""
    return "\n".join(sorted(f"{call.name}({_arguments(call)})" for call in calls))


def _arguments(call: ToolCall) -> str:
    try:
        return canonical(msgspec.json.decode(call.arguments or "{}"))
    except (ValueError, RecursionError):
        return call.arguments.strip()
