"""Who is called next, after what wait, and when a request gives up."""

from decimal import Decimal
from typing import get_args

import pytest

from actors import errors
from actors.errors import FailureClass
from actors.messages.chat import Completion
from actors.messages.provider import AT_CAPACITY, Failure, ModelSnapshot, Outcome
from actors.messages.routing import Target
from actors.policy.attempts import (
    AttemptPlan,
    Call,
    GiveUp,
    Queue,
    RetryBudget,
    RetryConfig,
)
from actors.policy.retry_rules import ENDS
from tests.support.attempt_story import FAR, Story

A, B, C = Target("a", "m"), Target("b", "m2"), Target("c", "m3")
A2 = Target("a", "other")


# Order


def test_the_best_ranked_is_called_first_without_a_wait() -> None:
    assert Story([A, B]).call == Call(A)


def test_where_the_strategy_ranks_the_untried_come_before_repeats() -> None:
    assert Story([A, B]).until_the_end() == ["a", "b", "a", "b"]


def test_attempts_are_counted_over_all_providers() -> None:
    story = Story([A, B, C], RetryConfig(max_attempts=2))

    assert story.until_the_end() == ["a", "b"]
    assert story.plan.calls == 2


def test_repeats_are_counted_per_provider() -> None:
    story = Story([A], RetryConfig(max_attempts=10, max_retries=2))

    assert story.until_the_end() == ["a", "a", "a"]


def test_the_callers_order_repeats_each_once_before_the_next() -> None:
    story = Story([A, B, C], RetryConfig(max_attempts=6), ordered=True)

    assert story.until_the_end() == ["a", "a", "b", "b", "c", "c"]


def test_same_first_may_say_how_often() -> None:
    config = RetryConfig(max_attempts=6, same_first=2)

    assert Story([A, B], config, ordered=True).until_the_end() == list("aaabbb")
    never = RetryConfig(max_attempts=4, same_first=0)
    assert Story([A, B], never, ordered=True).until_the_end() == list("abab")


def test_the_last_attempt_is_kept_for_a_candidate_not_yet_tried() -> None:
    story = Story([A, B], RetryConfig(max_attempts=2), ordered=True)
    assert story.until_the_end() == ["a", "b"]

    longer = RetryConfig(max_attempts=3, same_first=5)
    assert Story([A, B], longer, ordered=True).until_the_end() == ["a", "a", "b"]


def test_the_last_attempt_may_repeat_when_everybody_was_tried() -> None:
    story = Story([A], RetryConfig(max_attempts=2), ordered=True)

    assert story.until_the_end() == ["a", "a"]


def test_a_candidate_named_twice_is_one_candidate() -> None:
    config = RetryConfig(max_retries=0)

    assert Story([A, A, B], config).until_the_end() == ["a", "b"]


def test_a_forced_provider_is_repeated_and_never_left() -> None:
    story = Story([A, B, A2], forced=True)

    assert story.until_the_end() == ["a", "a", "a", "a"]
    assert {A, A2} == {target.target for target in story.plan._pool.candidates}


def test_where_the_strategy_ranks_a_timeout_is_repeated_after_everyone_else() -> None:
    story = Story([A, B])

    assert story.fails("timeout") == Call(B)
    assert story.fails("timeout", draw=0.0) == Call(A, 0.0, repeat=True, counts=False)


@pytest.mark.parametrize(
    "kind", ["timeout", "auth", "quota", "model_not_found", "internal"]
)
def test_in_the_callers_order_some_failures_end_a_candidate_at_once(
    kind: FailureClass,
) -> None:
    story = Story([A, B], ordered=True)

    assert story.fails(kind) == Call(B)
    assert isinstance(story.fails(kind), GiveUp)


