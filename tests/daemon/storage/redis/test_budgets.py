"""Daily budgets that daemons keep together in a real Redis."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

import anyio
import pytest

from actors.policy.budgets import DAY_S, BudgetLimits, Budgets
from daemon.redis_address import parse_redis_url
from daemon.storage.redis.budgets import HOLD_S, SharedBudgets
from daemon.storage.redis.link import RedisLink
from tests.support.redis_server import RedisServer
from tests.support.redis_sets import ask
from tests.support.waiting import eventually, until

NOON = 20_000 * DAY_S + DAY_S / 2
ONE = Decimal(1)


class Daemon:
    """What one daemon has of it."""

    def __init__(
        self, link: RedisLink, name: str, limits: BudgetLimits, daemons: int
    ) -> None:
        self.link = link
        self.name = name
        self.now = NOON
        self.budgets = Budgets(limits)
        self.budgets.turn_over(self.now)
        self.shared = SharedBudgets(
            link,
            self.budgets,
            name,
            daemons=lambda: daemons,
            utc=lambda: self.now,
        )

    async def claim(self, amount: str, user: str | None = "anna") -> str | None:
        return await self.shared.claim(user, Decimal(amount))

    async def granted(self, tries: int, amount: str) -> list[str]:
        """The keys of so many claims at once that were granted."""
        keys: list[str] = []

        async def one() -> None:
            key = await self.claim(amount)
            if key is not None:
                keys.append(key)

        async with anyio.create_task_group() as group:
            for _ in range(tries):
                group.start_soon(one)
        return keys

    def settle(self, key: str, cost: str | None) -> None:
        self.budgets.settle(key, None if cost is None else Decimal(cost))
        self.shared.changed()

    @property
    def house(self) -> tuple[Decimal, Decimal]:
        """Spent and reserved of the daemons' budget, wherever."""
        row = self.budgets.rows(self.now)[0]
        return row.spent_usd, row.reserved_usd

    @property
    def own(self) -> Decimal:
        """What is truly used by this daemon."""
        account = self.budgets.all_accounts()[0]
        return account.settled + account.reserved


@asynccontextmanager
async def members(
    server: RedisServer, limits: BudgetLimits, n: int = 2
) -> AsyncIterator[list[Daemon]]:
    address = parse_redis_url(server.url)
    async with AsyncExitStack() as stack:
        found = []
        for i in range(n):
            link = await stack.enter_async_context(RedisLink(address))
            found.append(Daemon(link, f"daemon{i}", limits, n))
        async with anyio.create_task_group() as group:
            for each in found:
                group.start_soon(each.shared.run)
            yield found
            group.cancel_scope.cancel()


def house(limit: str = "1") -> BudgetLimits:
    return BudgetLimits(daemon=Decimal(limit))


async def test_two_daemons_are_granted_together_what_there_is(
    server: RedisServer,
) -> None:
    async with members(server, house()) as (one, two):
        keys: dict[str, list[str]] = {}

        async def hammer(daemon: Daemon) -> None:
            keys[daemon.name] = await daemon.granted(60, "0.03")

        async with anyio.create_task_group() as group:
            group.start_soon(hammer, one)
            group.start_soon(hammer, two)

        assert sum(map(len, keys.values())) == 33
        assert one.own + two.own == Decimal("0.99")


async def test_many_claims_at_once_are_few_round_trips(server: RedisServer) -> None:
    async with members(server, house("1000"), 1) as (one,):
        await one.claim("0.01")
        ask(server, "config", "resetstat")
        assert len(await one.granted(200, "0.01")) == 200

        said = ask(server, "info", "commandstats")
        calls = int(said.partition("cmdstat_evalsha:calls=")[2].partition(",")[0])
        assert calls <= 4


async def test_what_was_reserved_and_not_spent_is_there_for_others(
    server: RedisServer,
) -> None:
    async with members(server, house()) as (one, two):
        (key,) = await one.granted(1, "0.9")
        assert await two.claim("0.2") is None
        assert two.house == (Decimal(0), Decimal("0.9"))
        one.settle(key, "0.5")

        await until(lambda: two.house == (Decimal("0.5"), Decimal(0)), 5.0)
        assert await two.claim("0.5") is not None
        assert await one.claim("0.000000001") is None


async def test_a_call_is_granted_in_all_of_its_accounts_or_in_none(
    server: RedisServer,
) -> None:
    limits = BudgetLimits(daemon=ONE, per_user=Decimal("0.5"))
    async with members(server, limits) as (one, two):
        assert await one.claim("0.4", "anna") is not None
        assert await two.claim("0.2", "anna") is None
        assert await two.claim("0.4", "bob") is not None
        assert await one.claim("0.3", "carl") is None  # the daemons' budget
        assert await one.claim("0.2", "carl") is not None
        assert await one.claim("0.1", None) is None

        assert two.budgets.short("anna", Decimal("0.2"), NOON) is not None


