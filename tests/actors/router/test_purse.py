"""Requests and the daily budgets: what is reserved, refused, settled and written down."""

import re
from decimal import Decimal

import anyio
import pytest

from actors.messages.chat import ChatRequest, Message
from actors.messages.routing import ErrorInfo, RouteResult
from actors.policy.budgets import BudgetLimits, resets_at
from actors.policy.pricing import Price
from actors.policy.tokens import upper_bound_prompt_tokens
from actors.router import ProviderDefaults, RouterSettings
from tests.support.fake_transport import FakeTransport, completion, refusal
from tests.support.small_house import (
    EPOCH,
    SmallHouse,
    ended,
    provider,
    request,
    small_house,
)

USD = Decimal


def now() -> float:
    return EPOCH + anyio.current_time()


def asks(tokens: int) -> ChatRequest:
    return ChatRequest(messages=(Message("user", "hello"),), max_tokens=tokens)


def limit(house: SmallHouse, usd: str) -> None:
    house.desk.daily.configure(BudgetLimits(daemon=USD(usd)))


def figures(house: SmallHouse) -> tuple[Decimal | None, Decimal | int]:
    """What is spent and what is reserved."""
    (row,) = house.desk.daily.rows(now())
    return row.spent_usd, row.reserved_usd


async def test_a_call_is_settled_with_its_cost() -> None:
    async with small_house({"a": FakeTransport(completion("a"))}) as house:
        limit(house, "1")

        result = await house.answer(chat=asks(100))

        assert figures(house) == (result.cost_usd, 0)


async def test_who_has_spent_it_is_told_when_it_frees() -> None:
    async with small_house({"a": FakeTransport(completion("a"))}) as house:
        limit(house, "0.001")
        house.desk.daily.charge(None, USD("0.001"), now())

        error = await house.error(chat=asks(50))

        assert (error.kind, error.retryable, error.provider) == (
            "budget_exceeded",
            True,
            "a",
        )
        assert "the daily budget of the daemon is $0.001" in error.message
        assert error.retry_after_s is not None
        assert 0 < error.retry_after_s <= 86_400
        assert error.attempts == ()
        (record,) = house.spool.records
        assert record.outcome == "budget_exceeded"


async def test_an_answer_that_would_fit_is_named() -> None:
    async with small_house({"a": FakeTransport(completion("a"))}) as house:
        limit(house, "0.01")

        error = await house.error(chat=asks(4000))

        found = re.search(
            r"\(it would fit with max_tokens of at most (\d+)\)", error.message
        )
        assert found is not None
        most = int(found[1])
        assert 0 < most < 4000
        longer = await house.error(chat=asks(most + 1))
        assert longer.message.endswith(found[0])
        await house.answer(chat=asks(most))

        house.desk.daily.charge(None, USD("0.01"), now())
        assert "max_tokens" not in (await house.error(chat=asks(10))).message


async def test_a_dear_one_is_passed_over_for_one_that_fits() -> None:
    prices = {
        "dear": Price(input=USD(1), output=USD(7)),
        "cheap": Price(input=USD(1), output=USD(1)),
    }
    transports = {name: FakeTransport(completion(name)) for name in prices}
    settings = RouterSettings(strategy="priority")
    async with small_house(transports, settings=settings, prices=prices) as house:
        limit(house, "0.01")

        house.desk.daily.charge(None, USD("0.005"), now())
        result = await house.answer(chat=asks(1000))

        assert result.provider == "cheap"
        assert list(house.desk.daily.findings(now())) == []


async def test_a_budget_counts_failed_calls_and_stops_the_next() -> None:
    transports = {
        "a": FakeTransport(refusal(500)),
        "b": FakeTransport(completion("b")),
    }
    async with small_house(transports) as house:
        limit(house, "1")

        result = await house.answer(chat=asks(10))

        assert [a.outcome for a in result.attempts] == ["server_error", "ok"]
        assert figures(house) == (result.cost_usd, 0)


async def test_a_burst_cannot_run_past_the_limit() -> None:
    """Fifty at once, of which the budget has room for some."""
    async with small_house({"a": FakeTransport(completion("a"))}) as house:
        limit(house, "0.001")
        outcomes: list[RouteResult | ErrorInfo] = []

        async def one() -> None:
            outcomes.append(await ended(house.router.route(request(chat=asks(100)))))

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(one)

        answered = [o for o in outcomes if isinstance(o, RouteResult)]
        assert 0 < len(answered) < 50
        spent, reserved = figures(house)
        assert spent is not None
        assert reserved == 0
        assert spent == sum(o.cost_usd or 0 for o in answered)
        assert spent <= USD("0.001")


