"""A call goes only with its part of the rates that daemons keep together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import anyio
import pytest

from actors.messages.chat import ChatRequest, Message
from actors.messages.provider import Attempt, Outcome
from actors.policy.limits import LimitConfig
from actors.provider.shares import TAKEN, Part, RateShare, limits_rates
from tests.support.fake_transport import Answer, FakeTransport, completion
from tests.support.small_house import SmallHouse, new_id, provider, small_house

LIMITS = LimitConfig(requests_per_minute=60, tokens_per_minute=60_000)


class FakeShares:
    """Answers as told, after so long; remembers what it was asked and told."""

    def __init__(self, part: Part = TAKEN, after_s: float = 0.0) -> None:
        self.part = part
        self.after_s = after_s
        self.asked: list[tuple[str, str, int]] = []
        self.settled: list[tuple[str, int | None, bool]] = []

    async def take(
        self, provider: str, limits: LimitConfig, call_id: str, tokens: int
    ) -> Part:
        self.asked.append((provider, call_id, tokens))
        await anyio.sleep(self.after_s)
        return self.part

    def settle(self, call_id: str, tokens_used: int | None, *, called: bool) -> None:
        self.settled.append((call_id, tokens_used, called))


@asynccontextmanager
async def house(
    shares: RateShare, answer: Answer | None = None, limits: LimitConfig = LIMITS
) -> AsyncIterator[SmallHouse]:
    transport = FakeTransport(answer or completion("hi"))
    settings = {"one": provider("one", limits=limits)}
    async with small_house(
        {"one": transport}, providers=settings, shares=shares
    ) as small:
        yield small


async def asked(small: SmallHouse, attempt_id: str = "") -> Outcome:
    attempt = Attempt(
        attempt_id=attempt_id or new_id(),
        request_id="r",
        model="gpt-4o",
        request=ChatRequest(messages=(Message(role="user", content="Hi."),)),
        deadline=anyio.current_time() + 60.0,
    )
    return await small.providers["one"].attempt(attempt)


async def test_a_call_takes_its_part_and_says_what_it_used() -> None:
    shares = FakeShares()
    async with house(shares) as small:
        outcome = await asked(small, "call")

    assert outcome.completion is not None
    assert [each[:2] for each in shares.asked] == [("one", "call")]
    assert shares.asked[0][2] > 0
    assert shares.settled == [("call", 15, True)]


async def test_without_its_part_it_is_not_made_and_says_when() -> None:
    async with house(FakeShares(Part(2.0, 2.0))) as small:
        outcome = await asked(small)
        snapshot = small.providers["one"].snapshot()
        now = anyio.current_time()

        assert not outcome.called
        assert outcome.failure is not None
        assert (outcome.failure.failure, outcome.failure.code) == (
            "rate_limit",
            "limited",
        )
        assert outcome.failure.retry_after_s == pytest.approx(2.0)
        assert small.transports["one"].requests == []
        assert snapshot.blocked_until == pytest.approx(now + 2.0)
        assert snapshot.in_flight == snapshot.models[0].in_flight == 0
        assert snapshot.models[0].breaker == "closed"


async def test_a_large_call_that_has_to_wait_keeps_no_small_one_out() -> None:
    shares = FakeShares(Part(30.0, 0.0))
    async with house(shares) as small:
        await asked(small)
        shares.part = TAKEN
        outcome = await asked(small)

    assert outcome.completion is not None


async def test_what_never_fits_is_too_large_and_closes_nothing() -> None:
    async with house(FakeShares(Part(inf, inf))) as small:
        outcome = await asked(small)

        assert outcome.failure is not None
        assert outcome.failure.failure == "context_too_long"
        assert small.providers["one"].snapshot().blocked_until == 0.0


async def test_a_call_cancelled_while_it_asks_gives_its_part_back() -> None:
    shares = FakeShares(after_s=0.2)
    async with house(shares) as small, anyio.create_task_group() as group:

        async def ask() -> None:
            outcome = await asked(small, "call")
            assert not outcome.called

        group.start_soon(ask)
        await anyio.sleep(0.1)
        small.providers["one"].cancel("call")

    assert shares.settled == [("call", None, False)]


async def test_where_no_rate_is_limited_nobody_is_asked() -> None:
    shares = FakeShares()
    async with house(shares, limits=LimitConfig(concurrency=3)) as small:
        await asked(small)

    assert shares.asked == []
    assert not limits_rates(LimitConfig())
    assert limits_rates(LimitConfig(tokens_per_minute=1))
