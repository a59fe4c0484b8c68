"""Streams that break, in each mode, through a real daemon and on every door."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import httpx2
import openai
import pytest
from msgspec import structs

from actors.messages.routing import RequestRecord
from daemon.simulator import Fault, Latency, ProviderSpec, SimulatedProvider, simulate
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
)
from tests.support.ledger_file import LedgerFile
from tests.support.load import promised
from tests.support.wire_client import wire_client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

PROMPT = "Tell me about it."
CUT_AT = 20
TOLD = CUT_AT * 4  # characters, of four a token
CUT = Fault(kind="cut", after_tokens=CUT_AT)
CONFIG = """
[server]
listen = "127.0.0.1:0"
[access]
open_loopback = true
[routing]
strategy = "priority"
[retry]
base_delay_s = 0.01
"""
SPECS = (
    ProviderSpec(name="openai", kind="openai"),
    ProviderSpec(name="claude", kind="anthropic"),
)
DOORS = ("unix", "tcp")

Providers = dict[str, SimulatedProvider]


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    async with simulate(SPECS) as running:
        for provider in running.values():
            # Token by token: what comes in one piece with an error is never told.
            await provider.change(tokens=100, token_gap=Latency(0.002))
        yield running


@asynccontextmanager
async def sdk(daemon: DaemonProcess, door: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's own client at one of the two HTTP doors."""
    base, transport = "http://localhost", None
    if door == "unix":
        transport = httpx2.AsyncHTTPTransport(uds=str(daemon.socket))
    else:
        base = f"http://{daemon.logs('ready')[0]['listen']}"
    async with openai.AsyncOpenAI(
        base_url=f"{base}/v1",
        api_key="none",
        http_client=httpx2.AsyncClient(transport=transport),
        max_retries=0,
    ) as client:
        yield client


class Heard:
    """What came of one stream."""

    def __init__(self) -> None:
        self.text = ""
        self.models: list[str] = []
        self.finish: str | None = None
        self.usage: openai.types.CompletionUsage | None = None
        self.facts: dict[str, object] = {}
        self.error: openai.APIError | None = None


async def listen(client: openai.AsyncOpenAI, mode: str | None, model: str) -> Heard:
    heard = Heard()
    headers = {} if mode is None else {"x-gitbridge-stream-mode": mode}
    stream = await client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": PROMPT}],
        stream=True,
        stream_options={"include_usage": True},
        extra_headers=headers,
    )
    try:
        async for chunk in stream:
            take(heard, chunk)
    except openai.APIError as error:
        heard.error = error
    return heard


def take(heard: Heard, chunk: openai.types.chat.ChatCompletionChunk) -> None:
    heard.models.append(chunk.model)
    if chunk.usage is not None:
        heard.usage = chunk.usage
        heard.facts = cast(
            "dict[str, object]", (chunk.model_extra or {})["x_gitbridge"]
        )
    for choice in chunk.choices:
        heard.text += choice.delta.content or ""
        heard.finish = choice.finish_reason or heard.finish


def patient(providers: Providers, more: str = "") -> str:
    """A configuration in which only silence ends a call, and that after a second."""
    return configuration(providers, CONFIG + more).replace(
        "first_token_s = 0.5, idle_s = 0.5, total_s = 1.5",
        "first_token_s = 20.0, idle_s = 1.0, total_s = 20.0",
    )


async def run(
    folder: Path,
    providers: Providers,
    mode: str | None,
    *,
    door: str = "unix",
    model: str = "auto",
    more: str = "",
) -> tuple[Heard, RequestRecord]:
    """One stream; the daemon is well afterwards, and what it wrote down of it."""
    config = patient(providers, more)
    async with daemon_process(folder, config) as daemon:
        async with sdk(daemon, door) as client:
            heard = await listen(client, mode, model)
        await daemon.stop()
        assert_well(daemon)
        (record,) = LedgerFile(daemon.state).records()
        return heard, record


def outcomes(record: RequestRecord) -> list[tuple[str, str, str]]:
    return [(a.provider, a.kind, a.outcome) for a in record.attempts]


@pytest.mark.parametrize("door", DOORS)
async def test_passthrough_ends_with_a_typed_error(
    tmp_path: Path, providers: Providers, door: str
) -> None:
    await providers["openai"].fail(CUT)
    heard, record = await run(tmp_path, providers, None, door=door)

    assert heard.text == promised(providers["openai"], PROMPT)[:TOLD]
    assert heard.finish is None
    assert heard.error is not None
    assert heard.error.code == "provider_error"
    assert "without a finish reason" in heard.error.message
    assert outcomes(record) == [("openai", "first", "bad_response")]


