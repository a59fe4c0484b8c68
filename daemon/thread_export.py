"""Documents and pictures of threads; pure. Imported when somebody asks for one."""

from collections.abc import Sequence
from typing import Final

import msgspec

from actors.messages.threads import ThreadEntry, ThreadPage
from daemon.thread_views.agreement import Agreement, agreement
from daemon.thread_views.agreement_svg import agreement_svg
from daemon.thread_views.flow_svg import flow_svg
from daemon.thread_views.markdown import agreement_markdown, thread_markdown
from daemon.thread_views.mermaid import mermaid
from daemon.thread_views.rounds import group_of
from ipc.threads import (
    AgreementMember,
    AgreementPair,
    AgreementReport,
    ThreadsExportParams,
    ThreadsGetResult,
    entry_row,
)

ALL: Final = "all threads"

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def of_all(
    asked: ThreadsExportParams, entries: Sequence[ThreadEntry]
) -> tuple[str, bool]:
    """Who agreed with whom in these rounds; and whether there is more.

    Pretended answers say nothing about real models: they count only where there are no
    others.
    """
    real = [each for each in entries if not each.simulated]
    if any(group_of(each) is not None for each in real):  # else they only failed
        entries = real
    about = ALL if asked.task_type is None else f"{ALL} of type {asked.task_type}"
    return _agreement(asked, agreement(entries), about), False


def of_one(asked: ThreadsExportParams, page: ThreadPage) -> tuple[str, bool]:
    """The document or picture of one thread; and whether the thread goes on after it."""
    assert page.summary is not None
    name = page.summary.thread_id
    entries = [stored.entry for stored in page.entries]
    if asked.shows == "agreement":
        return _agreement(asked, agreement(entries), name), page.more
    if asked.format == "markdown":
        return thread_markdown(page.summary, entries, more=page.more), page.more
    if asked.format == "mermaid":
        return mermaid(entries, name), page.more
    if asked.format == "svg":
        return flow_svg(entries, name), page.more
    whole = ThreadsGetResult(page.summary, tuple(map(entry_row, page.entries)), None)
    return _encode(whole).decode(), page.more


def _agreement(asked: ThreadsExportParams, shown: Agreement, about: str) -> str:
    if asked.format == "svg":
        return agreement_svg(shown, about)
    if asked.format == "markdown":
        return agreement_markdown(shown, about)
    return _encode(_report(shown, about)).decode()


def _report(shown: Agreement, about: str) -> AgreementReport:
    names = [member.name for member in shown.members]
    return AgreementReport(
        about=about,
        rounds=shown.rounds,
        members=tuple(
            AgreementMember(each.name, each.asked, each.answered, each.won)
            for each in shown.members
        ),
        pairs=tuple(
            AgreementPair(one, other, pair.same, pair.both)
            for place, one in enumerate(names)
            for other, pair in zip(names[:place], shown.pairs[place], strict=False)
        ),
        left_out=shown.left_out,
    )
