"""Answers that all daemons on one Redis give again."""

from math import ceil
from typing import Final

from actors.errors import GitBridgeError
from actors.messages.reuse import AnswerStore
from daemon.storage.redis.link import RedisLink

ASK_S: Final = 0.25
MAX_BYTES: Final = 1 << 20
"""A longer one stays in the daemon that got it: Redis does one thing at a time."""


class SharedAnswers:
    """An ``AnswerStore``: Redis, and while it is away, this daemon's own.

    Args:
        link: The way to Redis.
        own: Keeps everything too, for then, and for what is too long to be shared.
    """

    def __init__(self, link: RedisLink, own: AnswerStore) -> None:
        self._link = link
        self._own = own

    async def get(self, key: bytes) -> bytes | None:
        """See ``AnswerStore``. What Redis has is newer than what we have."""
        try:
            found = await self._link.call("GET", self._key(key), timeout_s=ASK_S)
        except GitBridgeError:  # it has been told
            return await self._own.get(key)
        if isinstance(found, bytes):
            return found
        own = await self._own.get(key)
        return own if own is not None and len(own) > MAX_BYTES else None

    async def put(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """See ``AnswerStore``."""
        await self._own.put(key, value, ttl_s)
        at, ttl_ms = self._key(key), ceil(ttl_s * 1000)
        try:
            if ttl_ms <= 0 or len(value) > MAX_BYTES:
                await self._link.call("DEL", at, timeout_s=ASK_S)
            else:
                await self._link.call("SET", at, value, "PX", ttl_ms, timeout_s=ASK_S)
        except GitBridgeError:
            return  # it has been told

    def _key(self, key: bytes) -> str:
        return self._link.key("answer", tag=key.hex())
