"""A bounded queue with a stated overflow policy. Pure: no loop, no waiting."""

from collections import deque
from typing import Generic, Literal, TypeVar

Overflow = Literal["reject", "drop_oldest", "drop_newest"]

E = TypeVar("E")


class Mailbox(Generic[E]):
    """First in, first out, at most ``capacity`` entries.

    Attributes:
        dropped: Entries lost to ``drop_oldest`` or ``drop_newest``.
        rejected: Entries refused by ``reject``: their senders still have them.
        high_water: The greatest depth seen.
    """

    __slots__ = (
        "_entries",
        "capacity",
        "dropped",
        "high_water",
        "overflow",
        "rejected",
    )

    def __init__(self, capacity: int, overflow: Overflow) -> None:
        if capacity < 1:
            msg = f"a mailbox holds at least 1 message, not {capacity}"
            raise ValueError(msg)

        self.capacity = capacity
        self.overflow = overflow
        self.dropped = 0
        self.rejected = 0
        self.high_water = 0
        self._entries: deque[E] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def offer(self, entry: E) -> E | None:
        """Add an entry; return the one that lost its place for it, if any.

        That is ``entry`` itself under ``reject`` and ``drop_newest``, the first of the
        queue under ``drop_oldest``.
        """
        entries = self._entries
        depth = len(entries)
        if depth >= self.capacity:
            return self._make_room(entry)

        entries.append(entry)
        if depth >= self.high_water:
            self.high_water = depth + 1

        return None

    def force(self, entry: E) -> None:
        """Add an entry beyond the bound: for what an actor itself has scheduled."""
        self._entries.append(entry)
        self.high_water = max(self.high_water, len(self._entries))

    def take(self) -> E | None:
        """Remove and return the oldest entry; ``None`` when there is none."""
        return self._entries.popleft() if self._entries else None

    def clear(self) -> int:
        """Throw everything away; return how much that was."""
        count = len(self._entries)
        self._entries.clear()
        return count

    def _make_room(self, entry: E) -> E:
        if self.overflow == "reject":
            self.rejected += 1
            return entry

        self.dropped += 1
        if self.overflow == "drop_newest":
            return entry

        self._entries.append(entry)
        return self._entries.popleft()
