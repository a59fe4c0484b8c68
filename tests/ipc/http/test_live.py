"""`GET /events`: server-sent events."""

import asyncio
from pathlib import Path

import anyio
import anyio.lowlevel

from actors.messages.lifecycle import Condition
from ipc.http.live import Broadcast
from ipc.methods import Peer
from ipc.subscribing import SubscribeParams
from tests.support.http_door import USER, OpenDoor, Wire, open_door
from tests.support.records import record

LAG = Condition(
    code="event_loop_lag", severity="warning", title="", text="", since=1.0, advice=""
)


async def listening(
    door: OpenDoor, path: str = "/events", token: str | None = None
) -> Wire:
    """A listener that has heard that it is one."""
    if token is None:
        reader, writer = await door.connect()
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    key = f"x-api-key: {token}\r\n" if token else ""
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{key}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head
    assert b"text/event-stream" in head
    begin = await until(reader, b"event: subscribed")
    assert b"retry: 2000" in begin
    return Wire(reader, writer)


async def until(reader: asyncio.StreamReader, what: bytes) -> bytes:
    """All up to the end of the event that holds this."""
    async with asyncio.timeout(5):
        found = await reader.readuntil(what)
        return found + await reader.readuntil(b"\n\n")


async def test_events_have_ids_names_and_data(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        wire = await listening(door, "/events?topics=conditions,breakers")
        door.service.notices.request_finished(record(1))
        door.service.notices.tell("conditions", "condition_raised", LAG)
        event = await until(wire.reader, b"condition_raised")
        in_flight = door.door.in_flight
        wire.close()

        assert b"id: 1\nevent: condition_raised\ndata: {" in event
        assert in_flight == 0


async def test_users_see_their_own_requests_and_admins_all(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        user = await listening(door, token=USER)
        admin = await listening(door)
        door.service.notices.request_finished(record(1, user="ada"))
        door.service.notices.request_finished(record(2, user="ben"))
        told = await until(user.reader, b"request_finished")
        all_told = await until(admin.reader, b'"r2"')
        user.close()
        admin.close()

        assert (b'"r1"' in told, b'"r2"' in told) == (False, True)
        assert b'"r1"' in all_told


async def test_topics_are_checked_and_tokens_wanted(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        wrong = await door.ask("GET", "/events?topics=requests,weather")
        other = await door.ask("GET", "/events?since=1")
        stranger = await door.ask("GET", "/events", tcp=True)

        assert (wrong.status, other.status, stranger.status) == (400, 400, 401)
        assert wrong.error["param"] == "topics[1]"


async def test_a_listener_that_left_is_forgotten(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        wire = await door.say("GET", "/events")
        await wire.head()
        wire.close()
        async with asyncio.timeout(5):
            while door.service.notices.listeners:
                await anyio.lowlevel.checkpoint()


async def test_nobody_waits_for_listeners_when_the_door_closes(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        wire = await listening(door)
        assert await door.door.finish(5) == 0
        rest = await asyncio.wait_for(wire.rest(), 5)
        wire.close()
        late = await door.ask("GET", "/events")

        assert rest.endswith(b"0\r\n\r\n")
        assert late.status == 503


async def test_others_may_listen_now_and_all_have_to_come_again(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        wire = await listening(door, token=USER)
        door.door.access = type(door.door.access)()
        await asyncio.wait_for(wire.rest(), 5)
        wire.close()
        again = await door.ask("GET", "/events", tcp=True, headers={"x-api-key": USER})

        assert again.status == 401


async def test_silence_is_broken_by_comments(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        peer = Peer(door="http", tier="admin")
        quiet = Broadcast(door.service, peer, SubscribeParams(), keep_alive_s=0.01)
        assert (await quiet._next()).startswith(b": ")


async def test_only_the_head_is_over_at_once(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        answer = await door.ask("HEAD", "/events")

        assert (answer.status, answer.body) == (200, b"")
        assert door.service.notices.listeners == 0


async def test_rpc_says_where_to_listen(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        asked = {"id": 1, "method": "subscribe"}
        answer = await door.ask("POST", "/rpc", json=asked)

        assert answer.status == 400
        assert "/events" in answer.json()["error"]["message"]
