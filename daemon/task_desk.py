"""The methods about tasks: what callers ask, as the queue takes it, and back."""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.routing import RouteRequest
from actors.messages.tasks import (
    NewTask,
    Submitted,
    Task,
    TaskPage,
    TaskQuery,
    TaskState,
)
from actors.messages.work import Check, RequestWork
from actors.policy.task_states import IN_QUEUE, IN_WORK, RETRIED
from daemon.config import QueueConfig, TaskTypeConfig
from daemon.task_views import view
from ipc import fields, tasks
from ipc.methods import Peer
from ipc.params import read_params
from ipc.route import AskParams, ConsensusParams, RouteParams, route_request
from ipc.times import parse_since

P = TypeVar("P", bound=Struct)

_TITLE = 80
"""Characters of a prompt that stand for the title of a task without one."""

Answer = Callable[[object, Peer], Awaitable[object]]


class Queue(Protocol):
    """What the desk needs of the queue; see ``TaskQueueHandle``."""

    async def submit(self, tasks: Sequence[NewTask]) -> tuple[Submitted, ...]: ...

    async def get(self, task_id: str) -> Task | None: ...

    async def find(self, query: TaskQuery) -> TaskPage: ...

    async def cancel(self, task_id: str) -> Task | None: ...

    async def retry(self, task_id: str) -> Task | None: ...

    async def wait(self, task_ids: Sequence[str], timeout_s: float) -> bool: ...


