"""What the queue's actor is told."""

from msgspec import Struct


class Ring(Struct, frozen=True):
    """Event: there may be something to claim."""


class Give(Struct, frozen=True):
    """Command: claim nothing more, give back what is in work; answered when done."""


class CancelWork(Struct, frozen=True):
    """Command: stop working on this task, if it is in work here."""

    task_id: str


QueueMessage = Ring | Give | CancelWork
