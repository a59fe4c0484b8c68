"""Threads as callers see them: lists, one of them, and what is made of it."""

from decimal import Decimal
from typing import Annotated, Final, Literal, get_args

from msgspec import Meta, Struct, convert, structs

from actors.messages.threads import (
    Detail,
    EntryKind,
    StoredEntry,
    ThreadState,
    ThreadSummary,
)
from ipc import fields

ExportFormat = Literal["json", "markdown", "mermaid", "svg"]
Picture = Literal["flow", "agreement"]
EXPORT_FORMATS: Final[tuple[ExportFormat, ...]] = get_args(ExportFormat)
PICTURES: Final[tuple[Picture, ...]] = get_args(Picture)
CONTENT_TYPES: Final[dict[ExportFormat, str]] = {
    "json": "application/json",
    "markdown": "text/markdown; charset=utf-8",
    "mermaid": "text/vnd.mermaid; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
}

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
    """One thread, or, without ``thread``, who agreed with whom in all of them.

    ``picture`` is what is drawn as SVG: how it was decided (``flow``), or who agreed
    with whom (``agreement``, which may also be had as JSON or Markdown). ``task_type``
    and ``since`` narrow what is counted where no thread is named.
    """

    thread: Name | None = None
    format: ExportFormat = "json"
    picture: Picture | None = None
    user: str | None = None
    task_type: str | None = None
    since: float | str | None = None

    def __post_init__(self) -> None:
        if self.thread is None and self.picture == "flow":
            raise fields.wrong("picture", self.picture, "agreement, or a thread")
        if self.format == "mermaid" and (
            self.thread is None or self.picture == "agreement"
        ):
            raise fields.wrong("format", self.format, "json, markdown or svg")
        if self.thread is not None:
            for name in ("task_type", "since"):
                if getattr(self, name) is not None:
                    raise fields.wrong(name, getattr(self, name), "no thread beside it")

    @property
    def shows(self) -> Picture:
        """What is wanted; without a thread there is only one thing."""
        return self.picture or ("agreement" if self.thread is None else "flow")


class AgreementMember(Struct, frozen=True):
    """``won`` counts the rounds whose verdict was its answer."""

    name: str
    asked: int
    answered: int
    won: int


class AgreementPair(Struct, frozen=True):
    """``same`` of the ``both`` rounds in which both answered they said the same."""

    one: str
    other: str
    same: int
    both: int


class AgreementReport(Struct, frozen=True):
    """Who agreed with whom, as JSON; ``left_out`` more answered less often."""

    about: str
    rounds: int
    members: tuple[AgreementMember, ...]
    pairs: tuple[AgreementPair, ...]
    left_out: int


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
        "A thread as a document or a picture.",
    ),
)


def entry_row(stored: StoredEntry) -> ThreadEntryRow:
    """An entry as callers see it."""
    said = structs.asdict(stored.entry)
    return convert({**said, "seq": stored.seq}, ThreadEntryRow)
