"""`subscribe` on a native connection."""

import asyncio
from typing import Any

import anyio
import anyio.lowlevel

from actors.messages.lifecycle import Condition
from ipc.methods import Peer
from ipc.native import Limits
from tests.support.door import Connected, Door, open_door

LAG = Condition(
    code="event_loop_lag", severity="warning", title="", text="", since=1.0, advice=""
)


def tell(door: Door, body: Condition = LAG, count: int = 1) -> None:
    for _ in range(count):
        door.service.notices.tell("conditions", "condition_raised", body)


async def subscribed(door: Door, **params: object) -> Connected:
    client = await door.connect()
    client.ask(1, "subscribe", **params)
    first: Any = await client.answer()
    assert (first["method"], first["params"]["name"]) == ("notice", "subscribed")
    return client


async def test_it_is_told_what_happens_until_it_cancels() -> None:
    async with open_door() as door:
        client = await subscribed(door, topics=["conditions"])
        tell(door)
        notice: Any = await client.answer()
        client.ask(2, "cancel", id=1)
        answers: list[Any] = [await client.answer(), await client.answer()]

        assert notice["params"]["body"]["code"] == "event_loop_lag"
        assert (notice["params"]["id"], notice["params"]["number"]) == (1, 1)
        assert answers[0]["result"] == {"id": 1, "cancelled": True}
        assert answers[1]["error"]["data"]["kind"] == "cancelled"
        assert door.service.notices.listeners == 0


async def test_a_topic_that_does_not_exist_is_refused_by_name() -> None:
    async with open_door() as door:
        client = await door.connect()
        client.ask(1, "subscribe", topics=["weather"])
        answer: Any = await client.answer()

        assert answer["error"]["code"] == -32602
        assert answer["error"]["data"]["field"].startswith("topics")


async def test_a_half_closed_client_goes_on_being_told() -> None:
    async with open_door() as door:
        client = await subscribed(door)
        client.half_close()
        await anyio.lowlevel.checkpoint()
        tell(door)
        notice: Any = await client.answer()

        assert notice["params"]["name"] == "condition_raised"


async def test_a_client_that_leaves_is_listened_for_no_more() -> None:
    async with open_door() as door:
        client = await subscribed(door)
        client.leave()
        async with asyncio.timeout(5):
            while door.service.notices.listeners:
                await anyio.lowlevel.checkpoint()


async def test_one_that_does_not_read_loses_the_oldest_and_delays_nobody() -> None:
    big = Condition(
        code="x", severity="info", title="", text="y" * 4096, since=1.0, advice=""
    )
    async with open_door(limits=Limits(pause_bytes=16 * 1024)) as door:
        slow = await subscribed(door)
        for _ in range(40):
            tell(door, big, 100)
            await anyio.lowlevel.checkpoint()
        (connection,) = door.native.connections
        other = await door.connect()
        other.ask(1, "status")
        assert (await other.answer())["id"] == 1
        assert connection.busy == 0
        seen, lost, last = 0, 0, 0
        while last < 4000:
            notice: Any = (await slow.answer())["params"]
            assert notice["number"] == last + notice["lost"] + 1
            seen, lost, last = seen + 1, lost + notice["lost"], notice["number"]

        assert lost > 0
        assert seen + lost == 4000


async def test_nobody_waits_for_it_when_the_daemon_drains() -> None:
    async with open_door() as door:
        client = await subscribed(door)
        left = await door.native.finish(5)
        answer: Any = await client.answer()

        assert left == 0
        assert answer["error"]["data"]["kind"] == "interrupted"


async def test_without_an_id_there_is_nobody_to_tell() -> None:
    async with open_door() as door:
        client = await door.connect()
        client.say(b'{"method":"subscribe"}\n')
        client.ask(1, "status")
        assert (await client.answer())["id"] == 1
        assert door.service.notices.listeners == 0


async def test_who_may_do_other_things_now_has_to_ask_again() -> None:
    async with open_door() as door:
        client = await subscribed(door)
        door.native.identify_anew(lambda _: Peer(door="internal", user="ann"))
        answer: Any = await client.answer()

        assert answer["error"]["data"]["kind"] == "interrupted"
        assert door.service.notices.listeners == 0