class TaskDesk:
    """Answers ``tasks.*``. Users see and change their own tasks, administrators all.

    Args:
        queue: Gives the queue; starts it where it is not there yet.
        config: Gives the queue's configuration.
        unusable: Says why a JSON Schema cannot be used, if it cannot.
        find: Whom a request means; raises where there is nobody of that name.
        new_id: Makes ids.
        utc: Epoch seconds.
    """

    def __init__(
        self,
        queue: Callable[[], Queue],
        config: Callable[[], QueueConfig],
        *,
        unusable: Callable[[object], Awaitable[str | None]],
        find: Callable[[RouteRequest], object],
        new_id: Callable[[], str],
        utc: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._config = config
        self._unusable = unusable
        self._find = find
        self._new_id = new_id
        self._utc = utc

    def answers(self) -> Mapping[str, Answer]:
        """The methods, by name."""
        return {
            "tasks.submit": self._submit,
            "tasks.get": self._get,
            "tasks.list": self._list,
            "tasks.cancel": self._cancel,
            "tasks.retry": self._retry,
            "tasks.wait": self._wait,
        }

    # ---- submitting

    async def _submit(self, params: object, peer: Peer) -> tasks.TaskSubmitResult:
        asked = cast("tasks.TaskSubmitParams", params)
        if asked.tasks is None:
            batch_id, several = None, [await self._new_task(asked, peer, None)]
        else:
            batch_id, several = await self._new_batch(asked, asked.tasks, peer)
        kept = await self._queue().submit(several)
        rows = [
            tasks.SubmittedTask(s.task.task_id, s.task.state, s.existing) for s in kept
        ]
        return tasks.TaskSubmitResult(
            task_id=rows[0].task_id, batch_id=batch_id, tasks=tuple(rows)
        )

    async def _new_batch(
        self, asked: tasks.TaskSubmitParams, documents: Sequence[object], peer: Peer
    ) -> tuple[str, list[NewTask]]:
        key = asked.idempotency_key
        if replace(asked, tasks=None, idempotency_key=None) != (
            tasks.TaskSubmitParams()
        ):
            wanted = "all params but idempotency_key in the tasks"
            raise fields.wrong("tasks", asked.tasks, wanted)
        batch_id = self._new_id() if key is None else _batch_id(key, peer)
        several = [
            await self._of_batch(index, each, peer, batch_id)
            for index, each in enumerate(documents)
        ]
        return batch_id, several if key is None else _keyed(batch_id, several)

    async def _of_batch(
        self, index: int, document: object, peer: Peer, batch_id: str
    ) -> NewTask:
        try:
            asked = read_params(tasks.TaskSubmitParams, document)
            if asked.tasks is not None:
                raise fields.wrong("tasks", asked.tasks, "no batch in a batch")
            return await self._new_task(asked, peer, batch_id)
        except InvalidRequest as error:
            raise InvalidRequest(
                f"tasks[{index}]: {error.message}",
                field=f"tasks[{index}].{error.field or ''}".rstrip("."),
                got=error.got,
                wanted=error.wanted,
            ) from None

    async def _new_task(
        self, asked: tasks.TaskSubmitParams, peer: Peer, batch_id: str | None
    ) -> NewTask:
        now, config = self._utc(), self._config()
        request = _request(asked, peer)
        if request.consensus is None:
            self._find(request)  # a name that is wrong now would only fail later
        rule = config.types.get(request.task_type or "", TaskTypeConfig())
        work = RequestWork(
            request=request,
            check=await self._check(asked, request, rule),
        )
        payload = _packed(work)
        key = asked.idempotency_key
        run_at = self._run_at(asked, now)
        deadline_at = _moment(asked.deadline, "deadline", now)
        if deadline_at is not None and deadline_at <= max(now, run_at):
            raise fields.wrong(
                "deadline", asked.deadline, "a time after run_at and now"
            )
        task_id = self._new_id()
        return NewTask(
            task_id=task_id,
            kind="request",
            type=request.task_type or "request",
            payload=payload,
            tenant=peer.user or "",
            created_at=now,
            run_at=run_at,
            priority=request.priority,
            lane=_lane(request, rule),
            deadline_at=deadline_at,
            max_attempts=asked.max_attempts or config.max_attempts,
            keep_s=config.keep_s,
            key=None if key is None else fields.short_name(key, "idempotency_key"),
            digest=hashlib.sha256(payload).digest() if key is not None else b"",
            batch_id=batch_id,
            thread_id=_thread(asked) or task_id,
            user=peer.user,
            title=asked.title or _beginning(request),
        )

    async def _check(
        self,
        asked: tasks.TaskSubmitParams,
        request: RouteRequest,
        rule: TaskTypeConfig,
    ) -> Check:
        told = asked.check or tasks.CheckParams()
        schema = told.schema
        if schema is not None:
            fields.plain(schema, "check.schema")
            wrong = await self._unusable(schema)
            if wrong is not None:
                wanted = f"a usable JSON Schema: {wrong}"
                raise fields.wrong("check.schema", schema, wanted)
        shape = request.chat.response_format
        if schema is None and shape is not None and shape.schema is not None:
            # Its provider holds the model to it; where we can, we check it too.
            usable = await self._unusable(shape.schema) is None
            schema = shape.schema if usable else None
        return Check(
            finish=told.finish,
            schema=schema,
            required=(*told.required, *rule.required),
            pattern=rule.pattern,
            repair=told.repair,
        )

    def _run_at(self, asked: tasks.TaskSubmitParams, now: float) -> float:
        if asked.run_at is not None and asked.delay_s is not None:
            raise fields.wrong("delay_s", asked.delay_s, "either run_at or delay_s")
        at = _moment(asked.run_at, "run_at", now)
        return max(now, now + (asked.delay_s or 0.0) if at is None else at)

    # ---- looking

    async def _get(self, params: object, peer: Peer) -> tasks.TaskView:
        return view(await self._own(cast("tasks.TaskParams", params).task_id, peer))

    async def _list(self, params: object, peer: Peer) -> tasks.TaskListResult:
        asked = cast("tasks.TaskListParams", params)
        page = await self._queue().find(
            TaskQuery(
                states=(asked.state,) if asked.state else (),
                kinds=(asked.kind,) if asked.kind else (),
                types=(asked.type,) if asked.type else (),
                priorities=(asked.priority,) if asked.priority else (),
                user=asked.user if peer.tier == "admin" else peer.user or "",
                batch_id=asked.batch_id,
                since=parse_since(asked.since, self._utc()),
                limit=asked.limit,
                cursor=asked.cursor,
            )
        )
        rows = tuple(view(each, whole=False) for each in page.tasks)
        return tasks.TaskListResult(rows, page.cursor)

    async def _wait(self, params: object, peer: Peer) -> tasks.TaskWaitResult:
        asked = cast("tasks.TaskWaitParams", params)
        if asked.batch_id is not None:
            found = await self._batch(asked.batch_id, peer)
        else:
            ids = asked.task_ids or [asked.task_id or ""]
            found = [await self._own(each, peer) for each in ids]
        names = [task.task_id for task in found]
        done = await self._queue().wait(names, asked.timeout_s)
        now = [await self._own(name, peer) for name in names]
        return tasks.TaskWaitResult(done, tuple(view(task) for task in now))

    # ---- changing

    async def _cancel(self, params: object, peer: Peer) -> tasks.TasksResult:
        change = self._queue().cancel
        return await self._change(params, peer, change, IN_QUEUE | IN_WORK)

    async def _retry(self, params: object, peer: Peer) -> tasks.TasksResult:
        return await self._change(params, peer, self._queue().retry, RETRIED)

    async def _change(
        self,
        params: object,
        peer: Peer,
        change: Callable[[str], Awaitable[Task | None]],
        changeable: Collection[TaskState],
    ) -> tasks.TasksResult:
        """Repeating it is no mistake, so those in no such state are told, not refused."""
        asked = cast("tasks.TaskManyParams", params)
        if asked.batch_id is not None:
            found = await self._batch(asked.batch_id, peer)
        else:
            found = [await self._own(asked.task_id or "", peer)]
        changed = [await change(task.task_id) for task in found]
        return tasks.TasksResult(
            tuple(view(task, whole=False) for task in changed if task is not None),
            tuple(task.task_id for task in found if task.state not in changeable),
        )

    # ---- whose

    async def _own(self, task_id: str, peer: Peer) -> Task:
        task = await self._queue().get(task_id)
        if task is None or not _may_see(task, peer):
            raise _unknown("task_id", task_id)
        return task

    async def _batch(self, batch_id: str, peer: Peer) -> list[Task]:
        query = TaskQuery(batch_id=batch_id, limit=tasks.MAX_BATCH)
        found = (await self._queue().find(query)).tasks
        seen = [task for task in found if _may_see(task, peer)]
        if not seen:
            raise _unknown("batch_id", batch_id)
        return seen


def _batch_id(key: object, peer: Peer) -> str:
    """The same for the same key of the same caller: it names the batch again."""
    plain = fields.short_name(key, "idempotency_key")
    whose = msgspec.json.encode([peer.user, plain])
    return f"batch-{hashlib.sha256(whose).hexdigest()[:32]}"


def _keyed(batch_id: str, several: Sequence[NewTask]) -> list[NewTask]:
    """Each with a key of its place, and a digest of all: another batch is refused."""
    own = next((place for place, each in enumerate(several) if each.key), None)
    if own is not None:
        raise fields.wrong(
            f"tasks[{own}].idempotency_key",
            several[own].key,
            "a key for the batch, or keys for its tasks",
        )
    whole = hashlib.sha256(msgspec.msgpack.encode([e.payload for e in several]))
    return [
        replace(each, key=f"{batch_id}/{place}", digest=whole.digest())
        for place, each in enumerate(several)
    ]


def _may_see(task: Task, peer: Peer) -> bool:
    return peer.tier == "admin" or task.spec.user == peer.user


def _unknown(field: str, value: str) -> InvalidRequest:
    thing = field.removesuffix("_id")
    return InvalidRequest(
        f"there is no {thing} {fields.shown(value)}",
        field=field,
        got=value[:100],
        wanted=f"the id of a {thing} of yours, from tasks.submit or tasks.list",
    )


def _request(asked: tasks.TaskSubmitParams, peer: Peer) -> RouteRequest:
    if asked.stream:
        raise fields.wrong("stream", asked.stream, "false: a task's answer comes whole")
    given = {name: getattr(asked, name) for name in AskParams.__struct_fields__}
    params = {name: value for name, value in given.items() if value is not None}
    params.pop("idempotency_key", None)
    kind: type[RouteParams] = RouteParams
    if asked.consensus not in (None, False):
        kind = ConsensusParams
        if asked.consensus is not True:
            how = fields.mapping(asked.consensus, "consensus", "true, or an object")
            params |= how
    return route_request(
        read_params(kind, params), request_id="", user=peer.user, door="internal"
    )


def _packed(work: RequestWork) -> bytes:
    try:
        return msgspec.msgpack.encode(work)
    except OverflowError:
        wanted = "whole numbers that fit 64 bits"
        raise InvalidRequest(
            f"a task cannot be kept with such a number in it, wanted {wanted}",
            got="a whole number of more than 64 bits",
            wanted=wanted,
        ) from None


def _beginning(request: RouteRequest) -> str:
    """How the last thing that is asked begins: a title for who gave none."""
    texts = (each.content for each in reversed(request.chat.messages))
    said = next((each for each in texts if isinstance(each, str)), "")
    return " ".join(said[:_TITLE].split())


def _thread(asked: tasks.TaskSubmitParams) -> str | None:
    """The thread it is named to belong to: ``route`` and tasks call that differently."""
    named, other = asked.thread_id, asked.thread
    if named is not None and other is not None and named != other:
        raise fields.wrong("thread", other, "that of thread_id, or none")
    name = named if named is not None else other
    return None if name is None else fields.short_name(name, "thread_id")


def _lane(request: RouteRequest, rule: TaskTypeConfig) -> str:
    """What limits it: its type where that has a limit, else its forced provider."""
    if rule.concurrency is not None:
        return request.task_type or ""
    return f"@{request.provider}" if request.provider else ""


def _moment(value: float | str | None, field: str, now: float) -> float | None:
    wanted = "epoch seconds, or an ISO 8601 date or time"
    if isinstance(value, str) and value.strip()[-1:] in "smhdw":
        raise fields.wrong(field, value, wanted)  # an age would be in the past
    try:
        return parse_since(value, now)
    except InvalidRequest as error:
        raise fields.wrong(field, value, wanted) from error
