"""Why nobody else is asked although somebody could be."""

from decimal import Decimal

import pytest

from actors import errors
from actors.errors import FailureClass
from actors.messages.provider import Failure, ModelSnapshot
from actors.messages.routing import Target
from actors.policy.endings import Miss
from actors.policy.giving_up import late, nobody_worth_it
from actors.policy.pool import Pool
from actors.policy.retry_rules import RetryConfig, Size

A = Target("a", "m")
DEAR = ModelSnapshot(
    provider="a", model="m", input_price=Decimal(9), output_price=Decimal(0)
)


def pool(budget_usd: Decimal | None = None) -> Pool:
    return Pool(
        RetryConfig(),
        [A],
        {A: DEAR},
        100.0,
        size=Size(prompt_tokens=1_000_000),
        budget_usd=budget_usd,
    )


def miss(kind: FailureClass) -> Miss:
    failure = Failure(failure=kind, message="it said no", owner="provider")
    return Miss(A, failure, called=True)


def test_a_deadline_that_passed_tells_the_last_failure() -> None:
    assert isinstance(late([]), errors.DeadlineExceeded)
    assert late([miss("connect")]).message.endswith("was whole: it said no")


def waiting(until: float) -> Pool:
    found = pool()
    found.candidates[0].not_before = until
    found.waiting.too_long = found.candidates[0]
    return found


@pytest.mark.parametrize("misses", [[], [miss("rate_limit")]])
def test_a_wait_that_is_too_long_is_a_rate_limit(misses: list[Miss]) -> None:
    error = nobody_worth_it(waiting(40.0), misses, 10.0, attempts_left=True)

    assert isinstance(error, errors.ProviderRateLimited)
    assert error.retry_after_s == 30.0


def test_a_wait_that_is_too_long_is_not_laid_to_those_that_failed() -> None:
    other = Miss(Target("b", "m"), miss("bad_response").failure, called=True)
    error = nobody_worth_it(waiting(40.0), [other], 10.0, attempts_left=True)

    assert isinstance(error, errors.ProviderRateLimited)
    assert error.message == (
        "a is rate limited for another 30 s, and the others failed: it said no"
    )


def test_or_what_its_provider_said() -> None:
    misses = [miss("overloaded")]
    error = nobody_worth_it(waiting(40.0), misses, 10.0, attempts_left=True)

    assert isinstance(error, errors.ProviderOverloaded)
    assert error.retry_after_s == 30.0


def test_too_much_money_is_named_with_the_last_failure() -> None:
    found = pool(Decimal(1))
    found.open()
    error = nobody_worth_it(found, [miss("connect")], 0.0, attempts_left=True)

    assert isinstance(error, errors.BudgetExceeded)
    assert error.message == (
        "the budget is $1, $0 may be spent, and asking a is expected to cost $9:"
        " it said no"
    )


def test_neither_is_the_reason() -> None:
    found = pool(Decimal(1))
    found.open()

    assert nobody_worth_it(found, [], 0.0, attempts_left=False) is None
    assert nobody_worth_it(pool(), [], 0.0, attempts_left=True) is None
