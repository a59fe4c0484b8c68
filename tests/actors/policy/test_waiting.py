"""How long to wait before a call, and when waiting is not worth it."""

from actors import errors
from actors.messages.routing import Target
from actors.policy.attempts import Call, RetryConfig
from actors.policy.waiting import Candidate, Waiting
from tests.support.attempt_story import Story

A, B, C = Target("a", "m"), Target("b", "m2"), Target("c", "m3")


def test_a_repeat_waits_with_full_jitter_that_doubles() -> None:
    story = Story([A], RetryConfig(base_delay_s=1.0, max_delay_s=3.0, max_attempts=9))

    delays = [step.delay_s for _ in range(3) if isinstance(step := story.fails(), Call)]

    assert delays == [0.5, 1.0, 1.5]  # half of 1, 2, and 4 cut to 3


def test_switching_never_waits() -> None:
    story = Story([A, B, C], RetryConfig(base_delay_s=100.0))

    assert story.fails() == Call(B)
    assert story.fails() == Call(C)


def test_a_repeat_waits_at_least_the_retry_after() -> None:
    story = Story([A], RetryConfig(base_delay_s=1.0))

    assert story.fails("overloaded", after_s=4.0).delay_s == 4.0  # type: ignore[union-attr]  # a Call
    longer = Story([A], RetryConfig(base_delay_s=30.0))
    assert longer.fails("overloaded", after_s=4.0).delay_s == 15.0  # type: ignore[union-attr]  # a Call


def test_time_spent_elsewhere_counts_towards_a_retry_after() -> None:
    story = Story([A, B], RetryConfig(base_delay_s=0.0))
    story.fails("rate_limit", after_s=5.0)
    step = story.fails("timeout", took_s=3.0)

    assert step == Call(A, 2.0, repeat=True)


def test_a_long_retry_after_is_waited_for_when_nobody_else_is_left() -> None:
    story = Story([A, B])

    assert story.fails("rate_limit", after_s=20.0) == Call(B)
    assert story.fails("auth") == Call(A, 20.0, repeat=True)


def test_but_not_while_somebody_else_is() -> None:
    story = Story([A, B], RetryConfig(base_delay_s=0.0))
    story.fails("rate_limit", after_s=20.0)

    assert story.fails("server_error") == Call(B, 0.0, repeat=True, counts=False)


def test_of_two_long_waits_the_shorter_is_taken() -> None:
    story = Story([A, B])
    story.fails("rate_limit", after_s=25.0)

    assert story.fails("rate_limit", after_s=15.0) == Call(B, 15.0, repeat=True)


def test_a_retry_after_beyond_the_longest_delay_is_the_answer() -> None:
    story = Story([A], RetryConfig(max_delay_s=30.0))
    story.fails("rate_limit", after_s=31.0)

    assert isinstance(story.error, errors.ProviderRateLimited)
    assert story.error.retry_after_s == 31.0


def test_a_retry_after_beyond_the_deadline_is_the_answer() -> None:
    story = Story([A], deadline=10.0)
    story.fails("rate_limit", after_s=12.0)

    assert isinstance(story.error, errors.ProviderRateLimited)
    assert story.error.retry_after_s == 12.0


def test_the_soonest_of_several_long_waits_is_told() -> None:
    story = Story([A, B])
    story.fails("rate_limit", after_s=90.0)
    story.fails("rate_limit", after_s=60.0, took_s=5.0)

    assert story.error.retry_after_s == 60.0

    turned = Story([A, B])
    turned.fails("rate_limit", after_s=60.0)
    turned.fails("rate_limit", after_s=90.0, took_s=5.0)
    assert turned.error.retry_after_s == 55.0


def test_no_wait_passes_the_deadline() -> None:
    story = Story([A], RetryConfig(base_delay_s=10.0), deadline=5.0)
    story.fails()

    assert isinstance(story.error, errors.ProviderServerError)


def test_a_passed_deadline_ends_the_request() -> None:
    story = Story([A, B], deadline=5.0)
    story.fails("timeout", took_s=5.0)

    assert isinstance(story.error, errors.DeadlineExceeded)
    assert "a timeout" in story.error.message


def test_a_wait_too_long_for_jitter_alone_is_not_a_retry_after() -> None:
    waiting = Waiting(RetryConfig(base_delay_s=10.0), deadline=5.0)
    tried = Candidate(A, 0, 0.0)
    tried.tries = 1

    assert waiting.choose([tried], 0.0, 0.9) is None
    assert waiting.too_long is None


def test_the_least_tried_goes_before_the_better_ranked() -> None:
    waiting = Waiting(RetryConfig(base_delay_s=1.0), deadline=100.0)
    better, fresher = Candidate(A, 0, 0.0), Candidate(B, 1, 0.0)
    better.tries, fresher.tries = 2, 1

    assert waiting.choose([better, fresher], 0.0, 0.5) == (fresher, 0.5)
    assert waiting.choose([fresher, better], 0.0, 0.5) == (fresher, 0.5)


def test_a_first_call_waits_only_for_its_release() -> None:
    waiting = Waiting(RetryConfig(base_delay_s=10.0), deadline=100.0)

    assert waiting.delay_s(Candidate(A, 0, 3.0), 1.0, 0.9) == 2.0
    assert waiting.delay_s(Candidate(A, 0, 3.0), 4.0, 0.9) == 0.0
