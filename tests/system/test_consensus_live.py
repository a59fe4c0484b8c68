"""A round told while it goes, and texts compared by embeddings, on a real daemon."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import msgspec
import openai
import pytest

from actors.messages.consensus import ConsensusInfo
from daemon.simulator import ProviderSpec, simulate
from ipc.client import Client
from ipc.results import RouteReply
from ipc.subscribing import NoticeParams
from tests.support.daemon_process import assert_well, daemon_process
from tests.system.test_consensus import Replayer

pytestmark = pytest.mark.slow

QUESTION = "Why is the sky blue?"
SAID = {
    "one": "Air scatters short blue waves of sunlight more than long red ones.",
    "two": "Short blue waves of sunlight are scattered by air, the long red ones pass.",
    "three": "The oceans are mirrored in it.",
}


@dataclass
class House:
    client: Client
    sdk: openai.AsyncOpenAI
    socket: str


@asynccontextmanager
async def house(folder: Path, consensus: str = "") -> AsyncIterator[House]:
    """Three members that always say the same, and a fourth provider that embeds."""
    async with AsyncExitStack() as stack:
        spec = ProviderSpec(name="vectors", kind="openai")
        vectors = (await stack.enter_async_context(simulate([spec])))["vectors"]
        lines = ["[consensus]", 'members = ["one", "two", "three"]', consensus]
        for name, text in SAID.items():
            replayer = Replayer({QUESTION: text})
            await stack.enter_async_context(replayer.serving())
            lines += _provider(name, replayer.base_url, "m")
        lines += _provider("vectors", vectors.base_url, "text-embedding-3-small")
        daemon = await stack.enter_async_context(
            daemon_process(folder, "\n".join(lines))
        )
        socket = str(daemon.socket)
        transport = httpx2.AsyncHTTPTransport(uds=socket)
        sdk = openai.AsyncOpenAI(
            api_key="unused",
            base_url="http://localhost/v1",
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=transport),
        )
        await stack.enter_async_context(sdk)
        client = await stack.enter_async_context(Client([socket]))
        yield House(client, sdk, socket)
        assert_well(daemon)


def _provider(name: str, base_url: str, model: str) -> list[str]:
    return [
        f"[providers.{name}]",
        'kind = "compatible"',
        f'base_url = "{base_url}"',
        f'model = "{model}"',
        "price = { input = 1, output = 1 }",
    ]


async def test_every_door_tells_the_same_round_in_its_own_words(tmp_path: Path) -> None:
    async with house(tmp_path) as there:
        async with (
            there.client.subscribe("consensus") as board,
            there.client.stream(QUESTION, model="consensus") as stream,
        ):
            pieces = [piece async for piece in stream.pieces()]
            names: list[str] = []
            while names[-1:] != ["round_finished"]:
                names.append((await anext(board)).name)
        chunks = [
            chunk
            async for chunk in await there.sdk.chat.completions.create(
                model="consensus",
                messages=[{"role": "user", "content": QUESTION}],
                stream=True,
                extra_headers={"x-gitbridge-progress": "chunks"},
            )
        ]
        commented = await _streamed(there, {"x-gitbridge-progress": "comments"})
        silent = await _streamed(there, {})

    told = [piece for piece in pieces if isinstance(piece, NoticeParams)]
    result = stream.result

    assert [each.name for each in told] == names[1:]
    assert names[:2] == ["subscribed", "round_began"]
    assert names.count("member_asked") == names.count("member_answered") == 3
    assert names[-2:] == ["round_decided", "round_finished"]
    bodies: list[Any] = [each.body for each in told]
    assert {body["decision_id"] for body in bodies} == {result.decision_id}
    answers = {b["member"]: b["answer"] for b in bodies if "answer" in b}
    assert answers == {f"{name}/m": text for name, text in SAID.items()}
    assert not isinstance(pieces[-1], NoticeParams)

    shown = [c.x_gitbridge["progress"]["name"] for c in chunks if not c.choices]  # type: ignore[attr-defined]  # a field of ours
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert shown == names[1:]
    assert text == result.content
    comments = [line for line in commented.splitlines() if line.startswith(": ")]
    found: list[Any] = [
        msgspec.json.decode(line.removeprefix(": progress ")) for line in comments
    ]
    assert [each["name"] for each in found] == names[1:]
    assert not any(line.startswith(":") for line in silent.splitlines())


async def test_texts_that_are_alike_win_and_their_comparison_is_billed(
    tmp_path: Path,
) -> None:
    threshold = (
        'embeddings = "vectors/text-embedding-3-small"\nembeddings_threshold = 0.6'
    )
    async with house(tmp_path, threshold) as there:
        reply = await there.client.consensus(QUESTION)
        unsure = await there.client.consensus(QUESTION, budget_usd=1)
        usage = await there.client.usage(by="provider")

    assert isinstance(reply, RouteReply)
    info: Any = reply.consensus
    assert info.kind == "short_text"
    assert info.groups == (("one/m", "two/m"), ("three/m",))
    assert info.rule.startswith("embedding vectors/text-embedding-3-small: 3 answers")
    assert [each.rule for each in info.ballots[:2]] == ["embedding", "embedding"]
    assert reply.content == SAID["one"]
    embedding = next(each for each in reply.attempts if each.provider == "vectors")
    assert embedding.cost_usd is not None
    assert embedding.cost_usd > 0
    spent = {row.key: row.cost_usd for row in usage.rows}
    assert spent["vectors"] == embedding.cost_usd
    # What the replayed members cost they do not say, and so nothing is known to be left.
    assert reply.cost_usd is None
    assert isinstance(unsure.consensus, ConsensusInfo)
    assert unsure.consensus.rule.startswith(
        "no embeddings: none of the budget is known"
    )


async def _streamed(there: House, headers: dict[str, str]) -> str:
    body = {
        "model": "consensus",
        "stream": True,
        "messages": [{"role": "user", "content": QUESTION}],
    }
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(there.socket)) as client,
        client.post(
            "http://localhost/v1/chat/completions", json=body, headers=headers
        ) as response,
    ):
        assert response.status == 200
        return await response.text()
