"""``gitbridge threads``."""

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace
from typing_extensions import override

from actors.errors import InvalidRequest
from actors.messages.threads import ThreadSummary
from ipc.threads import (
    ThreadEntryRow,
    ThreadsExportResult,
    ThreadsGetResult,
    ThreadsListResult,
)
from tests.support.cli import REPLY, FakeDaemon, Machine

SUMMARY = ThreadSummary(
    cursor="7",
    thread_id="plan-b",
    user="ada",
    title="Ship it?",
    task_type=None,
    state="done",
    started_at=0.0,
    last_at=1.0,
    entries=2,
    who=("ada", "router", "one/m", "two/m", "consensus"),
    cost_usd=Decimal("0.0012"),
    simulated=True,
)
ENTRY = ThreadEntryRow(
    seq=1,
    entry_id="e1",
    at=0.0,
    kind="answer",
    who="one/m",
    to="ada",
    text="Yes.\n\x1b[31mNow.",
    chars=900,
    state="done",
    task_type=None,
    decision_id="d",
    request_id="r",
    task_id=None,
    cost_usd=None,
    latency_s=0.5,
    simulated=True,
    data={"rule": "two of three", "ok": True, "no": False, "share": 0.66666, "x": None},
)


def machine(**answers: object) -> Machine:
    return Machine(FakeDaemon({f"threads.{name}": a for name, a in answers.items()}))


def params(typed: Machine, number: int = 0) -> object:
    assert typed.daemon is not None
    return typed.daemon.calls[number][1]


def test_list_shows_a_line_for_each_and_where_to_go_on() -> None:
    typed = machine(list=ThreadsListResult((SUMMARY,), "7"))
    assert typed.type("threads", "list") == 0
    assert params(typed) == {"limit": 20}
    assert "plan-b  done" in typed.screen.out
    assert "ada, router, one/m and 2 more  Ship it?" in typed.screen.out
    assert typed.screen.out.endswith("more: --cursor 7\n")


def test_list_passes_every_filter_on() -> None:
    typed = machine(list=ThreadsListResult((), None))
    flags = "--state open --kind verdict --task-type t --since 7d --user u --limit 3"
    assert (
        typed.type("threads", "list", "--query", "a b", "--cursor", "9", *flags.split())
        == 0
    )
    assert params(typed) == {
        "query": "a b",
        "state": "open",
        "kind": "verdict",
        "task_type": "t",
        "since": "7d",
        "user": "u",
        "limit": 3,
        "cursor": "9",
    }
    assert typed.screen.out == "no threads\n"


def test_list_as_json_is_what_the_daemon_said() -> None:
    typed = machine(list=ThreadsListResult((SUMMARY,), None))
    assert typed.type("threads", "list", "--json") == 0
    document = msgspec.convert(typed.screen.document, ThreadsListResult, strict=False)
    assert document.threads[0].thread_id == "plan-b"


def test_show_tells_all_of_it_and_nothing_drives_the_terminal() -> None:
    unkept = replace(
        ENTRY, kind="question", text=None, latency_s=None, data={}, to=None
    )
    whole = ThreadsGetResult(
        SUMMARY, (ENTRY, unkept, replace(unkept, chars=None)), None
    )
    typed = machine(get=whole)
    assert typed.type("threads", "show", "plan-b", "--user", "ada") == 0
    assert params(typed) == {"thread": "plan-b", "user": "ada", "limit": 500}
    out = typed.screen.out
    assert "cost        $0.0012" in out
    assert "1970-01-01 00:00:00Z  answer  one/m to ada\n" in out
    assert "  rule two of three, ok yes, share 0.667, 500 ms, cost unknown\n" in out
    assert "  | Yes.\n  | [31mNow.\n  (900 characters in all)\n" in out
    assert "  (900 characters, not kept)\n" in out
    assert "\x1b" not in out


class Pages(FakeDaemon):
    """A thread of three pages."""

    @override
    def call(self, method: str, params: object = None) -> object:
        self.calls.append((method, params))
        asked = msgspec.convert(params, dict[str, object])
        number = int(str(asked.get("cursor", 0)))
        entry = replace(ENTRY, seq=number, text=f"page {number}", chars=6)
        return ThreadsGetResult(
            SUMMARY, (entry,), None if number == 2 else str(number + 1)
        )


def test_show_reads_every_page() -> None:
    typed = Machine(Pages())
    assert typed.type("threads", "show", "t", "--json") == 0
    document = typed.screen.document
    assert isinstance(document, dict)
    texts = [each["text"] for each in document["entries"]]
    assert (texts, document["cursor"]) == (["page 0", "page 1", "page 2"], None)


def document(**more: object) -> ThreadsExportResult:
    fields = {
        "format": "json",
        "content_type": "application/json",
        "content": '{"a":1}',
        **more,
    }
    return msgspec.convert(fields, ThreadsExportResult)


def test_export_prints_the_document_alone() -> None:
    typed = machine(export=document())
    assert typed.type("threads", "export", "plan-b") == 0
    assert params(typed) == {"thread": "plan-b", "format": "json"}
    assert (typed.screen.out, typed.screen.err) == ('{"a":1}\n', "")


def test_export_passes_everything_on() -> None:
    typed = machine(export=document(format="svg", content="<svg/>"))
    flags = "--format svg --picture agreement --task-type t --since 7d --user u"
    assert typed.type("threads", "export", *flags.split()) == 0
    assert params(typed) == {
        "format": "svg",
        "picture": "agreement",
        "task_type": "t",
        "since": "7d",
        "user": "u",
    }
    assert typed.screen.out == "<svg/>\n"


def test_a_document_that_is_no_json_is_in_one_with_json() -> None:
    typed = machine(export=document(format="svg", content="<svg/>"))
    assert typed.type("threads", "export", "t", "--format", "svg", "--json") == 0
    assert isinstance(typed.screen.document, dict)
    assert typed.screen.document["content"] == "<svg/>"


def test_export_says_where_it_is_not_the_whole_thread() -> None:
    typed = machine(export=document(more=True))
    assert typed.type("threads", "export", "plan-b") == 0
    assert typed.screen.err == "the thread goes on: this is its beginning\n"


def test_a_thread_that_is_none_is_an_error() -> None:
    typed = machine(get=InvalidRequest("there is no thread 'x'", field="thread"))
    assert typed.type("threads", "show", "x") == 64
    assert "there is no thread 'x'" in typed.screen.err


@pytest.mark.parametrize(
    ("command", "method"),
    [
        (("ask", "hi"), "route"),
        (("consensus", "hi"), "consensus"),
        (("tasks", "submit", "hi"), "tasks.submit"),
    ],
)
def test_what_is_asked_may_name_its_thread(
    command: tuple[str, ...], method: str
) -> None:
    kept: dict[str, object] = {"task_id": "T", "batch_id": None, "tasks": []}
    answers = {"route": REPLY, "consensus": REPLY, "tasks.submit": kept}
    typed = Machine(FakeDaemon(answers))
    assert typed.type(*command, "--thread", "plan-b") == 0
    assert typed.daemon is not None
    asked = dict(typed.daemon.calls)[method]
    assert isinstance(asked, dict)
    assert asked["thread"] == "plan-b"
