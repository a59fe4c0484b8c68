"""Events as they come in."""

from collections.abc import Sequence
from itertools import count

import anyio
import pytest
from typing_extensions import override

from actors.errors import InvalidRequest, NotPermitted, Overloaded, QueueUnavailable
from actors.event_router import EventRouter, EventSettings
from actors.messages.actions import EventRule
from actors.messages.tasks import NewTask, Submitted, Task
from actors.policy.github import signature
from daemon.intake import Intake
from ipc.events import Delivery, PublishParams, PublishResult
from tests.support.github_payloads import payload
from tests.support.notes import Notes

SECRET = "It's a Secret"


class Kept:
    """What keeps tasks, as far as keys go: one of each tenant and key."""

    def __init__(self) -> None:
        self.tasks: dict[tuple[str, str | None], Task] = {}
        self.away = False

    async def submit(self, tasks: Sequence[NewTask]) -> tuple[Submitted, ...]:
        if self.away:
            raise QueueUnavailable("away")
        return tuple(self._one(each) for each in tasks)

    def _one(self, spec: NewTask) -> Submitted:
        found = self.tasks.get((spec.tenant, spec.key))
        if found is not None:
            return Submitted(found, existing=True)
        task = Task(spec=spec, state="queued", run_at=spec.run_at, updated_at=0.0)
        self.tasks[spec.tenant, spec.key] = task
        return Submitted(task)


def intake(
    kept: Kept,
    *rules: EventRule,
    secret: str | None = SECRET,
    repositories: tuple[str, ...] = (),
    notes: Notes | None = None,
) -> Intake:
    ids = count(1)

    def new_id() -> str:
        return f"ID{next(ids)}"

    router = EventRouter(EventSettings(rules=rules), new_id, lambda: 5.0)
    return Intake(
        router,
        kept.submit,
        secret=lambda: secret,
        repositories=lambda: repositories,
        new_id=new_id,
        utc=lambda: 5.0,
        notes=notes or Notes(),
    )


def delivery(name: str, kind: str | None = None, *, by: str = SECRET) -> Delivery:
    body = payload(name)
    return Delivery(
        kind=kind or name, id="d-1", signature=signature(by, body), body=body
    )


async def test_a_webhook_is_kept_once() -> None:
    kept = Kept()
    desk = intake(kept)
    first = await desk.receive(delivery("pull_request"))
    second = await desk.receive(delivery("pull_request"))

    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.task_id == second.task_id
    assert (first.task_type, first.priority) == ("code_review", "normal")
    assert first.by == "default rule 2"
    assert list(kept.tasks) == [("octo-org/hello", "github:d-1")]


async def test_the_answer_waits_until_the_event_is_kept() -> None:
    class Slow(Kept):
        """A disk that takes its time."""

        def __init__(self) -> None:
            super().__init__()
            self.written = anyio.Event()

        @override
        async def submit(self, tasks: Sequence[NewTask]) -> tuple[Submitted, ...]:
            await self.written.wait()
            return await super().submit(tasks)

    kept = Slow()
    answered: list[PublishResult] = []

    async def receive() -> None:
        answered.append(await intake(kept).receive(delivery("pull_request")))

    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        assert (answered, kept.tasks) == ([], {})
        kept.written.set()
    assert len(answered) == len(kept.tasks) == 1


@pytest.mark.parametrize("name", ["push", "issue_comment"])
async def test_a_wrong_signature_is_refused(name: str) -> None:
    kept = Kept()
    with pytest.raises(NotPermitted, match="signature"):
        await intake(kept).receive(delivery(name, by="another"))
    assert kept.tasks == {}


@pytest.mark.parametrize("secret", [None, ""])
async def test_without_a_secret_nothing_is_taken(secret: str | None) -> None:
    with pytest.raises(Overloaded, match="GITBRIDGE_WEBHOOK_SECRET"):
        await intake(Kept(), secret=secret).receive(delivery("push", by=secret or "x"))


async def test_a_ping_is_ignored() -> None:
    result = await intake(Kept()).receive(delivery("push", "ping"))
    assert (result.ignored, result.task_id) == (True, None)


async def test_what_no_rule_wants_is_not_kept() -> None:
    kept = Kept()
    result = await intake(kept, EventRule(ignore=True)).receive(delivery("push"))

    assert result.ignored
    assert kept.tasks == {}


async def test_other_repositories_are_refused() -> None:
    kept = Kept()
    named = intake(kept, repositories=("Octo-Org/Hello",))
    assert (await named.receive(delivery("push"))).task_id is not None

    other = intake(kept, repositories=("octo-org/other",))
    with pytest.raises(NotPermitted, match="octo-org/hello is not among"):
        await other.receive(delivery("push"))


async def test_a_signed_body_may_be_nonsense() -> None:
    body = b"payload=1"
    told = Delivery(kind="push", id="d", signature=signature(SECRET, body), body=body)
    with pytest.raises(InvalidRequest, match="not JSON"):
        await intake(Kept()).receive(told)


async def test_where_nothing_can_be_kept() -> None:
    kept = Kept()
    kept.away = True
    with pytest.raises(QueueUnavailable):
        await intake(kept).receive(delivery("push"))


async def test_published_events() -> None:
    kept = Kept()
    desk = intake(kept, EventRule(events=("deploy.*",), task_type="check"))
    told = PublishParams(name="deploy.failed", title="No space", repository="a/b")
    first = await desk.publish(told, "ada")
    second = await desk.publish(told, "ada")

    assert first.task_id != second.task_id  # each is an event of its own
    assert first.task_type == "check"
    (task, _) = kept.tasks.values()
    assert (task.spec.user, task.spec.title) == ("ada", "No space")
    assert task.spec.key == f"publish:{first.id}"


async def test_a_published_event_with_an_id_is_kept_once() -> None:
    desk = intake(Kept(), EventRule())
    told = PublishParams(name="deploy.failed", id="build-7")

    assert not (await desk.publish(told, None)).duplicate
    assert (await desk.publish(told, None)).duplicate


async def test_an_event_that_is_kept_opens_a_thread_once() -> None:
    kept, notes = Kept(), Notes()
    taking = intake(kept, EventRule(), notes=notes)
    event = PublishParams(name="deploy", id="1", title="Broken", sender="eve")
    told = [await taking.publish(event, "ada") for _ in range(2)]

    (entry,) = notes.entries
    assert {each.task_id for each in told} == {entry.thread_id}
    assert (entry.user, entry.text) == ("ada", "Broken")
    (task,) = kept.tasks.values()
    assert task.spec.thread_id == entry.thread_id
