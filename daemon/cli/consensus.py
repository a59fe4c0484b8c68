"""``gitbridge consensus``: several models are asked, one answer is decided on."""

import argparse
from typing import IO

from daemon.cli.ask import read_prompt
from daemon.cli.connection import Client, typed
from daemon.cli.output import Output
from daemon.cli.render.consensus import round_account
from daemon.exits import EXIT_OK
from ipc.results import RouteReply

_FLAGS = {
    "method": "method",
    "quorum": "quorum",
    "judge": "judge",
    "task_type": "task_type",
    "max_tokens": "max_tokens",
    "system": "system",
    "deadline": "deadline_s",
    "budget": "budget_usd",
}


def consensus(
    args: argparse.Namespace, client: Client, out: Output, stdin: IO[str] | None = None
) -> int:
    """Ask, print the answer, and to a person how it was decided."""
    params: dict[str, object] = {"prompt": read_prompt(args.prompt, stdin)}
    for flag, name in _FLAGS.items():
        value: object = getattr(args, flag)
        if value is not None:
            params[name] = value
    if args.providers:
        params["members"] = [each.strip() for each in args.providers.split(",")]
    result = client.call("consensus", params)
    if out.as_json:
        out.document(result)
        return EXIT_OK
    reply = typed(result, RouteReply)
    text = reply.content if reply.content is not None else reply.refusal or ""
    lines = [text] if text else []
    lines += [f"{c.function.name}({c.function.arguments})" for c in reply.tool_calls]
    out.answer("\n".join(lines).rstrip("\n") + "\n")
    out.note(round_account(reply, out.error_paint))
    return EXIT_OK
