"""Requests whose daily budgets are kept together with other daemons."""

from decimal import Decimal

import anyio
from typing_extensions import override

from actors.messages.chat import ChatRequest, Message
from actors.messages.routing import ErrorInfo, RouteResult
from actors.policy.attempts import RetryConfig
from actors.policy.budget_account import Elsewhere
from actors.policy.budgets import BudgetLimits, Budgets
from actors.router import RouterSettings
from tests.support.fake_transport import FakeTransport, completion, refusal
from tests.support.small_house import EPOCH, SmallHouse, ended, request, small_house

USD = Decimal


class FakeShare:
    """Grants as long as the others leave room, after so long."""

    def __init__(self, after_s: float = 0.0) -> None:
        self.budgets: Budgets
        self.after_s = after_s
        self.elsewhere = USD(0)
        self.asked: list[tuple[str | None, Decimal]] = []
        self.told = 0

    async def claim(self, user: str | None, amount: Decimal) -> str | None:
        self.asked.append((user, amount))
        await anyio.sleep(self.after_s)
        now = EPOCH + anyio.current_time()
        account = self.budgets.accounts(user)[0]
        account.elsewhere = Elsewhere(self.elsewhere)
        key = f"claim{len(self.asked)}"
        return key if self.budgets.reserve(key, user, amount, now) is None else None

    def changed(self) -> None:
        self.told += 1


def asks(tokens: int = 100) -> ChatRequest:
    return ChatRequest(messages=(Message("user", "hello"),), max_tokens=tokens)


def limited(house: SmallHouse, share: FakeShare, usd: str) -> None:
    share.budgets = house.desk.daily
    house.desk.daily.configure(BudgetLimits(daemon=USD(usd)))


def figures(house: SmallHouse) -> tuple[Decimal | None, Decimal | int]:
    """What this daemon has spent, and reserved."""
    (account,) = house.desk.daily.all_accounts()
    return account.settled, account.reserved


async def test_a_call_is_claimed_for_once_and_settled() -> None:
    share = FakeShare()
    transport = FakeTransport(completion("a"))
    async with small_house({"a": transport}, budget_share=share) as house:
        limited(house, share, "1")
        result = await house.answer(chat=asks(), user="anna")

        assert [user for user, _ in share.asked] == ["anna"]
        assert figures(house) == (result.cost_usd, 0)
        assert share.told == 1


async def test_what_others_have_spent_is_a_reason_to_refuse() -> None:
    share = FakeShare()
    transport = FakeTransport(completion("a"))
    async with small_house({"a": transport}, budget_share=share) as house:
        limited(house, share, "1")
        share.elsewhere = USD("0.99999")
        error = await house.error(chat=asks())

        assert error.kind == "budget_exceeded"
        assert "$0.99999 spent, $0.00001 left" in error.message
        assert transport.requests == []
        assert figures(house) == (USD(0), USD(0))


async def test_without_a_limit_nobody_is_asked() -> None:
    share = FakeShare()
    async with small_house(
        {"a": FakeTransport(completion("a"))}, budget_share=share
    ) as house:
        share.budgets = house.desk.daily
        house.desk.daily.configure(BudgetLimits(tokens={"ci": USD(1)}))
        await house.answer(chat=asks(), user="anna")

    assert share.asked == []


async def test_each_call_of_a_request_is_claimed_for() -> None:
    share = FakeShare()
    transports = {
        "a": FakeTransport(refusal(500)),
        "b": FakeTransport(completion("b")),
    }
    async with small_house(transports, budget_share=share) as house:
        limited(house, share, "1")
        result = await house.answer(chat=asks())

        assert result.provider == "b"
        assert len(share.asked) == len(result.attempts) == 2
        assert figures(house)[1] == 0


async def test_a_request_cancelled_while_it_claims_keeps_nothing() -> None:
    share = FakeShare(after_s=0.2)
    transport = FakeTransport(completion("a"))
    async with small_house({"a": transport}, budget_share=share) as house:
        limited(house, share, "1")
        handle = house.router.route(request(chat=asks()))
        outcomes: list[RouteResult | ErrorInfo] = []

        async def end() -> None:
            outcomes.append(await ended(handle))

        async with anyio.create_task_group() as group:
            group.start_soon(end)
            await anyio.sleep(0.1)
            handle.cancel()

        (error,) = outcomes
        assert isinstance(error, ErrorInfo)
        assert error.kind == "cancelled"
        assert transport.requests == []
        assert figures(house) == (USD(0), USD(0))


HEDGING = RouterSettings(
    strategy="priority", hedge=1.0, retry=RetryConfig(adaptive_first_token=False)
)


async def learn(house: SmallHouse) -> None:
    """Let both be measured, so that it is known when a call is slow."""
    for name in ("slow", "fast"):
        for _ in range(20):
            await house.answer(provider=name)


async def test_a_hedge_is_claimed_for_before_it_is_sent() -> None:
    share = FakeShare()
    transports = {
        "slow": FakeTransport(completion("a", after_s=1.0)),
        "fast": FakeTransport(completion("b", after_s=0.8)),
    }
    async with small_house(transports, settings=HEDGING, budget_share=share) as house:
        await learn(house)
        limited(house, share, "1")
        transports["slow"].answers = [completion("a", after_s=50.0)]
        result = await house.answer(chat=asks())

        assert [a.kind for a in result.attempts] == ["first", "hedge"]
        assert result.provider == "fast"
        assert len(share.asked) == 2
        assert figures(house)[1] == 0


async def test_a_hedge_that_is_not_granted_is_not_sent() -> None:
    share = FakeShare()
    transports = {
        "slow": FakeTransport(completion("a", after_s=1.0)),
        "fast": FakeTransport(completion("b", after_s=0.8)),
    }
    async with small_house(transports, settings=HEDGING, budget_share=share) as house:
        await learn(house)
        limited(house, share, "1")
        transports["slow"].answers = [completion("a", after_s=50.0)]
        before = len(transports["fast"].requests)
        outcomes: list[RouteResult] = []

        async def ask() -> None:
            outcomes.append(await house.answer(chat=asks()))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.sleep(0.5)
            share.elsewhere = USD("0.9995")

        assert len(share.asked) == 2
        assert len(transports["fast"].requests) == before
        assert outcomes[0].provider == "slow"
        assert figures(house)[1] == 0


async def test_who_is_denied_although_we_know_of_no_reason_is_told_of_the_budget() -> (
    None
):
    """They count in whole nano-dollars, so at the very edge they may say no alone."""

    class Exacting(FakeShare):
        @override
        async def claim(self, user: str | None, amount: Decimal) -> str | None:
            self.asked.append((user, amount))
            return None

    share = Exacting()
    transport = FakeTransport(completion("a"))
    async with small_house({"a": transport}, budget_share=share) as house:
        limited(house, share, "1")
        error = await house.error(chat=asks())

    assert (error.kind, error.retry_after_s) == ("budget_exceeded", 1.0)
    assert len(share.asked) == 1
    assert transport.requests == []
