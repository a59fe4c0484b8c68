"""Being told what happens, in Python: both clients on a real door."""

import anyio.from_thread
import anyio.to_thread
import pytest

from actors.errors import Interrupted, InvalidRequest
from actors.messages.lifecycle import Condition
from ipc.blocking import Client as BlockingClient
from ipc.client import Client
from ipc.subscribing import SubscribeParams
from tests.support.door import open_door

LAG = Condition(
    code="event_loop_lag", severity="warning", title="", text="", since=1.0, advice=""
)


async def test_a_client_is_told_until_it_leaves_and_can_ask_meanwhile() -> None:
    async with open_door() as door, Client([door.path]) as client:
        async with client.subscribe("conditions") as notices:
            first = await anext(notices)
            door.service.notices.tell("conditions", "condition_raised", LAG)
            second = await anext(notices)
            await client.route("hello")

        assert (first.name, first.number) == ("subscribed", None)
        assert (second.name, second.number, second.lost) == ("condition_raised", 1, 0)
        await client.route("hello again")
        assert door.service.notices.listeners == 0


async def test_a_daemon_that_stops_says_so() -> None:
    async with (
        open_door() as door,
        Client([door.path]) as client,
        client.subscribe() as notices,
    ):
        await anext(notices)
        await door.native.finish(1)
        with pytest.raises(Interrupted):
            await anext(notices)


async def test_a_client_without_a_loop_is_told_too() -> None:
    async with open_door() as door:

        def listen() -> list[str]:
            with BlockingClient([door.path]) as client:
                with client.subscribe(timeout_s=5) as notices:
                    heard: list[str] = []
                    for notice in notices:
                        heard.append(notice.name)
                        if len(heard) == 1:
                            anyio.from_thread.run_sync(
                                door.service.notices.tell,
                                "conditions",
                                "condition_raised",
                                LAG,
                            )
                        else:
                            break
                client.route("hello")
                return heard

        heard = await anyio.to_thread.run_sync(listen)
        assert heard == ["subscribed", "condition_raised"]


def test_topics_are_checked_and_each_is_told_once() -> None:
    assert SubscribeParams(("tasks", "tasks")).chosen == ("tasks",)
    with pytest.raises(InvalidRequest, match="topics"):
        SubscribeParams(())
    with pytest.raises(InvalidRequest, match=r"topics\[1\]"):
        SubscribeParams(("tasks", "weather"))
