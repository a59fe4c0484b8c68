"""Requests that wait in line."""

from itertools import count

from actors.messages.routing import Priority
from actors.policy.waiting_line import Waiter

_ids = count(1)


def waiter(
    *places: str,
    priority: Priority = "normal",
    user: str | None = None,
    since: float = 0.0,
    patience_s: float = 600.0,
    durable: bool = False,
    returned: bool = False,
) -> Waiter:
    """One that waits for ``places``, by default for the one called ``p``."""
    return Waiter(
        request_id=f"r{next(_ids)}",
        places=frozenset(places or ("p",)),
        deadline=since + patience_s,
        since=since,
        priority=priority,
        user=user,
        durable=durable,
        returned=returned,
    )
