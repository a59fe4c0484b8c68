"""The I/O shell: nothing is lost, nobody is answered twice, whoever leaves is noticed."""

import asyncio
import random
from collections.abc import AsyncIterator

import msgspec
import pytest

from actors.errors import Interrupted, InvalidRequest, NoProvider
from ipc.frames import MsgpackFrames
from ipc.methods import Peer
from ipc.native import Limits
from ipc.peers import Credentials
from ipc.server import NativeServer
from ipc.stopping import draining
from tests.support.door import Door, drained, open_door
from tests.support.fake_service import route_result
from tests.support.waiting import until

GONE_WITHIN_S = 0.2


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return ("asyncio", {"use_uvloop": request.param})


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with open_door() as opened:
        yield opened


def lines(data: bytes) -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in data.splitlines()]


def kind_of(reply: dict[str, object]) -> object:
    error = reply["error"]
    assert isinstance(error, dict)
    return error["data"]["kind"]


async def test_a_request_is_answered_and_streamed_before(door: Door) -> None:
    client = await door.connect()
    client.ask("a", "route", prompt="one two", stream=True)

    said = [await client.answer() for _ in range(3)]

    assert [message.get("method") for message in said] == ["delta", "delta", None]
    assert said[2]["id"] == "a"


async def test_a_half_closed_client_still_gets_its_answers(door: Door) -> None:
    door.service.hold = True
    client = await door.connect()
    client.ask(1, "route", prompt="first")
    client.ask(2, "route", prompt="second")
    client.half_close()
    await door.service.arrived(2)

    second, first = reversed(door.service.handles)
    door.service.answer(first)
    assert (await client.answer())["id"] in {1, 2}
    door.service.answer(second)

    assert len(lines(await client.rest())) == 1
    assert not first.cancelled
    assert not second.cancelled


async def test_a_last_line_without_newline_is_answered(door: Door) -> None:
    said = await door.exchange(b'{"id":1,"method":"route","params":{"prompt":"x"}}')

    assert [reply["id"] for reply in lines(said)] == [1]


async def test_a_client_that_leaves_cancels_its_requests(door: Door) -> None:
    door.service.hold = True
    client = await door.connect()
    client.ask(1, "route", prompt="x")
    client.ask(2, "route", prompt="y")
    await door.service.arrived(2)

    client.leave()

    for handle in door.service.handles:
        await handle.stopped(GONE_WITHIN_S)


async def test_a_client_that_leaves_after_a_half_close_is_noticed(door: Door) -> None:
    door.service.hold = True
    client = await door.connect()
    client.ask(1, "route", prompt="x")
    client.half_close()
    await door.service.arrived(1)
    with pytest.raises(TimeoutError):
        await door.service.handles[0].stopped(0.12)

    client.leave()

    await door.service.handles[0].stopped(GONE_WITHIN_S)


async def test_a_client_that_leaves_while_it_is_not_read_is_noticed() -> None:
    async with open_door(limits=Limits(in_flight=1)) as door:
        door.service.hold = True
        client = await door.connect()
        client.ask(1, "route", prompt="x")
        await door.service.arrived(1)

        client.leave()

        await door.service.handles[0].stopped(GONE_WITHIN_S)


async def test_a_stopped_call_is_cancelled_when_the_client_leaves(door: Door) -> None:
    never: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    door.service.answers["history"] = never
    client = await door.connect()
    client.ask(1, "history")
    client.ask(2, "status")
    await client.answer()

    client.leave()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(never, GONE_WITHIN_S)


async def test_cancelling_stops_the_work(door: Door) -> None:
    door.service.hold = True
    never: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    door.service.answers["history"] = never
    client = await door.connect()
    client.ask(1, "route", prompt="x")
    client.ask(2, "history")
    await door.service.arrived(1)
    client.ask(3, "cancel", id=1)
    client.ask(4, "cancel", id=2)

    said = {reply["id"]: reply for reply in [await client.answer() for _ in range(4)]}

    assert set(said) == {1, 2, 3, 4}
    assert kind_of(said[1]) == kind_of(said[2]) == "cancelled"
    assert door.service.handles[0].cancelled


