"""What happened elsewhere, as others tell it to us: ``events.publish`` and webhooks."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from msgspec import Meta, Struct

from actors.messages.routing import Priority

MAX_NUMBER = 2**63 - 1
"""Larger ones cannot be kept."""

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Line = Annotated[str, Meta(max_length=1000)]


class PublishParams(Struct, frozen=True, forbid_unknown_fields=True):
    """An event. ``id`` names it: a second one of the caller's is a duplicate.

    ``name`` is its kind with what was done, such as ``issues.opened``; the other fields
    are what rules and prompts go by.
    """

    name: Name
    id: Name | None = None
    repository: Name | None = None
    number: Annotated[int, Meta(ge=1, le=MAX_NUMBER)] | None = None
    title: Line = ""
    text: Annotated[str, Meta(max_length=60_000)] = ""
    paths: Annotated[tuple[Line, ...], Meta(max_length=3000)] = ()
    labels: Annotated[tuple[Line, ...], Meta(max_length=100)] = ()
    sender: Name | None = None
    url: Line | None = None
    ref: Line | None = None


class PublishResult(Struct, frozen=True, kw_only=True):
    """An event was kept as a task, had been before, or is nothing that a rule wants.

    ``task_id`` is ``None`` for what is ``ignored``; ``by`` says which rule decided.
    """

    id: str
    task_id: str | None = None
    duplicate: bool = False
    ignored: bool = False
    task_type: str | None = None
    priority: Priority | None = None
    by: str | None = None


class Delivery(Struct, frozen=True, kw_only=True):
    """A webhook of GitHub's as it came: three headers, and the body that is signed."""

    kind: str
    id: str
    signature: str
    body: bytes


Receive = Callable[[Delivery], Awaitable[PublishResult]]
"""Keeps an event durably.

Raises ``NotPermitted`` where the signature is not the body's, ``InvalidRequest`` for
what is no event, and ``OurError`` where it cannot be kept now.
"""
