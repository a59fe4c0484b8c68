"""A round of consensus told between the pieces of its answer, on a native connection."""

from typing import Any

import pytest

from actors.errors import InvalidRequest
from actors.messages.progress import MemberAsked
from ipc.client import Client
from ipc.subscribing import NoticeParams
from tests.support.door import Connected, Door, open_door
from tests.support.fake_service import route_result


def asked(request_id: str, member: str = "a/x") -> MemberAsked:
    return MemberAsked(
        request_id=request_id, decision_id="d1", user=None, member=member
    )


def tell(door: Door, member: str, place: int = 0) -> None:
    request_id = door.service.handles[place].request.request_id
    door.service.notices.tell("consensus", "member_asked", asked(request_id, member))


async def ask(door: Door, method: str = "consensus", **params: object) -> Connected:
    door.service.hold = True
    client = await door.connect()
    client.ask(7, method, prompt="why", stream=True, **params)
    await door.service.arrived(1)
    return client


async def all_of(client: Connected, count: int) -> list[Any]:
    return [await client.answer() for _ in range(count)]


async def test_progress_pieces_and_the_result_come_in_their_order() -> None:
    async with open_door() as door:
        client = await ask(door)
        (handle,) = door.service.handles
        tell(door, "a/x")
        handle.send("hello")
        tell(door, "b/y")
        handle.finish(route_result())
        first, piece, second, result = await all_of(client, 4)

        assert (first["method"], first["params"]["id"]) == ("notice", 7)
        assert first["params"]["name"] == "member_asked"
        assert first["params"]["body"]["member"] == "a/x"
        assert (piece["method"], piece["params"]["content"]) == ("delta", "hello")
        assert second["params"]["body"]["member"] == "b/y"
        assert result["result"]["content"] == "hello"
        assert door.service.notices.listeners == 0


async def test_a_round_that_is_routed_by_its_models_name_is_told_too() -> None:
    async with open_door() as door:
        client = await ask(door, "route", model="consensus:quorum")
        tell(door, "a/x")

        assert (await client.answer())["method"] == "notice"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("consensus", {"progress": False}),
        ("consensus", {"stream": False}),
        ("route", {"model": "auto"}),
    ],
)
async def test_who_does_not_want_it_is_not_listened_for(
    method: str, params: dict[str, object]
) -> None:
    async with open_door() as door:
        door.service.hold = True
        client = await door.connect()
        client.ask(7, method, **{"prompt": "why", "stream": True, **params})
        await door.service.arrived(1)
        assert not door.service.notices.wants("consensus")
        door.service.handles[0].finish(route_result())

        assert (await client.answer())["id"] == 7


async def test_nobody_is_told_of_another_round() -> None:
    async with open_door() as door:
        client = await ask(door)
        client.ask(8, "consensus", prompt="and", stream=True)
        await door.service.arrived(2)
        tell(door, "a/x", place=1)
        door.service.notices.tell("consensus", "member_asked", asked("other"))
        door.service.handles[0].finish(route_result())
        told, result = await all_of(client, 2)

        assert (told["method"], told["params"]["id"]) == ("notice", 8)
        assert result["id"] == 7


async def test_a_caller_that_leaves_is_listened_for_no_more() -> None:
    async with open_door() as door:
        client = await ask(door)
        client.leave()
        await door.service.handles[0].stopped()

    assert door.service.notices.listeners == 0


async def test_a_request_that_is_not_taken_is_not_listened_for() -> None:
    async with open_door() as door:
        door.service.refusal = InvalidRequest("no")
        client = await door.connect()
        client.ask(7, "consensus", prompt="why", stream=True)
        answer: Any = await client.answer()

        assert answer["error"]["data"]["kind"] == "invalid_request"
        assert door.service.notices.listeners == 0


async def test_the_python_client_is_told_beside_the_pieces() -> None:
    async with open_door() as door, Client([door.path]) as client:
        door.service.hold = True
        async with client.stream("why", model="consensus") as stream:
            await door.service.arrived(1)
            tell(door, "a/x")
            door.service.handles[0].send("hello")
            door.service.handles[0].finish(route_result())
            pieces = [piece async for piece in stream.pieces()]

        notice, delta = pieces
        assert isinstance(notice, NoticeParams)
        assert notice.name == "member_asked"
        assert not isinstance(delta, NoticeParams)
        assert delta.content == "hello"
        assert stream.result.content == "hello"
