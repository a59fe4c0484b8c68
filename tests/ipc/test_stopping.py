"""What callers are told of a daemon that is about to end."""

from actors.errors import RESTART_S
from ipc.stopping import draining, stopped


def test_whoever_is_too_late_may_come_again_elsewhere() -> None:
    error = draining()

    assert (error.kind, error.retryable) == ("overloaded", True)
    assert error.retry_after_s == RESTART_S
    assert "draining" in error.message


def test_whoever_was_inside_may_ask_again() -> None:
    error = stopped()

    assert (error.kind, error.retryable) == ("interrupted", True)
    assert error.retry_after_s == RESTART_S
