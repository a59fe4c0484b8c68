"""What a call is told that was refused before it was made."""

from math import inf

import pytest

from actors.messages.provider import AT_CAPACITY, Failure
from actors.provider import refusals


@pytest.mark.parametrize(
    ("refusal", "kind", "code", "retry_after_s"),
    [
        (refusals.out_of_money("a"), "quota", "quota", None),
        (refusals.full("a", 3), "rate_limit", AT_CAPACITY, None),
        (refusals.limited("a", 2.5), "rate_limit", "limited", 2.5),
        (refusals.limited("a", inf), "context_too_long", "too_large", None),
        (refusals.breaker_open("a", "m", 4.0), "overloaded", "breaker_open", 4.0),
        (refusals.breaker_open("a", "m", -1.0), "overloaded", "breaker_open", 0.0),
    ],
)
def test_a_refusal_of_ours_says_why_and_counts_against_nobody(
    refusal: Failure, kind: str, code: str, retry_after_s: float | None
) -> None:
    assert (refusal.failure, refusal.code) == (kind, code)
    assert refusal.retry_after_s == retry_after_s
    assert refusal.neutral
    assert "a" in refusal.message.split() or "a/m" in refusal.message
