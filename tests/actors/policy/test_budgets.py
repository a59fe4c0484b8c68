"""Daily budgets: what is admitted, what counts, and that no burst runs past a limit."""

from decimal import Decimal

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from actors.policy.budgets import (
    DAY_S,
    SOON_S,
    BudgetLimits,
    Budgets,
    Short,
    resets_at,
)

NOON = 20_000 * DAY_S + DAY_S / 2
CENT = Decimal("0.01")


def limits(
    daemon: str | None = None, per_user: str | None = None, **tokens: str
) -> BudgetLimits:
    return BudgetLimits(
        daemon=None if daemon is None else Decimal(daemon),
        per_user=None if per_user is None else Decimal(per_user),
        tokens={name: Decimal(limit) for name, limit in tokens.items()},
    )


def budgets(
    daemon: str | None = None, per_user: str | None = None, **tokens: str
) -> Budgets:
    return Budgets(limits(daemon, per_user, **tokens))


def taken(book: Budgets, key: str, usd: str, user: str | None = "ada") -> Short | None:
    return book.reserve(key, user, Decimal(usd), NOON)


def used(book: Budgets, now: float = NOON) -> dict[tuple[str, str | None], str]:
    """Spent and reserved of each."""
    return {
        (row.scope, row.name): f"{row.spent_usd}+{row.reserved_usd}"
        for row in book.rows(now)
    }


def test_without_limits_nothing_is_counted() -> None:
    book = Budgets()

    assert not book.active
    assert book.rows(NOON) == ()
    assert taken(book, "1", "1e9") is None


def test_a_call_is_reserved_and_then_settled_with_its_true_cost() -> None:
    book = budgets("1", "0.6")
    assert taken(book, "1", "0.5") is None
    assert used(book) == {("daemon", None): "0+0.5", ("user", "ada"): "0+0.5"}

    assert book.settle("1", Decimal("0.2")) == Decimal("0.2")

    assert used(book) == {("daemon", None): "0.2+0.0", ("user", "ada"): "0.2+0.0"}


def test_what_calls_under_way_may_cost_is_not_given_twice() -> None:
    book = budgets("1")
    assert taken(book, "1", "0.6") is None

    short = taken(book, "2", "0.5", user="bob")

    assert short is not None
    assert short.frees_in_s == SOON_S
    assert short.sentence() == (
        "the daily budget of the daemon is $1: $0.6 reserved by calls under way,"
        " $0.4 left; this call may cost $0.5"
    )
    book.settle("1", Decimal("0.1"))
    assert taken(book, "2", "0.5", user="bob") is None


def test_what_is_spent_frees_with_the_next_day() -> None:
    book = budgets(per_user="1")
    taken(book, "1", "0.6")
    book.settle("1", Decimal("0.6"))

    short = taken(book, "2", "0.5")

    assert short is not None
    assert (short.scope, short.name) == ("user", "ada")
    assert short.frees_in_s == DAY_S / 2
    assert list(book.findings(NOON)) == []  # a cheaper call may fit
    assert book.refused("ada", Decimal("0.4"), NOON) is None
    assert book.refused("ada", Decimal("0.5"), NOON) == short
    assert [each.code for each in book.findings(NOON)] == ["budget_spent"]
    assert book.reserve("2", "ada", Decimal("0.5"), resets_at(NOON)) is None
    assert list(book.findings(resets_at(NOON))) == []


def test_what_no_day_has_room_for_never_frees() -> None:
    short = taken(budgets("1"), "1", "2")

    assert short is not None
    assert short.frees_in_s is None
    assert short.sentence() == (
        "the daily budget of the daemon is $1: nothing of it is used; this call may"
        " cost $2"
    )


def test_what_is_spent_and_reserved_and_left_is_told_apart() -> None:
    book = budgets("1")
    taken(book, "1", "0.2")
    book.charge("ada", Decimal("0.5"), NOON)
    assert book.room("ada") == Decimal("0.3")
    assert budgets().room("ada") is None

    short = taken(book, "2", "0.4")

    assert short is not None
    assert short.sentence() == (
        "the daily budget of the daemon is $1: $0.5 spent, $0.2 reserved by calls"
        " under way, $0.3 left; this call may cost $0.4"
    )


