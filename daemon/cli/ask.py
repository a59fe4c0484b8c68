"""``gitbridge ask``: one prompt, one answer."""

import argparse
import sys
from typing import IO

from daemon.cli.connection import Client, CommandFailed, typed
from daemon.cli.output import Output
from daemon.cli.render.records import answer_summary
from daemon.exits import EXIT_OK, EXIT_USAGE
from ipc.results import RouteReply

_FLAGS = {
    "task_type": "task_type",
    "strategy": "strategy",
    "provider": "provider",
    "model": "model",
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "system": "system",
    "deadline": "deadline_s",
    "budget": "budget_usd",
    "priority": "priority",
    "thread": "thread",
    "cache": "cache",
    "idempotency_key": "idempotency_key",
}


def ask(
    args: argparse.Namespace, client: Client, out: Output, stdin: IO[str] | None = None
) -> int:
    """Send the prompt, print the answer; on a terminal say who gave it at what cost."""
    params = route_params(args, read_prompt(args.prompt, stdin))
    printed = Printed(out)
    try:
        stream = client.stream("route", params)
        for piece in stream:
            if not out.as_json:
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
    if reply.finish_reason == "length":
        out.note("the answer was cut off at the limit of tokens (--max-tokens)")
    if out.errors_on_terminal:
        out.note(answer_summary(reply, out.error_paint))
    return EXIT_OK


def read_prompt(argument: str, stdin: IO[str] | None = None) -> str:
    """The prompt itself; ``-`` is standard input up to its end.

    Raises:
        CommandFailed: There is none, or it is no text.
    """
    try:
        if argument != "-":
            text = argument
        else:
            text = (sys.stdin if stdin is None else stdin).read()
        text.encode()
    except UnicodeError:
        raise CommandFailed("the prompt is not UTF-8 text", EXIT_USAGE) from None
    if not text.strip():
        raise CommandFailed("the prompt is empty", EXIT_USAGE)
    return text


def route_params(args: argparse.Namespace, prompt: str) -> dict[str, object]:
    """The params of ``route``: only what was said."""
    params: dict[str, object] = {"prompt": prompt}
    for flag, name in _FLAGS.items():
        value: object = getattr(args, flag)
        if value is not None:
            params[name] = value
    if args.stream:
        params["stream"] = True
    return params


class Printed:
    """What of the answer is on the screen already."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._last = "\n"
        self.anything = False

    def add(self, text: str) -> None:
        if text:
            self._out.answer(text)
            self._last = text[-1]
            self.anything = True

    def end_line(self) -> None:
        """An answer that broke off must not run into what is said about it."""
        if self._last != "\n":
            self._out.answer("\n")
            self._last = "\n"


def print_answer(reply: RouteReply, out: Output) -> None:
    """What came as a whole: its text or refusal, and the calls of tools, a line each."""
    text = reply.content if reply.content is not None else reply.refusal
    lines = [text] if text else []
    lines += [f"{c.function.name}({c.function.arguments})" for c in reply.tool_calls]
    out.answer("\n".join(lines).rstrip("\n") + "\n")