async def test_a_token_and_a_user_of_one_name_are_one_caller(
    server: RedisServer,
) -> None:
    address = parse_redis_url(server.url)
    async with RedisLink(address) as link:
        one = Daemon(link, "one", BudgetLimits(per_user=ONE), 2)
        two = Daemon(link, "two", BudgetLimits(tokens={"ci": ONE}), 2)
        async with anyio.create_task_group() as group:
            group.start_soon(one.shared.run)
            group.start_soon(two.shared.run)

            assert await one.claim("0.6", "ci") is not None
            assert await two.claim("0.6", "ci") is None
            group.cancel_scope.cancel()


async def test_while_redis_is_away_each_keeps_to_its_part_and_nothing_counts_twice(
    server: RedisServer,
) -> None:
    async with members(server, house()) as (one, two):
        (first,) = await one.granted(1, "0.2")
        one.settle(first, "0.2")
        (second,) = await two.granted(1, "0.2")
        two.settle(second, "0.2")
        await until(lambda: one.house[0] == two.house[0] == Decimal("0.4"), 5.0)
        server.kill()
        await until(lambda: one.link.away and two.link.away)
        mine, theirs = await one.granted(50, "0.01"), await two.granted(50, "0.01")

        assert (len(mine), len(theirs)) == (30, 30)
        short = one.budgets.short("anna", Decimal("0.01"), NOON)
        assert short is not None
        assert "cannot ask the others" in short.sentence()
        assert short.frees_in_s == 1.0
        for key in mine:
            one.settle(key, "0.005")
        server.start()
        await until(lambda: not one.link.away and not two.link.away)

        spent, reserved = Decimal("0.55"), Decimal("0.3")
        await until(lambda: one.house == two.house == (spent, reserved), 5.0)
        assert await one.claim("0.16") is None
        assert await one.claim("0.15") is not None


async def test_a_daemon_that_lost_its_memory_is_reminded(server: RedisServer) -> None:
    async with members(server, house(), 1) as (one,):
        (key,) = await one.granted(1, "0.6")
        one.settle(key, "0.6")
        await one.shared.exchange()
    async with members(server, house(), 1) as (again,):
        assert await again.claim("0.5") is None
        assert again.house == (Decimal("0.6"), Decimal(0))
        again.budgets.recall({"anna": Decimal("0.6")}, NOON)  # from its ledger
        await again.shared.exchange()

        assert again.house == (Decimal("0.6"), Decimal(0))
        assert await again.claim("0.4") is not None


async def test_what_a_dead_daemon_had_reserved_is_free_again_in_time(
    server: RedisServer,
) -> None:
    async with members(server, house(), 1) as (one,):
        seconds = int(ask(server, "time").split()[0])
        key = one.link.key("budget", "20000", "daemon", tag="budgets")
        late, nearly = (seconds - 1) * 1000, (seconds + int(HOLD_S)) * 1000
        ask(server, "hset", key, "r:dead", f"900000000:{late}")
        ask(server, "hset", key, "r:dying", f"300000000:{nearly}")

        assert await one.claim("0.8") is None
        assert await one.claim("0.7") is not None
        assert "r:dead" not in ask(server, "hgetall", key)


@pytest.mark.parametrize(
    ("name", "value"),
    [("s:x", "nonsense"), ("s:x", "-5"), ("r:x", "nonsense"), ("zz", "1"), ("", "")],
)
async def test_what_is_no_word_of_a_daemon_is_nothing(
    server: RedisServer, name: str, value: str
) -> None:
    async with members(server, house(), 1) as (one,):
        key = one.link.key("budget", "20000", "daemon", tag="budgets")
        await one.link.call("HSET", key, name, value)

        assert await one.claim("1") is not None


async def test_a_cancelled_claim_reserves_nothing(server: RedisServer) -> None:
    async with members(server, house()) as (one, two):
        server.freeze()
        with anyio.move_on_after(0.05):
            await one.claim("0.9")
        server.thaw()

        async def free() -> bool:
            return await two.claim("1") is not None

        await eventually(free)
        assert one.own == 0


