"""The record of who said what to whom about one question, task or event."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Literal, Protocol, get_args

from msgspec import Struct

EntryKind = Literal[
    "question",
    "answer",
    "ballot",
    "decision",
    "verdict",
    "task_state",
    "action",
    "event",
    "note",
]
ENTRY_KINDS: tuple[EntryKind, ...] = get_args(EntryKind)

ThreadState = Literal["open", "done", "failed"]
THREAD_STATES: tuple[ThreadState, ...] = get_args(ThreadState)
"""Something is asked and not answered (yet); the last thing asked has been; it could
not be."""

Detail = str | int | float | bool | None

MAX_TEXT_CHARS = 200_000
"""Longer texts are cut where they are kept; ``chars`` is the whole length."""


class ThreadEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was said or done. Who notes it need not fill in everything.

    ``thread_id`` is the caller's own name for the thread, or an id of ours; ``user`` is
    whose thread it is (who asked, as the door knows them), and threads of different
    users are different ones whatever their names. ``who`` said it and ``to`` whom: a
    user's name or ``caller``, ``<provider>/<model>``, ``router``, ``consensus``,
    ``task_queue`` and the like.

    ``entry_id`` is unique: an entry noted again under the same one is in there once. One
    that is left empty, and ``at`` (UTC epoch seconds), are filled in when it is noted.
    ``text`` is what was said, where texts are kept, and ``chars`` how long it was.
    ``state`` is what the thread is from here on, where this changes it. ``decision_id``,
    ``request_id`` and ``task_id`` are what it is about; the entries of one round of
    consensus share the ``request_id`` of the round. ``data`` is whatever else
    there is to say, a few plain values without texts that callers wrote.
    """

    thread_id: str
    kind: EntryKind
    who: str
    entry_id: str = ""
    at: float | None = None
    user: str | None = None
    to: str | None = None
    text: str | None = None
    chars: int | None = None
    state: ThreadState | None = None
    task_type: str | None = None
    decision_id: str | None = None
    request_id: str | None = None
    task_id: str | None = None
    cost_usd: Decimal | None = None
    latency_s: float | None = None
    simulated: bool = False
    data: dict[str, Detail] = {}


class ThreadNotes(Struct, frozen=True):
    """Entries that were noted together: one piece of the spool."""

    thread_notes: tuple[ThreadEntry, ...]


class StoredEntry(Struct, frozen=True):
    """An entry as it is kept. ``seq`` counts over all threads, in the order of noting."""

    seq: int
    entry: ThreadEntry


class ThreadSummary(Struct, frozen=True, kw_only=True):
    """One thread in a list. ``cursor`` continues the listing after it.

    Times are UTC epoch seconds. ``title`` is the beginning of the first text that is
    kept. ``cost_usd`` is the sum over answers and verdicts, ``None`` as soon as one of
    them is not known. ``who`` are those who said something, in the order of their first
    words.
    """

    cursor: str
    thread_id: str
    user: str | None
    title: str | None
    task_type: str | None
    state: ThreadState
    started_at: float
    last_at: float
    entries: int
    who: tuple[str, ...]
    cost_usd: Decimal | None
    simulated: bool


class ListThreads(Struct, frozen=True, kw_only=True):
    """Query: threads, those begun last first. Answered with a ``ThreadList``.

    ``everybody`` or only ``user``'s. ``since``: something was said since then (UTC epoch
    seconds). ``kind``: with an entry of it. ``words``: each of them begins a word of one
    and the same text, or the thread's name holds them all.
    """

    limit: int
    cursor: str | None = None
    user: str | None = None
    everybody: bool = False
    since: float | None = None
    task_type: str | None = None
    state: ThreadState | None = None
    kind: EntryKind | None = None
    words: tuple[str, ...] = ()


class ThreadList(Struct, frozen=True):
    """A page of threads."""

    threads: tuple[ThreadSummary, ...]


class GetThread(Struct, frozen=True, kw_only=True):
    """Query: a thread and what was said after entry ``after``, at most so much of it.

    Answered with a ``ThreadPage``. One of ``user``'s unless ``everybody``'s are looked
    at: of several with that name the one begun last, if ``user`` does not say whose.
    """

    thread_id: str
    limit: int
    after: int = 0
    max_chars: int = 4_000_000
    user: str | None = None
    everybody: bool = False


class ThreadPage(Struct, frozen=True):
    """``summary`` is ``None`` where there is no such thread; ``more`` comes after."""

    summary: ThreadSummary | None
    entries: tuple[StoredEntry, ...] = ()
    more: bool = False


class ListRounds(Struct, frozen=True, kw_only=True):
    """Query: the newest ballots and verdicts of all threads, for a ``RoundList``.

    Filters as in ``ListThreads``.
    """

    limit: int
    user: str | None = None
    everybody: bool = False
    since: float | None = None
    task_type: str | None = None


class RoundList(Struct, frozen=True):
    """Ballots and verdicts without their texts, the oldest first."""

    entries: tuple[ThreadEntry, ...]


ThreadQuery = ListThreads | GetThread | ListRounds
ThreadAnswer = ThreadList | ThreadPage | RoundList


class ThreadRecorder(Protocol):
    """Whoever takes notes of threads."""

    def note(self, *entries: ThreadEntry) -> None:
        """Keep these, in this order; they survive ``kill -9`` from here on.

        Never blocks or raises: what cannot be written is logged, and the work that it is
        about goes on. Keys in texts are masked; texts are kept as far as the
        configuration has it.
        """

    def tell(self, make: Callable[[], Iterable[ThreadEntry]]) -> None:
        """The same with entries that are made only where any are kept.

        A mistake in making them is logged like one in writing them.
        """
