"""A round of consensus told in the stream of its answer, and OpenAI's SDK reading it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx2
import msgspec
import openai
import pytest

from actors.errors import NoProvider, ProviderResponseError
from actors.messages.progress import MemberAsked
from actors.messages.routing import error_info
from tests.support.fake_service import FakeHandle, route_result
from tests.support.http_door import OpenDoor, chat, events, open_door

T = TypeVar("T")
HELLO: Any = [{"role": "user", "content": "hello there"}]
CHAT = "/v1/chat/completions"


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path) as opened:
        yield opened


def asked(handle: FakeHandle, member: str) -> MemberAsked:
    return MemberAsked(
        request_id=handle.request.request_id,
        decision_id="d1",
        user=None,
        member=member,
    )


def play(opened: OpenDoor, handle: FakeHandle, *members: str) -> None:
    """Answer as a round does: who is asked, then the words, then the end."""
    tell(opened, handle, *members)
    handle.send("hello ", "there")
    handle.finish(route_result("hello there", handle.request.request_id))


def tell(opened: OpenDoor, handle: FakeHandle, *members: str) -> None:
    for member in members:
        body = asked(handle, member)
        opened.service.notices.tell("consensus", "member_asked", body)


def headers(shape: str) -> dict[str, str]:
    return {"x-gitbridge-progress": shape}


def body(**more: Any) -> Any:
    return chat(model="consensus", stream=True, **more)


async def with_sdk(opened: OpenDoor, use: Callable[[openai.OpenAI], T]) -> T:
    def run() -> T:
        transport = httpx2.HTTPTransport(uds=opened.path)
        with openai.OpenAI(
            api_key="unused",
            base_url="http://localhost/v1",
            max_retries=0,
            http_client=httpx2.Client(transport=transport),
        ) as client:
            return use(client)

    return await anyio.to_thread.run_sync(run)


async def test_as_comments_it_stands_between_the_chunks(opened: OpenDoor) -> None:
    opened.service.answer = lambda handle: play(opened, handle, "a/x", "b/y")  # type: ignore[method-assign]
    response = await opened.ask("POST", CHAT, json=body(), headers=headers("comments"))
    blocks = response.body.decode().split("\n\n")
    told = [
        msgspec.json.decode(block.removeprefix(": progress "))
        for block in blocks
        if block.startswith(":")
    ]
    rest = "\n\n".join(block for block in blocks if not block.startswith(":"))

    assert [(each["name"], each["body"]["member"]) for each in told] == [
        *(("member_asked", "a/x"), ("member_asked", "b/y")),
    ]
    assert blocks.index(next(b for b in blocks if b.startswith("data:"))) == 2
    chunks = events(rest.encode())
    assert chunks.pop() == "[DONE]"
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert {chunk["model"] for chunk in chunks} == {"gpt-4o"}


async def test_as_chunks_it_has_no_choices(opened: OpenDoor) -> None:
    opened.service.answer = lambda handle: play(opened, handle, "a/x")  # type: ignore[method-assign]
    response = await opened.ask("POST", CHAT, json=body(), headers=headers("chunks"))
    told, role, *rest = events(response.body)

    assert told["choices"] == []
    assert told["x_gitbridge"]["progress"]["body"]["member"] == "a/x"
    assert told["id"] == role["id"]
    assert rest[-1] == "[DONE]"


async def test_it_comes_while_the_round_goes_on(opened: OpenDoor) -> None:
    opened.service.hold = True
    request = asyncio.ensure_future(
        opened.ask("POST", CHAT, json=body(), headers=headers("comments"))
    )
    await opened.service.arrived(1)
    (handle,) = opened.service.handles
    reader, writer = await opened.connect()
    data = msgspec.json.encode(body())
    writer.write(
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nx-gitbridge-progress: chunks\r\n"
        f"content-length: {len(data)}\r\n\r\n".encode()
        + data
    )
    await opened.service.arrived(2)
    tell(opened, opened.service.handles[1], "a/x")
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        told = await reader.readuntil(b"\n\n")

    assert b" 200 " in head
    assert b"x-request-id: request-2" in head
    assert b"x-gitbridge-model" not in head  # nobody knows yet
    assert b'"model":"consensus"' in told
    writer.close()
    await opened.service.handles[1].stopped()
    handle.finish(route_result())
    await request


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (body(), {}),
        (chat(model="consensus"), headers("chunks")),
        (chat(model="auto", stream=True), headers("chunks")),
    ],
)
async def test_nobody_listens_for_who_did_not_ask_for_it(
    opened: OpenDoor, given: Any, sent: dict[str, str]
) -> None:
    heard: list[bool] = []

    def answer(handle: FakeHandle) -> None:
        heard.append(opened.service.notices.wants("consensus"))
        handle.finish(route_result())

    opened.service.answer = answer  # type: ignore[method-assign]
    response = await opened.ask("POST", CHAT, json=given, headers=sent)

    assert (response.status, heard) == (200, [False])


async def test_a_shape_that_does_not_exist_is_refused_by_name(
    opened: OpenDoor,
) -> None:
    response = await opened.ask("POST", CHAT, json=body(), headers=headers("events"))

    assert response.status == 400
    assert "comments, chunks" in response.error["message"]


async def test_an_error_before_anything_was_told_keeps_its_status(
    opened: OpenDoor,
) -> None:
    error = error_info(NoProvider("nobody"))
    opened.service.answer = lambda handle: handle.finish(error)  # type: ignore[method-assign]
    response = await opened.ask("POST", CHAT, json=body(), headers=headers("chunks"))

    assert response.status == 503
    assert opened.service.notices.listeners == 0


async def test_a_round_that_fails_later_ends_its_stream_with_the_error(
    opened: OpenDoor,
) -> None:
    opened.service.answer = lambda handle: tell(opened, handle, "a/x")  # type: ignore[method-assign]
    loop = asyncio.get_running_loop()
    error = error_info(ProviderResponseError("0 of 2 members answered"))
    told: list[Any] = []

    def use(client: openai.OpenAI) -> None:
        for chunk in client.chat.completions.create(
            model="consensus",
            messages=HELLO,
            stream=True,
            extra_headers=headers("chunks"),
        ):
            told.append(chunk)
            loop.call_soon_threadsafe(opened.service.handles[0].finish, error)

    with pytest.raises(openai.APIError, match="0 of 2") as caught:
        await with_sdk(opened, use)

    assert told[0].x_gitbridge["progress"]["body"]["member"] == "a/x"
    assert caught.value.code == "provider_error"


@pytest.mark.parametrize("shape", ["comments", "chunks"])
async def test_openais_sdk_reads_the_answer_as_ever(
    opened: OpenDoor, shape: str
) -> None:
    opened.service.answer = lambda handle: play(opened, handle, "a/x", "b/y")  # type: ignore[method-assign]

    def use(client: openai.OpenAI) -> tuple[list[Any], Any]:
        chunks = list(
            client.chat.completions.create(
                model="consensus",
                messages=HELLO,
                stream=True,
                stream_options={"include_usage": True},
                extra_headers=headers(shape),
            )
        )
        with client.chat.completions.stream(
            model="consensus", messages=HELLO, extra_headers=headers(shape)
        ) as stream:
            return chunks, stream.get_final_completion()

    chunks, final = await with_sdk(opened, use)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    told = [c.x_gitbridge["progress"] for c in chunks if not c.choices and not c.usage]

    assert text == "hello there"
    assert final.choices[0].message.content == "hello there"
    assert final.model == "gpt-4o" or shape == "chunks"
    assert chunks[-1].usage.total_tokens == 8
    expected = ["a/x", "b/y"] if shape == "chunks" else []
    assert [each["body"]["member"] for each in told] == expected