async def test_no_more_than_the_limit_is_worked_on_at_a_time() -> None:
    async with open_door(limits=Limits(in_flight=2)) as door:
        door.service.hold = True
        client = await door.connect()
        for i in range(2):
            client.ask(i, "route", prompt="x")
        await door.service.arrived(2)
        client.ask(2, "route", prompt="x")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(door.service.arrived(3), 0.05)
        door.service.answer(door.service.handles[0])

        await door.service.arrived(3)


async def test_requests_that_come_in_one_piece_wait_for_room_too() -> None:
    asked = b"".join(
        b'{"id":%d,"method":"route","params":{"prompt":"%s"}}\n' % (i, b"x" * 1000)
        for i in range(60)
    )
    async with open_door(limits=Limits(in_flight=10)) as door:
        door.service.hold = True
        client = await door.connect()
        client.say(asked)
        client.half_close()
        await door.service.arrived(10)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(door.service.arrived(15), 0.05)
        most = 0
        for i in range(60):
            await door.service.arrived(i + 1)
            most = max(most, door.native.in_flight)
            door.service.answer(door.service.handles[i])

        assert most <= 10 + 4  # as many as fit into one slice
        assert len(lines(await client.rest())) == 60


async def test_requests_that_wait_for_room_are_not_started_for_one_who_left() -> None:
    asked = b"".join(
        b'{"id":%d,"method":"route","params":{"prompt":"%s"}}\n' % (i, b"x" * 1000)
        for i in range(60)
    )
    async with open_door(limits=Limits(in_flight=10)) as door:
        door.service.hold = True
        client = await door.connect()
        client.say(asked)
        await door.service.arrived(10)
        started = len(door.service.handles)

        client.leave()
        for handle in door.service.handles:
            await handle.stopped(GONE_WITHIN_S)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(door.service.arrived(started + 1), 0.05)


async def test_requests_that_wait_for_room_are_told_when_the_daemon_stops() -> None:
    asked = b"".join(
        b'{"id":%d,"method":"route","params":{"prompt":"%s"}}\n' % (i, b"x" * 1000)
        for i in range(60)
    )
    async with open_door(limits=Limits(in_flight=10)) as door:
        door.service.hold = True
        client = await door.connect()
        client.say(asked)
        await door.service.arrived(10)
        door.service.refusal = draining()
        ending = asyncio.ensure_future(drained(door.native, 0.05))

        said = lines(await client.rest())

        kinds = [kind_of(reply) for reply in said]
        assert sorted(str(reply["id"]) for reply in said) == sorted(map(str, range(60)))
        assert kinds.count("interrupted") == await ending < 15
        assert kinds.count("overloaded") == 60 - await ending


async def test_a_request_is_cancelled_even_in_the_piece_it_came_in(door: Door) -> None:
    door.service.hold = True
    client = await door.connect()
    client.say(
        b'{"id":1,"method":"route","params":{"prompt":"x"}}\n'
        b'{"id":2,"method":"cancel","params":{"id":1}}\n'
    )

    assert (await client.answer())["id"] == 2
    assert kind_of(await client.answer()) == "cancelled"
    assert door.service.handles[0].cancelled


async def test_a_client_that_does_not_read_is_not_read_from_and_loses_nothing() -> None:
    text = "x" * 10_000
    async with open_door(limits=Limits(pause_bytes=20_000)) as door:
        client = await door.connect()
        for i in range(200):
            client.ask(i, "route", prompt=text)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(door.service.arrived(200), 0.1)

        said = [await client.answer() for _ in range(200)]

        assert [reply["id"] for reply in said] == list(range(200))