@pytest.mark.parametrize(
    "kind", ["connect", "server_error", "overloaded", "bad_response"]
)
def test_server_errors_and_resets_are_repeated_once_first(kind: FailureClass) -> None:
    story = Story([A, B], ordered=True)

    assert story.fails(kind, draw=0.0) == Call(A, 0.0, repeat=True, counts=False)
    assert story.fails(kind) == Call(B)


@pytest.mark.parametrize("ordered", [False, True])
def test_who_says_not_to_be_asked_again_is_not(ordered: bool) -> None:
    story = Story([A, B], ordered=ordered)

    assert story.fails("overloaded", should_retry=False) == Call(B)
    assert isinstance(story.fails("timeout", should_retry=False), GiveUp)


def test_who_says_to_be_asked_again_is_treated_like_everybody() -> None:
    assert Story([A, B]).fails("auth", should_retry=True) == Call(B)


def test_a_rate_limit_is_repeated_first_only_when_the_wait_is_said_and_short() -> None:
    assert Story([A, B], ordered=True).fails("rate_limit") == Call(B)
    assert Story([A, B], ordered=True).fails("rate_limit", after_s=5.1) == Call(B)
    assert Story([A, B], ordered=True).fails("rate_limit", after_s=5.0) == Call(
        A, 5.0, repeat=True
    )


def test_same_first_does_not_wait_past_the_deadline() -> None:
    story = Story([A, B], ordered=True, deadline=3.0)

    assert story.fails("rate_limit", after_s=4.0) == Call(B)


# Refusals


@pytest.mark.parametrize("kind", ["auth", "quota"])
def test_a_refused_key_ends_every_model_of_that_provider(kind: FailureClass) -> None:
    story = Story([A, A2, B])

    assert story.fails(kind) == Call(B)


def test_a_missing_model_ends_that_model_only() -> None:
    assert Story([A, A2, B]).fails("model_not_found") == Call(A2)


def test_a_request_at_fault_is_not_tried_elsewhere() -> None:
    story = Story([A, B])
    story.fails("bad_request")

    assert isinstance(story.error, errors.RequestRejected)


def test_what_one_dialect_cannot_carry_another_may() -> None:
    story = Story([A, B], RetryConfig(max_attempts=1))

    assert story.fails("bad_request", called=False) == Call(B)
    story.fails("bad_request", called=False)
    assert isinstance(story.error, errors.RequestRejected)


def test_filtered_content_is_not_shopped_around() -> None:
    story = Story([A, B])
    story.fails("content_filtered")

    assert isinstance(story.error, errors.ContentFiltered)


def test_unless_the_configuration_says_so() -> None:
    story = Story([A, B], RetryConfig(content_filter_fallback=True))

    assert story.fails("content_filtered") == Call(B)
    story.fails("content_filtered")
    assert isinstance(story.error, errors.ContentFiltered)


@pytest.mark.parametrize("called", [True, False])
def test_a_cancelled_request_stops(called: bool) -> None:
    story = Story([A, B])
    story.fails("cancelled", called=called)

    assert isinstance(story.error, errors.Cancelled)


def test_a_crash_of_ours_fails_over() -> None:
    story = Story([A, B])

    assert story.fails("internal") == Call(B)
    story.fails("internal")
    assert isinstance(story.error, errors.InternalError)


# Streams


def test_a_stream_the_caller_has_seen_is_not_started_again() -> None:
    story = Story([A, B])
    story.fails("bad_response", emitted=True)

    assert isinstance(story.error, errors.ProviderResponseError)


def test_a_stream_held_back_fails_over_unseen() -> None:
    story = Story([A, B], buffered=True)

    assert story.fails("bad_response", emitted=True) == Call(B)


# Candidates that are not free yet


def test_a_free_candidate_goes_before_a_blocked_one() -> None:
    assert Story([A, B], ready_at={A: 3.0}).call == Call(B)


def test_a_blocked_candidate_is_waited_for_when_alone() -> None:
    assert Story([A], ready_at={A: 3.0}).call == Call(A, 3.0)


