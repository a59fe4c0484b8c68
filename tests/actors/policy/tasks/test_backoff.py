"""When a failed attempt is tried again."""

from hypothesis import given, strategies as st

from actors.messages.routing import ErrorInfo
from actors.policy.tasks.backoff import Again, Backoff, after_failure


def error(*, retryable: bool = True, retry_after_s: float | None = None) -> ErrorInfo:
    return ErrorInfo(
        kind="provider_error",
        message="no",
        owner="provider",
        retryable=retryable,
        retry_after_s=retry_after_s,
    )


def after(
    failed: ErrorInfo, attempts: int = 1, deadline: float | None = None, draw: float = 0
) -> object:
    return after_failure(
        Backoff(),
        failed,
        attempts=attempts,
        max_attempts=5,
        deadline_at=deadline,
        now=100.0,
        draw=draw,
    )


def test_what_another_attempt_would_not_help_has_failed() -> None:
    assert after(error(retryable=False)) == "failed"


def test_enough_attempts_are_enough() -> None:
    assert after(error(), attempts=5) == "dead"


def test_no_attempt_is_planned_after_the_deadline() -> None:
    assert after(error(), deadline=100.5) == "failed"
    assert after(error(), deadline=101.0) == Again(101.0)


def test_a_retry_after_is_never_undercut() -> None:
    assert after(error(retry_after_s=77.0)) == Again(177.0)
    assert after(error(retry_after_s=0.1)) == Again(101.0)


@given(st.integers(1, 4), st.floats(0, 1, exclude_max=True))
def test_waits_double_and_are_spread(attempts: int, draw: float) -> None:
    again = after(error(), attempts=attempts, draw=draw)
    assert isinstance(again, Again)
    most = 2.0 * 2 ** (attempts - 1)
    assert most / 2 <= again.at - 100.0 <= most
