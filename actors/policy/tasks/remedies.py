"""What follows an answer that is not what was asked for.

One try to repair it, by whoever gave it and told what was wrong; then the next provider,
and so on; when nobody is left the task has failed.
"""

from collections.abc import Collection, Sequence

from msgspec import Struct
from msgspec.structs import replace

from actors.messages.chat import Message
from actors.messages.routing import RouteRequest, RouteResult


class Repair(Struct, frozen=True):
    """Have the same provider try again, with this said to it."""

    request: RouteRequest


class Elsewhere(Struct, frozen=True):
    """Ask this provider, as at first."""

    provider: str


def next_remedy(
    request: RouteRequest,
    result: RouteResult,
    fault: str,
    *,
    repaired: bool,
    tried: Collection[str],
    providers: Sequence[str],
) -> Repair | Elsewhere | None:
    """What to do next; ``None``: nothing is left.

    Args:
        request: What was asked at first.
        result: The answer that will not do.
        fault: What is wrong with it.
        repaired: The one try to repair was made, or is not wanted.
        tried: Providers whose answers will not do.
        providers: Who may be asked, the preferred first.
    """
    if not repaired and request.consensus is None:
        return Repair(_repairing(request, result, fault))
    if request.consensus is not None:
        return None  # several were asked already
    left = (name for name in providers if name not in tried)
    found = next(left, None)
    return None if found is None else Elsewhere(found)


def _repairing(request: RouteRequest, result: RouteResult, fault: str) -> RouteRequest:
    wrong = Message(
        "user",
        f"That answer cannot be used: {fault}. Give the whole answer again, corrected,"
        " and nothing else.",
    )
    said = [Message("assistant", result.content)] if result.content else []
    messages = (*request.chat.messages, *said, wrong)
    # Forced by provider and whole model name, so that it is the same one.
    return replace(
        request,
        provider=result.provider,
        chat=replace(request.chat, messages=messages),
    )
