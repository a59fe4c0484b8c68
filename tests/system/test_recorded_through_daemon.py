"""Recorded exchanges, replayed behind a real daemon, say what they said before.

Each exchange is asked for twice with OpenAI's own SDK: straight from the replayed
provider, and through the daemon's door. Both must read the same answer, or the same
kind of error. What Anthropic said is compared with a plain reading of its bytes.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import openai
import pytest

from actors.wire.presets import PRESETS
from tests.support.daemon_process import assert_well, daemon_process
from tests.support.recorded import (
    Exchange,
    SaidUsage,
    exchanges,
    said_by_claude,
    said_usage,
    status_of,
    streamed,
)
from tests.support.replay import ReplayServer, replay_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CONFIG = """
[routing]
max_attempts = 1
[health]
probe = "none"
"""
KINDS_OF = {
    openai.BadRequestError: {"invalid_request", "context_too_long"},
    openai.AuthenticationError: {"provider_error"},
    openai.NotFoundError: {"unknown_model"},
    openai.RateLimitError: {"rate_limited"},
    openai.APIError: {"invalid_request"},  # in a stream
}
"""What the SDK raises -> the kinds that we may call it; the recorded ones only."""


@dataclass
class Told:
    """What a caller gets to know. ``calls`` are names and argument values."""

    content: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: str | None = None
    usage: SaidUsage = field(default_factory=SaidUsage)
    error: openai.APIError | None = None


def told_usage(provider: str, usage: Any) -> SaidUsage:
    """Usage as the SDK has it; money is not part of OpenAI's shape."""
    read = said_usage(provider, usage.model_dump() if usage else None)
    read.cost = None
    return read


def text_of(content: Any) -> str:
    """Text as the SDK has it: Mistral's typed parts come through untouched."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


async def ask(
    client: openai.AsyncOpenAI, body: dict[str, Any], provider: str, *, stream: bool
) -> Told:
    """Ask with the SDK; ``provider`` says by which rules its usage is to be read."""
    rest = {k: v for k, v in body.items() if k not in ("model", "messages", "stream")}
    create: Any = client.chat.completions.create
    asked = {"model": body["model"], "messages": body["messages"], "extra_body": rest}
    try:
        if stream:
            return await _read_stream(await create(stream=True, **asked), provider)
        return _read(await create(**asked), provider)
    except openai.APIError as error:
        return Told(error=error)


def _read(completion: Any, provider: str) -> Told:
    choice = completion.choices[0]
    return Told(
        content=text_of(choice.message.content),
        calls=[
            (call.function.name, msgspec.json.decode(call.function.arguments or "{}"))
            for call in choice.message.tool_calls or ()
        ],
        finish=choice.finish_reason,
        usage=told_usage(provider, completion.usage),
    )


async def _read_stream(chunks: Any, provider: str) -> Told:
    told, usage = Told(), None
    calls: dict[int, list[str]] = {}
    async for chunk in chunks:
        usage = chunk.usage or usage
        for choice in (choice for choice in chunk.choices if choice.index == 0):
            told.content += text_of(choice.delta.content)
            told.finish = told.finish or choice.finish_reason
            for piece in choice.delta.tool_calls or ():
                call = calls.setdefault(piece.index, ["", ""])
                call[0] += piece.function.name or ""
                call[1] += piece.function.arguments or ""
    told.calls = [(c[0], msgspec.json.decode(c[1] or "{}")) for c in calls.values()]
    told.usage = told_usage(provider, usage)
    return told


@dataclass
class World:
    """A daemon whose providers all are the replay server."""

    replay: ReplayServer
    door: openai.AsyncOpenAI

    async def straight(self, row: Exchange) -> Told:
        """What the provider's SDK reads from the recorded bytes."""
        self.replay.exchange = row
        client = openai.AsyncOpenAI(
            base_url=f"{self.replay.url}/straight", api_key="k", max_retries=0
        )
        async with client:
            body = row["request"]["body"]
            told = await ask(client, body, row["provider"], stream=streamed(row))
        if told.finish == "eos":  # Together's word, which is not OpenAI's
            told.finish = "stop"
        return told

    async def through(self, row: Exchange, name: str, body: dict[str, Any]) -> Told:
        """What the same SDK reads from the daemon, asked for the provider ``name``."""
        self.replay.exchange = row
        self.replay.asked.clear()
        asked = {**body, "model": f"{name}/{row['request']['body']['model']}"}
        if streamed(row):
            asked["stream_options"] = {"include_usage": True}
        return await ask(self.door, asked, "openai", stream=streamed(row))


