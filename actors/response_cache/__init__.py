"""L2: answers that are given again: the response cache, shared calls, repeats.

One actor, for it isolates one state: which calls are under way that several wait for.
``shared`` is such a call, from its beginning at the router to its end, and independent
of everybody who waits for it; ``waiter`` is one of these, with a deadline of its own;
``run`` carries one request through: its idempotency key, the cache, a call under way,
or a new one; ``desk`` holds what they share and writes down who was given what. What is
kept lies behind an ``AnswerStore``. A request that has to do with none of this does not
come here.
"""

from actors.response_cache.actor import ResponseCacheActor
from actors.response_cache.desk import Desk
from actors.response_cache.handle import ResponseCacheHandle
from actors.response_cache.settings import CacheSettings, CacheTools

__all__ = [
    "CacheSettings",
    "CacheTools",
    "Desk",
    "ResponseCacheActor",
    "ResponseCacheHandle",
]