async def test_a_word_that_comes_late_changes_nothing(server: RedisServer) -> None:
    """A server that was frozen carries out what was given up long ago."""
    async with members(server, house()) as (one, two):
        assert await one.claim("0.1") is not None
        await one.shared.exchange()
        newest, one.shared._word = one.shared._word, 0
        one.now -= 3600.0
        assert await one.claim("0.5") is None
        one.shared._word, one.now = newest, NOON
        await two.shared.exchange()

        assert two.house == (Decimal(0), Decimal("0.1"))


async def test_a_clock_put_back_before_a_restart_is_caught_up_with(
    server: RedisServer,
) -> None:
    async with members(server, house(), 1) as (one,):
        assert await one.claim("0.1") is not None
    async with members(server, house(), 1) as (again,):
        again.now = NOON - 3600.0
        await again.shared.exchange()

        assert await again.claim("0.5") is not None


async def test_a_stalled_redis_holds_a_claim_up_for_a_moment_only(
    server: RedisServer,
) -> None:
    async with members(server, house()) as (one, _):
        await one.claim("0.1")
        server.freeze()
        began = anyio.current_time()
        keys = await one.granted(10, "0.04")
        again = await one.claim("0.04")
        took_s = anyio.current_time() - began
        server.thaw()

        assert len(keys) == 10
        assert again is not None
        assert took_s < 1.0


async def test_a_day_begins_anew_for_all(server: RedisServer) -> None:
    async with members(server, house()) as (one, two):
        assert await one.claim("0.9") is not None
        one.now = two.now = NOON + DAY_S

        assert await two.claim("0.9") is not None
        assert await one.claim("0.2") is None


async def test_what_is_granted_over_midnight_is_asked_for_again(
    server: RedisServer,
) -> None:
    async with members(server, house()) as (one, two):
        midnight = NOON + DAY_S / 2
        one.now, two.now = midnight - 0.1, midnight + 1.0
        await one.shared.exchange()
        assert await two.claim("0.9") is not None
        server.freeze()
        keys: list[str | None] = []

        async def claim() -> None:
            keys.append(await one.claim("0.5"))

        async with anyio.create_task_group() as group:
            group.start_soon(claim)
            await anyio.sleep(0.05)
            one.now = midnight + 1.0
            server.thaw()

        assert keys == [None]
        assert one.own == 0


async def test_nothing_is_asked_where_nothing_is_limited(server: RedisServer) -> None:
    async with members(server, BudgetLimits(), 1) as (one,):
        await one.link.call("PING")
        ask(server, "config", "resetstat")
        one.shared.changed()
        await anyio.sleep(0.05)

        assert "evalsha" not in ask(server, "info", "commandstats")


async def test_another_answer_than_ours_is_none(server: RedisServer) -> None:
    """As if Redis had not answered: by the local rule, and nothing is broken."""
    async with members(server, house(), 1) as (one,):
        key = one.link.key("budget", "20000", "daemon", tag="budgets")
        await one.link.call("SET", key, "words")

        assert await one.claim("0.9") is not None


class Traffic:
    """Daemons that claim, settle and are cancelled, in an order that is drawn."""

    def __init__(self, daemons: list[Daemon], seed: int) -> None:
        self._daemons = daemons
        self._draw = random.Random(seed)
        self._held: list[tuple[Daemon, str, Decimal]] = []

    async def step(self) -> None:
        if self._held and self._draw.random() < 0.45:
            self._settle()
            return
        patience_s = 0.0002 if self._draw.random() < 0.1 else 10.0
        daemon = self._draw.choice(self._daemons)
        amount = Decimal(self._draw.randrange(1, 200_000_000)).scaleb(-9)
        user = self._draw.choice(["anna", "bob"])
        with anyio.move_on_after(patience_s):
            key = await daemon.claim(f"{amount:f}", user)
            if key is not None:
                self._held.append((daemon, key, amount))

    def _settle(self) -> None:
        which = self._draw.randrange(len(self._held))
        owner, key, amount = self._held.pop(which)
        cost = amount * Decimal(self._draw.randrange(0, 101)) / 1000
        owner.settle(key, f"{cost:f}")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_the_sum_stays_within_the_limit(
    server: RedisServer, seed: int
) -> None:
    limits = BudgetLimits(daemon=ONE, per_user=Decimal("0.7"))
    async with members(server, limits, 3) as daemons:
        traffic = Traffic(daemons, seed)
        for _ in range(150):
            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(traffic.step)
            assert sum(each.own for each in daemons) <= ONE
        truth = sum(each.own for each in daemons)

        def agreed() -> bool:
            # What others used is rounded up to whole nano-dollars.
            views = [sum(each.house) for each in daemons]
            return all(truth <= view <= truth + Decimal("3e-9") for view in views)

        await until(agreed)
