"""What tasks of kind ``request`` carry, and what they come to."""

from typing import Literal, Protocol

from msgspec import Struct

from actors.messages.routing import RouteRequest, RouteResult


class Check(Struct, frozen=True, kw_only=True):
    """What an answer must be to be taken. An empty one is never taken.

    ``finish``: ``whole`` wants it to have ended by itself, ``any`` takes a cut one too.
    ``schema`` is a usable JSON Schema (see ``AnswerCheck``) for the answer as JSON;
    ``required`` are keys that the JSON object must have. ``pattern`` is a regular
    expression that must be found in it: only ever from the configuration.
    """

    finish: Literal["whole", "any"] = "whole"
    schema: dict[str, object] | None = None
    required: tuple[str, ...] = ()
    pattern: str | None = None
    repair: bool = True


class AnswerCheck(Protocol):
    """Holds answers against what can take long, never on the event loop."""

    async def mismatch(self, schema: object, text: str) -> str | None:
        """What of a JSON text is not as a usable schema wants it, in words."""

    async def lacks(self, pattern: str, text: str) -> str | None:
        """Why a regular expression is not found in a text, in words."""


class RequestWork(Struct, frozen=True, kw_only=True):
    """The payload: ask this; ``actions`` are for whoever carries them out afterwards."""

    request: RouteRequest
    check: Check = Check()
    actions: tuple[dict[str, object], ...] = ()


class RequestOutcome(Struct, frozen=True, kw_only=True):
    """The result: the answer that was taken, and those that were not.

    ``refused`` says of each answer before it who gave it and what was wrong with it.
    """

    result: RouteResult
    refused: tuple[str, ...] = ()