async def test_a_client_that_never_reads_is_dropped_with_its_work() -> None:
    limits = Limits(pause_bytes=10_000, drop_bytes=100_000)
    async with open_door(limits=limits) as door:
        door.service.hold = True
        client = await door.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed for writing
        client.ask(1, "route", prompt="x", stream=True)
        await door.service.arrived(1)
        [handle] = door.service.handles
        sent = 0

        while not handle.cancelled:
            handle.send("y" * 10_000)
            sent += 10_000
            assert sent < 5_000_000
            await asyncio.sleep(0)  # noqa: TID251 - lets the loop write

        assert not door.native.connections


async def test_a_stream_that_nobody_reads_is_dropped_before_it_fills_the_memory() -> (
    None
):
    async with open_door(limits=Limits(stream_bytes=100_000)) as door:
        door.service.hold = True
        client = await door.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed for writing
        client.ask(1, "route", prompt="x")
        client.ask(2, "route", prompt="x", stream=True)
        await door.service.arrived(2)
        whole, streamed = door.service.handles
        whole.finish(route_result("y" * 5_000_000))  # may be long, and waits
        await until(lambda: door.native.in_flight == 1)

        streamed.send("y" * 90_000)
        with pytest.raises(TimeoutError):
            await streamed.stopped(0.02)
        streamed.send("y" * 90_000)

        await streamed.stopped(GONE_WITHIN_S)
        assert not door.native.connections


async def test_a_half_closed_client_gets_a_long_answer_whole(door: Door) -> None:
    door.service.hold = True
    client = await door.connect()
    client.ask(1, "route", prompt="x")
    client.half_close()
    await door.service.arrived(1)

    door.service.handles[0].finish(route_result("y" * 5_000_000))

    [reply] = lines(await client.rest())
    assert reply["id"] == 1


async def test_closing_waits_until_a_long_answer_is_read(door: Door) -> None:
    door.service.hold = True
    client = await door.connect()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed for writing
    client.ask(1, "route", prompt="x")
    await door.service.arrived(1)
    door.service.handles[0].finish(route_result("y" * 5_000_000))
    assert await door.native.finish(5) == 0
    ending = asyncio.ensure_future(door.native.close(5))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(ending), 0.1)

    client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # typed for writing
    [reply] = lines(await client.rest())

    assert reply["id"] == 1
    await ending


async def test_closing_tells_everybody_inside_at_once(door: Door) -> None:
    door.service.hold = True
    client = await door.connect()
    client.ask(1, "route", prompt="x")
    await door.service.arrived(1)

    await door.native.close()

    assert door.service.handles[0].cancelled
    [reply] = lines(await client.rest())
    assert kind_of(reply) == "interrupted"


@pytest.mark.parametrize(
    "garbage",
    [b'{"id":\n', b"{" + b"[" * 5000 + b"\n", b"{}\n", b'{"id":[],"method":1}\n'],
)
async def test_garbage_is_answered_and_disturbs_nobody(
    door: Door, garbage: bytes
) -> None:
    door.service.hold = True
    neighbour, client = await door.connect(), await door.connect()
    neighbour.ask(1, "route", prompt="x")
    await door.service.arrived(1)
    client.say(garbage)
    client.ask(2, "status")

    assert "error" in await client.answer()
    assert (await client.answer())["id"] == 2
    door.service.answer(door.service.handles[0])
    assert "result" in await neighbour.answer()


async def test_an_oversized_line_is_refused_and_the_next_is_answered() -> None:
    async with open_door(limits=Limits(message_bytes=1000)) as door:
        client = await door.connect()
        client.ask(1, "route", prompt="x" * 100_000)
        client.ask(2, "status")

        assert "error" in await client.answer()
        assert (await client.answer())["id"] == 2


async def test_a_broken_frame_is_told_after_the_answers_and_the_door_closes(
    door: Door,
) -> None:
    framing = MsgpackFrames()
    client = await door.connect()
    request = {"id": 1, "method": "route", "params": {"prompt": "x"}}
    client.say(framing.encode(request) + b"\xff" * 2_000_000)

    said = [m for m in framing.feed(await client.rest()) if isinstance(m, bytes)]

    replies = [framing.decode(message) for message in said]
    ids = [reply["id"] for reply in replies if isinstance(reply, dict)]
    assert sorted(ids, key=str) == [1, None]


