"""What can be asked of the ledger."""

from decimal import Decimal

import msgspec
import pytest

from actors.errors import InvalidRequest
from actors.messages.chat import Usage
from actors.messages.ledger import Own, UsageGrouping, UsageRow
from actors.messages.reuse import Reused
from actors.messages.routing import RequestRecord
from tests.support.records import START, attempt, record
from tests.support.stored import Stored


async def test_an_empty_ledger_answers(stored: Stored) -> None:
    store = stored.store

    assert await store.history(10, None) == ()
    assert await store.usage(None, "provider") == ()
    assert await store.totals() == {}
    assert await store.states() == {}
    assert await store.explain("nobody") is None


async def test_history_is_newest_first_and_goes_on_after_a_cursor(
    stored: Stored,
) -> None:
    await stored.fold(*(record(number) for number in range(5)))
    first = await stored.store.history(2, None)
    await stored.fold(record(5))
    second = await stored.store.history(10, first[-1].cursor)

    assert [entry.request_id for entry in first] == ["r4", "r3"]
    assert [entry.request_id for entry in second] == ["r2", "r1", "r0"]


async def test_no_limit_is_not_everything(stored: Stored) -> None:
    await stored.fold(record(1))

    assert await stored.store.history(-1, None) == ()
    assert await stored.store.history(0, None) == ()


async def test_a_history_entry_says_what_the_record_said(stored: Stored) -> None:
    await stored.fold(record(1))
    (entry,) = await stored.store.history(1, None)

    assert msgspec.to_builtins(entry) == {
        "cursor": "1",
        "request_id": "r1",
        "decision_id": "d1",
        "at": START + 1,
        "door": "json",
        "strategy": "hybrid",
        "outcome": "ok",
        "requested_model": "auto",
        "provider": "openai",
        "model": "gpt-4o",
        "task_type": "code_review",
        "user": "ada",
        "stream": False,
        "attempts": 1,
        "latency_s": 0.6,
        "overhead_s": 0.001,
        "time_to_first_token_s": None,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "cost_usd": "0.000125",
        "known_cost_usd": "0.000125",
        "cost_source": "table",
        "confidence": 0.6,
        "degraded": False,
        "finish_reason": "stop",
        "error_message": None,
        "simulated": True,
        "reused": None,
    }


async def test_an_unknown_cost_stays_unknown(stored: Stored) -> None:
    calls = (attempt("a", cost="0.5"), attempt("b", cost=None))
    await stored.fold(record(1, attempts=calls))
    (entry,) = await stored.store.history(1, None)

    assert entry.cost_usd is None
    assert entry.known_cost_usd == Decimal("0.5")


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "9" * 30, "\u0661"])
async def test_a_cursor_of_somebody_elses_is_refused(
    stored: Stored, cursor: str
) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        await stored.store.history(1, cursor)


async def test_explain_finds_the_whole_record_by_either_id(stored: Stored) -> None:
    original = record(3, metadata={"pull_request": 7})
    await stored.fold(record(2), original)

    assert await stored.store.explain("d3") == original
    assert await stored.store.explain("r3") == original
    assert await stored.store.explain("r4") is None


def usage_row(key: str | None, **fields: object) -> UsageRow:
    """A row of zeros but for these; the records' calls are simulated ones."""
    zero = dict.fromkeys(UsageRow.__struct_fields__, 0) | {"simulated": True}
    return msgspec.convert({**zero, "key": key, **fields}, UsageRow)


async def test_pretended_calls_stand_in_rows_of_their_own(stored: Stored) -> None:
    real = msgspec.structs.replace(record(2), simulated=False)
    await stored.fold(record(1), real)
    rows = await stored.store.usage(None, "provider")

    assert [(row.key, row.simulated, row.requests) for row in rows] == [
        ("openai", False, 1),
        ("openai", True, 1),
    ]


async def test_failed_and_cancelled_attempts_count_for_their_provider(
    stored: Stored,
) -> None:
    calls = (
        attempt("a", outcome="server_error", usage=Usage(7, 0), cost="0.25"),
        attempt("b", provider="grok", model="grok-3-mini", cost="0.5"),
        attempt("c", outcome="cancelled", usage=Usage(), cost=None),
    )
    await stored.fold(record(1, attempts=calls), record(2))
    rows = await stored.store.usage(None, "provider")

    assert rows == (
        usage_row(
            "grok",
            requests=1,
            attempts=1,
            prompt_tokens=10,
            completion_tokens=20,
            cached_tokens=4,
            reasoning_tokens=3,
            cost_usd=Decimal("0.5"),
        ),
        usage_row(
            "openai",
            requests=2,
            attempts=3,
            failures=1,
            prompt_tokens=17,
            completion_tokens=20,
            cached_tokens=4,
            reasoning_tokens=3,
            cost_usd=Decimal("0.250125"),
            unpriced_attempts=1,
        ),
    )


async def test_models_are_told_apart_by_their_provider(stored: Stored) -> None:
    calls = (attempt("a"), attempt("b", provider="azure"))
    await stored.fold(record(1, attempts=calls))
    rows = await stored.store.usage(None, "model")

    assert {row.key for row in rows} == {"openai/gpt-4o", "azure/gpt-4o"}


async def test_task_types_and_users_count_failed_requests(stored: Stored) -> None:
    await stored.fold(
        record(1),
        record(2, outcome="provider_error"),
        record(3, outcome="cancelled"),
        record(4, outcome="no_provider", attempts=()),
        record(5, user=None, task_type=None),
    )
    by_user = {row.key: row for row in await stored.store.usage(None, "user")}
    by_task = {row.key: row for row in await stored.store.usage(None, "task_type")}

    assert set(by_user) == {"ada", None}
    assert set(by_task) == {"code_review", None}
    for row in (by_user["ada"], by_task["code_review"]):
        assert (row.requests, row.attempts, row.failures) == (4, 3, 2)
        assert row.cost_usd == Decimal("0.000375")


