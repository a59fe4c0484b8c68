"""OpenAI's own SDK, unmodified, over the Unix socket and over TCP."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx2
import openai
import pytest

from actors.errors import NoProvider, ProviderResponseError, UnknownModel
from actors.messages.routing import error_info
from ipc.http import ModelEntry
from tests.support.fake_service import FakeHandle
from tests.support.http_door import USER, OpenDoor, open_door

T = TypeVar("T")
HELLO: Any = [{"role": "user", "content": "hello there"}]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path) as opened:
        yield opened


async def with_sdk(opened: OpenDoor, use: Callable[[openai.OpenAI], T]) -> T:
    """Use the synchronous client in a thread of its own."""

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


async def test_a_completion(opened: OpenDoor) -> None:
    raw = await with_sdk(
        opened,
        lambda c: c.chat.completions.with_raw_response.create(
            model="auto", messages=HELLO, extra_headers={"x-gitbridge-strategy": "cost"}
        ),
    )
    completion = raw.parse()

    assert completion.choices[0].message.content == "hello there"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == "gpt-4o"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 8
    assert completion._request_id == "request-1"
    assert raw.headers["x-gitbridge-provider"] == "openai"
    assert opened.service.handles[0].request.strategy == "cost"


async def test_a_stream_with_usage(opened: OpenDoor) -> None:
    def use(client: openai.OpenAI) -> list[Any]:
        with client.chat.completions.create(
            model="auto:performance",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            return list(stream)

    chunks = await with_sdk(opened, use)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)

    assert text == "hello there "
    assert {c.model for c in chunks} == {"gpt-4o"}
    assert chunks[-1].usage.total_tokens == 8
    assert chunks[-1].x_gitbridge["provider"] == "openai"
    assert chunks[-1].x_gitbridge["cost_usd"] == 0.000125


async def test_the_stream_helper(opened: OpenDoor) -> None:
    def use(client: openai.OpenAI) -> Any:
        with client.chat.completions.stream(model="auto", messages=HELLO) as stream:
            return stream.get_final_completion()

    final = await with_sdk(opened, use)

    assert final.choices[0].message.content == "hello there "
    assert final.choices[0].finish_reason == "stop"


async def test_the_asynchronous_client(opened: OpenDoor) -> None:
    transport = httpx2.AsyncHTTPTransport(uds=opened.path)
    async with openai.AsyncOpenAI(
        api_key="unused",
        base_url="http://localhost/v1",
        http_client=httpx2.AsyncClient(transport=transport),
    ) as client:
        plain = await client.chat.completions.create(model="auto", messages=HELLO)
        pieces = [
            chunk.choices[0].delta.content or ""
            async for chunk in await client.chat.completions.create(
                model="auto", messages=HELLO, stream=True
            )
        ]

    assert plain.choices[0].message.content == "hello there"
    assert "".join(pieces) == "hello there "


async def test_models(opened: OpenDoor) -> None:
    opened.models.append(ModelEntry("openai/gpt-4o", "openai"))
    ids = await with_sdk(opened, lambda c: [m.id for m in c.models.list()])
    one = await with_sdk(opened, lambda c: c.models.retrieve("openai/gpt-4o"))

    assert ids[0] == "auto"
    assert ids[-1] == one.id == "openai/gpt-4o"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (UnknownModel("there is no model 'x'"), openai.NotFoundError),
        (NoProvider("nobody", retry_after_s=2.0), openai.InternalServerError),
    ],
)
async def test_errors_are_the_sdks_own(
    opened: OpenDoor, error: Any, raised: type[openai.APIStatusError], stream: bool
) -> None:
    opened.service.answer = lambda handle: handle.finish(error_info(error))  # type: ignore[method-assign]

    def create(client: openai.OpenAI) -> object:
        return client.chat.completions.create(model="x", messages=HELLO, stream=stream)

    with pytest.raises(raised) as caught:
        await with_sdk(opened, create)

    assert caught.value.code == error.kind
    assert caught.value.request_id == "request-1"
    assert error.message in caught.value.message


async def test_a_stream_that_breaks_raises(opened: OpenDoor) -> None:
    def answer(handle: FakeHandle) -> None:
        handle.send("half")
        handle.finish(error_info(ProviderResponseError("it broke off")))

    opened.service.answer = answer  # type: ignore[method-assign]
    got: list[str] = []

    def use(client: openai.OpenAI) -> None:
        stream = client.chat.completions.create(
            model="auto", messages=HELLO, stream=True
        )
        got.extend(chunk.choices[0].delta.content or "" for chunk in stream)

    with pytest.raises(openai.APIError, match="it broke off") as caught:
        await with_sdk(opened, use)

    assert caught.value.code == "provider_error"


async def test_leaving_a_stream_cancels_it(opened: OpenDoor) -> None:
    opened.service.hold = True

    def use(client: openai.OpenAI) -> None:
        with client.chat.completions.create(
            model="auto", messages=HELLO, stream=True
        ) as stream:
            next(iter(stream))

    async with anyio.create_task_group() as group:
        group.start_soon(with_sdk, opened, use)
        await opened.service.arrived(1)
        opened.service.handles[0].send("a")
        await opened.service.handles[0].stopped()


async def test_over_tcp_the_api_key_is_the_token(opened: OpenDoor) -> None:
    base_url = f"http://127.0.0.1:{opened.port}/v1"
    async with openai.AsyncOpenAI(api_key=USER, base_url=base_url) as client:
        plain = await client.chat.completions.create(model="auto", messages=HELLO)
    async with openai.AsyncOpenAI(api_key="wrong", base_url=base_url) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()

    assert plain.choices[0].message.content == "hello there"
    assert opened.service.handles[0].request.user == "ben"
