"""The methods about threads, over a real store."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from typing_extensions import override

from actors.errors import InvalidRequest
from actors.messages.threads import (
    ThreadAnswer,
    ThreadEntry,
    ThreadNotes,
    ThreadQuery,
)
from daemon.storage.spool import Spool
from daemon.storage.store import Store
from daemon.thread_desk import ThreadDesk
from ipc.methods import METHODS, Peer
from ipc.params import read_params
from ipc.threads import (
    AgreementMember,
    AgreementPair,
    AgreementReport,
    ThreadsExportResult,
    ThreadsGetResult,
    ThreadsListResult,
)
from tests.support.ledger_memory import MemoryLedger

ADA = Peer(door="json", user="ada")
BOB = Peer(door="json", user="bob")
ROOT = Peer(door="json", user="root", tier="admin")
NOW = 1_000_000.0


class Ledger(MemoryLedger):
    """Asks the store about threads."""

    def __init__(self, folder: Path) -> None:
        super().__init__(())
        self.spool = Spool(folder / "spool")
        self.store = Store(folder, self.spool)

    async def keep(self, *entries: dict[str, object]) -> None:
        kept = [msgspec.convert(each, ThreadEntry) for each in entries]
        self.spool.append(ThreadNotes(tuple(kept)))
        await self.store.fold(100, {}, roll=True)

    @override
    async def threads(self, query: ThreadQuery) -> ThreadAnswer:
        return await self.store.threads(query)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    made = Ledger(tmp_path)
    await made.keep(
        entry("a", "e1", text="apples and pears", at=NOW - 100),
        entry("a", "e2", kind="answer", who="one/m", text="pears", cost_usd="0.5"),
        entry("b", "e3", user="bob", text="apples"),
        entry("c", "e4"),
    )
    yield made
    await made.store.close()


def entry(thread: str, entry_id: str, **more: object) -> dict[str, object]:
    return {
        "thread_id": thread,
        "kind": "question",
        "who": "ada",
        "user": "ada",
        "at": NOW,
        "entry_id": entry_id,
        **more,
    }


async def call(ledger: Ledger, peer: Peer, method: str, **params: object) -> object:
    name = f"threads.{method}"
    answer = ThreadDesk(ledger, lambda: NOW).answers()[name]
    return await answer(read_params(METHODS[name].params, params), peer)


async def names(ledger: Ledger, peer: Peer, **params: object) -> list[str]:
    found = await call(ledger, peer, "list", **params)
    assert isinstance(found, ThreadsListResult)
    return [each.thread_id for each in found.threads]


async def test_users_see_their_own_threads_and_administrators_all(
    ledger: Ledger,
) -> None:
    assert await names(ledger, ADA) == ["c", "a"]
    assert await names(ledger, BOB) == ["b"]
    assert await names(ledger, BOB, user="ada") == ["b"]
    assert await names(ledger, ROOT) == ["c", "b", "a"]
    assert await names(ledger, ROOT, user="ada") == ["c", "a"]
    assert await names(ledger, Peer(door="http")) == []


async def test_a_thread_of_somebody_else_is_none(ledger: Ledger) -> None:
    for method in ("get", "export"):
        with pytest.raises(InvalidRequest, match="no thread 'a'") as caught:
            await call(ledger, BOB, method, thread="a", user="ada")
        assert caught.value.field == "thread"
        assert await call(ledger, ROOT, method, thread="a")


async def test_filters_and_pages(ledger: Ledger) -> None:
    assert await names(ledger, ROOT, query="apple") == ["b", "a"]
    assert await names(ledger, ADA, query=" pears  apples ") == ["a"]
    assert await names(ledger, ADA, kind="answer") == ["a"]
    first = await call(ledger, ROOT, "list", limit=2)
    assert isinstance(first, ThreadsListResult)
    assert first.cursor is not None
    assert await names(ledger, ROOT, limit=2, cursor=first.cursor) == ["a"]
    assert await names(ledger, ROOT, since="1h") == ["c", "b", "a"]
    assert await names(ledger, ROOT, since=NOW + 1) == []


async def test_a_thread_comes_in_pages(ledger: Ledger) -> None:
    first = await call(ledger, ADA, "get", thread="a", limit=1)
    assert isinstance(first, ThreadsGetResult)
    assert first.cursor is not None
    rest = await call(ledger, ADA, "get", thread="a", cursor=first.cursor)
    assert isinstance(rest, ThreadsGetResult)

    assert [each.text for each in first.entries] == ["apples and pears"]
    (answer,) = rest.entries
    assert (answer.who, answer.cost_usd, answer.kind) == (
        "one/m",
        Decimal("0.5"),
        "answer",
    )
    assert rest.cursor is None
    assert rest.thread.cost_usd == Decimal("0.5")


async def test_the_json_document_is_what_get_says(ledger: Ledger) -> None:
    exported = await call(ledger, ADA, "export", thread="a")
    got = await call(ledger, ADA, "get", thread="a")

    assert isinstance(exported, ThreadsExportResult)
    assert (exported.format, exported.more) == ("json", False)
    document = msgspec.json.decode(exported.content, type=ThreadsGetResult)
    assert document == got


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("list", {"limit": 0}, "limit"),
        ("list", {"state": "gone"}, "state"),
        ("list", {"kind": "x"}, "kind"),
        ("list", {"query": "x" * 501}, "query"),
        ("list", {"since": "yesterday"}, "since"),
        ("list", {"cursor": "x"}, "cursor"),
        ("get", {}, "thread"),
        ("get", {"thread": ""}, "thread"),
        ("get", {"thread": "a", "cursor": "-1"}, "cursor"),
        ("export", {"thread": "a", "format": "pdf"}, "format"),
        ("list", {"nonsense": 1}, "nonsense"),
    ],
)
async def test_what_cannot_be_asked(
    ledger: Ledger, method: str, params: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await call(ledger, ADA, method, **params)

    assert caught.value.field == field


BALLOTS = (
    entry("r", "b1", kind="ballot", who="one/m", request_id="x", data={"group": 0}),
    entry("r", "b2", kind="ballot", who="two/m", request_id="x", data={"group": 0}),
    entry(
        "r", "b3", kind="verdict", who="consensus", request_id="x", data={"winner": 0}
    ),
)


async def exported(ledger: Ledger, peer: Peer, **params: object) -> ThreadsExportResult:
    found = await call(ledger, peer, "export", **params)
    assert isinstance(found, ThreadsExportResult)
    return found


@pytest.mark.parametrize(
    ("params", "kind", "begins", "holds"),
    [
        ({"format": "markdown"}, "text/markdown", "# Thread `r`", "## Ballot: `one/m`"),
        ({"format": "mermaid"}, "text/vnd.mermaid", "sequenceDiagram", "one/m"),
        ({"format": "svg"}, "image/svg+xml", "<svg ", "How it was decided: r"),
        (
            {"format": "svg", "picture": "agreement"},
            "image/svg+xml",
            "<svg ",
            "Who agreed with whom: r",
        ),
        (
            {"format": "markdown", "picture": "agreement"},
            "text/markdown",
            "# Who agreed with whom: `r`",
            "| 1/1 |",
        ),
    ],
)
async def test_documents_and_pictures_of_a_thread(
    ledger: Ledger, params: dict[str, object], kind: str, begins: str, holds: str
) -> None:
    await ledger.keep(*BALLOTS)
    found = await exported(ledger, ADA, thread="r", **params)

    assert found.content_type.startswith(kind)
    assert found.content.startswith(begins)
    assert holds in found.content


async def test_who_agreed_in_all_threads_that_one_may_see(ledger: Ledger) -> None:
    await ledger.keep(
        *BALLOTS,
        entry("s", "b4", user="bob", kind="ballot", who="three/m", request_id="y"),
    )
    own = await exported(ledger, ADA)
    report = msgspec.json.decode(own.content, type=AgreementReport)

    assert report == AgreementReport(
        about="all threads",
        rounds=1,
        members=(
            AgreementMember("one/m", 1, 1, 1),
            AgreementMember("two/m", 1, 1, 1),
        ),
        pairs=(AgreementPair("two/m", "one/m", 1, 1),),
        left_out=0,
    )
    everybody = (await exported(ledger, ROOT, format="svg")).content
    assert "2 rounds of consensus, 3 members" in everybody
    typed = await exported(ledger, ADA, task_type="x", since="1h", format="markdown")
    assert "# Who agreed with whom: `all threads of type x`" in typed.content


async def test_pretended_answers_do_not_count_beside_real_ones(ledger: Ledger) -> None:
    pretended = (
        {**each, "simulated": True, "entry_id": f"p{n}", "request_id": "p"}
        for n, each in enumerate(BALLOTS)
    )
    await ledger.keep(*pretended)
    assert '"rounds":1' in (await exported(ledger, ADA)).content
    failed = entry("f", "f1", user="ada", kind="ballot", who="one/m", request_id="f")
    await ledger.keep(failed)  # nobody was reached: no answer that is a real one
    assert '"answered":1' in (await exported(ledger, ADA)).content
    await ledger.keep(*BALLOTS)

    assert '"rounds":2' in (await exported(ledger, ADA)).content


async def test_a_picture_is_made_of_the_whole_thread(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.thread_desk.MAX_EXPORTED", 2)
    await ledger.keep(*(entry("long", f"n{n}", who=f"w{n}") for n in range(7)))
    picture = await exported(ledger, ADA, thread="long", format="svg")
    document = await exported(ledger, ADA, thread="long", format="markdown")

    assert "question: w6" in picture.content
    assert not picture.more
    assert document.more
    assert "w1" in document.content
    assert "w2`" not in document.content.partition("\n\n## ")[2]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"picture": "flow"}, "picture"),
        ({"format": "mermaid"}, "format"),
        ({"thread": "a", "format": "mermaid", "picture": "agreement"}, "format"),
        ({"thread": "a", "since": "1h"}, "since"),
        ({"thread": "a", "task_type": "x"}, "task_type"),
    ],
)
async def test_what_does_not_go_together(
    ledger: Ledger, params: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await exported(ledger, ADA, **params)

    assert caught.value.field == field
