"""Equal requests, streams, keys, leaving callers and failures, at random and all at once.

Every upstream answer has a number of its own, so it is known who was given which.
Invariants: everybody is told once, by their own deadline, and has all of an answer or a
beginning of it; every request has one record, and what all of them cost is what the calls
cost; nobody is given the answer to another question or of another owner; what succeeds
under one key is one answer; nothing is left.
"""

from collections import defaultdict
from collections.abc import Callable
from random import Random

import anyio
import pytest
from typing_extensions import override

from actors.messages.routing import ErrorInfo, RouteResult
from actors.response_cache import CacheSettings
from actors.router import RouterSettings
from tests.support.cache_house import Asker, CacheHouse, cache_house
from tests.support.fake_transport import Answer, FakeTransport, refusal, stream

REQUESTS = 60
WORDS = tuple(f"word{n} " for n in range(12))


class Numbered(FakeTransport):
    """Answers by luck; each answer begins with its number."""

    def __init__(self, random: Random) -> None:
        super().__init__(Answer())
        self._random = random
        self._number = 0

    @override
    def _next(self, request: object) -> Answer:
        random = self._random
        self._number += 1
        words = (f"#{self._number} ", *WORDS)
        gap_s, late_s = random.choice([0.0, 0.05, 0.4]), random.uniform(0.0, 4.0)
        kinds = (
            (70, stream(*words, gap_s=gap_s, after_s=late_s)),
            (10, stream(*words[: random.randrange(13)], gap_s=gap_s, whole=False)),
            (10, refusal(random.choice([400, 429, 500, 503]), "x", retry_after_s=1)),
            (5, Answer(hangs_first=True)),
        )
        weights = [weight for weight, _ in kinds]
        return random.choices([answer for _, answer in kinds], weights)[0]


class Schedule:
    """Everything that happens in one house, by one seed."""

    def __init__(self, house: CacheHouse, random: Random) -> None:
        self.house = house
        self.random = random
        self.told = 0
        self.given: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self.keyed: dict[tuple[str, str], set[str]] = defaultdict(set)

    async def ask(self) -> None:
        random = self.random
        await anyio.sleep(random.uniform(0.0, 40.0))
        user, prompt = random.choice(["ann", "bob"]), random.choice(["sky", "sea"])
        key = random.choice([None, None, f"{prompt}1", f"{prompt}2"])
        deadline_s = random.choice([None, 2.0, 10.0])
        asker = self.house.begin(
            user=user,
            prompt=prompt,
            stream=random.random() < 0.5,
            stream_mode=random.choice([None, "buffered"]),
            deadline_s=deadline_s,
            idempotency_key=key,
            cache=random.choice([None, None, "off", "refresh"]),
        )
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            if random.random() < 0.2:
                group.start_soon(self.leave, asker.handle.cancel)
            await asker.over.wait()
            group.cancel_scope.cancel()

        assert anyio.current_time() - began <= (deadline_s or 600.0) + 1.5
        self.check(asker, user, prompt, key)
        self.told += 1

    async def leave(self, cancel: Callable[[], None]) -> None:
        await anyio.sleep(self.random.uniform(0.0, 3.0))
        cancel()

    def check(self, asker: Asker, user: str, prompt: str, key: str | None) -> None:
        outcome = asker.outcome
        if isinstance(outcome, ErrorInfo):
            return
        assert isinstance(outcome, RouteResult)
        number, _, rest = (outcome.content or "").partition(" ")
        assert rest == "".join(WORDS)
        assert asker.text in {outcome.content, ""}
        assert bool(asker.text) == bool(asker.started)
        assert not outcome.cached or outcome.cost_usd == 0
        self.given[number].add((user, prompt))
        if key is not None:
            self.keyed[user, key].add(number)

    def check_all(self) -> None:
        records = self.house.house.spool.records
        assert self.told == REQUESTS
        assert len({record.request_id for record in records}) == len(records)
        assert len(records) == REQUESTS
        assert all(len(owners) == 1 for owners in self.given.values()), self.given
        assert all(len(numbers) == 1 for numbers in self.keyed.values()), self.keyed
        assert self.house.calls() == sum(len(record.attempts) for record in records)
        assert all(not r.attempts for r in records if r.reused is not None)
        assert (self.house.desk.calls, self.house.desk.keyed) == ({}, {})
        assert all(t.open == 0 for t in self.house.house.transports.values())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
async def test_whatever_happens_everybody_has_an_answer_of_their_own(
    seed: int,
) -> None:
    random = Random(seed)
    transports = {name: Numbered(random) for name in ("a",)}
    settings = CacheSettings(
        enabled=random.random() < 0.8, ttl_s=random.choice([5.0, 3_600.0])
    )
    routing = RouterSettings(strategy="cost", stream_upstream=True)
    async with cache_house(transports, settings, routing=routing) as house:
        house.answers.wait_s = random.choice([0.0, 0.3])
        house.repeats.wait_s = random.choice([0.0, 0.3])
        schedule = Schedule(house, random)
        async with anyio.create_task_group() as group:
            for _ in range(REQUESTS):
                group.start_soon(schedule.ask)
        await anyio.sleep(5.0)
        schedule.check_all()