async def test_a_truncated_frame_is_told(door: Door) -> None:
    framing = MsgpackFrames()

    [reply] = framing.feed(await door.exchange(b"\x00\x00\x01\x00abc"))

    assert isinstance(reply, bytes)
    assert b"ended inside a frame" in reply


async def test_an_id_in_flight_is_refused_and_the_first_is_answered(
    door: Door,
) -> None:
    door.service.hold = True
    client = await door.connect()
    client.ask(1, "route", prompt="x")
    client.ask(1, "route", prompt="y")

    assert "error" in await client.answer()
    door.service.answer(door.service.handles[0])
    assert "result" in await client.answer()
    assert len(door.service.handles) == 1


async def test_our_bugs_are_internal_errors(door: Door) -> None:
    door.service.refusal = ZeroDivisionError("secret")
    door.service.answers["status"] = ZeroDivisionError("secret")
    client = await door.connect()
    client.ask(1, "route", prompt="x")
    client.ask(2, "status")

    said = [await client.answer(), await client.answer()]

    assert [kind_of(reply) for reply in said] == ["internal", "internal"]
    assert "secret" not in str(said)


async def test_errors_raised_on_purpose_are_told(door: Door) -> None:
    door.service.refusal = NoProvider("nobody", retry_after_s=3)
    door.service.answers["usage"] = InvalidRequest("no", field="since", got="x")
    client = await door.connect()
    client.ask(1, "route", prompt="x")
    client.ask(2, "usage")

    said = [await client.answer(), await client.answer()]

    assert [kind_of(reply) for reply in said] == ["no_provider", "invalid_request"]


async def test_the_caller_is_known_to_the_service(door: Door) -> None:
    client = await door.connect()
    client.ask(1, "status")
    await client.answer()

    [(method, _, peer)] = door.service.calls
    assert (method, peer.door) == ("status", "json")
    assert peer.user


# Another configuration


def as_user(_: Credentials | None) -> Peer | None:
    return Peer(door="internal", user="ann")


def as_nobody(_: Credentials | None) -> Peer | None:
    return None


async def test_who_is_no_administrator_any_more_is_refused_from_then_on(
    door: Door,
) -> None:
    client = await door.connect()
    client.ask(1, "strategy.set", strategy="cost")
    assert (await client.answer())["id"] == 1

    door.native.identify_anew(as_user)

    client.ask(2, "strategy.set", strategy="cost")
    assert kind_of(await client.answer()) == "not_permitted"
    client.ask(3, "status")
    assert (await client.answer())["id"] == 3
    assert [peer.user for _, _, peer in door.service.calls][1:] == ["ann"]


async def test_who_may_not_be_here_any_more_is_answered_and_let_go(door: Door) -> None:
    door.service.hold = True
    busy, idle = await door.connect(), await door.connect()
    idle.ask(1, "status")
    await idle.answer()
    busy.ask(1, "route", prompt="x")
    await door.service.arrived(1)

    door.native.identify_anew(as_nobody)

    assert await idle.rest() == b""
    busy.ask(2, "route", prompt="late")
    busy.ask(3, "status")
    await until(lambda: door.native.in_flight == 1)
    door.service.answer(door.service.handles[0])
    assert [reply["id"] for reply in lines(await busy.rest())] == [1]
    assert len(door.service.handles) == 1


# Stopping


async def test_draining_answers_what_is_in_flight_and_closes(door: Door) -> None:
    door.service.hold = True
    idle, busy = await door.connect(), await door.connect()
    idle.ask(1, "status")
    await idle.answer()
    busy.ask(1, "route", prompt="x")
    await door.service.arrived(1)

    door.service.refusal = draining()
    ending = asyncio.ensure_future(drained(door.native, 5))
    for late in (idle, busy):
        late.ask(2, "route", prompt="late")
        assert kind_of(await late.answer()) == "overloaded"
        late.ask(3, "status")
        assert (await late.answer())["id"] == 3
    assert door.native.in_flight == 1
    door.service.answer(door.service.handles[0])

    assert (await busy.answer())["id"] == 1
    assert await busy.rest() == b""
    assert await idle.rest() == b""
    assert await ending == 0


