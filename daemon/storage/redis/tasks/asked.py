"""What is asked of the store: whether it can be, and how the scripts are told."""

import math
from typing import Final

import msgspec

from actors.errors import InvalidRequest
from actors.messages.tasks import ClaimAsk, NewTask
from actors.policy import task_states
from daemon.storage.redis.tasks.rows import Row

AT_ONCE: Final = 500
"""How much of what became due is seen to at once: it takes some 10 ms then."""

_encode = msgspec.msgpack.Encoder().encode


def check(spec: NewTask) -> None:
    """A number that is none would break off a script half way."""
    for name in ("created_at", "run_at", "deadline_at", "weight", "keep_s"):
        value = getattr(spec, name)
        if value is not None and math.isnan(value):
            raise InvalidRequest(f"this cannot be kept: {name} is not a number")


def is_kept(there: Row, spec: NewTask) -> bool:
    """Whether it is kept already. Raises ``InvalidRequest`` where it is another one."""
    kept = there.task.spec
    if spec.task_id != kept.task_id and (
        spec.key is None or (spec.tenant, spec.key) != (kept.tenant, kept.key)
    ):
        return False
    return task_states.same(there.task, spec).existing


def claim_asked(ask: ClaimAsk, *, leases: bool) -> bytes:
    return _encode(
        {
            "now": repr(ask.now),
            "until_": repr(ask.now + ask.lease_s),
            "worker": ask.worker,
            "slots": ask.slots,
            "lanes": dict(ask.lanes),
            "limit": AT_ONCE,
            "leases": leases,
        }
    )
