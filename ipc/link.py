"""The asynchronous client's connection: hands what comes to the call it belongs to."""

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from typing_extensions import override

from actors.errors import GitBridgeError
from ipc.calls import Answered, Caller, DaemonUnreachable, Message

if TYPE_CHECKING:
    from ipc.rpc import CallId


class Hearer(Protocol):
    """One call, told of everything that comes for it."""

    def deliver(self, message: Message) -> None: ...

    def lose(self, error: GitBridgeError) -> None:
        """The connection is gone."""


class Link(asyncio.Protocol):
    """One connection; ``closed`` is done once it is no more."""

    def __init__(self) -> None:
        self._caller = Caller()
        self._streams: dict[CallId, Hearer] = {}
        self._transport: asyncio.Transport | None = None
        self.lost = False
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = loop.create_future()

    def begin(self, stream: Hearer, method: str, params: object) -> int:
        call_id, data = self._caller.call(method, params)
        self._streams[call_id] = stream
        self._write(data)
        return call_id

    def leave(self, call_id: int, *, cancel: bool) -> None:
        if self._streams.pop(call_id, None) is not None and cancel:
            self._write(self._caller.cancel(call_id))

    def close(self) -> None:
        self.lost = True
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self.lost:
            self._transport.write(data)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by inheritance
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        try:
            messages = self._caller.receive(data)
        except DaemonUnreachable as error:
            self._lose(error)
            self.close()
            return
        for message in messages:
            if message.id is None and isinstance(message, Answered):
                self._refused(message)
            elif (stream := self._streams.get(message.id)) is not None:
                stream.deliver(message)

    def _refused(self, message: Answered) -> None:
        """An error for no call in particular: it is the connection that is refused."""
        self._lose(message.error or DaemonUnreachable("the daemon refused us"))
        self.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(DaemonUnreachable("the daemon went away before it answered"))
        self.closed.set_result(None)

    def _lose(self, error: GitBridgeError) -> None:
        self.lost = True
        for stream in self._streams.values():
            stream.lose(error)
        self._streams.clear()
