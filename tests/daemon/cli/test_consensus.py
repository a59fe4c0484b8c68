"""``gitbridge consensus``."""

from msgspec.structs import replace

from actors.errors import ProviderError
from actors.messages.consensus import Ballot, ConsensusInfo
from actors.messages.rounds import RoundsReport
from ipc.results import FunctionReply, ToolCallReply
from ipc.subscribing import NoticeParams
from tests.support.cli import REPLY, FakeDaemon, Machine

INFO = ConsensusInfo(
    method="auto",
    kind="number",
    rule="prior accuracies",
    agreement=0.5,
    confidence=0.7,
    winner=0,
    groups=(("a/x",), ("b/y",)),
    ballots=(
        Ballot(member="a/x", state="answered", group=0, rule="whole"),
        Ballot(member="b/y", state="failed", error="timeout"),
    ),
)
DECIDED = replace(REPLY, consensus=INFO)


ASKED = NoticeParams(
    id=1,
    topic="consensus",
    name="member_asked",
    body={"request_id": "r", "decision_id": "d", "user": None, "member": "a/x"},
)
FINISHED = NoticeParams(id=1, topic="consensus", name="round_finished", body={})


def streaming(*pieces: str | NoticeParams, reply: object = DECIDED) -> Machine:
    return Machine(FakeDaemon({"consensus": reply}, pieces))


def test_streamed_it_tells_how_it_goes_beside_the_answer() -> None:
    typed = streaming(ASKED, FINISHED, "hi ", "there")

    assert typed.type("consensus", "--stream", "hello") == 0
    assert typed.screen.out == "hi there\n"
    assert typed.screen.err.startswith("a/x is asked\n")
    assert "1 of 2 answered" in typed.screen.err
    assert typed.daemon is not None
    assert typed.daemon.calls == [("consensus", {"prompt": "hello", "stream": True})]


def test_a_streamed_answer_that_came_whole_is_printed_all_the_same() -> None:
    typed = streaming(ASKED)

    assert typed.type("consensus", "--stream", "hello") == 0
    assert typed.screen.out == "hi there\n"


def test_a_stream_that_breaks_off_ends_its_line_and_fails() -> None:
    typed = streaming("half", reply=ProviderError("it broke off"))

    assert typed.type("consensus", "--stream", "hello") == 1
    assert typed.screen.out == "half\n"
    assert "it broke off" in typed.screen.err


def test_streamed_json_is_still_one_document() -> None:
    typed = streaming(ASKED, "hi there")

    assert typed.type("consensus", "--stream", "hello", "--json") == 0
    assert isinstance(typed.screen.document, dict)
    assert typed.screen.err == ""


def machine(reply: object = DECIDED) -> Machine:
    return Machine(FakeDaemon({"consensus": reply}))


def test_the_answer_is_on_stdout_and_how_it_was_decided_beside_it() -> None:
    typed = machine()

    assert typed.type("consensus", "hello") == 0
    assert typed.screen.out == "hi there\n"
    assert "1 of 2 answered, agreement 0.50, confidence 0.70" in typed.screen.err
    assert "A won" in typed.screen.err
    assert "timeout" in typed.screen.err


def test_every_flag_becomes_a_param() -> None:
    typed = machine()
    argv = (
        "consensus x --providers a,b/y --method judge --quorum 2 --judge c --task-type t "
        "--max-tokens 5 --system s --deadline 9 --budget 0.1"
    )
    typed.type(*argv.split())

    assert typed.daemon is not None
    assert typed.daemon.calls == [
        (
            "consensus",
            {
                "prompt": "x",
                "members": ["a", "b/y"],
                "method": "judge",
                "quorum": 2,
                "judge": "c",
                "task_type": "t",
                "max_tokens": 5,
                "system": "s",
                "deadline_s": 9.0,
                "budget_usd": 0.1,
            },
        )
    ]


def test_what_was_not_said_is_not_sent() -> None:
    typed = machine()
    typed.type("consensus", "x")

    assert typed.daemon is not None
    assert typed.daemon.calls == [("consensus", {"prompt": "x"})]


def test_a_method_that_does_not_exist_is_a_usage_error() -> None:
    assert machine().type("consensus", "x", "--method", "dice") == 64


def test_tool_calls_that_won_are_printed() -> None:
    call = ToolCallReply("1", FunctionReply("look", '{"at":1}'))
    typed = machine(replace(DECIDED, content=None, tool_calls=(call,)))
    typed.type("consensus", "x")

    assert typed.screen.out == 'look({"at":1})\n'


def test_json_is_the_whole_reply_and_nothing_else() -> None:
    typed = machine()

    assert typed.type("consensus", "x", "--json") == 0
    assert isinstance(typed.screen.document, dict)
    assert typed.screen.document["consensus"]["winner"] == 0
    assert typed.screen.err == ""


def test_the_report_is_read_in_place_of_a_prompt() -> None:
    report = RoundsReport(since=None, requests=3, rows=())
    daemon = FakeDaemon({"consensus.report": report})
    typed = Machine(daemon)

    assert typed.type("consensus", "report", "--since", "7d") == 0
    assert daemon.calls == [("consensus.report", {"since": "7d"})]
    assert typed.screen.out == "no round of consensus among 3 requests\n"


def test_the_report_as_json_is_the_result() -> None:
    report = RoundsReport(since=None, requests=3, rows=())
    typed = Machine(FakeDaemon({"consensus.report": report}))

    assert typed.type("consensus", "report", "--json") == 0
    assert typed.screen.document == {"since": None, "requests": 3, "rows": []}