async def test_nothing_priced_is_unknown_and_nothing_called_is_free(
    stored: Stored,
) -> None:
    await stored.fold(
        record(1, attempts=(attempt("a", cost=None),), user="bob"),
        record(2, attempts=(), user="eve", outcome="no_provider"),
    )
    costs = {row.key: row.cost_usd for row in await stored.store.usage(None, "user")}

    assert costs == {"bob": None, "eve": Decimal(0)}


def given_again(number: int, saved: str | None, **fields: object) -> RequestRecord:
    reused = Reused(
        kind="cached",
        request_id="r1",
        saved_usd=None if saved is None else Decimal(saved),
    )
    return msgspec.structs.replace(record(number, attempts=()), reused=reused, **fields)


async def test_what_was_given_again_is_counted_with_what_it_saved(
    stored: Stored,
) -> None:
    await stored.fold(
        record(1),
        given_again(2, "0.000125"),
        given_again(3, "999.999999999999"),
        given_again(4, None),
        given_again(5, None, outcome="cancelled"),
        record(6, user="bob"),
    )
    rows = {row.key: row for row in await stored.store.usage(None, "user")}
    (by_provider,) = await stored.store.usage(None, "provider")
    history = await stored.store.history(9, None)

    assert (rows["ada"].requests, rows["ada"].attempts) == (5, 1)
    assert (rows["ada"].reused, rows["bob"].reused) == (3, 0)
    assert rows["ada"].saved_usd == Decimal("1000.000124999999")
    assert rows["ada"].cost_usd == Decimal("0.000125")
    assert (by_provider.requests, by_provider.reused) == (2, 0)
    assert [entry.reused for entry in history] == [None, *["cached"] * 4, None]


async def test_history_of_one_user_goes_on_after_a_cursor(stored: Stored) -> None:
    users = ("ada", "bob", None)
    await stored.fold(*(record(n, user=users[n % 3]) for n in range(9)))
    first = await stored.store.history(2, None, Own("bob"))
    second = await stored.store.history(9, first[-1].cursor, Own("bob"))
    nobodys = await stored.store.history(9, None, Own(None))

    assert [entry.request_id for entry in first] == ["r7", "r4"]
    assert [entry.request_id for entry in second] == ["r1"]
    assert [entry.request_id for entry in nobodys] == ["r8", "r5", "r2"]
    assert await stored.store.history(9, None, Own("eve")) == ()


@pytest.mark.parametrize("by", ["provider", "model", "task_type", "user"])
async def test_usage_of_one_user(stored: Stored, by: UsageGrouping) -> None:
    users = ("ada", "ada", None)
    await stored.fold(*(record(n, user=users[n % 3]) for n in range(9)))
    (hers,) = await stored.store.usage(None, by, Own("ada"))
    (nobodys,) = await stored.store.usage(None, by, Own(None))

    assert (hers.requests, nobodys.requests) == (6, 3)
    assert await stored.store.usage(None, by, Own("eve")) == ()


async def test_usage_can_begin_at_a_time(stored: Stored) -> None:
    await stored.fold(*(record(number) for number in range(10)))
    (row,) = await stored.store.usage(START + 7, "provider")

    assert row.requests == 3


@pytest.mark.slow
async def test_sums_are_exact_and_do_not_overflow(stored: Stored) -> None:
    """9.2 million dollars are all that fits into one integer of pico-dollars."""
    costs = ("999.999999999999", "0.000000000001", "1000")
    calls = tuple(
        attempt(f"a{number}", cost=costs[number % 3]) for number in range(300)
    )
    await stored.fold(*(record(number, attempts=calls) for number in range(50)))
    (row,) = await stored.store.usage(None, "provider")

    assert row.cost_usd == 50 * 100 * Decimal(2000)


async def test_totals_add_up_over_folds_and_outlive_deleted_requests(
    stored: Stored,
) -> None:
    calls = (
        attempt("a", outcome="timeout", usage=Usage(), cost=None, at=START + 5),
        attempt("b", provider="grok"),
    )
    await stored.fold(record(1), record(2))
    await stored.fold(record(3, attempts=calls))
    deleted = await stored.store.sweep(START + 100, 100)
    totals = await stored.store.totals()

    assert deleted == 3
    assert msgspec.to_builtins(totals["openai"]) == {
        "requests": 3,
        "failures": 1,
        "prompt_tokens": 20,
        "completion_tokens": 40,
        "cost_usd": "0.00025",
        "unpriced_calls": 1,
        "last_request_at": START + 5,
    }
    assert totals["grok"].requests == 1
    assert await stored.store.usage(None, "provider") == ()


async def test_whole_records_come_oldest_first_a_page_at_a_time(stored: Stored) -> None:
    made = [record(number) for number in range(5)]
    await stored.fold(*made)
    store = stored.store
    span = await store.span(made[1].at, 3)
    first = await store.read_records(made[1].at, 0, 2)
    rest = await store.read_records(made[1].at, first[-1][0], 9)

    assert (span.since, span.first, span.last) == (
        made[2].at,
        first[-1][0],
        rest[-1][0],
    )
    assert [r.request_id for _, r in (*first, *rest)] == ["r1", "r2", "r3", "r4"]
    assert await store.read_records(0.0, rest[-1][0], 9) == ()


async def test_where_nothing_is_recorded_a_span_is_empty(stored: Stored) -> None:
    span = await stored.store.span(5.0, 10)

    assert (span.since, span.first, span.last) == (5.0, 0, 0)
    assert (await stored.store.span(None, 10)).since == 0.0
