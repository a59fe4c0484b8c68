"""``gitbridge consensus``: several models are asked, one answer is decided on."""

import argparse
from typing import IO

from actors.messages.rounds import RoundsReport
from daemon.cli.ask import Printed, print_answer, read_prompt
from daemon.cli.connection import Client, typed
from daemon.cli.output import Output
from daemon.cli.render.consensus import round_account
from daemon.cli.render.progress import progress_line
from daemon.cli.render.rounds import rounds
from daemon.exits import EXIT_OK
from ipc.results import RouteReply
from ipc.subscribing import NoticeParams

REPORT = "report"
"""In place of a prompt; who means to ask that word writes it with a blank."""

_FLAGS = {
    "method": "method",
    "quorum": "quorum",
    "judge": "judge",
    "task_type": "task_type",
    "max_tokens": "max_tokens",
    "system": "system",
    "deadline": "deadline_s",
    "budget": "budget_usd",
    "thread": "thread",
}


def consensus(
    args: argparse.Namespace, client: Client, out: Output, stdin: IO[str] | None = None
) -> int:
    """Ask, print the answer, and to a person how it was decided; or the report."""
    if args.prompt == REPORT:
        return _report(args, client, out)
    params: dict[str, object] = {"prompt": read_prompt(args.prompt, stdin)}
    for flag, name in _FLAGS.items():
        value: object = getattr(args, flag)
        if value is not None:
            params[name] = value
    if args.providers:
        params["members"] = [each.strip() for each in args.providers.split(",")]
    if args.stream:
        return _streamed(client, params, out)
    result = client.call("consensus", params)
    if out.as_json:
        out.document(result)
        return EXIT_OK
    reply = typed(result, RouteReply)
    print_answer(reply, out)
    out.note(round_account(reply, out.error_paint))
    return EXIT_OK


def _report(args: argparse.Namespace, client: Client, out: Output) -> int:
    """What the rounds so far came to."""
    since = {} if args.since is None else {"since": args.since}
    result = client.call("consensus.report", since)
    if out.as_json:
        out.document(result)
    else:
        out.result(rounds(typed(result, RoundsReport), out.paint))
    return EXIT_OK


def _streamed(client: Client, params: dict[str, object], out: Output) -> int:
    """How the round goes on stderr, and the answer while it is written."""
    printed = Printed(out)
    try:
        stream = client.stream("consensus", {**params, "stream": True})
        for piece in stream.pieces():
            if out.as_json:
                continue
            if isinstance(piece, NoticeParams):
                line = progress_line(piece.name, piece.body, out.error_paint)
                if line is not None:
                    out.note(line)
            else:
                printed.add(piece.content or "")
    finally:
        printed.end_line()
    result = stream.result
    if out.as_json:
        out.document(result)
        return EXIT_OK
    reply = typed(result, RouteReply)
    if not printed.anything:
        print_answer(reply, out)
    out.note(round_account(reply, out.error_paint))
    return EXIT_OK