def test_a_candidate_blocked_too_long_is_rate_limited_without_a_call() -> None:
    story = Story([A], ready_at={A: 100.0})

    assert isinstance(story.error, errors.ProviderRateLimited)
    assert story.error.retry_after_s == 100.0
    assert story.plan.calls == 0


def test_nobody_ranked_is_no_provider() -> None:
    assert isinstance(Story([]).error, errors.NoProvider)
    assert isinstance(Story([], forced=True).error, errors.NoProvider)


def test_an_open_breaker_costs_no_attempt_and_is_not_asked_again() -> None:
    story = Story([A, B], RetryConfig(max_attempts=1))

    assert story.fails("overloaded", called=False, after_s=4.0) == Call(B)
    assert story.plan.calls == 0
    story.fails("overloaded", called=False, after_s=3.0)
    assert isinstance(story.error, errors.NoProvider)
    assert story.error.retry_after_s == 3.0


def test_our_own_limiter_is_waited_for_a_few_times() -> None:
    story = Story([A], RetryConfig(max_attempts=1))

    assert story.fails("rate_limit", called=False, after_s=1.0) == Call(A, 1.0)
    assert story.fails("rate_limit", called=False, after_s=1.0) == Call(A, 1.0)
    story.fails("rate_limit", called=False, after_s=1.0)
    assert isinstance(story.error, errors.ProviderRateLimited)
    assert story.error.retry_after_s == 1.0


def test_refusals_take_nothing_from_the_budget_before_a_call_was_made() -> None:
    story = Story([A, B], budget=RetryBudget(burst=0.0, min_per_s=0.0))

    assert story.fails("overloaded", called=False) == Call(B)


def test_a_long_wait_for_an_overloaded_provider_keeps_its_name() -> None:
    story = Story([A])
    story.fails("overloaded", after_s=99.0)

    assert isinstance(story.error, errors.ProviderOverloaded)
    assert story.error.retry_after_s == 99.0


def test_a_request_that_comes_too_late_is_not_sent() -> None:
    story = Story([A], deadline=0.0)

    assert isinstance(story.error, errors.DeadlineExceeded)


# A kept-alive connection that had been closed


def test_a_stale_connection_gets_one_free_fresh_one() -> None:
    story = Story([A, B], RetryConfig(max_attempts=1), budget=RetryBudget(burst=0.0))

    assert story.fails("connect", neutral=True) == Call(A, 0.0, repeat=True)
    assert story.plan.calls == 0
    story.fails("connect", neutral=True)
    assert isinstance(story.error, errors.ProviderConnectionError)
    assert story.plan.calls == 1


def test_not_after_the_deadline() -> None:
    story = Story([A], deadline=1.0)
    story.fails("connect", neutral=True, took_s=1.0)

    assert isinstance(story.error, errors.DeadlineExceeded)


# What was too long


def test_a_long_prompt_goes_only_to_larger_windows() -> None:
    windows: dict[Target, int | None] = {A: 100, B: 100, C: 200}
    story = Story([A, B, C], windows=windows)

    assert story.fails("context_too_long") == Call(C)
    story.fails("context_too_long")
    assert isinstance(story.error, errors.ContextTooLong)


def test_and_once_to_an_unknown_one() -> None:
    story = Story([A, B, C], windows={A: 100})

    assert story.fails("context_too_long") == Call(B)
    story.fails("server_error")
    assert isinstance(story.error, errors.ProviderServerError)


@pytest.mark.parametrize("status", [413, 429])
def test_too_much_for_a_minute_says_nothing_of_the_window(status: int) -> None:
    windows: dict[Target, int | None] = {A: 100, B: 100}
    story = Story([A, B], windows=windows)

    assert story.fails("context_too_long", status=status) == Call(B)
    story.fails("context_too_long", status=status)
    assert isinstance(story.error, errors.ContextTooLong)


