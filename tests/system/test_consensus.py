"""Consensus through the whole daemon, on what models really answered."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from msgspec import UNSET

from actors.messages.consensus import Ballot, ConsensusInfo
from actors.policy.compare.clusters import Answer, Grouping, group_answers
from actors.policy.compare.options import options_of
from actors.policy.voting.climbing import finish
from actors.policy.voting.learned import Learned
from actors.policy.voting.methods import Decided, Evidence, VotingMethod, decide
from actors.policy.voting.planning import Plan
from actors.policy.voting.stopping import reached
from actors.policy.voting.weights import JointWeights, length_of
from benchmarks.consensus_text import Row, read_rows
from ipc.client import Client
from tests.support.daemon_process import DaemonProcess, assert_well, daemon_process
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

QUESTIONS = 500
TAUGHT = 300
"""Of the questions; the others are judged by what these taught."""

MEMBERS = 4
TYPE = "exam"
Groups = tuple[tuple[str, ...], ...]


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


@asynccontextmanager
async def replaying(
    folder: Path, questions: list[Row], priors: dict[str, float]
) -> AsyncIterator[tuple[DaemonProcess, list[str]]]:
    """A daemon whose members answer as recorded, and their names."""
    models = [said.model for said in questions[0].answers][:MEMBERS]
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
        daemon = await stack.enter_async_context(daemon_process(folder, text))
        yield daemon, [f"m{n}/{model}" for n, model in enumerate(models)]
        assert_well(daemon)


class Votes:
    """The votes by the pure functions alone, from the recorded texts."""

    def __init__(self, names: Sequence[str], priors: dict[str, float]) -> None:
        self.names = names
        self.accuracy = {name: priors[name.partition("/")[0]] for name in names}
        self.learned = Learned()

    def groups(self, row: Row, names: Sequence[str]) -> tuple[Grouping, Groups]:
        """How the answers of these compare; ``names`` in the order of asking."""
        texts = [row.answers[self.names.index(name)].text or "-" for name in names]
        grouping = group_answers(list(map(Answer, texts)), options_of(row.prompt))
        found = [tuple(names[m] for m in group.members) for group in grouping.groups]
        return grouping, tuple(found)

    def evidence(self, row: Row, weights: JointWeights | None) -> Evidence:
        lengths = {
            name: length_of(len(said.text or "-"))
            for name, said in zip(self.names, row.answers, strict=False)
        }
        return Evidence(
            accuracy=self.accuracy, weights=weights, task_type=TYPE, lengths=lengths
        )

    def decide(
        self, row: Row, names: Sequence[str], weights: JointWeights | None
    ) -> Decided:
        grouping, groups = self.groups(row, names)
        free = grouping.kind == "text" and len(groups) > 1
        evidence = self.evidence(row, weights)
        method: VotingMethod = "best_of" if free and weights else "calibrated"
        return decide(method, groups, evidence, ballots=len(names))

    def cascade(self, row: Row, plan: Plan) -> tuple[tuple[str, ...], Decided]:
        """Who is asked, step by step, and what comes of it."""
        for step in range(len(plan.steps)):
            asked = plan.asked(step)
            decided = self.decide(row, asked, plan.weights[step])
            posterior = decided.posterior
            sure = posterior is not None and reached(posterior, plan.tau)
            if sure or step == len(plan.steps) - 1:
                return asked, decided
        raise AssertionError("a plan has steps")

    def learn(self, row: Row, decision_id: str, winner: int, score: float) -> None:
        """What the daemon learns from this feedback, without having been told."""
        _, groups = self.groups(row, self.names)
        ballots = tuple(
            Ballot(member=name, state="answered", chars=len(said.text or "-"))
            for name, said in zip(self.names, row.answers, strict=False)
        )
        info = ConsensusInfo(
            method="weighted",
            kind="option",
            rule="",
            agreement=0.0,
            confidence=None,
            winner=winner,
            groups=groups,
            ballots=ballots,
        )
        self.learned.learn(decision_id, info, TYPE, score)


def same(info: ConsensusInfo, decided: Decided, groups: Groups) -> None:
    assert info.winner == decided.group
    assert info.groups == groups
    assert info.confidence == (
        None if decided.confidence is None else pytest.approx(decided.confidence)
    )
    assert info.agreement == pytest.approx(decided.agreement)


async def asked(client: Client, row: Row, method: str) -> tuple[str, ConsensusInfo]:
    reply = await client.route(row.prompt, model=f"consensus:{method}", task_type=TYPE)
    assert reply.consensus is not UNSET
    return reply.decision_id, reply.consensus


async def test_recorded_answers_get_the_verdicts_that_the_votes_give(
    tmp_path: Path, questions: list[Row]
) -> None:
    """By priors, then taught, and after a restart by what was learned.

    The plan of the cascade and all weights are worked out twice: by the daemon, and here
    from the recorded texts and the same feedback.
    """
    priors = {f"m{n}": 0.75 - 0.05 * n for n in range(MEMBERS)}
    async with replaying(tmp_path, questions, priors) as (daemon, names):
        votes = Votes(names, priors)
        async with Client([daemon.socket]) as client:
            for row in questions[:TAUGHT]:
                decision, info = await asked(client, row, "weighted")
                same(info, votes.decide(row, names, None), votes.groups(row, names)[1])
                if info.winner is None:
                    continue
                won = votes.groups(row, names)[0].groups[info.winner].members[0]
                score = float(row.answers[won].pred == row.gold)
                await client.feedback(decision, score)
                votes.learn(row, decision, info.winner, score)
        await daemon.stop()
        await daemon.start()
        finish(votes.learned.refit(lambda _: {}))
        plan, _ = votes.learned.plan(names, TYPE)
        assert plan is not None
        async with Client([daemon.socket]) as client:

            async def planned() -> bool:
                _, info = await asked(client, questions[0], "cascade")
                return info.plan is not None and info.plan.learned

            await eventually(planned, timeout_s=60.0)
            calls: set[int] = set()
            changed = 0
            for row in questions[TAUGHT:]:
                _, info = await asked(client, row, "calibrated")
                decided = votes.decide(row, names, votes.learned.weights)
                same(info, decided, votes.groups(row, names)[1])
                assert info.rule == decided.rule
                changed += decided.group != votes.decide(row, names, None).group

                _, info = await asked(client, row, "cascade")
                calls.add(len(info.ballots))
                assert info.plan is not None
                assert (info.plan.steps, info.plan.tau) == (plan.steps, plan.tau)
                called, decided = votes.cascade(row, plan)
                assert tuple(each.member for each in info.ballots) == called
                same(info, decided, votes.groups(row, called)[1])
                assert info.rule == decided.rule
        assert len(calls) > 1  # some stopped, some went on
        assert changed  # what was learned decides differently


def _inline(table: dict[str, float]) -> str:
    return "{ " + ", ".join(f"{k} = {v:g}" for k, v in table.items()) + " }"
