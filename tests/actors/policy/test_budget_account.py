"""One account of a daily budget, and what other daemons use of it."""

from decimal import Decimal

from hypothesis import given, strategies as st

from actors.policy.budget_account import (
    Account,
    Elsewhere,
    in_dollars,
    nanos_allowed,
    nanos_used,
)
from actors.policy.budgets import DAY_S, BudgetLimits, Budgets

NOON = 20_000 * DAY_S + DAY_S / 2
USD = Decimal


def account(limit: str = "1", **of: str) -> Account:
    made = Account("daemon", None, USD(limit))
    made.settled = USD(of.get("settled", "0"))
    made.reserved = USD(of.get("reserved", "0"))
    made.elsewhere = Elsewhere(USD(of.get("spent", "0")), USD(of.get("held", "0")))
    return made


def test_what_others_use_counts() -> None:
    one = account(settled="0.1", reserved="0.2", spent="0.3", held="0.15")

    assert (one.spent, one.under_way, one.used) == (
        USD("0.4"),
        USD("0.35"),
        USD("0.75"),
    )
    assert one.admits(USD("0.25"))
    assert not one.admits(USD("0.26"))


def test_a_part_is_of_what_is_left() -> None:
    one = account(settled="0.1", spent="0.3")
    one.keep_to_part(3)

    assert one.admits(USD("0.2"))
    assert not one.admits(USD("0.21"))
    one.settled += USD("0.2")
    assert not one.admits(USD("0.01"))
    one.ceiling = None
    assert one.admits(USD("0.4"))


def test_nothing_is_left_of_what_was_overdrawn() -> None:
    one = account(spent="2")
    one.keep_to_part(2)

    assert one.ceiling == USD(2)
    assert not one.admits(USD("0.01"))


def test_a_limit_that_is_lowered_holds_for_a_part_too() -> None:
    one = account()
    one.keep_to_part(1)
    one.limit = USD("0.5")

    assert not one.admits(USD("0.6"))


def test_a_day_forgets_the_others_too() -> None:
    one = account(settled="0.1", reserved="0.2", spent="0.3", held="0.15")
    one.begin_day()

    assert one.used == 0


@given(st.decimals(0, 10**6, places=15))
def test_nanos_never_flatter(amount: Decimal) -> None:
    up, down = in_dollars(nanos_used(amount)), in_dollars(nanos_allowed(amount))

    assert down <= amount <= up
    assert up - down <= USD("1e-9")


def test_alone_and_together_concern_every_account_there_is_and_comes() -> None:
    book = Budgets(BudgetLimits(daemon=USD(4), per_user=USD(2)))
    book.turn_over(NOON)
    book.reserve("a", "anna", USD(1), NOON)
    book.alone(2)
    book.alone(100)  # it is already

    assert book.short("anna", USD("0.5"), NOON) is None
    assert book.short("anna", USD("0.51"), NOON) is not None
    assert book.short("bob", USD(1), NOON) is None
    assert book.short("bob", USD("1.01"), NOON) is not None
    book.configure(BudgetLimits(daemon=USD(4), per_user=USD(2)))
    assert book.short("anna", USD("0.51"), NOON) is not None
    tomorrow = NOON + DAY_S
    assert book.short("anna", USD("1.01"), tomorrow) is not None
    book.together()
    assert book.short("anna", USD(2), tomorrow) is None
    book.together()


def test_a_budget_that_comes_while_alone_is_parted_too() -> None:
    book = Budgets(BudgetLimits(per_user=USD(2)))
    book.turn_over(NOON)
    book.alone(2)
    book.configure(BudgetLimits(daemon=USD(4)))

    assert book.short("anna", USD(2), NOON) is None
    short = book.short("anna", USD("2.01"), NOON)
    assert short is not None
    assert "no further than $2" in short.sentence()


def test_others_are_told_of_with_what_is_ours() -> None:
    book = Budgets(BudgetLimits(daemon=USD(1)))
    book.turn_over(NOON)
    book.charge("anna", USD("0.1"), NOON)
    book.all_accounts()[0].elsewhere = Elsewhere(USD("0.8"), USD("0.05"))
    (row,) = book.rows(NOON)

    assert (row.spent_usd, row.reserved_usd) == (USD("0.9"), USD("0.05"))
    assert row.left_usd == USD("0.05")
    assert [each.code for each in book.findings(NOON)] == ["budget_nearly_spent"]
    short = book.short("anna", USD("0.2"), NOON)
    assert short is not None
    assert short.frees_in_s == DAY_S / 2  # it is spent, wherever
