"""Many clients at once, over every door, each keeping what it was told.

``run_load`` asks numbered questions with a bounded number in flight; ``Told`` is one
client's account of its one request. Nothing here believes the daemon: what an answer
must be is computed from what the pretend provider promises for the prompt.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Protocol, cast

import aiohttp
import anyio
import msgspec

from actors.errors import ErrorKind, Owner
from daemon.simulator import SimulatedProvider
from daemon.simulator.answer import Ask, answer
from ipc.calls import error_of
from ipc.rpc import ErrorBody
from tests.support.wire_client import Exchange, Spoken, WireClient, wire_client

REPLY_S = 30.0
"""No request of a load may take longer; the daemon's own deadlines are far below."""

_JSON = msgspec.json.Decoder(dict[str, object], float_hook=Decimal).decode


@dataclass
class Told:
    """What one client was told. ``lost`` means: the connection ended before the answer.

    ``pieces`` is the streamed content, ``content`` the answer as a whole (HTTP streams
    have only pieces). ``replies`` counts the answers.
    """

    number: int
    door: str
    prompt: str
    stream: bool
    forced: str | None = None
    outcome: ErrorKind | str = "lost"
    content: str | None = None
    pieces: str = ""
    provider: str | None = None
    decision_id: str | None = None
    request_id: str | None = None
    attempts: int | None = None
    owner: Owner | None = None
    message: str = ""
    replies: int = 0
    retry_after_s: float | None = None

    @property
    def answered(self) -> bool:
        """Whether an answer came, be it an error."""
        return self.outcome != "lost"


class Door(Protocol):
    """One client's way to the daemon."""

    name: str

    async def ask(self, told: Told) -> None:
        """Ask ``told.prompt`` and fill in what came of it."""


# ---- native


class NativeDoor:
    """Asks over one native connection, any number of requests at a time."""

    def __init__(self, client: WireClient, spoken: Spoken) -> None:
        self.client = client
        self.name: str = spoken

    async def ask(self, told: Told) -> None:
        params: dict[str, object] = {"prompt": told.prompt, "stream": told.stream}
        if told.forced is not None:
            params["provider"] = told.forced
        exchange = await self.client.call("route", params, timeout_s=REPLY_S)
        told.pieces = exchange.pieces
        if exchange.lost:
            return
        exchange.assert_told_once()
        told.replies = len(exchange.replies)
        if exchange.error is not None:
            _failed(told, exchange.error)
        else:
            _succeeded(told, exchange)

    def assert_nothing_else_came(self) -> None:
        """Every message belonged to a call, and every call got at most one answer."""
        assert self.client.strays == []
        for exchange in self.client.exchanges.values():
            assert len(exchange.replies) <= 1, exchange.messages


def _succeeded(told: Told, exchange: Exchange) -> None:
    result = exchange.result
    told.outcome = "ok"
    told.content = cast("str", result["content"])
    told.provider = str(result["provider"])
    told.decision_id = str(result["decision_id"])
    told.request_id = str(result["request_id"])
    told.attempts = len(cast("list[object]", result["attempts"]))


def _failed(told: Told, body: dict[str, object]) -> None:
    error = msgspec.convert(body, ErrorBody)
    told.outcome = error.data.kind
    told.owner = error_of(error).owner
    told.message = error.message
    told.decision_id = error.data.decision_id
    told.attempts = len(error.data.attempts)
    told.retry_after_s = error.data.retry_after_s


# ---- HTTP


