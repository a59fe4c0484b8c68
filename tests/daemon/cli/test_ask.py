"""``gitbridge ask``."""

import io

import msgspec
import pytest

from actors.errors import NoProvider
from daemon.cli.ask import read_prompt
from daemon.cli.connection import CommandFailed
from ipc.results import FunctionReply, RouteReply, ToolCallReply
from tests.support.cli import REPLY, FakeDaemon, Machine


def machine(
    reply: object = REPLY, pieces: tuple[str, ...] = (), *, tty: bool = False
) -> Machine:
    return Machine(FakeDaemon({"route": reply}, pieces), tty=tty)


def test_the_answer_is_on_stdout_and_nothing_else() -> None:
    typed = machine()

    assert typed.type("ask", "hello") == 0
    assert (typed.screen.out, typed.screen.err) == ("hi there\n", "")


def test_every_flag_becomes_a_param() -> None:
    typed = machine()
    argv = (
        "ask x --task-type code_review --strategy cost_optimized --provider grok "
        "--model m --max-tokens 5 --temperature 0.5 --system s --deadline 9 --budget 0.1 "
        "--priority low "
        "--stream"
    )
    typed.type(*argv.split())

    assert typed.daemon is not None
    assert typed.daemon.calls == [
        (
            "route",
            {
                "prompt": "x",
                "task_type": "code_review",
                "strategy": "cost",
                "provider": "grok",
                "model": "m",
                "max_tokens": 5,
                "temperature": 0.5,
                "system": "s",
                "deadline_s": 9.0,
                "budget_usd": 0.1,
                "priority": "low",
                "stream": True,
            },
        )
    ]


def test_what_was_not_said_is_not_sent() -> None:
    typed = machine()
    typed.type("ask", "x")

    assert typed.daemon is not None
    assert typed.daemon.calls == [("route", {"prompt": "x"})]


def test_a_stream_is_printed_as_it_arrives_and_only_once() -> None:
    typed = machine(pieces=("hi ", "", "there"))

    assert typed.type("ask", "x", "--stream") == 0
    assert typed.screen.out == "hi there\n"


def test_a_broken_stream_ends_its_line_before_the_error() -> None:
    typed = machine(NoProvider("all are down"), ("half an ans",))

    assert typed.type("ask", "x", "--stream") == 1
    assert typed.screen.out == "half an ans\n"
    assert "all are down (no_provider)" in typed.screen.err


def test_json_is_one_document_even_of_a_stream() -> None:
    typed = machine(pieces=("hi ", "there"))
    typed.type("ask", "x", "--stream", "--json")
    document = typed.screen.document

    assert isinstance(document, dict)
    assert document["content"] == "hi there"
    assert document["cost_usd"] == 0.0012
    assert typed.screen.err == ""


def test_on_a_terminal_who_answered_is_said_beside_the_answer() -> None:
    typed = machine(tty=True)
    typed.type("ask", "x")

    assert typed.screen.out == "hi there\n"
    assert "openai/gpt-4o" in typed.screen.err
    assert "$0.00120" in typed.screen.err


def test_an_answer_cannot_drive_the_terminal() -> None:
    evil = msgspec.structs.replace(REPLY, content="a\x1b[2Jb")
    shown, piped = machine(evil, tty=True), machine(evil)
    shown.type("ask", "x")
    piped.type("ask", "x")

    assert shown.screen.out == "a[2Jb\n"
    assert piped.screen.out == "a\x1b[2Jb\n"


def answer_to(**changes: object) -> str:
    reply: RouteReply = msgspec.structs.replace(REPLY, **changes)
    typed = machine(reply)
    typed.type("ask", "x")
    return typed.screen.out


def test_tool_calls_and_refusals_are_answers_too() -> None:
    call = ToolCallReply("c1", FunctionReply("look_up", '{"x":1}'))

    assert answer_to(content=None, tool_calls=(call,)) == 'look_up({"x":1})\n'
    assert answer_to(content=None, refusal="no") == "no\n"
    assert answer_to(content="") == "\n"


def test_a_dash_reads_the_prompt_from_stdin() -> None:
    assert read_prompt("-", io.StringIO("from a pipe\n")) == "from a pipe\n"
    assert read_prompt("plain", io.StringIO("unread")) == "plain"


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_prompt_is_a_usage_error(text: str) -> None:
    with pytest.raises(CommandFailed, match="empty") as caught:
        read_prompt("-", io.StringIO(text))

    assert caught.value.exit_code == 64


def test_an_answer_that_is_not_understood_is_said_to_be_so() -> None:
    typed = machine({"content": 3})

    assert typed.type("ask", "x") == 70
    assert "is not understood" in typed.screen.err


@pytest.mark.parametrize(
    "stdin",
    [
        io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), "utf-8"),
        io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), "utf-8", "surrogateescape"),
    ],
    ids=["strict", "surrogates"],
)
def test_a_prompt_that_is_no_text_is_a_usage_error(stdin: io.TextIOWrapper) -> None:
    with pytest.raises(CommandFailed, match="UTF-8") as caught:
        read_prompt("-", stdin)

    assert caught.value.exit_code == 64


def test_an_answer_that_was_cut_off_says_so_wherever_it_goes() -> None:
    typed = machine(msgspec.structs.replace(REPLY, finish_reason="length"))
    typed.type("ask", "x")

    assert "cut off" in typed.screen.err
