"""Rates that daemons keep together in a real Redis, and each alone without it."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from math import inf

import anyio
import pytest

from actors.policy.limits import LimitConfig
from daemon.redis_address import parse_redis_url
from daemon.storage.redis.link import RedisLink
from daemon.storage.redis.rates import SharedRates
from tests.support.redis_server import RedisServer
from tests.support.redis_sets import ask
from tests.support.waiting import until

TWENTY = LimitConfig(requests_per_minute=20)
TOKENS = LimitConfig(tokens_per_minute=1000)


class House:
    """What one daemon has of it."""

    def __init__(self, link: RedisLink, daemons: int = 2) -> None:
        self.link = link
        self.jobs: list[Callable[[], Coroutine[object, object, None]]] = []
        self.now = 0.0
        self.rates = SharedRates(
            link,
            daemons=lambda: daemons,
            clock=lambda: self.now,
            spawn=self.jobs.append,
        )
        self._n = 0

    async def take(
        self, limits: LimitConfig = TWENTY, tokens: int = 0, provider: str = "p"
    ) -> tuple[str, float, float]:
        self._n += 1
        name = f"{id(self)}-{self._n}"
        part = await self.rates.take(provider, limits, name, tokens)
        return name, part.wait_s, part.closed_s

    async def taken(self, tries: int, limits: LimitConfig = TWENTY) -> int:
        """How many of so many calls at once get through."""
        got: list[bool] = []

        async def one() -> None:
            _, wait_s, _ = await self.take(limits)
            got.append(wait_s == 0.0)

        async with anyio.create_task_group() as group:
            for _ in range(tries):
                group.start_soon(one)
        return sum(got)

    async def finish(self) -> None:
        while self.jobs:
            await self.jobs.pop(0)()


@asynccontextmanager
async def two(server: RedisServer) -> AsyncIterator[tuple[House, House]]:
    address = parse_redis_url(server.url)
    async with RedisLink(address) as one, RedisLink(address) as other:
        yield House(one), House(other)


async def test_two_daemons_get_together_what_one_would(server: RedisServer) -> None:
    async with two(server) as (one, other):
        got: list[int] = []

        async def hammer(house: House) -> None:
            got.append(await house.taken(100))

        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(hammer, one)
            group.start_soon(hammer, other)

        flowed_back = int((anyio.current_time() - began) / 3.0)  # none, if all is well
        assert 20 <= sum(got) <= 20 + flowed_back
        assert min(got) > 0
        _, wait_s, closed_s = await one.take()
        assert 0.0 < wait_s <= 3.0
        assert closed_s == wait_s


async def test_a_call_is_one_round_trip(server: RedisServer) -> None:
    async with two(server) as (one, _):
        await one.take()
        ask(server, "config", "resetstat")
        await one.take()

        said = ask(server, "info", "commandstats")
        assert "cmdstat_evalsha:calls=1" in said


async def test_what_flows_back_is_let_through(server: RedisServer) -> None:
    fast = LimitConfig(requests_per_minute=1200, burst_s=1.0)
    async with two(server) as (one, other):
        assert await one.taken(60, fast) >= 20
        _, wait_s, _ = await other.take(fast)
        assert 0.0 < wait_s <= 0.05
        await anyio.sleep(wait_s)
        _, wait_s, _ = await other.take(fast)

        assert wait_s == 0.0


async def test_providers_have_rates_of_their_own(server: RedisServer) -> None:
    async with two(server) as (one, other):
        await one.taken(20)

        _, wait_s, _ = await other.take(provider="q")
        assert wait_s == 0.0


async def test_tokens_are_booked_as_they_were_used_in_the_end(
    server: RedisServer,
) -> None:
    async with two(server) as (one, other):
        name, wait_s, _ = await one.take(TOKENS, 900)
        assert wait_s == 0.0
        _, wait_s, closed_s = await other.take(TOKENS, 200)
        assert 5.0 < wait_s <= 6.0
        assert closed_s == 0.0  # a smaller one may fit
        one.rates.settle(name, 100, called=True)
        await one.finish()
        _, wait_s, _ = await other.take(TOKENS, 800)
        assert wait_s == 0.0

        more, wait_s, _ = await one.take(TOKENS, 50)
        assert wait_s == 0.0
        one.rates.settle(more, 150, called=True)
        await one.finish()
        _, wait_s, _ = await other.take(TOKENS, 1)
        assert wait_s > 2.0  # paid off first


async def test_a_call_that_was_not_made_gives_everything_back(
    server: RedisServer,
) -> None:
    both = LimitConfig(requests_per_minute=1, tokens_per_minute=1000)
    async with two(server) as (one, other):
        name, _, _ = await one.take(both, 1000)
        assert (await other.take(both, 1000))[1] > 50.0
        one.rates.settle(name, None, called=False)
        one.rates.settle(name, None, called=False)
        one.rates.settle("unknown", 5, called=True)
        await one.finish()

        assert (await other.take(both, 1000))[1] == 0.0


@pytest.mark.parametrize(
    ("limits", "tokens"),
    [(LimitConfig(requests_per_minute=0), 1), (TOKENS, 1001)],
)
async def test_what_never_fits_is_told_so(
    server: RedisServer, limits: LimitConfig, tokens: int
) -> None:
    async with two(server) as (one, _):
        assert (await one.take(limits, tokens))[1] == inf


async def test_while_redis_is_away_each_keeps_to_its_part_of_what_was_left(
    server: RedisServer,
) -> None:
    async with two(server) as (one, other):
        assert await one.taken(4) == 4
        assert await other.taken(4) == 4
        await one.take()
        await other.take()
        server.kill()
        got = await one.taken(50), await other.taken(50)

        # Half each of the ten that are left, or eleven if that took a second.
        assert set(got) <= {5, 6}
        _, wait_s, closed_s = await one.take()
        assert 0.0 < closed_s == wait_s <= 6.0


async def test_what_was_taken_meanwhile_is_booked_once_when_it_is_back(
    server: RedisServer,
) -> None:
    async with two(server) as (one, other):
        began = anyio.current_time()
        assert await one.taken(4) == 4
        server.kill()
        assert await one.taken(3) == 3
        server.start()
        await until(lambda: not one.link.away)
        await until(lambda: not other.link.away)
        first = await one.taken(1)
        rest = await other.taken(50) + await one.taken(50)

        flowed_back = (anyio.current_time() - began) / 3.0
        assert 12 <= first + rest <= 13 + flowed_back  # 20, less 4, less 3


async def test_a_stalled_redis_costs_a_call_a_quarter_of_a_second_once(
    server: RedisServer,
) -> None:
    async with two(server) as (one, _):
        await one.take()
        server.freeze()
        began = anyio.current_time()
        for _ in range(5):
            assert (await one.take())[1] == 0.0
        took_s = anyio.current_time() - began
        server.thaw()

        assert 0.2 < took_s < 1.0  # and not five quarters
