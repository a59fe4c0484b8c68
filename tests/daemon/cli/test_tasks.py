"""``gitbridge tasks``."""

import msgspec
import pytest
from msgspec.structs import replace

from actors.messages.routing import ErrorInfo
from ipc.tasks import (
    SubmittedTask,
    TaskListResult,
    TasksResult,
    TaskSubmitResult,
    TaskView,
    TaskWaitResult,
    task_error,
)
from tests.support.cli import REPLY, FakeDaemon, Machine

DONE = TaskView(
    task_id="T1",
    kind="request",
    type="code_review",
    state="done",
    priority="high",
    created_at=0.0,
    run_at=0.0,
    updated_at=2.0,
    started_at=1.0,
    ended_at=2.0,
    deadline_at=None,
    attempts=1,
    max_attempts=5,
    user="ann",
    batch_id=None,
    parent_id=None,
    thread_id=None,
    title="minutes",
    worker="here:1",
    progress=None,
    cancel_wanted=False,
    error=None,
    result=msgspec.to_builtins(REPLY),
    refused=("grok: the answer is empty",),
)
REFUSED = ErrorInfo(
    kind="provider_error", message="no answer", owner="provider", retryable=False
)
FAILED = replace(
    DONE, state="failed", result=msgspec.UNSET, error=task_error(REFUSED), refused=()
)
KEPT = TaskSubmitResult(
    task_id="T1", batch_id=None, tasks=(SubmittedTask("T1", "queued", False),)
)


def machine(**answers: object) -> Machine:
    return Machine(FakeDaemon({f"tasks.{name}": a for name, a in answers.items()}))


def params(typed: Machine, number: int = 0) -> object:
    assert typed.daemon is not None
    return typed.daemon.calls[number][1]


def test_submit_prints_the_id_alone() -> None:
    typed = machine(submit=KEPT)
    assert typed.type("tasks", "submit", "hello") == 0
    assert typed.screen.out == "T1\n"
    assert params(typed) == {"prompt": "hello"}


def test_every_flag_of_submit_becomes_a_param() -> None:
    typed = machine(submit=KEPT)
    flags = "--task-type t --strategy cost --provider p --model m --max-tokens 5"
    flags += " --system s --priority low --delay 9 --deadline 2099-01-01 --key k"
    flags += " --max-attempts 2 --require a,b --consensus"
    assert typed.type("tasks", "submit", "hello", *flags.split()) == 0
    assert params(typed) == {
        "prompt": "hello",
        "task_type": "t",
        "strategy": "cost",
        "provider": "p",
        "model": "m",
        "max_tokens": 5,
        "system": "s",
        "priority": "low",
        "delay_s": 9.0,
        "deadline": "2099-01-01",
        "idempotency_key": "k",
        "max_attempts": 2,
        "check": {"required": ["a", "b"]},
        "consensus": True,
    }


@pytest.mark.parametrize(
    ("waited", "code", "said"),
    [
        (TaskWaitResult(True, (DONE,)), 0, "hi there"),
        (TaskWaitResult(True, (FAILED,)), 1, "no answer"),
        (TaskWaitResult(False, (replace(FAILED, state="running"),)), 75, "running"),
        (TaskWaitResult(True, (DONE, DONE)), 0, "code_review"),
    ],
)
def test_waiting_ends_as_the_task_does(
    waited: TaskWaitResult, code: int, said: str
) -> None:
    typed = machine(submit=KEPT, wait=waited)
    assert typed.type("tasks", "submit", "hello", "--wait") == code
    assert said in typed.screen.out
    assert params(typed, 1) == {"task_id": "T1", "timeout_s": 60.0}


def test_show_has_all_of_it_and_its_answer() -> None:
    typed = machine(get=DONE)
    assert typed.type("tasks", "show", "T1") == 0
    assert "hi there" in typed.screen.out
    assert "grok: the answer is empty" in typed.screen.out


def test_list_has_a_line_for_each_and_where_to_go_on() -> None:
    typed = machine(list=TaskListResult((DONE, FAILED), "next"))
    assert typed.type("tasks", "list", "--state", "done", "--limit", "2") == 0
    assert params(typed) == {"state": "done", "limit": 2}
    assert len(typed.screen.out.splitlines()) == 4
    assert "--cursor next" in typed.screen.out
    empty = machine(list=TaskListResult(()))
    empty.type("tasks", "list")
    assert empty.screen.out == "no tasks\n"


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_a_task_or_a_batch_is_changed(action: str) -> None:
    typed = machine(**{action: TasksResult((FAILED,))})
    assert typed.type("tasks", action, "--batch", "B") == 0
    assert params(typed) == {"batch_id": "B"}


@pytest.mark.parametrize(
    ("action", "takes"),
    [
        ("cancel", "only what has not ended"),
        ("retry", "only what is failed, cancelled or dead"),
    ],
)
def test_what_stays_as_it_is_is_said_beside_the_result(action: str, takes: str) -> None:
    typed = machine(**{action: TasksResult((DONE,), ("T1", "gone"))})
    assert typed.type("tasks", action, "T1") == 0
    said = f"task T1 is done: nothing was changed, {action} takes {takes}\n"
    assert typed.screen.err == said

    typed = machine(**{action: TasksResult((DONE,), ("T1",))})
    assert typed.type("tasks", action, "T1", "--json") == 0
    assert isinstance(typed.screen.document, dict)
    assert typed.screen.document["unchanged"] == ["T1"]
    assert typed.screen.err == ""


def test_json_is_the_result_as_it_came() -> None:
    typed = machine(get=DONE)
    assert typed.type("tasks", "show", "T1", "--json") == 0
    document = typed.screen.document
    assert isinstance(document, dict)
    assert document["task_id"] == "T1"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("wait",), "got neither, wanted a TASK or --batch BATCH"),
        (("retry", "T1", "--batch", "B"), "got both, wanted a TASK or --batch"),
        (("submit", "x", "--wait", "--timeout", "5000"), "at most 3600"),
        (("wait", "T1", "--timeout", "0"), "seconds above 0"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_done(
    argv: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = machine(submit=KEPT)
    assert typed.type("tasks", *argv) == 64
    assert said in typed.screen.err + capsys.readouterr().err
    assert typed.daemon is not None
    assert typed.daemon.calls == []


def test_a_type_that_is_only_the_kind_is_not_said_twice() -> None:
    plain = replace(DONE, type="request")
    typed = machine(get=plain)
    typed.type("tasks", "show", "T1")
    assert "type          request\n" in typed.screen.out
