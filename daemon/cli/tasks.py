"""``gitbridge tasks``: submit, list, show, cancel, retry, wait."""

import argparse
from typing import IO

from daemon.cli.ask import read_prompt
from daemon.cli.connection import Client, CommandFailed, typed
from daemon.cli.output import Output
from daemon.cli.render import tasks as render
from daemon.exits import EXIT_FAILED, EXIT_OK, EXIT_TRY_LATER, EXIT_USAGE
from ipc.tasks import (
    TaskListResult,
    TasksResult,
    TaskSubmitResult,
    TaskView,
    TaskWaitResult,
)

_SUBMIT = {
    "system": "system",
    "task_type": "task_type",
    "strategy": "strategy",
    "provider": "provider",
    "model": "model",
    "max_tokens": "max_tokens",
    "priority": "priority",
    "delay": "delay_s",
    "run_at": "run_at",
    "deadline": "deadline",
    "key": "idempotency_key",
    "max_attempts": "max_attempts",
    "thread": "thread",
}
_LIST = {
    "state": "state",
    "type": "type",
    "priority": "priority",
    "batch": "batch_id",
    "since": "since",
    "limit": "limit",
    "cursor": "cursor",
}


def tasks(
    args: argparse.Namespace, client: Client, out: Output, stdin: IO[str] | None = None
) -> int:
    """One of the actions; 1 when a task that was waited for has not been done."""
    match args.action:
        case "submit":
            return _submit(args, client, out, stdin)
        case "list":
            result = client.call("tasks.list", _said(args, _LIST))
            page = typed(result, TaskListResult)
            _put(out, result, render.listing(page, out.paint))
        case "show":
            result = client.call("tasks.get", {"task_id": args.id})
            _put(out, result, render.task(typed(result, TaskView), out.paint))
        case "wait":
            return _wait({**_which(args), "timeout_s": args.timeout}, client, out)
        case _:
            result = client.call(f"tasks.{args.action}", _which(args))
            changed = typed(result, TasksResult)
            page = TaskListResult(changed.tasks)
            _put(out, result, render.listing(page, out.paint))
            for told in render.unchanged(changed, args.action):
                if not out.as_json:
                    out.note(told)
    return EXIT_OK


def _submit(
    args: argparse.Namespace, client: Client, out: Output, stdin: IO[str] | None
) -> int:
    params = {"prompt": read_prompt(args.prompt, stdin), **_said(args, _SUBMIT)}
    if args.consensus:
        params["consensus"] = True
    if args.require:
        keys = [each.strip() for each in args.require.split(",")]
        params["check"] = {"required": keys}
    result = client.call("tasks.submit", params)
    kept = typed(result, TaskSubmitResult)
    if args.wait:
        if not out.as_json:
            out.note(f"task {kept.task_id}")
        which = {"task_id": kept.task_id, "timeout_s": args.timeout}
        return _wait(which, client, out)
    _put(out, result, kept.task_id)
    return EXIT_OK


def _wait(params: dict[str, object], client: Client, out: Output) -> int:
    result = client.call("tasks.wait", params)
    waited = typed(result, TaskWaitResult)
    if len(waited.tasks) == 1:
        _put(out, result, render.answer(waited.tasks[0], out.paint))
    else:
        page = TaskListResult(waited.tasks)
        _put(out, result, render.listing(page, out.paint))
    if not waited.done:
        return EXIT_TRY_LATER
    good = all(task.state == "done" for task in waited.tasks)
    return EXIT_OK if good else EXIT_FAILED


def _which(args: argparse.Namespace) -> dict[str, object]:
    if (args.id is None) is (args.batch is None):
        got = "neither" if args.id is None else "both"
        text = f"got {got}, wanted a TASK or --batch BATCH"
        raise CommandFailed(text, EXIT_USAGE)
    given = {"task_id": args.id, "batch_id": args.batch}
    return {name: value for name, value in given.items() if value is not None}


def _said(args: argparse.Namespace, names: dict[str, str]) -> dict[str, object]:
    said = {name: getattr(args, flag) for flag, name in names.items()}
    return {name: value for name, value in said.items() if value is not None}


def _put(out: Output, result: object, text: str) -> None:
    if out.as_json:
        out.document(result)
    else:
        out.result(text)
