"""A service that answers what the test tells it to, when the test tells it to.

Realism: it never fails by itself and takes no time, as the real one does when its
providers are instant; cancelling it is as quick as the real one promises to be.
"""

import asyncio
from collections.abc import Callable, Collection
from decimal import Decimal

from actors.errors import Cancelled
from actors.messages.chat import Delta, Usage
from actors.messages.notices import Topic
from actors.messages.provider import DeltaSink
from actors.messages.routing import (
    AttemptSummary,
    EndSink,
    ErrorInfo,
    RouteRequest,
    RouteResult,
    StartSink,
    error_info,
)
from daemon.notices import Listening, Notices
from ipc.methods import Peer
from ipc.stopping import stopped


def route_result(content: str = "hello", request_id: str = "r1") -> RouteResult:
    """A plausible answer."""
    return RouteResult(
        request_id=request_id,
        content=content,
        finish_reason="stop",
        provider="openai",
        model="gpt-4o",
        usage=Usage(prompt_tokens=3, completion_tokens=5, total_tokens=8),
        cost_usd=Decimal("0.000125"),
        cost_source="table",
        latency_s=0.25,
        overhead_s=0.001,
        decision_id="d1",
        attempts=(
            AttemptSummary(
                provider="openai", model="gpt-4o", outcome="ok", latency_s=0.2
            ),
        ),
    )


class FakeHandle:
    """A request in flight: ``finish`` ends it, ``cancelled`` says who ended it.

    As with the real one, what has not begun cannot be cancelled.
    """

    def __init__(self, request: RouteRequest, sink: DeltaSink | None) -> None:
        self.request = request
        self.sink = sink
        self.cancelled = False
        self.deaf = False  # is not impressed by being cancelled
        self._begun = False
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[RouteResult | ErrorInfo] = loop.create_future()
        self._stopped: asyncio.Future[None] = loop.create_future()

    def begin(self, on_end: EndSink) -> None:
        self._begun = True
        self._ended.add_done_callback(lambda ended: on_end(ended.result()))

    def cancel(self, *, interrupted: bool = False) -> None:
        if not self._begun:
            return
        self.cancelled = True
        if not self._stopped.done():
            self._stopped.set_result(None)
        if self.deaf:
            return
        error = stopped() if interrupted else Cancelled("the caller left")
        self.finish(error_info(error))

    async def stopped(self, within_s: float = 5.0) -> None:
        """Wait until somebody cancels this request."""
        await asyncio.wait_for(asyncio.shield(self._stopped), within_s)

    def finish(self, outcome: RouteResult | ErrorInfo) -> None:
        if not self._ended.done():
            self._ended.set_result(outcome)

    def send(self, *pieces: str) -> None:
        assert self.sink is not None
        self._begun = True
        for piece in pieces:
            self.sink(Delta(content=piece))


class FakeService:
    """Echoes prompts at once, or holds them (``hold``) until the test says."""

    def __init__(self) -> None:
        self.hold = False
        self.handles: list[FakeHandle] = []
        self.calls: list[tuple[str, object, Peer]] = []
        self.answers: dict[str, object] = {}
        self.refusal: Exception | None = None  # raised by `route`
        self._arrivals: list[tuple[int, asyncio.Future[None]]] = []
        self._next = 0
        self.notices = Notices(lambda: 1_800_000_000.0)

    def new_id(self) -> str:
        self._next += 1
        return f"request-{self._next}"

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None,
        on_start: StartSink | None = None,
    ) -> FakeHandle:
        if self.refusal is not None:
            raise self.refusal
        handle = FakeHandle(request, sink)
        self.handles.append(handle)
        if not self.hold:
            self.answer(handle)
        for count, arrived in self._arrivals:
            if len(self.handles) >= count and not arrived.done():
                arrived.set_result(None)
        return handle

    def answer(self, handle: FakeHandle) -> None:
        """Echo the prompt, streamed word by word where that was asked for."""
        content = str(handle.request.chat.messages[-1].content)
        if handle.sink is not None:
            handle.send(*(f"{word} " for word in content.split()))
        handle.finish(route_result(content, handle.request.request_id))

    async def arrived(self, count: int) -> None:
        """Wait until so many requests have come in."""
        if len(self.handles) < count:
            future = asyncio.get_running_loop().create_future()
            self._arrivals.append((count, future))
            await asyncio.wait_for(future, 5)

    def listen(
        self,
        topics: Collection[Topic],
        on_news: Callable[[], object],
        peer: Peer,
        *,
        about: str | None = None,
    ) -> Listening:
        return self.notices.listen(
            topics,
            on_news,
            user=peer.user,
            everything=peer.tier == "admin",
            about=about,
        )

    async def call(self, method: str, params: object, peer: Peer) -> object:
        self.calls.append((method, params, peer))
        answer = self.answers.get(method, {"method": method})
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, asyncio.Future):
            return await answer
        return answer
