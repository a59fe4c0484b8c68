"""What the response cache is told, and the tools it is given."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct

from actors.messages.reuse import AnswerStore
from actors.messages.router import RecordSpool
from actors.messages.routing import RequestRecord, RouteRef, Strategy, Weights

REPEAT_TTL_S = 86_400.0
"""How long the answer of an idempotency key is kept."""


class CacheSettings(Struct, frozen=True, kw_only=True):
    """``[cache]``.

    Attributes:
        enabled: Whether answers are kept, and calls under way shared.
        ttl_s: How long an answer is given again.
        shared: To every caller, not only to the one who asked first.
        scope: What else decides about answers (see ``policy.reuse.fingerprint``).
        deadline_s: Of a request that says none, and the longest of any.
    """

    enabled: bool = False
    ttl_s: float = 3_600.0
    shared: bool = False
    scope: str = ""
    deadline_s: float = 600.0


@dataclass(frozen=True, slots=True)
class CacheTools:
    """What the actor may not make itself.

    ``routes`` takes what has to be asked. ``answers`` keeps answers by what was asked,
    ``repeats`` by idempotency key. ``on_record`` is told of each request that was given
    another's answer; it must not block or raise. ``strategy`` is the one in force.
    """

    routes: RouteRef
    answers: AnswerStore
    repeats: AnswerStore
    spool: RecordSpool
    utc: Callable[[], float]
    new_id: Callable[[], str]
    on_record: Callable[[RequestRecord], None]
    strategy: Callable[[], tuple[Strategy, Weights]]
