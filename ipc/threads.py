"""Threads as callers see them: lists, one of them, and what is made of it."""

from decimal import Decimal
from typing import Annotated, Final, Literal, get_args

from msgspec import Meta, Struct

from actors.messages.threads import Detail, EntryKind, ThreadState, ThreadSummary

ExportFormat = Literal["json"]

EXPORT_FORMATS: Final[tuple[ExportFormat, ...]] = get_args(ExportFormat)
CONTENT_TYPES: Final[dict[ExportFormat, str]] = {"json": "application/json"}

MAX_WORDS: Final = 10
"""Further words of a query are left out."""

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class ThreadsListParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those begun last first. ``since`` as in ``usage``: something was said since then.

    ``kind``: with an entry of it. ``query``: words that one text, or the name, holds;
    each may be the beginning of a word. ``user`` is for administrators: others see
    their own threads. ``cursor`` comes from the page before.
    """

    limit: Annotated[int, Meta(ge=1, le=1000)] = 20
    cursor: str | None = None
    since: float | str | None = None
    task_type: str | None = None
    user: str | None = None
    state: ThreadState | None = None
    kind: EntryKind | None = None
    query: Annotated[str, Meta(max_length=500)] | None = None


class ThreadsListResult(Struct, frozen=True):
    """A page of threads; ``cursor`` asks for the next, ``None`` on the last."""

    threads: tuple[ThreadSummary, ...]
    cursor: str | None


class ThreadsGetParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``thread`` by its name or id. ``cursor`` comes from the page before."""

    thread: Name
    user: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200
    cursor: Annotated[str, Meta(pattern="^[0-9]{1,18}$")] | None = None


class ThreadEntryRow(Struct, frozen=True, kw_only=True):
    """One entry; fields as in ``actors.messages.threads.ThreadEntry``.

    ``seq`` orders the entries of all threads. ``text`` is ``None`` where none was said
    or texts are not kept; ``chars`` says how long it was.
    """

    seq: int
    entry_id: str
    at: float | None
    kind: EntryKind
    who: str
    to: str | None
    text: str | None
    chars: int | None
    state: ThreadState | None
    task_type: str | None
    decision_id: str | None
    request_id: str | None
    task_id: str | None
    cost_usd: Decimal | None
    latency_s: float | None
    simulated: bool
    data: dict[str, Detail]


class ThreadsGetResult(Struct, frozen=True):
    """A thread and a page of it, the first words first; ``cursor`` asks for more."""

    thread: ThreadSummary
    entries: tuple[ThreadEntryRow, ...]
    cursor: str | None


class ThreadsExportParams(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """One thread as a document."""

    thread: Name
    format: ExportFormat = "json"
    user: str | None = None


class ThreadsExportResult(Struct, frozen=True, kw_only=True):
    """A document.

    ``more``: the thread is longer than one document may be, and this its beginning.
    """

    format: ExportFormat
    content_type: str
    content: str
    more: bool = False


class Row(Struct, frozen=True):
    """One method for the table."""

    name: str
    params: type[Struct]
    result: type[Struct]
    summary: str


ROWS: Final = (
    Row(
        "list",
        ThreadsListParams,
        ThreadsListResult,
        "Threads: what was asked, by whom, and what became of it.",
    ),
    Row(
        "get",
        ThreadsGetParams,
        ThreadsGetResult,
        "All that was said and done about one thing, in order.",
    ),
    Row(
        "export",
        ThreadsExportParams,
        ThreadsExportResult,
        "A thread as a document.",
    ),
)
