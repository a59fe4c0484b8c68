"""Answers in memory, within a bound of bytes: gone with the process."""

import anyio

from actors.policy.byte_lru import ByteLru


class MemoryAnswers:
    """An ``AnswerStore``.

    Attributes:
        entries: What is kept, by the loop's clock.
    """

    def __init__(self, max_bytes: int) -> None:
        self.entries = ByteLru(max_bytes)

    async def get(self, key: bytes) -> bytes | None:
        """See ``AnswerStore``."""
        return self.entries.get(key, anyio.current_time())

    async def put(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """See ``AnswerStore``."""
        self.entries.put(key, value, anyio.current_time(), ttl_s)