def test_more_than_our_own_limit_lets_through_in_a_minute_is_too_long() -> None:
    story = Story([A])
    story.fails("context_too_long", called=False, owner="caller")

    assert isinstance(story.error, errors.ContextTooLong)
    assert story.plan.calls == 0


def test_a_large_prompt_is_not_sent_again_after_a_second_429() -> None:
    large = Story([A], prompt_tokens=10_000)
    small = Story([A], prompt_tokens=9_999)
    for story in (large, small):
        while isinstance(story.step, Call):
            story.fails("rate_limit", after_s=1.0)

    assert (large.plan.calls, small.plan.calls) == (2, 4)
    assert isinstance(large.error, errors.ProviderRateLimited)


def test_never_to_the_same_model_elsewhere() -> None:
    twin = Target("elsewhere", A.model)
    story = Story([A, twin], windows={A: 100, twin: 10_000})
    story.fails("context_too_long")

    assert isinstance(story.error, errors.ContextTooLong)


# The budget shared by the whole daemon


def test_an_empty_budget_ends_the_request_with_its_last_error() -> None:
    story = Story([A, B], budget=RetryBudget(burst=0.0, min_per_s=0.0))
    story.fails("overloaded")

    assert isinstance(story.error, errors.ProviderOverloaded)


def test_an_empty_budget_still_tells_the_retry_after() -> None:
    story = Story([A, B], budget=RetryBudget(burst=0.0, min_per_s=0.0))
    story.fails("rate_limit", after_s=3.0)

    assert isinstance(story.error, errors.ProviderRateLimited)
    assert story.error.retry_after_s == 3.0


def test_with_an_empty_budget_a_call_waits_until_one_is_earned() -> None:
    story = Story([A, B, C], budget=RetryBudget(burst=0.0, min_per_s=0.5))
    story.plan.first(0.0)

    assert story.plan.after(lost(A, "connect"), 0.0, 0.0, story.budget) == Call(
        B, delay_s=2.0
    )
    assert story.plan.after(lost(B, "connect"), 2.0, 0.0, story.budget) == Call(
        C, delay_s=2.0
    )


def test_nobody_waits_for_the_budget_past_deadline_or_longest_delay() -> None:
    for config, deadline in ((RetryConfig(max_delay_s=1.9), 100.0), (None, 1.9)):
        story = Story(
            [A, B],
            config or RetryConfig(),
            budget=RetryBudget(burst=0.0, min_per_s=0.5),
            deadline=deadline,
        )
        story.plan.first(0.0)
        step = story.plan.after(lost(A, "connect"), 0.0, 0.0, story.budget)

        assert isinstance(step, GiveUp)


def test_every_further_call_takes_one_from_the_budget() -> None:
    budget = RetryBudget(burst=2.0, min_per_s=0.0)

    assert Story([A, B], budget=budget).until_the_end() == ["a", "b", "a"]


def test_what_was_paid_for_a_refused_call_is_not_paid_twice() -> None:
    budget = RetryBudget(burst=2.0, min_per_s=0.0)
    story = Story([A, B, C], budget=budget)
    story.fails()
    assert story.fails("overloaded", called=False) == Call(C)
    story.fails()

    assert story.call.repeat
    assert budget.left(0.0) == 0.0


# The request's own money


def priced(cheap: int, dear: int | None) -> dict[Target, ModelSnapshot]:
    """A call costs so many thousandths of a dollar at a and at b (1000 tokens in)."""
    return {
        target: ModelSnapshot(
            provider=target.provider,
            model=target.model,
            input_price=None if price is None else Decimal(price),
            output_price=Decimal(0),
        )
        for target, price in ((A, cheap), (B, dear))
    }


def test_no_call_is_made_that_is_expected_to_go_over_the_budget() -> None:
    story = Story([A, B], known=priced(1, 5), budget_usd=Decimal("0.005"))
    story.fails(cost_usd=Decimal("0.001"))
    assert story.call.target == A  # 1 spent and 5 to come are too much at b
    story.fails(cost_usd=Decimal("0.001"))
    story.fails(cost_usd=Decimal("0.003"))

    assert isinstance(story.error, errors.BudgetExceeded)
    assert "$0.005" in story.error.message
    assert "a server_error" in story.error.message


