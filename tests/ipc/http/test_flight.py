"""One routed request and the client that waits for it."""

import asyncio
import gc
import weakref

import anyio
import pytest

from actors.errors import Interrupted, NoProvider
from actors.messages.chat import ChatRequest, Delta, Message, ToolCallDelta
from actors.messages.routing import ErrorInfo, RouteRequest, RouteResult, error_info
from ipc.http.flight import Flight, explain
from tests.support.fake_service import FakeHandle, FakeService, route_result
from tests.support.http_door import SERVED, AnnouncingService


class Ground:
    """Where flights start: a service that holds its answers."""

    def __init__(self, service: FakeService | None = None, held: int = 10_000) -> None:
        self.service = service or AnnouncingService()
        self.service.hold = True
        self.dropped = 0
        self._held = held

    def start(self, *, stream: bool = True) -> tuple[Flight, FakeHandle]:
        chat = ChatRequest(messages=(Message("user", "hi"),))
        request = RouteRequest(request_id="r1", chat=chat, stream=stream)
        flight = Flight(
            self.service, request, on_too_slow=self._drop, held_bytes=self._held
        )
        return flight, self.service.handles[-1]

    def _drop(self) -> None:
        self.dropped += 1


def kind_of(outcome: RouteResult | ErrorInfo | None) -> str:
    assert isinstance(outcome, ErrorInfo)
    return outcome.kind


async def test_an_answer_without_stream_comes_whole() -> None:
    flight, handle = Ground().start(stream=False)
    handle.finish(route_result("hello"))

    assert handle.sink is None
    assert await flight.ended() == route_result("hello")
    assert await flight.begun() is None


async def test_deltas_come_in_order_and_then_no_more() -> None:
    flight, handle = Ground().start()
    waiting = asyncio.ensure_future(flight.begun())
    await asyncio.wait([waiting], timeout=0)
    assert not waiting.done()

    handle.send("a", "b")

    assert await waiting == SERVED
    assert await flight.pieces() == [Delta("a"), Delta("b")]
    handle.send("c")
    handle.finish(route_result("abc"))
    assert await flight.pieces() == [Delta("c")]
    assert await flight.pieces() == []
    assert await flight.ended() == route_result("abc")


async def test_a_request_that_fails_before_its_first_delta_never_begins() -> None:
    flight, handle = Ground().start()
    handle.finish(error_info(NoProvider("nobody")))

    assert await flight.begun() is None
    assert kind_of(flight.outcome) == "no_provider"


async def test_who_serves_may_stay_unknown_until_the_answer_is_whole() -> None:
    flight, handle = Ground(FakeService()).start()
    handle.send("a")
    waiting = asyncio.ensure_future(flight.begun())
    await asyncio.wait([waiting], timeout=0)
    assert not waiting.done()

    handle.finish(route_result("a"))

    assert await waiting is None
    assert await flight.pieces() == [Delta("a")]


async def test_leaving_stops_the_upstream_call() -> None:
    flight, handle = Ground().start()
    handle.send("a")
    flight.leave()

    assert handle.cancelled
    assert kind_of(await flight.ended()) == "cancelled"


async def test_leaving_after_the_end_stops_nothing() -> None:
    flight, handle = Ground().start()
    handle.finish(route_result())
    await flight.ended()
    flight.leave()
    flight.interrupt()

    assert not handle.cancelled
    assert await flight.ended() == route_result()


async def test_an_interrupted_request_ends_as_the_router_says() -> None:
    flight, handle = Ground().start()
    flight.interrupt()
    ended = await flight.ended()
    flight.cut()

    assert handle.cancelled
    assert kind_of(ended) == "interrupted"
    assert await flight.ended() is ended


async def test_a_request_that_is_cut_ends_at_once_and_stays_so() -> None:
    flight, handle = Ground().start()
    handle.deaf = True
    handle.send("a")
    flight.interrupt()
    flight.cut()
    handle.send("b")
    handle.finish(route_result())
    await anyio.sleep(0.01)  # the router's own answer has come, too late

    assert handle.cancelled
    assert await flight.begun() == SERVED
    assert await flight.pieces() == [Delta("a")]
    assert await flight.pieces() == []
    assert kind_of(await flight.ended()) == "interrupted"


async def test_a_client_that_does_not_read_is_given_up() -> None:
    ground = Ground(held=10_000)
    flight, handle = ground.start()
    given_up = []
    handle.send("x" * 9_000)
    given_up.append(handle.cancelled)
    await flight.pieces()
    handle.send("x" * 9_000)
    given_up.append(handle.cancelled)

    handle.send("x" * 1_000)
    handle.send("more")

    assert [*given_up, handle.cancelled] == [False, False, True]
    assert ground.dropped == 1
    assert kind_of(flight.outcome) == "cancelled"


async def test_every_kind_of_text_counts_as_held() -> None:
    ground = Ground(held=1_000)
    _, handle = ground.start()
    assert handle.sink is not None
    call = ToolCallDelta(0, arguments="x" * 300)
    pieces = Delta(reasoning="x" * 300, tool_calls=(call,)), Delta(refusal="x" * 300)
    dropped = []
    for piece in pieces:
        handle.sink(piece)
        dropped.append(ground.dropped)

    assert dropped == [0, 1]


def test_errors_on_purpose_are_told_and_bugs_are_not() -> None:
    assert explain(Interrupted("stopping")).message == "stopping"
    assert "secret" not in explain(RuntimeError("secret")).message


@pytest.mark.parametrize("ending", ["leave", "finish"])
async def test_nothing_of_a_flight_waits_for_the_collector(ending: str) -> None:
    ground = Ground(held=10_000_000)
    gc.disable()
    try:
        flight, handle = ground.start()
        handle.send("x" * 1_000_000)
        if ending == "finish":
            handle.finish(route_result())
            await flight.ended()
        flight.leave()
        left = weakref.ref(flight)
        ground.service.handles.clear()
        del flight, handle
        await anyio.sleep(0.01)  # its task has ended

        assert left() is None
    finally:
        gc.enable()