class HttpDoor:
    """Asks as OpenAI's clients do, over the same Unix socket."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.name = "http"
        self._session = session

    async def ask(self, told: Told) -> None:
        body: dict[str, object] = {
            "model": "auto",
            "messages": [{"role": "user", "content": told.prompt}],
        }
        if told.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        headers = {"content-type": "application/json"}
        if told.forced is not None:
            headers["x-gitbridge-provider"] = told.forced
        try:
            async with (
                asyncio.timeout(REPLY_S),
                self._session.post(
                    "http://localhost/v1/chat/completions",
                    data=msgspec.json.encode(body),
                    headers=headers,
                ) as response,
            ):
                told.decision_id = response.headers.get("x-gitbridge-decision")
                told.provider = response.headers.get("x-gitbridge-provider")
                if told.stream and response.status == 200:
                    await _read_stream(response, told)
                else:
                    _read_whole(await response.read(), response.status, told)
        except aiohttp.ClientError:
            told.outcome = "lost"


def _read_whole(data: bytes, status: int, told: Told) -> None:
    document = _JSON(data)
    told.replies = 1
    if "error" in document:
        assert status >= 400
        _http_failed(told, cast("dict[str, object]", document["error"]))
        return
    choices = cast("list[dict[str, dict[str, object]]]", document["choices"])
    told.content = cast("str", choices[0]["message"]["content"])
    told.outcome = "ok"


async def _read_stream(response: aiohttp.ClientResponse, told: Told) -> None:
    """Read events until the end; what follows an ending counts as another answer."""
    data = await response.read()
    finished = False
    for raw in data.decode().split("\n\n"):
        event = raw.removeprefix("data: ")
        if not event:
            continue
        assert not told.replies, f"something came after the end: {raw!r}"
        if event == "[DONE]":
            assert finished, "[DONE] without a finish reason"
            told.replies += 1
            told.outcome = "ok"
            continue
        document = _JSON(event)
        if "error" in document:
            told.replies += 1
            _http_failed(told, cast("dict[str, object]", document["error"]))
            continue
        finished = _take_chunk(document, told) or finished
    assert told.replies, "the stream ended without an ending"


def _take_chunk(document: dict[str, object], told: Told) -> bool:
    """Take one chunk; whether it has the finish reason."""
    choices = cast("list[dict[str, object]]", document["choices"])
    for choice in choices:
        delta = cast("dict[str, object]", choice["delta"])
        told.pieces += str(delta.get("content") or "")
        if choice.get("finish_reason") is not None:
            return True
    return False


def _http_failed(told: Told, error: dict[str, object]) -> None:
    body = {"code": 0, "message": error["message"], "data": {"kind": error["code"]}}
    known = msgspec.convert(body, ErrorBody)
    told.outcome = known.data.kind
    told.owner = error_of(known).owner
    told.message = known.message


# ---- all of them


@asynccontextmanager
async def open_doors(path: Path, *, http: bool = True) -> AsyncIterator[list[Door]]:
    """Two connections of each native framing, and a pool of HTTP connections."""
    async with AsyncExitStack() as stack:
        doors: list[Door] = []
        spoken: Spoken
        for spoken in ("json", "msgpack", "json", "msgpack"):
            client = await stack.enter_async_context(wire_client(path, spoken))
            doors.append(NativeDoor(client, spoken))
        if http:
            connector = aiohttp.UnixConnector(str(path), limit=0)
            session = aiohttp.ClientSession(connector=connector)
            doors.append(HttpDoor(await stack.enter_async_context(session)))
            doors.append(doors[-1])
        yield doors


@dataclass
class Load:
    """A run: so many questions, so many at a time, spread evenly over the doors.

    ``on_start`` is awaited before each question with its number, and may change the
    world; ``forced`` says which provider a question must go to, if any. ``name`` keeps
    the prompts of several runs apart.
    """

    doors: Sequence[Door]
    questions: int
    name: str = "run"
    in_flight: int = 64
    on_start: Callable[[int], Awaitable[None]] | None = None
    forced: Callable[[int], str | None] = lambda _: None
    told: list[Told] = field(default_factory=list)
    stopped: bool = False
    answers: int = 0
    _news: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> list[Told]:
        """Ask everything; returns what was told, in the order of the answers."""
        numbers = iter(range(self.questions))
        async with anyio.create_task_group() as group:
            for _ in range(self.in_flight):
                group.start_soon(self._work, numbers)
        return self.told

    def stop(self) -> None:
        """Ask nothing more; what is in flight is waited for."""
        self.stopped = True

    async def answered(self, count: int) -> None:
        """Wait until so many answers have come."""
        while self.answers < count:
            await self._news.wait()

    async def _work(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            if self.stopped:
                return
            if self.on_start is not None:
                await self.on_start(number)
            door = self.doors[number % len(self.doors)]
            told = Told(
                number=number,
                door=door.name,
                prompt=f"{self.name}: question {number}?",
                stream=number // len(self.doors) % 2 == 0,
                forced=self.forced(number),
            )
            self.told.append(told)
            await door.ask(told)
            self.answers += told.answered
            self._news.set()
            self._news = anyio.Event()


def promised(provider: SimulatedProvider, prompt: str) -> str:
    """The whole text of what this provider answers to this prompt."""
    behaviour = provider.behaviour
    ask = Ask(model=behaviour.models[0], prompt=prompt, last_user=prompt)
    return answer(provider.name, ask, behaviour).text