def provider_table(name: str, provider: str, url: str) -> str:
    what = f'preset = "{provider}"' if provider in PRESETS else f'kind = "{provider}"'
    return f"""
[providers.{name}]
{what}
base_url = "{url}/{name}/v1"
model = "unasked"
"""


@asynccontextmanager
async def world(folder: Path, providers: dict[str, str]) -> AsyncIterator[World]:
    """One daemon for these providers, by name."""
    async with replay_server() as replay:
        tables = (provider_table(n, p, replay.url) for n, p in providers.items())
        config = CONFIG + "".join(tables)
        async with daemon_process(folder, config) as daemon:
            transport = httpx2.AsyncHTTPTransport(uds=str(daemon.socket))
            async with openai.AsyncOpenAI(
                base_url="http://localhost/v1",
                api_key="unused",
                max_retries=0,
                http_client=httpx2.AsyncClient(transport=transport),
            ) as door:
                yield World(replay, door)
            assert await daemon.stop() == 0
            assert_well(daemon)


def failing(row: Exchange) -> bool:
    return status_of(row) != 200 or row["kind"] == "stream_error"


def named(rows: Iterable[Exchange]) -> list[tuple[str, Exchange]]:
    """A provider for each failing exchange: one whose key was refused is left alone."""
    return [
        (f"{row['provider']}-{i}" if failing(row) else row["provider"], row)
        for i, row in enumerate(rows)
    ]


async def test_chat_answers_are_what_the_sdk_reads_from_the_original(
    recorded_exchanges: Path, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    rows = named(exchanges(recorded_exchanges))
    providers = {name: row["provider"] for name, row in rows}
    assert len(set(providers.values())) == 16
    async with world(tmp_path, providers) as house:
        for name, row in rows:
            expected = await house.straight(row)
            told = await house.through(row, name, carried(row["request"]["body"]))

            with subtests.test(row["id"]):
                assert len(house.replay.asked) == 1, told.error
                (asked,) = house.replay.asked
                assert asked["model"] == row["request"]["body"]["model"]
                if failing(row):
                    assert_same_error(expected, told)
                else:
                    assert told == expected


def carried(body: dict[str, Any]) -> dict[str, Any]:
    """A recorded request without what our door refuses; no answer depends on it.

    That is several choices, of which the first is the answer, and tools of a server.
    """
    kept = {k: v for k, v in body.items() if v is not None and k != "n"}
    if "tools" in kept:
        kept["tools"] = [tool for tool in kept["tools"] if "function" in tool]
    return kept


def assert_same_error(expected: Told, told: Told) -> None:
    assert expected.error is not None
    assert told.error is not None
    assert told.error.code in KINDS_OF[type(expected.error)]


async def test_anthropics_answers_are_what_its_bytes_say(
    recorded_exchanges: Path, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    rows = named(exchanges(recorded_exchanges, endpoint="messages"))
    providers = {name: row["provider"] for name, row in rows}
    kinds = {400: "context_too_long", 401: "provider_error", 404: "unknown_model"}
    async with world(tmp_path, providers) as house:
        for name, row in rows:
            told = await house.through(row, name, as_openai(row["request"]["body"]))

            with subtests.test(row["id"]):
                if failing(row):
                    assert told.error is not None
                    assert told.error.code == kinds[status_of(row)]
                else:
                    said = said_by_claude(row)
                    assert told.error is None
                    assert told.content == said.content
                    assert told.calls == [
                        (name, msgspec.json.decode(arguments))
                        for _, name, arguments in said.calls
                    ]
                    assert told.finish == said.finish
                    assert told.usage == said.usage


def as_openai(body: dict[str, Any]) -> dict[str, Any]:
    """A question and the tools of a recorded request; the rest changes no answer here."""
    question = {"role": "user", "content": "hi"}
    tools = [
        {
            "type": "function",
            "function": {"name": tool["name"], "parameters": tool["input_schema"]},
        }
        for tool in body.get("tools") or ()
        if "input_schema" in tool
    ]
    return {"messages": [question], **({"tools": tools} if tools else {})}
