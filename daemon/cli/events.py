"""``gitbridge events``: publish."""

import argparse
import sys
from pathlib import Path

import msgspec

from daemon.cli.connection import Client, CommandFailed, typed
from daemon.cli.output import Output
from daemon.exits import EXIT_OK, EXIT_USAGE
from ipc.events import PublishResult


def events(args: argparse.Namespace, client: Client, out: Output) -> int:
    """Publish the event of a file, or of stdin."""
    result = client.call("events.publish", _document(args.file))
    if out.as_json:
        out.document(result)
    else:
        out.result(_sentence(typed(result, PublishResult)))
    return EXIT_OK


def _document(name: str) -> object:
    shown = "standard input" if name == "-" else name
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return msgspec.json.decode(data)
    except OSError as error:
        text = f"{shown} cannot be read: {error.strerror}"
        raise CommandFailed(text, EXIT_USAGE) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise CommandFailed(f"{shown} is not JSON: {error}", EXIT_USAGE) from None


def _sentence(result: PublishResult) -> str:
    if result.task_id is None:
        return f"event {result.id}: no rule wants it"
    again = ", which it was before" if result.duplicate else ""
    return (
        f"event {result.id} is task {result.task_id}{again}:"
        f" {result.task_type}, {result.priority} ({result.by})"
    )
