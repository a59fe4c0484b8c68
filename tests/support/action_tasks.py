"""Tasks of kind ``action``, as the queue would hand them out."""

import msgspec

from actors.messages.actions import Action, ActionWork, Answer
from actors.messages.events import Event
from actors.messages.tasks import NewTask, Task

EVENT = Event(
    id="d1",
    source="github",
    name="pull_request.opened",
    at=1_760_000_000.0,
    repository="octo-org/hello",
    number=2,
    title="Close the file",
    text="It leaked.",
)
ANSWER = Answer(content="Looks right.", provider="claude", model="m", decision_id="D1")


def work(action: Action, *, event: Event = EVENT, answer: Answer = ANSWER) -> Task:
    """A leased task for this action."""
    payload = ActionWork(
        action=action, event=event, answer=answer, task_type="code_review"
    )
    spec = NewTask(
        task_id="01TASK",
        kind="action",
        type="x",
        payload=msgspec.msgpack.encode(payload),
        tenant="octo-org/hello",
        created_at=1_760_000_000.0,
        run_at=1_760_000_000.0,
    )
    return Task(spec=spec, state="running", run_at=spec.run_at, updated_at=spec.run_at)
