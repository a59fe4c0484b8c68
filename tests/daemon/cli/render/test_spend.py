"""What was spent, on one line."""

from decimal import Decimal

from actors.messages.ledger import UsageRow
from daemon.cli.render.spend import spend
from ipc.results import UsageResult


def row(
    key: str, cost: str | None, *, requests: int = 1, simulated: bool = False
) -> UsageRow:
    return UsageRow(
        key=key,
        requests=requests,
        attempts=requests,
        failures=0,
        prompt_tokens=1,
        completion_tokens=1,
        cached_tokens=0,
        reasoning_tokens=0,
        cost_usd=None if cost is None else Decimal(cost),
        unpriced_attempts=0 if cost else requests,
        simulated=simulated,
    )


def line(*rows: UsageRow) -> str:
    return spend(UsageResult(by="provider", since=0.0, rows=rows), "24h")


def test_nothing_spent_is_nothing() -> None:
    assert line() == "spent in 24h: $0 for 0 requests"


def test_the_dearest_are_named_first_and_no_more_than_three() -> None:
    costs = {"a": "1", "b": "3", "c": "2", "d": "0.5"}
    text = line(*(row(key, cost) for key, cost in costs.items()))

    assert text.startswith(
        "spent in 24h: $6.50 for 4 requests (b $3.00, c $2.00, a $1.00)"
    )


def test_what_has_no_price_is_counted_apart() -> None:
    assert line(row("a", "1"), row("b", None, requests=2)).endswith(
        "for 3 requests (a $1.00), 2 calls of unknown cost"
    )


def test_pretended_money_is_no_money() -> None:
    assert line(row("a", "1", simulated=True)).startswith(
        "spent in 24h: pretended $1.00"
    )
    both = line(row("a", "1"), row("a", "2", simulated=True))
    assert both.startswith("spent in 24h: $1.00 for 1")
    assert "; pretended $2.00 for 1" in both
