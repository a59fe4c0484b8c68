"""Tasks as they are kept in a hash each."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from actors.messages.routing import PRIORITIES
from actors.messages.tasks import ClaimAsk, NewTask, Task
from actors.policy import task_states
from daemon.storage.tasks.status import encode_spec, status_of, task_of

Fields = Sequence[bytes | None]
"""What the scripts answer for ``ROW`` in ``task_common.lua``."""

_encode = msgspec.msgpack.Encoder().encode
_taken = msgspec.msgpack.Decoder(ClaimAsk).decode


class Row(NamedTuple):
    """A task and its place; ``version`` changes whenever anything of it does.

    ``entry`` is that of the stream, while it is in work.
    """

    seq: int
    tag: str
    version: str
    ready: bool
    task: Task
    entry: str | None

    def after(self, task: Task) -> "Row":
        """The row of a task in work that was changed into this one."""
        return self._replace(version=str(int(self.version) + 1), task=task)

    @property
    def member(self) -> str:
        """In the sets by time and by tag: what is equal there goes by arrival."""
        return f"{self.seq:016d}:{self.task.task_id}"


def row_of(fields: Fields) -> Row | None:
    """The row of these fields; ``None`` where there is no such task."""
    seq, tag, version, ready, spec, status, taken, result, entry = fields
    if seq is None or tag is None or version is None or spec is None or status is None:
        return None
    task = task_of(spec, status, result)
    if taken is not None:  # a claim is written down as it was asked for
        task = task_states.leased(task, _taken(taken))
    return Row(
        seq=int(seq),
        tag=tag.decode(),
        version=version.decode(),
        ready=ready == b"1",
        task=task,
        entry=None if entry is None else entry.decode(),
    )


def taken_by(ask: ClaimAsk) -> bytes:
    """What a claim writes down of itself."""
    return _encode(
        ClaimAsk(worker=ask.worker, now=ask.now, lease_s=ask.lease_s, slots=())
    )


def group_of(spec: NewTask) -> str:
    """What is counted together."""
    return f"{PRIORITIES.index(spec.priority)}:{spec.kind}:{spec.type}"


def key_of(spec: NewTask) -> str | None:
    """Its idempotency key, which is its tenant's own."""
    return None if spec.key is None else f"{spec.tenant}\0{spec.key}"


def about(spec: NewTask) -> bytes:
    """What lists are filtered by; ``ABOUT`` says in which place."""
    return _encode(
        (
            *(spec.kind, spec.type, spec.priority, spec.tenant, spec.user),
            *(spec.batch_id, spec.parent_id, spec.created_at),
        )
    )


ABOUT = ("kind", "type", "priority", "tenant", "user", "batch_id", "parent_id")
"""Their places count from 1; ``created_at`` and the state follow."""


def first_fields(spec: NewTask, *, ready: bool) -> list[bytes | str | int]:
    """The hash of a new task, but for what its place in the queue adds."""
    task = task_states.kept(spec)
    fields: dict[str, bytes | str | int] = {
        "version": 1,
        "ready": int(ready),
        "state": task.state,
        "priority": spec.priority,
        "lane": spec.lane,
        "group": group_of(spec),
        "about": about(spec),
        "spec": encode_spec(spec),
        "status": status_of(task),
    }
    return [part for item in fields.items() for part in item]