def test_a_call_of_unknown_cost_may_have_cost_what_was_expected() -> None:
    story = Story([A, B], known=priced(3, 3), budget_usd=Decimal("0.005"))
    story.fails(cost_usd=None)

    assert isinstance(story.error, errors.BudgetExceeded)


def test_refused_calls_cost_nothing_and_unknown_prices_are_not_risked() -> None:
    story = Story([A, B], known=priced(1, None), budget_usd=Decimal("0.002"))
    story.fails("overloaded", called=False)

    assert isinstance(story.error, errors.BudgetExceeded)
    assert "an unknown sum" in story.error.message


def test_without_attempts_left_money_is_not_the_reason() -> None:
    config = RetryConfig(max_attempts=1)
    story = Story([A, B], config, known=priced(1, 9), budget_usd=Decimal("0.001"))
    story.fails(cost_usd=Decimal("0.001"))

    assert isinstance(story.error, errors.ProviderServerError)


# Two calls at once


def ample() -> RetryBudget:
    return RetryBudget(burst=10.0, min_per_s=0.0)


def test_a_hedge_goes_to_the_best_untried_of_another_provider() -> None:
    story = Story([A, A2, B, C])

    assert story.plan.hedge(0.0, ample(), ample()) == Call(B, hedge=True)


@pytest.mark.parametrize(
    "seen",
    [
        {"breaker": "open"},
        {"healthy": False},
        {"auth_refused": True},
        {"blocked_until": 5.0},
    ],
)
def test_nobody_in_doubt_is_a_hedge(seen: dict[str, object]) -> None:
    known = ModelSnapshot(provider="b", model="m2", **seen)  # type: ignore[arg-type]  # a test's words
    story = Story([A, B], known={B: known})

    assert story.plan.hedge(0.0, ample(), ample()) is None


def test_a_hedge_takes_from_both_budgets_or_from_none() -> None:
    budget, share, none = ample(), ample(), RetryBudget(burst=0.0)
    half = RetryBudget(burst=10.0, min_per_s=0.0)
    for _ in range(6):
        half.try_take(0.0)
    plan = Story([A, B]).plan

    assert plan.hedge(0.0, budget, none) is None
    assert plan.hedge(0.0, half, share) is None
    assert (budget.left(0.0), share.left(0.0), half.left(0.0)) == (10.0, 10.0, 4.0)
    assert plan.hedge(0.0, budget, share)
    assert (budget.left(0.0), share.left(0.0)) == (9.0, 9.0)


def test_there_is_no_hedge_without_a_call_or_an_attempt_left_or_time() -> None:
    late = Story([A, B], deadline=1.0).plan

    assert Story([]).plan.hedge(0.0, ample(), ample()) is None
    one = Story([A, B], RetryConfig(max_attempts=1)).plan
    assert one.hedge(0.0, ample(), ample()) is None
    assert late.hedge(1.0, ample(), ample()) is None


def test_the_call_under_way_is_counted_against_the_money_of_a_hedge() -> None:
    known = priced(3, 3)
    tight = Story([A, B], known=known, budget_usd=Decimal("0.005")).plan
    enough = Story([A, B], known=known, budget_usd=Decimal("0.006")).plan

    assert tight.hedge(0.0, ample(), ample()) is None
    assert enough.hedge(0.0, ample(), ample())


def lost(target: Target, kind: FailureClass = "cancelled") -> Outcome:
    return Outcome(
        attempt_id="2",
        provider=target.provider,
        model=target.model,
        latency_s=1.0,
        failure=Failure(failure=kind, message=f"{target.provider} {kind}", owner="us"),
    )


