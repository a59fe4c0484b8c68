"""Notes of threads: what is kept of what is said, and that nothing waits for it."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.errors import ProviderError
from actors.messages.consensus import Ballot, ConsensusAsk, ConsensusInfo
from actors.messages.routing import (
    EndSink,
    ErrorInfo,
    RouteRequest,
    RouteResult,
)
from actors.messages.tasks import NewTask, Performed, Task
from actors.messages.threads import ThreadEntry, ThreadNotes
from daemon.config_threads import ThreadsConfig
from daemon.redaction import Redactor
from daemon.threads import LONGEST_KEY, NotedPerformer, ThreadBook, Threaded
from tests.support.notes import Notes
from tests.support.records import record
from tests.support.small_house import request

KEY = "sk-ant-" + "k" * 90


class Spooled:
    """What was appended; fails while it is told to."""

    def __init__(self) -> None:
        self.notes: list[ThreadNotes] = []
        self.error: OSError | None = None

    def append(self, notes: ThreadNotes) -> None:
        if self.error is not None:
            raise self.error
        self.notes.append(notes)

    @property
    def entries(self) -> list[ThreadEntry]:
        return [each for notes in self.notes for each in notes.thread_notes]


def book_of(spooled: Spooled, **told: object) -> ThreadBook:
    ids = count(1)
    return ThreadBook(
        msgspec.convert(told, ThreadsConfig),
        spooled.append,
        lambda: f"e{next(ids)}",
        lambda: 5.0,
        Redactor(["a very secret word"]).masked,
    )


def said(text: str | None, **more: object) -> ThreadEntry:
    entry = {"thread_id": "t", "kind": "note", "who": "ada", "text": text, **more}
    return msgspec.convert(entry, ThreadEntry)


# What is kept ------------------------------------------------------------------------


def test_ids_and_times_are_filled_in_where_they_are_missing() -> None:
    spooled = Spooled()
    book_of(spooled).note(said("x"), said("y", entry_id="mine", at=3.0))

    assert len(spooled.notes) == 1
    assert [(e.entry_id, e.at, e.text, e.chars) for e in spooled.entries] == [
        ("e1", 5.0, "x", 1),
        ("mine", 3.0, "y", 1),
    ]


def test_keys_are_masked_in_texts_and_in_facts() -> None:
    spooled = Spooled()
    book_of(spooled).note(
        said(f"use {KEY} or a very secret word", data={"error": KEY, "n": 3})
    )

    (entry,) = spooled.entries
    assert entry.text == "use sk-ant-*** or ***"
    assert entry.data == {"error": "sk-ant-***", "n": 3}


def test_facts_alone_say_how_long_a_text_was() -> None:
    spooled = Spooled()
    book_of(spooled, keep="facts").note(said("hello"), said(None, chars=7))

    assert [(e.text, e.chars) for e in spooled.entries] == [(None, 5), (None, 7)]


def test_where_nothing_is_kept_nothing_is_written() -> None:
    spooled = Spooled()
    book = book_of(spooled, keep="nothing")
    book.note(said("hello"))
    book.decided(msgspec.structs.replace(record(1), thread="t"))
    book_of(spooled).note()

    assert spooled.notes == []


def test_the_settings_may_change_at_any_time() -> None:
    spooled = Spooled()
    book = book_of(spooled)
    book.told = ThreadsConfig(keep="facts")
    book.note(said("hello"))

    assert spooled.entries[0].text is None


LIMIT = 1024


@given(
    before=st.integers(LIMIT - 2 * LONGEST_KEY, LIMIT + LONGEST_KEY),
    letter=st.sampled_from(["x", "é", "\u4e2d", "\U0001f600", "\ud800"]),
)
def test_a_long_text_is_cut_and_half_a_key_never_stays(
    before: int, letter: str
) -> None:
    spooled = Spooled()
    text = "x" * before + " " + KEY + " " + letter * 3000
    book_of(spooled, max_bytes=LIMIT).note(said(text))

    (entry,) = spooled.entries
    kept = entry.text or ""
    assert LIMIT - LONGEST_KEY <= len(kept.encode()) + len(KEY) + 4 <= LIMIT + 101
    assert "kk" not in kept
    assert entry.chars == len(text)


def test_a_spool_that_cannot_be_written_is_logged_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spooled = Spooled()
    spooled.error = OSError(28, "no space left")
    book_of(spooled).note(said("x"))

    assert "thread_not_written" in capsys.readouterr().out
    assert spooled.notes == []


def test_a_mistake_of_ours_in_an_entry_is_logged_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spooled, router = Spooled(), Router()
    ends: list[object] = []
    handle = Threaded(router, book_of(spooled)).route(request(thread="t"))
    handle.begin(ends.append)
    broken = msgspec.structs.replace(answer("r"), tool_calls=(None,))
    assert router.handle.on_end is not None
    router.handle.on_end(broken)

    assert "thread_bug" in capsys.readouterr().out
    assert ends == [msgspec.structs.replace(broken, thread="t")]


def test_a_decision_is_noted_where_it_has_a_thread_and_is_no_round() -> None:
    spooled = Spooled()
    book = book_of(spooled)
    info = ConsensusInfo(
        method="majority",
        kind="number",
        rule="r",
        agreement=1.0,
        confidence=None,
        winner=0,
        groups=(),
        ballots=(),
    )
    book.decided(record(1))
    book.decided(msgspec.structs.replace(record(2), thread="t", consensus=info))
    book.decided(msgspec.structs.replace(record(3), thread="t", parent_id="round"))

    (entry,) = spooled.entries
    assert (entry.kind, entry.who, entry.thread_id) == ("decision", "router", "t")
    assert (entry.decision_id, entry.request_id) == ("d3", "round")


# Requests ----------------------------------------------------------------------------


class Handle:
    """Ends when it is told to."""

    def __init__(self) -> None:
        self.on_end: EndSink | None = None
        self.cancelled: list[bool] = []

    def begin(self, on_end: EndSink) -> None:
        self.on_end = on_end

    def cancel(self, *, interrupted: bool = False) -> None:
        self.cancelled.append(interrupted)


class Router:
    def __init__(self) -> None:
        self.requests: list[RouteRequest] = []
        self.handle = Handle()

    def route(
        self, request: RouteRequest, sink: object = None, on_start: object = None
    ) -> Handle:
        self.requests.append(request)
        return self.handle


def answer(request_id: str, **more: object) -> RouteResult:
    fields = {
        "request_id": request_id,
        "content": "Yes.",
        "finish_reason": "stop",
        "provider": "one",
        "model": "m",
        "usage": {},
        "cost_usd": Decimal("0.5"),
        "cost_source": "table",
        "latency_s": 1.0,
        "overhead_s": 0.0,
        "decision_id": "d1",
        "attempts": (),
        **more,
    }
    return msgspec.convert(fields, RouteResult)


def test_a_question_is_noted_before_it_is_asked_and_the_answer_before_it_is_heard() -> (
    None
):
    spooled, router = Spooled(), Router()
    heard: list[tuple[RouteResult | ErrorInfo, int]] = []
    asked = request(thread="t", prompt="Is it?", user="ada")

    handle = Threaded(router, book_of(spooled)).route(asked)
    assert spooled.entries == []
    handle.begin(lambda end: heard.append((end, len(spooled.entries))))
    assert [e.kind for e in spooled.entries] == ["question"]
    assert router.handle.on_end is not None
    router.handle.on_end(answer(asked.request_id))

    ((end, noted),) = heard
    assert isinstance(end, RouteResult)
    assert (end.thread, noted) == ("t", 2)
    assert [(e.kind, e.who, e.to, e.text) for e in spooled.entries] == [
        ("question", "ada", "auto", "Is it?"),
        ("answer", "one/m", "ada", "Yes."),
    ]
    assert {e.user for e in spooled.entries} == {"ada"}


def test_a_round_without_a_thread_gets_its_own() -> None:
    spooled, router = Spooled(), Router()
    asked = request(consensus=ConsensusAsk(members=("one", "two")))

    Threaded(router, book_of(spooled)).route(asked).begin(lambda _: None)

    assert router.requests[0].thread == asked.request_id
    assert spooled.entries[0].thread_id == asked.request_id
    assert spooled.entries[0].data == {"members": "one, two"}


@pytest.mark.parametrize(
    ("keep", "given"),
    [
        ("texts", {}),
        ("nothing", {"thread": "t"}),
        ("nothing", {"consensus": ConsensusAsk()}),
    ],
)
def test_what_has_no_thread_goes_through_as_it_is(
    keep: str, given: dict[str, object]
) -> None:
    router, asked = Router(), request(**given)

    handle = Threaded(router, book_of(Spooled(), keep=keep)).route(asked)

    assert handle is router.handle
    assert router.requests[0] is asked


def test_cancelling_goes_through_and_the_error_is_noted() -> None:
    spooled, router = Spooled(), Router()
    ends: list[RouteResult | ErrorInfo] = []
    handle = Threaded(router, book_of(spooled)).route(request(thread="t"))
    handle.begin(ends.append)
    handle.cancel(interrupted=True)
    error = ErrorInfo(
        kind="cancelled",
        message="gone",
        owner="caller",
        retryable=False,
        ballots=(Ballot(member="one", state="cancelled"),),
    )
    assert router.handle.on_end is not None
    router.handle.on_end(error)

    assert router.handle.cancelled == [True]
    assert ends == [error]
    assert [(e.kind, e.state) for e in spooled.entries[1:]] == [
        ("ballot", None),
        ("answer", "failed"),
    ]


# Tasks -------------------------------------------------------------------------------


class Performer:
    def __init__(self, result: object = None, error: Exception | None = None) -> None:
        self._result = result
        self._error = error

    async def perform(self, task: Task, tell: Callable[[str], None]) -> Performed:
        if self._error is not None:
            raise self._error
        return Performed(result=msgspec.msgpack.encode(self._result))


def task(thread: str | None = "t") -> Task:
    spec = NewTask(
        task_id="T1",
        kind="action",
        type="post_comment",
        payload=b"",
        tenant="x",
        created_at=0.0,
        run_at=0.0,
        thread_id=thread,
    )
    return Task(spec=spec, state="running", run_at=0.0, updated_at=0.0, attempts=2)


async def noted(performer: Performer, of: Task) -> tuple[Notes, Sequence[str]]:
    notes, told = Notes(), list[str]()
    await NotedPerformer(performer, notes).perform(of, told.append)
    return notes, told


async def test_an_action_is_noted_when_it_is_done() -> None:
    done = {"do": "post_comment", "target": "acme/shop#3", "status": 201}
    notes, _ = await noted(Performer(done), task())

    assert notes.told == [("action", "post_comment", "acme/shop#3")]


async def test_a_task_of_no_thread_is_not_noted() -> None:
    notes, _ = await noted(Performer({}), task(None))

    assert notes.entries == []


async def test_a_failed_attempt_is_noted_and_stays_a_failure() -> None:
    notes = Notes()
    performer = NotedPerformer(Performer(error=ProviderError("GitHub is down")), notes)
    with pytest.raises(ProviderError):
        await performer.perform(task(), lambda _: None)

    assert [(e.kind, e.data["error"], e.entry_id) for e in notes.entries] == [
        ("action", "GitHub is down", "T1:failed:2")
    ]