async def test_without_a_limit_of_the_answer_the_providers_default_holds() -> None:
    settings = RouterSettings(defaults={"a": ProviderDefaults(max_tokens=1_000_000)})
    transports = {"a": FakeTransport(completion("a"))}
    async with small_house(transports, settings=settings) as house:
        limit(house, "0.01")

        error = await house.error()

        assert error.retry_after_s is None
        assert not error.retryable


async def test_an_unknown_price_is_not_risked() -> None:
    async with small_house(
        {"a": FakeTransport(completion("a"))},
        prices={"nobody": Price(input=USD(1), output=USD(1))},
    ) as house:
        limit(house, "1")

        error = await house.error()

        assert error.kind == "budget_exceeded"
        assert "the price of this call is unknown" in error.message


async def test_a_call_that_is_cancelled_gives_back_what_it_did_not_cost() -> None:
    transport = FakeTransport(completion("a", after_s=60.0))
    async with small_house({"a": transport}) as house:
        limit(house, "1")
        handle = house.router.route(request(chat=asks(100)))
        outcomes: list[RouteResult | ErrorInfo] = []
        handle.begin(outcomes.append)
        await anyio.sleep(1.0)
        assert figures(house)[1] != 0

        handle.cancel()
        await anyio.sleep(1.0)

        (record,) = house.spool.records
        (attempt,) = record.attempts
        counted = attempt.held_usd if attempt.cost_usd is None else attempt.cost_usd
        assert figures(house) == (counted, 0)
        assert outcomes


@pytest.mark.parametrize("usd", ["0", "0.00001"])
async def test_nobody_is_asked_within_no_budget(usd: str) -> None:
    transport = FakeTransport(completion("a"))
    async with small_house({"a": transport}) as house:
        limit(house, usd)

        error = await house.error(chat=asks(1000))

        assert error.kind == "budget_exceeded"
        assert transport.calls == []


@pytest.mark.parametrize("kind", ["xai", "anthropic"])
async def test_a_prompt_is_reserved_for_as_its_provider_counts_it(kind: str) -> None:
    """xAI puts tokens before every prompt, Anthropic makes more of the same text."""
    transports = {"a": FakeTransport(completion("a"))}
    settings = {"a": provider("a", kind=kind)}
    price = {"a": Price(input=USD(1), output=USD(0))}
    prompt = ChatRequest(messages=(Message("user", "hello" * 100),), max_tokens=100)
    most = USD(upper_bound_prompt_tokens(prompt, kind)).scaleb(-6)
    async with small_house(transports, providers=settings, prices=price) as house:
        limit(house, str(most - USD("1e-6")))

        error = await house.error(chat=prompt)

        assert error.kind == "budget_exceeded"
        assert transports["a"].requests == []


async def test_a_call_under_way_when_a_limit_is_first_set_counts_when_it_ends() -> None:
    async with small_house({"a": FakeTransport(completion("a", after_s=5.0))}) as house:
        outcomes: list[RouteResult | ErrorInfo] = []
        house.router.route(request(chat=asks(100))).begin(outcomes.append)
        await anyio.sleep(1.0)
        limit(house, "1")
        assert figures(house) == (USD(0), USD(0))
        await anyio.sleep(10.0)

        (result,) = outcomes
        assert isinstance(result, RouteResult)
        assert result.cost_usd
        assert figures(house) == (result.cost_usd, 0)


async def test_one_that_began_the_day_before_a_limit_was_set_does_not_count() -> None:
    async with small_house({"a": FakeTransport(completion("a", after_s=5.0))}) as house:
        await anyio.sleep(resets_at(now()) - now() - 1.0)
        outcomes: list[RouteResult | ErrorInfo] = []
        house.router.route(request(chat=asks(100))).begin(outcomes.append)
        await anyio.sleep(3.0)
        limit(house, "1")
        await anyio.sleep(10.0)

        assert len(outcomes) == 1
        assert figures(house) == (USD(0), USD(0))