def test_both_calls_count_as_attempts() -> None:
    story = Story([A, B, C], RetryConfig(max_attempts=3))
    story.plan.hedge(0.0, ample(), ample())
    story.plan.beside(lost(B, "server_error"), 1.0)

    assert story.fails() == Call(C)
    assert isinstance(story.fails(), GiveUp)


def test_the_last_to_fail_is_the_one_that_is_left() -> None:
    story = Story([A, B], RetryConfig(max_attempts=3), ordered=True)
    story.plan.hedge(0.0, ample(), ample())
    story.plan.beside(lost(A, "server_error"), 1.0)
    step = story.plan.after(lost(B, "server_error"), 1.0, 0.0, story.budget)

    assert isinstance(step, Call)
    assert step.target == B


def test_what_one_of_two_calls_found_at_fault_ends_the_request_with_the_other() -> None:
    story = Story([A, B, C])
    story.plan.hedge(0.0, ample(), ample())
    story.plan.beside(lost(B, "bad_request"), 1.0)
    story.fails()

    assert isinstance(story.error, errors.RequestRejected)


def test_a_call_that_lost_ends_nothing() -> None:
    story = Story([A, B, C])
    story.plan.hedge(0.0, ample(), ample())
    story.plan.beside(lost(A), 1.0)

    assert story.plan.after(lost(B, "connect"), 1.0, 0.0, story.budget) == Call(C)


# How long a first token may take


def measured(target: Target, p95_s: float | None = 2.0) -> ModelSnapshot:
    return ModelSnapshot(
        provider=target.provider,
        model=target.model,
        ttft_p95_s=p95_s,
        ttft_samples=30,
        ttft_prompt_tokens=1000.0,
    )


def test_a_first_token_is_awaited_twice_its_p95_while_another_is_ready() -> None:
    known = {A: measured(A)}

    assert Story([A, B], known=known).plan.first_token_s(0.0, ample()) == 4.0
    assert Story([A], known=known).plan.first_token_s(0.0, ample()) is None
    assert Story([A, A2], known=known).plan.first_token_s(0.0, ample()) is None


def test_and_as_long_as_configured_otherwise() -> None:
    known, spent = {A: measured(A)}, RetryBudget(burst=10.0, min_per_s=0.0)
    for _ in range(6):
        spent.try_take(0.0)
    off = RetryConfig(adaptive_first_token=False)
    last = RetryConfig(max_attempts=1)

    assert Story([A, B]).plan.first_token_s(0.0, ample()) is None
    assert Story([A, B], off, known=known).plan.first_token_s(0.0, ample()) is None
    assert Story([A, B], last, known=known).plan.first_token_s(0.0, ample()) is None
    assert Story([A, B], known=known).plan.first_token_s(0.0, spent) is None
    brief = Story([A, B], known=known, deadline=4.0).plan
    assert brief.first_token_s(0.0, ample()) is None
    assert Story([], known=known).plan.first_token_s(0.0, ample()) is None


# What counts against a provider


def test_one_request_counts_once_against_a_provider() -> None:
    story = Story([A, B])
    assert story.call.counts

    assert story.plan.counts(A)
    assert story.fails().counts  # type: ignore[union-attr]  # b's first call
    assert not story.plan.counts(A)
    assert not story.plan.counts(A2)
    assert story.fails() == Call(A, 0.5, repeat=True, counts=False)


@pytest.mark.parametrize("kind", ["rate_limit", "auth", "model_not_found"])
def test_what_is_no_ill_health_leaves_the_count_open(kind: FailureClass) -> None:
    story = Story([A, B])
    story.fails(kind)

    assert story.plan.counts(A)


# The API's edges


def test_every_failure_class_has_a_rule() -> None:
    assert set(get_args(FailureClass)) == set(ENDS)


def test_a_success_has_no_next() -> None:
    story = Story([A])
    done = Outcome(
        attempt_id="1",
        provider="a",
        model="m",
        latency_s=1.0,
        completion=Completion(content="hi", finish_reason="stop"),
    )

    with pytest.raises(ValueError, match="only a failed outcome"):
        story.plan.after(done, 0.0, 0.0, story.budget)