@pytest.mark.parametrize("door", DOORS)
async def test_buffered_fails_over_unseen(
    tmp_path: Path, providers: Providers, door: str
) -> None:
    await providers["openai"].fail(CUT)
    heard, record = await run(tmp_path, providers, "buffered", door=door)

    assert heard.error is None
    assert heard.text == promised(providers["claude"], PROMPT)
    assert heard.finish == "stop"
    assert record.provider == "claude"
    assert [o for _, _, o in outcomes(record)] == ["bad_response", "bad_response", "ok"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ["cut", "cut_reset", "hang_mid", "error_event"])
async def test_resume_goes_on_elsewhere_where_the_model_takes_a_beginning(
    tmp_path: Path, providers: Providers, door: str, kind: str
) -> None:
    await providers["openai"].fail(structs.replace(CUT, kind=kind))
    heard, record = await run(tmp_path, providers, "resume", door=door)

    first, second = (promised(providers[name], PROMPT) for name in ("openai", "claude"))
    assert heard.error is None
    assert heard.text == first[:TOLD] + second[TOLD:]
    assert heard.finish == "stop"
    assert (heard.models[0], heard.models[-2]) == (
        "gpt-4o-mini-2024-07-18",
        "claude-haiku-4-5-20251001",
    )
    assert heard.facts["provider"] == "claude"
    assert heard.facts["attempts"] == 2, outcomes(record)
    asked, went_on = record.attempts
    assert (asked.kind, went_on.kind, went_on.outcome) == ("first", "resume", "ok")
    assert heard.usage is not None
    assert heard.usage.completion_tokens == (
        (asked.usage.completion_tokens or 0) + (went_on.usage.completion_tokens or 0)
    )
    assert record.cost_usd == (asked.cost_usd or 0) + (went_on.cost_usd or 0)


async def test_resume_begins_anew_where_it_is_the_same(
    tmp_path: Path, providers: Providers
) -> None:
    only = {"openai": providers["openai"]}
    await only["openai"].fail(structs.replace(CUT, times=1))
    heard, record = await run(tmp_path, only, "resume")

    assert heard.error is None
    assert heard.text == promised(only["openai"], PROMPT)
    assert outcomes(record) == [
        ("openai", "first", "bad_response"),
        ("openai", "resume", "ok"),
    ]


async def test_resume_tells_of_the_break_where_nothing_fits(
    tmp_path: Path, providers: Providers
) -> None:
    claude = providers["claude"]
    newer = [m for m in claude.behaviour.models if m.id == "claude-sonnet-5-5"]
    await claude.change(models=tuple(newer))  # takes no beginning, and says otherwise
    await providers["openai"].fail(CUT)
    heard, record = await run(tmp_path, providers, "resume")

    assert heard.text == promised(providers["openai"], PROMPT)[:TOLD]
    assert heard.error is not None
    assert heard.error.code == "provider_error"
    assert "prefill" not in heard.error.message
    assert {o for _, _, o in outcomes(record)} == {"bad_response"}


async def test_an_alias_and_the_configuration_set_the_mode(
    tmp_path: Path, providers: Providers
) -> None:
    await providers["openai"].fail(CUT)
    more = """
[models.steady]
candidates = ["openai", "claude"]
strategy = "priority"
stream_mode = "resume"
"""
    heard, record = await run(tmp_path, providers, None, model="steady", more=more)

    assert heard.error is None
    assert outcomes(record)[-1] == ("claude", "resume", "ok")


@pytest.mark.parametrize("spoken", ["json", "msgpack"])
async def test_the_native_door_does_the_same(
    tmp_path: Path, providers: Providers, spoken: str
) -> None:
    await providers["openai"].fail(CUT)
    config = patient(providers)
    asked = {"prompt": PROMPT, "stream": True}
    async with daemon_process(tmp_path, config) as daemon:
        async with wire_client(daemon.socket, spoken) as client:  # type: ignore[arg-type]  # one of both
            plain = await client.call("route", asked)
            whole = await client.call("route", asked | {"stream_mode": "buffered"})
            gone_on = await client.call("route", asked | {"stream_mode": "resume"})
        await daemon.stop()
        assert_well(daemon)

    first, second = (promised(providers[name], PROMPT) for name in ("openai", "claude"))
    assert plain.error is not None
    assert cast("dict[str, object]", plain.error["data"])["kind"] == "provider_error"
    assert plain.pieces == first[:TOLD]
    assert whole.pieces == whole.result["content"] == second
    assert gone_on.pieces == gone_on.result["content"] == first[:TOLD] + second[TOLD:]
    for exchange in (plain, whole, gone_on):
        exchange.assert_told_once()