async def test_what_ends_as_the_drain_begins_is_told(door: Door) -> None:
    door.service.hold = True
    client = await door.connect()
    client.ask(1, "route", prompt="x")
    await door.service.arrived(1)

    door.service.answer(door.service.handles[0])
    assert await drained(door.native, 0) == 0

    assert (await client.answer())["id"] == 1


async def test_a_call_that_is_cut_short_is_no_cancelled_one(door: Door) -> None:
    never: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    door.service.answers["history"] = never
    client = await door.connect()
    client.ask(1, "history")
    await until(lambda: door.native.in_flight == 1)

    assert await drained(door.native, 0.01) == 1

    assert kind_of(await client.answer()) == "interrupted"


async def test_who_does_not_answer_for_itself_is_answered_for(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipc.server.GRACE_S", 0.01)
    door.service.hold = True
    client = await door.connect()
    client.ask(1, "route", prompt="x")
    await door.service.arrived(1)
    door.service.handles[0].deaf = True

    assert await drained(door.native, 0.01) == 1

    assert kind_of(await client.answer()) == "interrupted"
    assert await client.rest() == b""


async def test_what_is_not_finished_in_time_is_interrupted(door: Door) -> None:
    door.service.hold = True
    client = await door.connect()
    client.ask(1, "route", prompt="x")
    await door.service.arrived(1)

    assert await drained(door.native, 0.01) == 1

    assert kind_of(await client.answer()) == "interrupted"
    assert await client.rest() == b""
    assert door.service.handles[0].cancelled


async def test_draining_without_connections_is_over_at_once() -> None:
    async with open_door() as door:
        assert await drained(NativeServer(door.service, version="1"), 5) == 0


async def test_a_service_that_stops_says_so(door: Door) -> None:
    door.service.refusal = Interrupted("stopping")
    client = await door.connect()
    client.ask(1, "route", prompt="x")

    assert kind_of(await client.answer()) == "interrupted"


# Many


@pytest.mark.slow
async def test_a_thousand_requests_with_64_in_flight_are_answered_once_each(
    door: Door,
) -> None:
    door.service.hold = True
    chance = random.Random(7)
    client = await door.connect()
    answered: list[object] = []
    asked = 0
    done = 0
    while len(answered) < 1000:
        while asked - len(answered) < 64 and asked < 1000:
            client.ask(asked, "route", prompt=f"p{asked}")
            asked += 1
        await door.service.arrived(asked)
        waiting = door.service.handles[done:]
        chance.shuffle(waiting)
        done = asked
        for handle in waiting:
            content = str(handle.request.chat.messages[-1].content)
            handle.finish(route_result(content))
        for _ in waiting:
            reply = await client.answer()
            answered.append(reply["id"])
            result = reply["result"]
            assert isinstance(result, dict)
            assert result["content"] == f"p{reply['id']}"

    assert sorted(map(str, answered)) == sorted(map(str, range(1000)))


@pytest.mark.slow
async def test_hostile_bytes_leave_the_door_open(door: Door) -> None:
    chance = random.Random(11)
    good = [
        b'{"id":1,"method":"route","params":{"prompt":"x","stream":true}}\n',
        MsgpackFrames().encode({"id": 1, "method": "route", "params": {"prompt": "x"}}),
    ]
    for _ in range(300):
        data = bytearray(chance.choice(good) * chance.randint(1, 3))
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        cut = chance.randint(1, len(data))
        await door.exchange(bytes(data[:cut]))

    said = await door.exchange(b'{"id":"ok","method":"status"}\n')

    assert lines(said)[-1]["id"] == "ok"
    assert not door.native.connections
