"""Consensus through the whole daemon, on what models really answered."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from msgspec import UNSET

from actors.policy.compare.clusters import Answer, group_answers
from actors.policy.compare.options import options_of
from actors.policy.voting.methods import Evidence, decide
from benchmarks.consensus_text import Row, read_rows
from ipc.client import Client
from tests.support.daemon_process import assert_well, daemon_process

pytestmark = pytest.mark.slow

QUESTIONS = 40
MEMBERS = 4


class Replayer:
    """A server that answers each question as one model did."""

    def __init__(self, answers: dict[str, str]) -> None:
        self._answers = answers
        self.base_url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}/v1"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _chat(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read())
        text = self._answers[body["messages"][-1]["content"]]
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        reply = {"id": "1", "object": "chat.completion", "model": body["model"]}
        return web.Response(
            body=msgspec.json.encode({**reply, "choices": [choice]}),
            content_type="application/json",
        )


@pytest.fixture
def questions(shared: Path) -> list[Row]:
    path = shared / "datasets" / "consensus_mmlu_pro" / "dev.jsonl"
    if not path.exists():
        pytest.skip(f"recorded answers not found at {path}; set GITBRIDGE_SHARED")
    return read_rows(path)[:QUESTIONS]


async def test_recorded_answers_get_the_verdicts_that_the_votes_give(
    tmp_path: Path, questions: list[Row]
) -> None:
    models = [said.model for said in questions[0].answers][:MEMBERS]
    priors = {f"m{n}": 0.75 - 0.05 * n for n in range(MEMBERS)}
    async with AsyncExitStack() as stack:
        lines = ["[consensus]", f"priors = {_inline(priors)}"]
        for number in range(MEMBERS):
            said = {row.prompt: row.answers[number].text or "-" for row in questions}
            replayer = Replayer(said)
            await stack.enter_async_context(replayer.serving())
            lines += [
                f"[providers.m{number}]",
                'kind = "compatible"',
                f'base_url = "{replayer.base_url}"',
                f'model = "{models[number]}"',
            ]
        text = "\n".join(["[health]", 'probe = "none"', *lines])
        daemon = await stack.enter_async_context(daemon_process(tmp_path, text))
        client = await stack.enter_async_context(Client([daemon.socket]))
        for row in questions:
            reply = await client.route(row.prompt, model="consensus:weighted")

            assert reply.consensus is not UNSET
            info = reply.consensus
            answers = [Answer(said.text or "-") for said in row.answers[:MEMBERS]]
            grouping = group_answers(answers, options_of(row.prompt))
            names = [each.member for each in info.ballots]
            groups = [[names[m] for m in group.members] for group in grouping.groups]
            evidence = Evidence(
                accuracy={name: priors[name.partition("/")[0]] for name in names}
            )
            wanted = decide("weighted", groups, evidence, ballots=MEMBERS)
            assert info.winner == wanted.group
            assert info.confidence == pytest.approx(wanted.confidence)
            assert [list(group) for group in info.groups] == groups
        assert_well(daemon)


def _inline(table: dict[str, float]) -> str:
    return "{ " + ", ".join(f"{k} = {v:g}" for k, v in table.items()) + " }"
