"""Answers that are given again by a real daemon, over both doors; providers' bills count."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import aiohttp
import anyio
import msgspec
import pytest
from openai import AsyncOpenAI

from actors.errors import GitBridgeError, InvalidRequest
from daemon.simulator import Latency, SimulatedProvider, simulate
from ipc.calls import details
from ipc.client import Client
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
    prepared_daemon,
)
from tests.support.waiting import until

pytestmark = pytest.mark.slow

ON = "[cache]\nenabled = true\n"
CHAT = "http://gitbridge/v1/chat/completions"


def body(text: str = "Hi.", **more: object) -> dict[str, object]:
    messages = [{"role": "user", "content": text}]
    return {"model": "auto", "messages": messages, "max_tokens": 200, **more}


@pytest.fixture
async def providers() -> AsyncIterator[dict[str, SimulatedProvider]]:
    async with simulate(["openai", "xai", "anthropic"]) as started:
        yield started


def calls(providers: Mapping[str, SimulatedProvider]) -> int:
    return sum(each.stats.requests for each in providers.values())


def bills(providers: Mapping[str, SimulatedProvider]) -> Decimal:
    return sum((each.stats.billed_usd for each in providers.values()), Decimal(0))


@asynccontextmanager
async def http(daemon: DaemonProcess) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.UnixConnector(str(daemon.socket), limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def post(
    session: aiohttp.ClientSession, document: object, **headers: str
) -> tuple[int, Mapping[str, str], str]:
    head = {f"x-gitbridge-{k.replace('_', '-')}": v for k, v in headers.items()}
    async with session.post(CHAT, json=document, headers=head) as answer:
        return answer.status, answer.headers, await answer.text()


def text_of(stream: str) -> str:
    lines = re.findall(r"^data: (\{.*\})$", stream, re.MULTILINE)
    documents = [msgspec.json.decode(line) for line in lines]
    deltas = [c["delta"] for d in documents for c in d["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


async def test_one_call_is_billed_for_all_doors_and_ways(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    async with (
        daemon_process(tmp_path, configuration(providers, ON)) as daemon,
        Client([daemon.socket]) as client,
        http(daemon) as session,
    ):
        first = await client.route(
            messages=body()["messages"], model="auto", max_tokens=200
        )
        again = await client.route("Hi.", model="auto", max_tokens=200)
        async with client.stream("Hi.", model="auto", max_tokens=200) as stream:
            streamed = "".join([piece.content or "" async for piece in stream])
        status, head, whole = await post(session, body())
        _, stream_head, chunks = await post(session, body(stream=True))

        assert calls(providers) == 1
        assert first.cost_usd == bills(providers) > 0
        assert not first.cached
        assert (again.content, again.cached) == (first.content, True)
        assert again.cost_usd == 0
        assert streamed == first.content
        assert status == 200
        assert msgspec.json.decode(whole)["choices"][0]["message"]["content"] == (
            first.content
        )
        assert head["x-gitbridge-cache"] == stream_head["x-gitbridge-cache"] == "hit"
        assert head["x-gitbridge-cost-usd"] == head["x-gitbridge-attempts"] == "0"
        assert head["x-gitbridge-provider"] == first.provider
        assert text_of(chunks) == first.content
        assert chunks.rstrip().endswith("data: [DONE]")

        explained = await client.explain(again.decision_id)
        assert explained.reused is not None
        assert explained.reused.request_id == first.request_id
        assert explained.reused.saved_usd == first.cost_usd
        (usage,) = (await client.usage(by="user")).rows
        assert (usage.requests, usage.attempts) == (5, 1)
        assert usage.cost_usd == first.cost_usd
        assert (usage.reused, usage.saved_usd) == (4, 4 * bills(providers))
        async with session.get("http://gitbridge/metrics") as scraped:
            metrics = await scraped.text()
        assert 'gitbridge_cache_hits_total{kind="cached"} 4' in metrics
        assert f"gitbridge_cache_saved_usd_total {4 * bills(providers):f}" in metrics
        await daemon.wait_for_log("request_finished", count=5)
        lines = daemon.logs("request_finished")
        assert [each["reused"] for each in lines] == [None] + ["cached"] * 4
        await daemon.stop()
        assert_well(daemon)


async def test_fifty_at_once_are_one_call(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    texts: list[str] = []
    async with (
        daemon_process(tmp_path, configuration(providers, ON)) as daemon,
        Client([daemon.socket]) as client,
        http(daemon) as session,
    ):

        async def natively() -> None:
            reply = await client.route("Hi.", model="auto", max_tokens=200)
            texts.append(reply.content or "")

        async def streaming() -> None:
            _, _, chunks = await post(session, body(stream=True))
            texts.append(text_of(chunks))

        async with anyio.create_task_group() as group:
            for _ in range(25):
                group.start_soon(natively)
                group.start_soon(streaming)

        assert len(texts) == 50
        assert len(set(texts)) == 1
        assert texts[0]
        assert calls(providers) == 1
        (usage,) = (await client.usage(by="user")).rows
        assert usage.cost_usd == bills(providers)


async def test_the_first_hangs_up_and_the_second_is_answered(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    for each in providers.values():
        await each.change(latency=Latency(median_s=0.4))
    async with (
        daemon_process(tmp_path, configuration(providers, ON)) as daemon,
        Client([daemon.socket]) as second,
        anyio.create_task_group() as group,
    ):

        async def leave() -> None:
            async with Client([daemon.socket]) as first:
                with anyio.move_on_after(0.2) as left:
                    await first.route("Hi.")
                assert left.cancelled_caught

        group.start_soon(leave)
        await anyio.sleep(0.1)
        reply = await second.route("Hi.")

        assert reply.cached
        assert reply.content
        assert calls(providers) == 1


async def test_users_do_not_see_each_others_answers(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    tokens = ", ".join(
        f'{{ name = "{name}", sha256 = "{sha256(name.encode()).hexdigest()}" }}'
        for name in ("ann", "bob")
    )
    more = f'{ON}[server]\nlisten = "127.0.0.1:0"\n[access]\ntokens = [{tokens}]\n'
    async with daemon_process(tmp_path, configuration(providers, more)) as daemon:
        (ready,) = daemon.logs("ready")
        found = []
        for who in ("ann", "bob", "ann"):
            sdk = AsyncOpenAI(api_key=who, base_url=f"http://{ready['listen']}/v1")
            raw = await sdk.chat.completions.with_raw_response.create(
                model="auto", messages=[{"role": "user", "content": "Hi."}]
            )
            found.append(raw.headers["x-gitbridge-cache"])
            await sdk.close()

    assert found == ["miss", "miss", "hit"]
    assert calls(providers) == 2


async def test_a_request_says_what_it_wants_of_the_cache(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    async with (
        daemon_process(tmp_path, configuration(providers, ON)) as daemon,
        http(daemon) as session,
    ):
        found = []
        for use in ("on", "off", "refresh", "on"):
            _, head, _ = await post(session, body(), cache=use)
            found.append(head["x-gitbridge-cache"])
        status, _, text = await post(session, body(), cache="maybe")

    assert found == ["miss", "miss", "miss", "hit"]
    assert status == 400
    assert "x-gitbridge-cache" in text
    assert "on, off, refresh" in text


async def test_a_changed_configuration_forgets_and_off_is_off(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    async with (
        daemon_process(tmp_path, configuration(providers)) as daemon,
        Client([daemon.socket]) as client,
    ):
        for _ in range(2):
            assert not (await client.route("Hi.", cache="on")).cached
        daemon.config.write_text(configuration(providers, ON))
        await client.call("reload")
        await client.route("Hi.")
        assert (await client.route("Hi.")).cached
        warmer = ON + '[routing.tasks.poem]\nproviders = ["openai"]\n'
        daemon.config.write_text(configuration(providers, warmer))
        await client.call("reload")
        assert not (await client.route("Hi.")).cached
        assert (await client.route("Hi.")).cached


async def test_a_repeat_by_its_key_is_answered_once(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    async with (
        daemon_process(tmp_path, configuration(providers)) as daemon,
        Client([daemon.socket]) as client,
        http(daemon) as session,
    ):
        first = await client.route("Hi.", idempotency_key="order-17")
        again = await client.route("Hi.", idempotency_key="order-17")
        with pytest.raises(InvalidRequest, match="order-17") as caught:
            await client.route("Bye.", idempotency_key="order-17")

        assert again.cached
        assert again.content == first.content
        told = details(caught.value)
        assert told is not None
        assert told.field == "idempotency_key"
        assert calls(providers) == 1

        replies = [await post(session, body(), idempotency_key="k") for _ in range(2)]
        status, head, text = await post(session, body("Bye."), idempotency_key="k")

        assert [head["x-gitbridge-cache"] for _, head, _ in replies] == ["miss", "hit"]
        assert status == 400
        assert head["x-gitbridge-error-kind"] == "invalid_request"
        assert msgspec.json.decode(text)["error"]["param"] == "idempotency_key"
        assert calls(providers) == 2


async def test_a_key_is_known_after_kill_nine(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    with prepared_daemon(tmp_path, configuration(providers, ON)) as daemon:
        await daemon.start()
        async with Client([daemon.socket]) as client:
            first = await client.route("Hi.", idempotency_key="k")
            await client.route("Bye.")
        await daemon.kill()
        await daemon.start()
        async with Client([daemon.socket]) as client:
            again = await client.route("Hi.", idempotency_key="k")
            bye = await client.route("Bye.")

            assert (again.content, again.cached) == (first.content, True)
            assert not bye.cached  # the cache itself is memory
            assert calls(providers) == 3
        await daemon.stop()
        assert_well(daemon)


async def test_what_was_under_way_at_kill_nine_is_asked_anew_and_said(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    for each in providers.values():
        await each.change(latency=Latency(median_s=1.0))
    with prepared_daemon(tmp_path, configuration(providers)) as daemon:
        await daemon.start()
        async with (
            Client([daemon.socket]) as client,
            anyio.create_task_group() as group,
        ):

            async def lost() -> None:
                with pytest.raises((GitBridgeError, OSError)):
                    await client.route("Hi.", idempotency_key="k")

            group.start_soon(lost)
            await until(lambda: calls(providers) > 0)
            await daemon.kill()
        await daemon.start()
        async with Client([daemon.socket]) as client:
            with pytest.raises(InvalidRequest, match="for something else"):
                await client.route("Bye.", idempotency_key="k")
            for each in providers.values():
                await each.change(latency=Latency())
            anew = await client.route("Hi.", idempotency_key="k")
            again = await client.route("Hi.", idempotency_key="k")
            unsure = await daemon.wait_for_log("repeat_unsure")

            assert (anew.cached, again.cached) == (False, True)
            assert unsure["request_id"] == anew.request_id
        await daemon.stop()
