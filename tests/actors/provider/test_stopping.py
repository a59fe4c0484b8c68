"""Whose doing it was that a call was stopped, and how long it might take."""

import pytest

from actors.messages.provider import NO_FIRST_TOKEN, TimeoutLimits
from actors.provider.stopping import StopReason, narrowed, stop_failure
from actors.wire.base import Timeouts


@pytest.mark.parametrize(
    ("reason", "kind", "owner", "neutral"),
    [
        ("cancelled", "cancelled", "caller", True),
        ("lost", "cancelled", "us", True),
        ("deadline", "timeout", "caller", True),
        ("total", "timeout", "provider", False),
        ("first_token", "timeout", "provider", False),
        ("idle", "timeout", "provider", False),
    ],
)
def test_who_stopped_it(
    reason: StopReason, kind: str, owner: str, *, neutral: bool
) -> None:
    failure = stop_failure(reason, 5.0, silent=False)

    assert (failure.failure, failure.owner) == (kind, owner)
    assert failure.neutral is neutral
    assert failure.code is None


def test_a_message_names_what_was_awaited_and_how_long() -> None:
    first = stop_failure("first_token", 2.3456, silent=True)

    assert first.message == "no first token within 2.35 s"
    assert stop_failure("idle", 60, silent=False).message == (
        "no next bytes within 60 s"
    )
    assert stop_failure("total", 600, silent=False).message == (
        "no whole answer within 600 s"
    )


def test_a_stream_that_said_nothing_is_marked() -> None:
    assert stop_failure("first_token", 1.0, silent=True).code == NO_FIRST_TOKEN
    assert stop_failure("lost", 1.0, silent=True).code == NO_FIRST_TOKEN
    assert stop_failure("cancelled", 1.0, silent=True).code is None


def test_what_is_said_goes_before_the_providers_own() -> None:
    own = Timeouts()

    assert narrowed(own, None) is own
    assert narrowed(own, TimeoutLimits(idle_s=2.0)) == Timeouts(idle_s=2.0)
    every = TimeoutLimits(connect_s=1.0, first_token_s=2.0, idle_s=3.0, total_s=4.0)
    assert narrowed(own, every) == Timeouts(
        connect_s=1.0, first_token_s=2.0, idle_s=3.0, total_s=4.0
    )
