"""The Python client: any number of calls at a time over one connection.

>>> async with Client() as daemon:
...     reply = await daemon.route("Say hello.", strategy="cost")
...     async with daemon.stream("Tell me a story.") as answer:
...         async for piece in answer:
...             print(piece.content or "", end="")
...     print(answer.result.cost_usd)

Errors are those of ``actors.errors``, by the daemon's ``kind``; ``details`` has their
attempts and decision id. Cancelling a task that waits for an answer cancels the
request. A connection that was lost while idle is made again; requests that were in flight
when it was lost fail with ``DaemonUnreachable`` and are not sent again, for they may have
been answered, and paid for.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeVar, cast

from typing_extensions import override

from actors.errors import DeadlineExceeded, GitBridgeError
from actors.messages.notices import TOPICS, Topic
from actors.messages.rounds import RoundsReport
from actors.messages.whatif import WhatIf
from ipc import results
from ipc.calls import (
    Answered,
    Caller,
    DaemonUnreachable,
    Message,
    details,
    result_of,
    strategy_set,
    typed,
    with_prompt,
)
from ipc.connection import CONNECT_S, open_socket
from ipc.control import DrainResult, ReloadResult
from ipc.explanation import Explanation
from ipc.feedback import FeedbackResult
from ipc.listing import ModelsResult
from ipc.results import DeltaParams, RouteReply
from ipc.subscribing import NoticeParams

if TYPE_CHECKING:
    from ipc.rpc import CallId

__all__ = ["Client", "DaemonUnreachable", "Stream", "Subscription", "details"]

T = TypeVar("T")


class Client:
    """A connection to the daemon, made when it is first needed."""

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]] | None = None,
        *,
        connect_timeout_s: float = CONNECT_S,
    ) -> None:
        """``paths``: sockets to try, in this order; by default where daemons listen."""
        self._paths = paths
        self._connect_timeout_s = connect_timeout_s
        self._link: _Link | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hang up: the daemon cancels what is still in flight."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
            await asyncio.shield(link.closed)

    async def call(
        self, method: str, params: object = None, *, timeout_s: float | None = None
    ) -> object:
        """Call any method; the result is the Struct that ``methods.METHODS`` promises.

        Args:
            method: A name from that table.
            params: Its params Struct, or a mapping.
            timeout_s: Longest wait; after it the request is cancelled.

        Raises:
            GitBridgeError: The daemon said so; the class says what.
            DeadlineExceeded: ``timeout_s`` passed.
            DaemonUnreachable: There is none, or it went away.
        """
        stream = Stream(self, method, params)
        try:
            async with asyncio.timeout(timeout_s), stream:
                return await stream.wait()
        except TimeoutError:
            raise DeadlineExceeded(f"no answer after {timeout_s} s") from None

    async def route(
        self,
        prompt: str | None = None,
        *,
        timeout_s: float | None = None,
        **params: object,
    ) -> RouteReply:
        """Have a request answered; ``params`` are those of the method ``route``."""
        asked = with_prompt(prompt, params)
        return cast("RouteReply", await self.call("route", asked, timeout_s=timeout_s))

    async def consensus(
        self,
        prompt: str | None = None,
        *,
        timeout_s: float | None = None,
        **params: object,
    ) -> RouteReply:
        """Have several models answer; ``params`` are those of ``consensus``."""
        asked = with_prompt(prompt, params)
        reply = await self.call("consensus", asked, timeout_s=timeout_s)
        return cast("RouteReply", reply)

    def stream(self, prompt: str | None = None, **params: object) -> "Stream":
        """Have a request answered piece by piece; see ``Stream``."""
        asked = with_prompt(prompt, params)
        return Stream(self, "route", {"stream": True, **asked})

    def subscribe(self, *topics: Topic) -> "Subscription":
        """Be told what happens, of these topics or of all; see ``Subscription``."""
        return Subscription(Stream(self, "subscribe", {"topics": topics or TOPICS}))

    async def status(self) -> results.StatusResult:
        return await self._read("status", results.StatusResult)

    async def providers(self) -> results.ProvidersResult:
        return await self._read("providers", results.ProvidersResult)

    async def models(self) -> ModelsResult:
        return await self._read("models", ModelsResult)

    async def metrics(self) -> results.MetricsResult:
        return await self._read("metrics", results.MetricsResult)

    async def history(self, **params: object) -> results.HistoryResult:
        return await self._read("history", results.HistoryResult, params)

    async def explain(self, any_id: str, **params: object) -> Explanation:
        """Why a request went where it went; with ``all=True`` every candidate."""
        params = {"id": any_id, **params}
        return await self._read("explain", Explanation, params)

    async def usage(self, **params: object) -> results.UsageResult:
        return await self._read("usage", results.UsageResult, params)

    async def whatif(self, **params: object) -> WhatIf:
        """What another strategy would have meant for recorded requests."""
        return await self._read("whatif", WhatIf, params)

    async def consensus_report(self, **params: object) -> RoundsReport:
        return await self._read("consensus.report", RoundsReport, params)

    async def feedback(
        self, decision_id: str, score: float, **more: object
    ) -> FeedbackResult:
        """Say how good that decision's answer was, from 0 to 1."""
        params = {"decision_id": decision_id, "score": score, **more}
        return await self._read("feedback", FeedbackResult, params)

    async def health(self, **params: object) -> results.HealthResult:
        return await self._read("health.check", results.HealthResult, params)

    async def strategy(self) -> results.StrategyResult:
        return await self._read("strategy.get", results.StrategyResult)

    async def set_strategy(self, strategy: str | None) -> results.StrategyResult:
        """Change the strategy, kept over a restart; ``None`` as configured again."""
        params = strategy_set(strategy)
        return await self._read("strategy.set", results.StrategyResult, params)

    async def reload(self) -> ReloadResult:
        """Have the configuration read again.

        Raises:
            InvalidRequest: It is wrong, and nothing has changed; ``mistakes`` in the
                error's ``details`` lists everything.
        """
        return await self._read("reload", ReloadResult)

    async def drain(self) -> DrainResult:
        """Have the daemon finish what is in flight, and end."""
        return await self._read("drain", DrainResult)

    async def _read(
        self, method: str, kind: type[T], params: dict[str, object] | None = None
    ) -> T:
        return typed(await self.call(method, params), kind)

    async def _connected(self) -> "_Link":
        async with self._connecting:
            if self._link is None or self._link.lost:
                loop = asyncio.get_running_loop()
                # Connecting to a local socket does not wait, but for a full backlog.
                connected = await loop.run_in_executor(
                    None, open_socket, self._paths, self._connect_timeout_s
                )
                connected.setblocking(False)  # noqa: FBT003 - positional only
                _, self._link = await loop.create_unix_connection(_Link, sock=connected)
            return self._link


class Stream:
    """The answer to one call: iterate over its pieces, then read ``result``.

    Use it as an async context manager: leaving it before the end cancels the request.
    Pieces wait here until they are read.
    """

    def __init__(self, client: Client, method: str, params: object) -> None:
        self._client = client
        self._method = method
        self._params = params
        self._link: _Link | None = None
        self._id = 0
        self._pieces: deque[DeltaParams | NoticeParams] = deque()
        self._answer: Answered | None = None
        self._lost: GitBridgeError | None = None
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        link = await self._client._connected()  # noqa: SLF001 - two halves of one thing
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


class _Link(asyncio.Protocol):
    """One connection: hands what comes to the stream it belongs to."""

    def __init__(self) -> None:
        self._caller = Caller()
        self._streams: dict[CallId, Stream] = {}
        self._transport: asyncio.Transport | None = None
        self.lost = False
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = loop.create_future()

    def begin(self, stream: Stream, method: str, params: object) -> int:
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
