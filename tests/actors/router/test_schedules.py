"""Hedges, takeovers, cuts, crashes and leaving callers, at random and all at once.

Invariants, looked at after every request and at the end of every schedule: a request ends
by its deadline, within its attempts, with one record; whoever is told of an answer has all
of it and nothing else; what was dropped is closed; nobody is counted as in flight.
"""

from random import Random

import anyio
import pytest
from typing_extensions import override

from actors.messages.chat import Delta
from actors.messages.routing import ErrorInfo, RouteResult, StreamMode
from actors.policy.attempts import RetryConfig
from actors.provider import ProviderSettings
from actors.provider.actor import Crash
from actors.router import RouterSettings
from tests.support.fake_transport import Answer, FakeTransport, refusal, stream
from tests.support.small_house import SmallHouse, ended, provider, request, small_house

MODES: tuple[StreamMode, ...] = ("passthrough", "buffered", "resume")
KINDS = ("compatible", "groq", "mistral", "vllm")
REQUESTS = 40
DEADLINE_S = 60.0
WORDS = tuple(f"word{n} " for n in range(30))


def luck(random: Random) -> Answer:
    """One answer, whole or not."""
    gap_s = random.choice([0.0, 0.01, 0.05])
    cut = stream(*WORDS[: random.randrange(30)], gap_s=gap_s, whole=False)
    late_s = random.uniform(0.5, 8.0)
    status = random.choice([400, 429, 500, 503])
    kinds = (
        (55, stream(*WORDS, gap_s=gap_s)),
        (15, cut),
        (10, Answer(cut.pieces, hangs=True)),
        (5, Answer(hangs_first=True)),
        (10, stream(*WORDS, gap_s=gap_s, after_s=late_s)),
        (5, refusal(status, "x", retry_after_s=1)),
    )
    weights = [weight for weight, _ in kinds]
    return random.choices([answer for _, answer in kinds], weights)[0]


class Schedule:
    """Everything that happens in one house, by one seed."""

    def __init__(self, house: SmallHouse, random: Random) -> None:
        self.house = house
        self.random = random
        self.told = 0

    async def ask(self) -> None:
        random, house = self.random, self.house
        await anyio.sleep(random.uniform(0.0, 120.0))
        pieces: list[Delta] = []
        streamed = random.random() < 0.8
        asked = request(
            stream=streamed, stream_mode=random.choice(MODES), deadline_s=DEADLINE_S
        )
        handle = house.router.route(asked, pieces.append)
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            if random.random() < 0.1:
                group.start_soon(self.leave, handle.cancel)
            result = await ended(handle)
            group.cancel_scope.cancel()

        assert anyio.current_time() - began <= DEADLINE_S + 1e-6
        self.check(result, pieces, streamed=streamed)
        self.told += 1

    async def leave(self, cancel: object) -> None:
        await anyio.sleep(self.random.uniform(0.0, 3.0))
        assert callable(cancel)
        cancel()

    def check(
        self, result: RouteResult | ErrorInfo, pieces: list[Delta], *, streamed: bool
    ) -> None:
        text = "".join(piece.content or "" for piece in pieces)
        assert len(result.attempts) <= 4
        if isinstance(result, ErrorInfo):
            assert "".join(WORDS).startswith(text), text
        elif streamed:
            assert text == result.content == "".join(WORDS)

    async def crash(self) -> None:
        for _ in range(3):
            await anyio.sleep(self.random.uniform(5.0, 60.0))
            name = self.random.choice(list(self.house.refs))
            self.house.system.ref(name).tell(Crash())


class Lucky(FakeTransport):
    """Answers by luck, and goes on from a beginning where it was given one."""

    def __init__(self, random: Random) -> None:
        super().__init__(Answer())
        self._random = random

    @override
    def _next(self, request: object) -> Answer:
        answer = luck(self._random)
        messages = self.bodies()[-1]["messages"]
        assert isinstance(messages, list)
        last = messages[-1]
        if last["role"] == "assistant" and answer.status == 200:
            return self._going_on(answer, last["content"], echo="prefix" in last)
        return answer

    def _going_on(self, answer: Answer, begun: str, *, echo: bool) -> Answer:
        said = len(begun.split())
        head, words, tail = answer.pieces[:1], answer.pieces[1:31], answer.pieces[31:]
        rest = words if echo else words[said:]
        return Answer([*head, *rest, *tail], hangs=answer.hangs)


def providers(random: Random) -> dict[str, ProviderSettings]:
    return {name: provider(name, kind=random.choice(KINDS)) for name in ("a", "b", "c")}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_everybody_is_told_once_and_nothing_is_left(
    seed: int,
) -> None:
    random = Random(seed)
    settings = RouterSettings(
        strategy=random.choice(["cost", "performance", "hybrid", "priority"]),
        hedge=random.choice([0.0, 0.2, 1.0]),
        stream_upstream=True,
        retry=RetryConfig(same_first=random.choice(["auto", 0])),
        retry_budget_ratio=1.0,
    )
    kinds = providers(random)
    transports = {name: Lucky(random) for name in kinds}
    async with small_house(transports, settings=settings, providers=kinds) as house:
        schedule = Schedule(house, random)
        async with anyio.create_task_group() as group:
            group.start_soon(schedule.crash)
            for _ in range(REQUESTS):
                group.start_soon(schedule.ask)
        await anyio.sleep(1.0)

        assert schedule.told == len(house.spool.records) == REQUESTS
        assert [t.open for t in transports.values()] == [0, 0, 0]
        for name in kinds:
            models = house.snapshot(name).models
            assert [m.in_flight for m in models] == [0] * len(models)
        assert house.router.in_flight() == 0
        for record in house.spool.records:
            known = sum((a.cost_usd or 0 for a in record.attempts), start=0)
            assert record.known_cost_usd == known
