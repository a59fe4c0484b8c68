"""Entries of bytes within a bound; the one that was not used for longest goes first.

An entry is as large as its key and its value, and ``ENTRY_BYTES`` for what Python keeps
of them beside. Times are seconds of any one clock that does not go back.
"""

from collections import OrderedDict

from msgspec import Struct

ENTRY_BYTES = 256


class _Entry(Struct, frozen=True, gc=False):
    value: bytes
    size: int
    until: float


class ByteLru:
    """A bounded map.

    Attributes:
        size_bytes: Of all entries together; at most ``max_bytes``.
        evicted: How many had to go for others.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self.size_bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, now: float) -> bytes | None:
        """The value, which counts as used; ``None``: not there, or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry.until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    def put(self, key: bytes, value: bytes, now: float, ttl_s: float) -> bool:
        """Keep it in place of what was there; false: it is larger than the bound."""
        self._drop(key)
        size = len(key) + len(value) + ENTRY_BYTES
        if size > self._max_bytes:
            return False
        self._entries[key] = _Entry(value, size, now + ttl_s)
        self.size_bytes += size
        self._shrink()
        return True

    def resize(self, max_bytes: int) -> None:
        """Another bound from now on."""
        self._max_bytes = max_bytes
        self._shrink()

    def _shrink(self) -> None:
        while self.size_bytes > self._max_bytes:
            _, entry = self._entries.popitem(last=False)
            self.size_bytes -= entry.size
            self.evicted += 1

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size_bytes -= entry.size