def test_nothing_follows_before_the_first_call() -> None:
    plan = AttemptPlan(RetryConfig(), [], deadline=FAR)
    failure = Failure(failure="connect", message="no", owner="provider")
    lost = Outcome(
        attempt_id="1", provider="a", model="m", latency_s=0.0, failure=failure
    )

    with pytest.raises(ValueError, match="a call of this plan"):
        plan.after(lost, 0.0, 0.0, RetryBudget())


# Places ------------------------------------------------------------------------------


def test_who_has_no_place_is_passed_over() -> None:
    story = Story([A, B])

    assert story.finds_no_place() == Call(B)


def test_when_nobody_has_a_place_the_request_waits_for_any_of_them() -> None:
    story = Story([A, B])
    story.finds_no_place()

    assert story.finds_no_place() == Queue(frozenset(("a", "b")))
    assert story.is_granted("b") == Call(B)


def test_waiting_in_line_begins_again_when_things_have_changed() -> None:
    story = Story([A, B])
    story.finds_no_place()
    story.finds_no_place()

    assert story.is_granted(None) == Call(A)


def test_a_place_where_nobody_may_be_called_any_more_is_passed_over() -> None:
    story = Story([A, B], ordered=True)
    story.fails("timeout")
    story.finds_no_place()

    assert story.is_granted("a") == Call(B)


def test_the_untried_are_waited_for_rather_than_the_tried_repeated() -> None:
    story = Story([A, B])
    story.fails()

    assert story.finds_no_place() == Queue(frozenset(("b",)))


def test_the_tried_are_repeated_rather_than_waited_for() -> None:
    story = Story([A, B])
    story.fails()
    story.fails()  # the next is a repeat of one of them
    first = story.call.target

    assert story.finds_no_place() == Call(
        B if first == A else A, delay_s=0.5, repeat=True, counts=False
    )


def test_a_repeat_that_found_no_place_was_not_made() -> None:
    story = Story([A], RetryConfig(max_retries=1))
    story.fails()
    story.finds_no_place()

    assert story.is_granted("a") == Call(A, repeat=True, counts=False)


def test_a_call_that_waited_in_line_is_paid_for_once() -> None:
    budget = RetryBudget(burst=10.0, min_per_s=0.0, ratio=0.0)
    story = Story([A, B, C], budget=budget)
    story.fails()
    story.finds_no_place()
    story.finds_no_place()
    story.is_granted("b")

    assert budget.left(0.0) == 9.0


def test_a_call_that_waited_in_line_needs_the_budget_too() -> None:
    budget = RetryBudget(burst=1.0, min_per_s=0.0, ratio=0.0)
    story = Story([A, B], budget=budget)
    story.fails()
    story.finds_no_place()
    budget.give_back()
    while budget.try_take(0.0):
        pass

    story.is_granted("b")

    assert story.call.target == B  # paid for before it had to wait


def test_a_limiter_that_is_full_is_waited_for_and_not_asked_for_ever() -> None:
    story = Story([A])
    queue = Queue(frozenset(("a",)))

    assert story.fails("rate_limit", called=False, code=AT_CAPACITY) == queue
    story.is_granted("a")
    assert story.fails("rate_limit", called=False, code=AT_CAPACITY) == queue
    story.is_granted("a")
    story.fails("rate_limit", called=False, code=AT_CAPACITY)
    assert story.error.kind == "rate_limited"


def test_a_hedge_goes_where_there_is_a_place() -> None:
    plan = Story([A, B, C]).plan
    budget, share = RetryBudget(), RetryBudget()

    assert plan.hedge(0.0, budget, share, {"c"}.__contains__) == Call(C, hedge=True)
    assert plan.hedge(0.0, budget, share, lambda _: False) is None
