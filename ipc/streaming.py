"""What the asynchronous client's calls give: answers piece by piece, and notices."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Self

from actors.errors import GitBridgeError
from ipc.calls import Answered, Message, result_of, typed
from ipc.link import Link
from ipc.results import DeltaParams, RouteReply
from ipc.subscribing import NoticeParams

Connect = Callable[[], Awaitable[Link]]
"""Gives the connection there is, or makes one."""


class Stream:
    """The answer to one call: iterate over its pieces, then read ``result``.

    Use it as an async context manager: leaving it before the end cancels the request.
    Pieces wait here until they are read.
    """

    def __init__(self, connect: Connect, method: str, params: object) -> None:
        self._connect = connect
        self._method = method
        self._params = params
        self._link: Link | None = None
        self._id = 0
        self._pieces: deque[DeltaParams | NoticeParams] = deque()
        self._answer: Answered | None = None
        self._lost: GitBridgeError | None = None
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        link = await self._connect()
        self._link = link
        self._id = link.begin(self, self._method, self._params)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._link is not None:
            self._link.leave(self._id, cancel=self._answer is None)
            self._link = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> DeltaParams:
        while not isinstance(piece := await self.next_piece(), DeltaParams):
            pass
        return piece

    async def pieces(self) -> AsyncIterator[DeltaParams | NoticeParams]:
        """Everything that comes before the end: how a round of consensus goes, too."""
        with suppress(StopAsyncIteration):
            while True:
                yield await self.next_piece()

    async def next_piece(self) -> DeltaParams | NoticeParams:
        """The next of everything that comes before the end."""
        while not self._pieces:
            if self._ended():
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._pieces.popleft()

    async def wait(self) -> object:
        """Skip the pieces and return the result; raises as ``Client.call``."""
        async for _ in self:
            pass
        answer = self._answer
        return result_of(self._method, answer.result if answer else None)

    @property
    def result(self) -> RouteReply:
        """The result, once the iteration is over.

        Raises:
            RuntimeError: It is not over yet.
        """
        if self._answer is None:
            raise RuntimeError("the answer is still coming: iterate to its end first")
        return typed(self._answer.result, RouteReply)

    def _ended(self) -> bool:
        error = self._answer.error if self._answer else self._lost
        if error is not None:
            raise error
        return self._answer is not None

    # Called by the link ---------------------------------------------------------------

    def deliver(self, message: Message) -> None:
        if isinstance(message, DeltaParams | NoticeParams):
            self._pieces.append(message)
        else:
            self._answer = message
        self._news.set()

    def lose(self, error: GitBridgeError) -> None:
        if self._answer is None:
            self._lost = error
        self._news.set()


class Subscription:
    """What happens, as it happens. An async context manager: leaving it ends it.

    The first notice, ``subscribed``, says that listening has begun. Ends by raising:
    ``Interrupted`` where the daemon stops or what we may be told has changed.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.__aexit__()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> NoticeParams:
        while not isinstance(notice := await self._stream.next_piece(), NoticeParams):
            pass
        return notice
