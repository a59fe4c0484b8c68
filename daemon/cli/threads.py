"""``gitbridge threads``: list, show, export."""

import argparse

from daemon.cli.connection import Client, typed
from daemon.cli.output import Output
from daemon.cli.render import threads as render
from daemon.exits import EXIT_OK
from ipc.threads import ThreadsExportResult, ThreadsGetResult, ThreadsListResult

_LIST = ("query", "state", "kind", "task_type", "since", "user", "limit", "cursor")
_EXPORT = ("thread", "format", "picture", "user", "task_type", "since")

PAGE = 500


def threads(args: argparse.Namespace, client: Client, out: Output) -> int:
    """One of the actions."""
    match args.action:
        case "list":
            result = client.call("threads.list", _said(args, _LIST))
            page = typed(result, ThreadsListResult)
            _put(out, result, render.listing(page, out.paint))
        case "show":
            whole = _whole(args, client)
            _put(out, whole, render.thread(whole, out.paint))
        case _:
            _export(args, client, out)
    return EXIT_OK


def _whole(args: argparse.Namespace, client: Client) -> ThreadsGetResult:
    """All pages of it."""
    asked = {**_said(args, ("thread", "user")), "limit": PAGE}
    page = typed(client.call("threads.get", asked), ThreadsGetResult)
    entries = list(page.entries)
    while page.cursor is not None:
        result = client.call("threads.get", {**asked, "cursor": page.cursor})
        page = typed(result, ThreadsGetResult)
        entries += page.entries
    return ThreadsGetResult(page.thread, tuple(entries), None)


def _export(args: argparse.Namespace, client: Client, out: Output) -> None:
    result = client.call("threads.export", _said(args, _EXPORT))
    document = typed(result, ThreadsExportResult)
    if args.json and args.format != "json":
        out.document(result)
    else:
        out.result(document.content)
    if document.more:
        out.note("the thread goes on: this is its beginning")


def _said(args: argparse.Namespace, names: tuple[str, ...]) -> dict[str, object]:
    said = {name: getattr(args, name) for name in names}
    return {name: value for name, value in said.items() if value is not None}


def _put(out: Output, result: object, text: str) -> None:
    if out.as_json:
        out.document(result)
    else:
        out.result(text)
