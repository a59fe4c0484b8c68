"""Events as they come in: checked, judged by the rules, and kept."""

from collections.abc import Awaitable, Callable, Sequence

from actors.errors import NotPermitted, Overloaded
from actors.event_router import EventRouter
from actors.messages.events import Event, EventSource
from actors.messages.tasks import NewTask, Submitted
from actors.messages.threads import ThreadRecorder
from actors.policy.github import is_genuine, read_event
from daemon.thread_tasks import event_taken
from ipc.events import Delivery, PublishParams, PublishResult

NOT_SET_UP = (
    "no secret is set for webhooks: GITBRIDGE_WEBHOOK_SECRET in the environment, or the"
    " credential github_webhook"
)


class Intake:
    """Takes events in; what it answers for is kept durably.

    Args:
        router: Judges events, and makes tasks of them.
        submit: Keeps tasks; raises ``QueueUnavailable`` where it cannot.
        secret: The webhooks' secret, ``None`` where there is none.
        repositories: Whose webhooks are taken; empty takes everybody's.
        new_id: For events that bring no id.
        utc: Epoch seconds.
        notes: Where it is noted that an event was taken.
    """

    def __init__(
        self,
        router: EventRouter,
        submit: Callable[[Sequence[NewTask]], Awaitable[Sequence[Submitted]]],
        *,
        secret: Callable[[], str | None],
        repositories: Callable[[], Sequence[str]],
        new_id: Callable[[], str],
        utc: Callable[[], float],
        notes: ThreadRecorder,
    ) -> None:
        self._router = router
        self._submit = submit
        self._secret = secret
        self._repositories = repositories
        self._new_id = new_id
        self._utc = utc
        self._notes = notes

    async def receive(self, delivery: Delivery) -> PublishResult:
        """A webhook of GitHub's; see ``ipc.events.Receive``."""
        secret = self._secret()
        if not secret:
            raise Overloaded(NOT_SET_UP)
        if not is_genuine(secret, delivery.body, delivery.signature):
            raise NotPermitted("its signature is not that of our secret")
        event = read_event(delivery.kind, delivery.id, delivery.body, self._utc())
        if event is None:
            return PublishResult(id=delivery.id, ignored=True)
        allowed = {name.lower() for name in self._repositories()}
        if allowed and (event.repository or "").lower() not in allowed:
            raise NotPermitted(f"{event.repository} is not among events.github")
        return await self._keep(event, None)

    async def publish(
        self, told: PublishParams, user: str | None, source: EventSource = "publish"
    ) -> PublishResult:
        """An event that a caller, or a file in the folder, tells of."""
        event = Event(
            id=told.id or self._new_id(),
            source=source,
            name=told.name,
            at=self._utc(),
            repository=told.repository,
            number=told.number,
            title=told.title,
            text=told.text,
            paths=told.paths,
            labels=told.labels,
            sender=told.sender,
            url=told.url,
            ref=told.ref,
        )
        return await self._keep(event, user)

    async def _keep(self, event: Event, user: str | None) -> PublishResult:
        plan = self._router.plan(event)
        if plan is None:
            return PublishResult(id=event.id, ignored=True)
        (kept,) = await self._submit((self._router.task(event, plan, user),))
        if not kept.existing:
            self._notes.tell(lambda: (event_taken(event, plan.task_type, kept.task),))
        return PublishResult(
            id=event.id,
            task_id=kept.task.task_id,
            duplicate=kept.existing,
            task_type=plan.task_type,
            priority=plan.priority,
            by=plan.by,
        )
