"""The money of one request."""

from decimal import Decimal

from actors.errors import BudgetExceeded
from actors.messages.provider import Outcome
from actors.messages.routing import Target
from actors.policy.spending import Spending

A, B, UNKNOWN = Target("a", "m"), Target("b", "m"), Target("c", "m")
EXPECTED = {A: Decimal(2), B: Decimal(5)}


def outcome(cost: int | None, *, called: bool = True) -> Outcome:
    return Outcome(
        attempt_id="1",
        provider="a",
        model="m",
        latency_s=1.0,
        cost_usd=None if cost is None else Decimal(cost),
        called=called,
    )


def spending(budget: int | None) -> Spending:
    return Spending(None if budget is None else Decimal(budget), EXPECTED.get)


def test_without_a_budget_everything_is_allowed() -> None:
    free = spending(None)
    free.settle(outcome(100), A)

    assert free.allows(UNKNOWN)
    assert free.allows(B, beside=A)


def test_spent_and_expected_stay_within_the_budget_together() -> None:
    bound = spending(6)
    assert bound.allows(B)
    bound.settle(outcome(1), A)
    assert bound.allows(B)
    bound.settle(outcome(1), A)

    assert not bound.allows(B)
    assert bound.allows(A)
    assert bound.spent == 2


def test_an_unknown_cost_may_have_been_the_expected_one() -> None:
    bound = spending(6)
    bound.settle(outcome(None), A)
    bound.settle(outcome(None), UNKNOWN)

    assert bound.spent == 2


def test_what_was_not_called_cost_nothing() -> None:
    bound = spending(6)
    bound.settle(outcome(None, called=False), A)

    assert bound.spent == 0


def test_a_call_under_way_will_cost_what_was_expected() -> None:
    assert spending(7).allows(B, beside=A)
    assert not spending(6).allows(B, beside=A)
    assert spending(6).allows(B, beside=UNKNOWN)


def test_an_unknown_price_is_not_risked() -> None:
    assert not spending(100).allows(UNKNOWN)


def test_a_refusal_says_the_numbers() -> None:
    bound = spending(6)
    bound.settle(outcome(2), A)

    assert bound.refusal(B).message == (
        "the budget is $6, $2 may be spent, and asking b is expected to cost $5"
    )
    assert "an unknown sum" in bound.refusal(UNKNOWN).message


class Empty:
    """A purse that has nothing for anybody."""

    def affords(self, target: Target) -> bool:
        return False

    def refusal(self, target: Target) -> BudgetExceeded:
        return BudgetExceeded("the day's is spent", provider=target.provider)


def test_a_daily_budget_refuses_whatever_the_requests_own_allows() -> None:
    bound = spending(6)
    bound.purse = Empty()

    assert not bound.allows(A)
    error = bound.refusal(A, ": it was tried before")
    assert (error.message, error.provider) == (
        "the day's is spent: it was tried before",
        "a",
    )


def test_of_two_reasons_the_requests_own_budget_is_told() -> None:
    bound = spending(1)
    bound.purse = Empty()

    assert bound.refusal(B).message.startswith("the budget is $1")
