"""What is told of changes: at once of those made here, soon of those that others make.

Each commit adds its changes to a stream of the last thousand or so; daemons look at it
several times a second. It is not the record of anything: who looks too late misses some.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, cast

import msgspec

from actors.errors import QueueUnavailable
from actors.messages.tasks import TaskChange

LOOK_S: Final = 0.25
KEPT: Final = 1000

Listener = Callable[[TaskChange], None]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(TaskChange).decode


class News:
    """Listeners, and what they have been told."""

    def __init__(self) -> None:
        self.me: Final = secrets.token_hex(4)
        self._last = b""
        self._own: list[Listener] = []
        self._all: list[Listener] = []

    def listen(self, listener: Listener, *, own: bool) -> None:
        (self._own if own else self._all).append(listener)

    def entry(self, change: TaskChange) -> tuple[str | int | bytes, ...]:
        """What is added to the stream of changes, but for its name."""
        told = ("by", self.me, "change", _encode(change))
        return ("MAXLEN", "~", KEPT, "*", *told)

    def tell(self, changes: Sequence[TaskChange]) -> None:
        """These were made here."""
        for change in changes:
            for listener in (*self._own, *self._all):
                listener(change)

    async def hear(self, ask: Callable[[bytes, str], Awaitable[object]]) -> None:
        """Look once. Others may be of a newer version: what is strange is passed by."""
        reply = cast("tuple[bytes, Sequence[bytes]]", await ask(self._last, self.me))
        self._last, changes = reply
        for told in changes:
            try:
                change = _decode(told)
            except msgspec.DecodeError:
                continue
            for listener in self._all:
                listener(change)

    async def follow(
        self,
        ask: Callable[[bytes, str], Awaitable[object]],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Look again and again, for ever."""
        while True:
            with suppress(QueueUnavailable):  # the queue says so itself
                await self.hear(ask)
            await sleep(LOOK_S)