def test_an_unknown_price_is_not_admitted() -> None:
    short = budgets(ci="1").reserve("1", "ci", None, NOON)

    assert short is not None
    assert short.frees_in_s is None
    assert short.sentence() == (
        "the daily budget of token ci is $1, and the price of this call is unknown"
    )


def test_an_unknown_cost_counts_with_what_was_reserved() -> None:
    book = budgets("1")
    taken(book, "1", "0.4")

    assert book.settle("1", None) == Decimal("0.4")
    assert used(book) == {("daemon", None): "0.4+0.0"}


def test_a_call_that_reached_nobody_counts_nothing() -> None:
    book = budgets("1")
    taken(book, "1", "0.4")

    assert book.settle("1", None, called=False) == 0
    assert used(book) == {("daemon", None): "0+0.0"}


def test_settling_twice_or_what_was_never_reserved_counts_nothing() -> None:
    book = budgets("1")
    taken(book, "1", "0.4")
    book.settle("1", CENT)

    assert book.settle("1", CENT) is None
    assert used(book) == {("daemon", None): "0.01+0.0"}


def test_what_nothing_limits_counts_as_what_it_cost_or_as_not_known() -> None:
    book = Budgets(BudgetLimits(tokens={"ci": Decimal(1)}))
    for key in ("1", "2", "3"):
        assert book.reserve(key, "ann", None, NOON) is None

    assert book.settle("1", None) is None
    assert book.settle("2", None, called=False) == 0
    assert book.settle("3", CENT) == CENT


def test_what_is_spent_while_nothing_is_limited_for_a_while_counts_afterwards() -> None:
    book = budgets("1")
    book.configure(BudgetLimits())

    assert book.active
    book.reserve("1", "ann", Decimal("0.3"), NOON)
    book.settle("1", Decimal("0.2"))
    book.configure(BudgetLimits(daemon=Decimal(1)))
    assert used(book) == {("daemon", None): "0.2+0"}


def test_a_tokens_budget_stands_in_place_of_each_users() -> None:
    book = budgets(per_user="1", ci="5")

    assert taken(book, "1", "4", user="ci") is None
    assert taken(book, "2", "4", user="ada") is not None
    assert [(row.scope, row.name) for row in book.rows(NOON)] == [
        ("token", "ci"),
        ("user", "ada"),
    ]


def test_callers_without_a_name_are_one_user() -> None:
    book = budgets(per_user="1")
    taken(book, "1", "0.9", user=None)

    short = taken(book, "2", "0.2", user=None)

    assert short is not None
    assert "of callers without a name is $1" in short.sentence()


def test_only_a_limited_user_has_a_budget() -> None:
    book = budgets(ci="5")

    assert taken(book, "1", "100", user="ada") is None
    assert book.rows(NOON) == ()


def test_a_call_counts_on_the_day_on_which_it_began() -> None:
    book = budgets("1")
    taken(book, "1", "0.6")
    tomorrow = resets_at(NOON)
    assert book.reserve("2", "ada", Decimal(1), tomorrow) is None

    book.settle("1", Decimal("0.6"))

    assert used(book, tomorrow) == {("daemon", None): "0+1"}


def test_a_clock_that_is_put_back_a_little_forgets_nothing() -> None:
    book = budgets("1")
    book.charge("ada", CENT, NOON)

    assert used(book, NOON - DAY_S) == {("daemon", None): "0.01+0"}
    assert used(book, NOON - 3 * DAY_S) == {("daemon", None): "0+0"}


def test_what_was_spent_before_counts_for_everybody_concerned() -> None:
    book = budgets("10", "5")

    book.recall({"ada": Decimal(2), None: Decimal(1)}, NOON)

    assert used(book) == {
        ("daemon", None): "3+0",
        ("user", "ada"): "2+0",
        ("user", None): "1+0",
    }


def test_other_limits_keep_what_is_spent_and_reserved() -> None:
    book = budgets("10")
    taken(book, "1", "2")
    taken(book, "2", "3", user="bob")
    book.settle("2", Decimal(1))

    book.configure(limits("5", "4"))
    assert used(book) == {
        ("daemon", None): "1+2",
        ("user", "ada"): "0+2",
        ("user", "bob"): "1+0",
    }
    book.configure(limits(None, None, ada="9"))
    assert used(book) == {("token", "ada"): "0+2"}
    book.configure(limits("7"))
    assert used(book) == {("daemon", None): "1+2"}
    book.settle("1", Decimal(2))
    assert used(book) == {("daemon", None): "3+0"}


