"""Events become requests, and the answers to those are followed by actions.

An event is a task; so is the request it becomes, and each action after that. Each step
is kept together with the end of the one before, so that none is lost or made twice.
"""

from collections.abc import Callable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.errors import InternalError, NotPermitted
from actors.messages.actions import (
    ActionWork,
    Answer,
    EventDone,
    EventRule,
    Following,
    Plan,
)
from actors.messages.chat import ChatRequest, Message
from actors.messages.consensus import ConsensusAsk
from actors.messages.events import Event, EventWork
from actors.messages.routing import RouteRequest, RouteResult
from actors.messages.tasks import NewTask, Performed, Performer, Task, TaskKind
from actors.messages.work import RequestOutcome, RequestWork
from actors.policy.classify import Guess, fill, plan_for, values_of

ANYBODY = "events"
"""Whose share of the queue events without caller and repository take."""

MAX_TITLE = 200


class EventSettings(Struct, frozen=True, kw_only=True):
    """``rules`` as configured; none are the default ones. ``guess``: the classifier."""

    rules: tuple[EventRule, ...] = ()
    guess: Guess | None = None
    max_attempts: int = 5


class EventRouter:
    """The performer of tasks of kind ``event``. ``settings`` may be replaced.

    Args:
        settings: The rules.
        new_id: Makes ids of tasks.
        utc: Epoch seconds.
    """

    def __init__(
        self,
        settings: EventSettings,
        new_id: Callable[[], str],
        utc: Callable[[], float],
    ) -> None:
        self.settings = settings
        self._new_id = new_id
        self._utc = utc

    def plan(self, event: Event) -> Plan | None:
        """What is to be done about an event; ``None`` is nothing."""
        return plan_for(event, self.settings.rules, self.settings.guess)

    def task(self, event: Event, plan: Plan, user: str | None) -> NewTask:
        """The task that an event is kept as: one for each id of a source.

        ``user`` is who told of it, if a caller did; ids are that caller's own.
        """
        now, task_id = self._utc(), self._new_id()
        return NewTask(
            task_id=task_id,
            thread_id=task_id,
            kind="event",
            type=event.name,
            payload=msgspec.msgpack.encode(EventWork(event)),
            # Not what a caller says it is about: they could take a share for each name,
            # and the ids of each other's events.
            tenant=user or event.repository or ANYBODY,
            created_at=now,
            run_at=now,
            priority=plan.priority,
            max_attempts=self.settings.max_attempts,
            key=f"{event.source}:{event.id}",
            user=user,
            title=event.title[:MAX_TITLE],
        )

    async def perform(self, task: Task, tell: Callable[[str], None]) -> Performed:
        """See ``Performer``."""
        try:
            event = msgspec.msgpack.decode(task.spec.payload, type=EventWork).event
        except msgspec.DecodeError as error:
            raise InternalError(f"the event is not understood: {error}") from None
        plan = self.plan(event)
        if plan is None:
            ignored = EventDone(outcome="ignored")
            return Performed(result=msgspec.msgpack.encode(ignored))
        tell(plan.task_type)
        asking = self._asking(task, event, plan)
        done = EventDone(
            outcome="asked",
            plan_by=plan.by,
            task_type=plan.task_type,
            score=plan.score,
            request_id=asking.task_id,
        )
        return Performed(result=msgspec.msgpack.encode(done), follow_ups=(asking,))

    def _asking(self, task: Task, event: Event, plan: Plan) -> NewTask:
        work = RequestWork(
            request=_request(self._new_id(), event, plan, task.spec.user),
            actions=tuple(
                _plain(Following(action=each, event=event, task_type=plan.task_type))
                for each in plan.actions
            ),
        )
        return follow_up(
            task,
            "request",
            plan.task_type,
            msgspec.msgpack.encode(work),
            task_id=self._new_id(),
            now=self._utc(),
        )


class Followed:
    """A performer of requests whose answers are followed by their actions.

    Args:
        performer: Does the work itself.
        new_id: Makes ids of tasks.
        utc: Epoch seconds.
    """

    def __init__(
        self,
        performer: Performer,
        new_id: Callable[[], str],
        utc: Callable[[], float],
    ) -> None:
        self._performer = performer
        self._new_id = new_id
        self._utc = utc

    async def perform(self, task: Task, tell: Callable[[str], None]) -> Performed:
        """See ``Performer``."""
        work = msgspec.msgpack.decode(task.spec.payload, type=RequestWork)
        if work.actions and task.spec.parent_id is None:
            # Else whoever may submit a task could use our tokens and signatures.
            raise NotPermitted("actions follow what comes of events, by the rules only")
        performed = await self._performer.perform(task, tell)
        if not work.actions:
            return performed
        outcome = msgspec.msgpack.decode(performed.result, type=RequestOutcome)
        answer = _answer(outcome.result)
        actions = tuple(
            self._acting(task, msgspec.convert(each, Following), answer)
            for each in work.actions
        )
        return replace(performed, follow_ups=(*performed.follow_ups, *actions))

    def _acting(self, task: Task, what: Following, answer: Answer) -> NewTask:
        work = ActionWork(
            action=what.action,
            event=what.event,
            answer=answer,
            task_type=what.task_type,
        )
        name = str(what.action.__struct_config__.tag)
        return follow_up(
            task,
            "action",
            name,
            msgspec.msgpack.encode(work),
            task_id=self._new_id(),
            now=self._utc(),
        )


def follow_up(
    task: Task,
    kind: TaskKind,
    name: str,
    payload: bytes,
    *,
    task_id: str,
    now: float,
) -> NewTask:
    """A task that comes of another: of the same tenant, user, priority and thread."""
    return NewTask(
        task_id=task_id,
        kind=kind,
        type=name,
        payload=payload,
        tenant=task.spec.tenant,
        weight=task.spec.weight,
        created_at=now,
        run_at=now,
        priority=task.spec.priority,
        max_attempts=task.spec.max_attempts,
        keep_s=task.spec.keep_s,
        parent_id=task.task_id,
        thread_id=task.spec.thread_id,
        user=task.spec.user,
        title=task.spec.title,
    )


def _request(
    request_id: str, event: Event, plan: Plan, user: str | None
) -> RouteRequest:
    prompt = fill(plan.prompt, values_of(event, plan.task_type))
    alone = len(plan.providers) == 1 and plan.consensus is None
    ask = ConsensusAsk(method=plan.consensus, members=plan.providers)
    return RouteRequest(
        request_id=request_id,
        chat=ChatRequest(
            messages=(Message("user", prompt),), max_tokens=plan.max_tokens
        ),
        provider=plan.providers[0] if alone else None,
        strategy=plan.strategy,
        task_type=plan.task_type,
        priority=plan.priority,
        durable=True,
        metadata={"event": event.name, "event_id": event.id},
        user=user,
        consensus=None if plan.consensus is None else ask,
    )


def _answer(result: RouteResult) -> Answer:
    consensus = result.consensus
    return Answer(
        content=result.content or "",
        provider=result.provider,
        model=result.model,
        decision_id=result.decision_id,
        agreement=None if consensus is None else consensus.agreement,
    )


def _plain(following: Following) -> dict[str, object]:
    return msgspec.convert(msgspec.to_builtins(following), dict[str, object])
