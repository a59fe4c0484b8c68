"""What tasks, events and actions leave in a thread."""

import msgspec
import pytest
from msgspec.structs import replace

from actors.messages.actions import ActionDone, EventDone
from actors.messages.events import Event
from actors.messages.tasks import (
    TASK_STATES,
    NewTask,
    Performed,
    Task,
    TaskChange,
    TaskKind,
    TaskState,
)
from daemon.thread_tasks import attempt_failed, event_taken, performed, task_changed

CHANGE = TaskChange(
    task_id="T1",
    kind="request",
    type="review",
    priority="normal",
    state="queued",
    at=10.0,
    attempts=0,
    user="ada",
    thread_id="t",
)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("request", set(TASK_STATES) - {"leased"}),
        ("action", {"queued", "waiting", "failed", "cancelled", "dead"}),
        ("event", {"waiting", "failed", "cancelled", "dead"}),
    ],
)
def test_which_changes_are_told(kind: TaskKind, said: set[TaskState]) -> None:
    changes = [replace(CHANGE, kind=kind, state=state) for state in TASK_STATES]

    assert {c.state for c in changes if task_changed(c)} == said


def test_changes_of_no_thread_and_mere_progress_are_not_told() -> None:
    assert task_changed(replace(CHANGE, thread_id=None)) == ()
    assert task_changed(replace(CHANGE, state="running", progress="half")) == ()


def test_a_change_says_who_and_what_the_thread_is_now() -> None:
    (queued,) = task_changed(CHANGE)
    assert (queued.who, queued.state, queued.user) == ("task_queue", "open", "ada")
    (running,) = task_changed(replace(CHANGE, state="running", worker="here:1"))
    assert (running.who, running.state) == ("here:1", "open")
    (failed,) = task_changed(replace(CHANGE, state="dead", error_kind="no_provider"))
    assert (failed.state, failed.data["error"]) == ("failed", "no_provider")
    (done,) = task_changed(replace(CHANGE, state="done"))
    assert done.state is None  # its answer has said so; actions may follow


def test_an_attempt_begins_once_and_a_task_may_be_queued_again() -> None:
    def entry_id(change: TaskChange) -> str:
        return task_changed(change)[0].entry_id

    running = replace(CHANGE, state="running", attempts=1)
    assert entry_id(running) == entry_id(replace(running, at=11.0))
    assert entry_id(running) != entry_id(replace(running, attempts=2))
    assert entry_id(CHANGE) != entry_id(replace(CHANGE, at=11.0))
    assert entry_id(CHANGE) == entry_id(CHANGE)


def task(kind: TaskKind = "event", thread: str | None = "t") -> Task:
    spec = NewTask(
        task_id="T1",
        kind=kind,
        type="push" if kind == "event" else "post_comment",
        payload=b"",
        tenant="x",
        created_at=0.0,
        run_at=0.0,
        thread_id=thread,
        user="ada",
    )
    return Task(spec=spec, state="running", run_at=0.0, updated_at=0.0, attempts=3)


EVENT = Event(
    id="d-1",
    source="github",
    name="pull_request.opened",
    at=5.0,
    repository="acme/shop",
    number=12,
    title="Close the file",
    text="On every path.",
    paths=("a.py", "b.py"),
    sender="eve",
)


def test_an_event_opens_its_thread() -> None:
    entry = event_taken(EVENT, "code_review", task())

    assert (entry.thread_id, entry.kind, entry.who) == ("t", "event", "eve")
    assert (entry.text, entry.state) == ("Close the file\n\nOn every path.", "open")
    assert (entry.data["number"], entry.data["paths"]) == (12, 2)
    bare = replace(EVENT, title="", text="", sender=None)
    other = event_taken(bare, "code_review", task(thread=None))
    assert (other.thread_id, other.who, other.text) == ("T1", "github", None)


def done(result: object) -> Performed:
    return Performed(result=msgspec.msgpack.encode(result))


def test_the_rule_that_judged_an_event() -> None:
    asked = EventDone(
        outcome="asked", plan_by="rule 2", task_type="review", request_id="T2"
    )
    entry = performed(task(), "t", done(asked))
    assert (entry.kind, entry.who, entry.to) == (
        "decision",
        "event_router",
        "task_queue",
    )
    assert (entry.data["reason"], entry.data["becomes"]) == ("rule 2", "T2")
    assert entry.state is None

    ignored = performed(task(), "t", done(EventDone(outcome="ignored")))
    assert (ignored.to, ignored.state) == (None, "done")


def test_an_action_closes_the_thread() -> None:
    comment = ActionDone(
        do="post_comment", target="acme/shop#12", status=201, detail="https://x"
    )
    entry = performed(task("action"), "t", done(comment))

    assert (entry.kind, entry.who, entry.to) == (
        "action",
        "post_comment",
        "acme/shop#12",
    )
    assert (entry.state, entry.text, entry.data["status"]) == ("done", "https://x", 201)
    silent = performed(task("action"), "t", done(replace(comment, detail="")))
    assert silent.text is None


@pytest.mark.parametrize(
    ("kind", "told"),
    [("action", ("action", "post_comment")), ("event", ("decision", "event_router"))],
)
def test_an_attempt_that_failed_says_why(kind: TaskKind, told: tuple[str, str]) -> None:
    entry = attempt_failed(task(kind), "t", "x" * 900)

    assert (entry.kind, entry.who) == told
    assert entry.data == {"outcome": "failed", "attempts": 3, "error": "x" * 500}
    assert entry.state is None