def test_a_user_seen_only_under_way_is_counted_when_users_are_limited() -> None:
    book = budgets("10")
    taken(book, "1", "2")

    book.configure(limits("10", "3"))

    assert taken(book, "2", "2") is not None


@pytest.mark.parametrize(
    ("spent", "found"),
    [
        ("0.79", []),
        ("0.8", ["budget_nearly_spent"]),
        ("0.99", ["budget_nearly_spent"]),
        ("1", ["budget_spent"]),
        ("1.5", ["budget_spent"]),
    ],
)
def test_operators_are_told_from_80_percent_on(spent: str, found: list[str]) -> None:
    book = budgets(None, "1")
    book.charge("ada", Decimal(spent), NOON)

    told = list(book.findings(NOON))

    assert [each.code for each in told] == found
    assert [each.values["whose"] for each in told] == ["user ada"] * len(found)
    left = book.rows(NOON)[0].left_usd
    assert left == max(Decimal(0), 1 - Decimal(spent))


def test_findings_say_whose_budget_it_is() -> None:
    book = budgets("1", "1")
    book.charge(None, Decimal(1), NOON)

    assert [each.values["whose"] for each in book.findings(NOON)] == [
        "daemon",
        "user (unnamed)",
    ]


MONEY = st.decimals("0", "3", places=6)
USERS = st.sampled_from([None, "ada", "bob", "ci"])


class Bursts(RuleBasedStateMachine):
    """Calls begin and end in any order, and cost at most what was reserved for them.

    Against sums of our own: what is settled and reserved is exactly that of the calls,
    and never comes over a limit.
    """

    calls = Bundle("calls")

    @initialize(daemon=MONEY, per_user=MONEY, token=MONEY)
    def begin(self, daemon: Decimal, per_user: Decimal, token: Decimal) -> None:
        self.limits = BudgetLimits(
            daemon=daemon, per_user=per_user, tokens={"ci": token}
        )
        self.book = Budgets(self.limits)
        self.now = NOON
        self.number = 0
        self.spent: dict[str | None, Decimal] = {}
        self.under_way: dict[str, tuple[str | None, Decimal, float]] = {}

    @rule(target=calls, user=USERS, amount=MONEY)
    def call(self, user: str | None, amount: Decimal) -> str:
        self.number += 1
        key = str(self.number)
        short = self.book.reserve(key, user, amount, self.now)
        room = all(
            self.total(each) + amount <= limit for each, limit in self.of(user).items()
        )
        assert (short is None) is room
        if short is None:
            self.under_way[key] = user, amount, resets_at(self.now)
        return key

    @rule(key=consumes(calls), share=st.sampled_from(["0", "0.5", "1", None]))
    def end(self, key: str, share: str | None) -> None:
        user, amount, day = self.under_way.pop(key, (None, Decimal(0), 0.0))
        cost = None if share is None else amount * Decimal(share)
        self.book.settle(key, cost)
        if day == resets_at(self.now):
            counts = amount if cost is None else cost
            self.spent[user] = self.spent.get(user, Decimal(0)) + counts

    @rule()
    def sleep(self) -> None:
        self.now += DAY_S
        self.spent.clear()

    def of(self, user: str | None) -> dict[object, Decimal]:
        per_user = self.limits.per_user if user != "ci" else self.limits.tokens["ci"]
        assert per_user is not None
        assert self.limits.daemon is not None
        return {"all": self.limits.daemon, (user,): per_user}

    def total(self, who: object) -> Decimal:
        today = resets_at(self.now)
        mine = [
            amount
            for user, amount, day in self.under_way.values()
            if day == today and who in {"all", (user,)}
        ]
        settled = (usd for user, usd in self.spent.items() if who in {"all", (user,)})
        return sum(mine, sum(settled, Decimal(0)))

    @invariant()
    def adds_up_and_never_comes_over_a_limit(self) -> None:
        for row in self.book.rows(self.now):
            who = "all" if row.scope == "daemon" else (row.name,)
            assert row.spent_usd + row.reserved_usd == self.total(who)
            assert row.spent_usd + row.reserved_usd <= row.limit_usd
            assert row.left_usd >= 0


TestBursts = Bursts.TestCase
