"""One line of requests that wait for the same places, all of one priority.

Users take turns, so that nobody is kept out by one who asks a lot; of one user's
requests the oldest goes first. While the line is overloaded (``codel``) the newest goes
first, whose caller surely still listens, and what has waited over twice its target is
shed. Durable work, whose caller has long gone, is never shed and always in order.

What is shed is shed when a place comes free, and the last one left is not: the place
would stay empty. A request whose deadline has passed never gets a place.
"""

from collections import OrderedDict
from typing import Literal

from msgspec import Struct

from actors.messages.routing import Priority
from actors.policy.codel import STALE, CoDel, target_s

ShedReason = Literal["overloaded", "queue_full", "deadline"]

_Bucket = OrderedDict["Waiter", None]
_Owner = tuple[str | None, bool]


class Waiter(Struct, eq=False, kw_only=True):
    """A request that waits for a place at any of ``places``.

    ``deadline`` and ``since`` are loop time. ``durable`` work survives its caller and is
    not shed. ``returned`` had got a place and lost it again: it stands first.
    """

    request_id: str
    places: frozenset[str]
    deadline: float
    since: float
    priority: Priority = "normal"
    user: str | None = None
    durable: bool = False
    returned: bool = False

    def lateness(self, now: float) -> float:
        """How long it has waited, in multiples of its target."""
        return (now - self.since) / max(1e-6, target_s(self.deadline - self.since))


class Shed(Struct, frozen=True):
    """This one waits no longer, and gets no place."""

    waiter: Waiter
    reason: ShedReason


class WaitingLine:
    """See the module. Every operation is O(users); all but ``pop`` are O(1)."""

    __slots__ = ("_buckets", "_codel", "waiting")

    def __init__(self) -> None:
        self._buckets: OrderedDict[_Owner, _Bucket] = OrderedDict()
        self._codel = CoDel()
        self.waiting = 0

    @property
    def overloaded(self) -> bool:
        return self._codel.overloaded

    def add(self, waiter: Waiter, now: float) -> None:
        """Stand at the end; who ``returned`` at the front."""
        if not self.waiting:
            self._codel.begin(now)
        self._codel.arrived()
        bucket = self._buckets.setdefault((waiter.user, waiter.durable), OrderedDict())
        bucket[waiter] = None
        if waiter.returned:
            bucket.move_to_end(waiter, last=False)
        self.waiting += 1

    def remove(self, waiter: Waiter) -> None:
        """Leave the line.

        Raises:
            KeyError: It does not stand in it.
        """
        owner = (waiter.user, waiter.durable)
        bucket = self._buckets[owner]
        del bucket[waiter]
        self.waiting -= 1
        if not bucket:
            del self._buckets[owner]

    def pop(self, now: float) -> tuple[Waiter | None, list[Shed]]:
        """Whose turn it is for a place that is free now, and who is shed on the way."""
        self._codel.look(self._longest(now), now)
        shed = self._shed_stale(now) if self.overloaded else []
        while self._buckets:
            owner, bucket = next(iter(self._buckets.items()))
            newest_first = self.overloaded and not owner[1]
            waiter = next(reversed(bucket)) if newest_first else next(iter(bucket))
            self.remove(waiter)
            if now >= waiter.deadline:
                shed.append(Shed(waiter, "deadline"))
                continue
            if bucket:
                self._buckets.move_to_end(owner)
            self._codel.served()
            return waiter, shed
        return None, shed

    def victim(self, newcomer: Waiter) -> Waiter | None:
        """Who makes room for ``newcomer`` in a full queue; ``None``: it is refused.

        For somebody of higher priority, or of an overloaded line, the oldest request of
        whoever has most of them; otherwise the newest, if that is another user who has
        more than the newcomer's one.
        """
        mine = self._buckets.get((newcomer.user, False), ())
        most = max(
            (bucket for owner, bucket in self._buckets.items() if not owner[1]),
            key=len,
            default=None,
        )
        if most is None:
            return None
        if self.overloaded or newcomer.priority != next(iter(most)).priority:
            return next(iter(most))
        return next(reversed(most)) if len(most) > len(mine) + 1 else None

    def _shed_stale(self, now: float) -> list[Shed]:
        shed: list[Shed] = []
        owners = [owner for owner in self._buckets if not owner[1]]
        newest = max(
            (next(reversed(self._buckets[owner])) for owner in owners),
            key=lambda waiter: waiter.since,
            default=None,
        )
        for owner in owners:
            bucket = self._buckets[owner]
            while bucket:
                oldest = next(iter(bucket))
                if oldest is newest or oldest.lateness(now) <= STALE:
                    break
                self.remove(oldest)
                late = now >= oldest.deadline
                shed.append(Shed(oldest, "deadline" if late else "overloaded"))
        return shed

    def _longest(self, now: float) -> float:
        heads = (next(iter(bucket)) for bucket in self._buckets.values())
        return max((waiter.lateness(now) for waiter in heads), default=0.0)
