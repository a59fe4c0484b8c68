"""When a supervisor starts a child again and when it gives up, as pure functions.

The words are OTP's: restart policy, restart intensity. ``add_restart`` follows the rule
of ``supervisor.erl``: more than ``max_restarts`` within ``within_s`` is too many.
"""

from typing import Literal

from actors.messages.lifecycle import ExitReason

RestartPolicy = Literal["permanent", "transient", "temporary"]


def should_restart(policy: RestartPolicy, reason: ExitReason) -> bool:
    """Whether a child that ended by itself is to be started again.

    ``cancelled`` is always its supervisor's own doing and never answered by a restart.
    """
    if reason == "cancelled" or policy == "temporary":
        return False

    return policy == "permanent" or reason == "crashed"


def add_restart(
    history: tuple[float, ...], now: float, max_restarts: int, within_s: float
) -> tuple[tuple[float, ...], bool]:
    """Count one more restart.

    Args:
        history: Times of earlier restarts, oldest first, in loop seconds.
        now: Loop seconds; not before the last time of ``history``.
        max_restarts: So many are allowed.
        within_s: Within so many seconds; one exactly so long ago still counts.

    Returns:
        The times that still count, this one included, and whether it is allowed.
    """
    recent = (*(at for at in history if now <= at + within_s), now)
    return recent, len(recent) <= max_restarts
