"""Threads in the database: listing, reading, searching, and deleting what is old."""

import sqlite3
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from actors.errors import InvalidRequest
from actors.messages.threads import (
    GetThread,
    ListRounds,
    ListThreads,
    RoundList,
    ThreadEntry,
    ThreadList,
    ThreadNotes,
    ThreadPage,
    ThreadSummary,
)
from daemon.storage.spool import Spool
from daemon.storage.store import Store
from tests.support.records import record
from tests.support.stored import Stored


@pytest.fixture
async def stored(tmp_path: Path) -> AsyncIterator[Stored]:
    spool = Spool(tmp_path / "spool")
    store = Store(tmp_path, spool)
    yield Stored(tmp_path, spool, store)
    await store.close()


_ids = iter(range(10**9))


def entry(thread: str, text: str | None = None, **more: object) -> ThreadEntry:
    fields = {
        "thread_id": thread,
        "kind": "note",
        "who": "ada",
        "entry_id": f"e{next(_ids)}",
        "at": 100.0,
        "user": "ada",
        "text": text,
        "chars": None if text is None else len(text),
        **more,
    }
    return msgspec.convert(fields, ThreadEntry)


async def keep(stored: Stored, *entries: ThreadEntry) -> None:
    await stored.fold(*(ThreadNotes((each,)) for each in entries))


async def listed(stored: Stored, **query: object) -> list[ThreadSummary]:
    asked = {"limit": 100, "everybody": True, **query}
    found = await stored.store.threads(msgspec.convert(asked, ListThreads))
    assert isinstance(found, ThreadList)
    return list(found.threads)


async def names(stored: Stored, **query: object) -> list[str]:
    return [each.thread_id for each in await listed(stored, **query)]


async def page(stored: Stored, name: str, **query: object) -> ThreadPage:
    asked = {"thread_id": name, "limit": 100, "everybody": True, **query}
    found = await stored.store.threads(msgspec.convert(asked, GetThread))
    assert isinstance(found, ThreadPage)
    return found


# Keeping -----------------------------------------------------------------------------


async def test_entries_come_back_as_they_were_noted(stored: Stored) -> None:
    whole = entry(
        "t",
        "What \x00 is it? \U0001f600",
        kind="answer",
        to="caller",
        state="done",
        task_type="review",
        decision_id="d",
        request_id="r",
        task_id="T",
        cost_usd=Decimal("0.000012345678"),
        latency_s=1.5,
        simulated=True,
        data={"a": 1, "b": None, "c": 0.5, "d": "x", "e": True},
    )
    await stored.fold(record(1), ThreadNotes((entry("t"), whole)), record(2))

    found = await page(stored, "t")
    assert [each.entry for each in found.entries][1] == whole
    assert not found.more
    assert await stored.all_ids() == ["r1", "r2"]


async def test_an_entry_noted_twice_is_in_there_once(stored: Stored) -> None:
    first = entry("t", "one", entry_id="same")
    await keep(stored, first, entry("t", "two", entry_id="same"), first)

    found = await page(stored, "t")
    assert [each.entry.text for each in found.entries] == ["one"]


async def test_a_summary_tells_the_whole_thread(stored: Stored) -> None:
    await keep(
        stored,
        entry("t", None, at=10.0, state="open"),
        entry("t", "\n What is it?  " + "x" * 200, at=11.0, task_type="review"),
        entry("t", "a", kind="answer", who="one/m", cost_usd=Decimal("0.1")),
        entry("t", "b", kind="verdict", who="consensus", cost_usd=Decimal("0.2")),
        entry("t", "c", kind="ballot", who="one/m", cost_usd=Decimal(9), state="done"),
    )
    (found,) = await listed(stored)

    assert found.title is not None
    assert found.title.startswith("What is it?  xx")
    assert found.title.endswith("…")
    assert (found.state, found.task_type, found.entries) == ("done", "review", 5)
    assert (found.started_at, found.last_at) == (10.0, 100.0)
    assert found.who == ("ada", "one/m", "consensus")
    assert found.cost_usd == Decimal("0.3")


async def test_a_cost_that_is_not_known_makes_the_sum_unknown(stored: Stored) -> None:
    await keep(
        stored,
        entry("t", kind="answer", cost_usd=Decimal("0.1")),
        entry("t", kind="answer"),
        entry("none"),
    )

    assert [each.cost_usd for each in await listed(stored)] == [None, None]


# Whose -------------------------------------------------------------------------------


async def test_users_have_threads_of_their_own_under_the_same_name(
    stored: Stored,
) -> None:
    await keep(
        stored,
        entry("t", "ada's"),
        entry("t", "bob's", user="bob"),
        entry("t", "nobody's", user=None),
    )

    assert [t.user for t in await listed(stored)] == [None, "bob", "ada"]
    assert [t.user for t in await listed(stored, everybody=False, user="bob")] == [
        "bob"
    ]
    assert [t.user for t in await listed(stored, everybody=False)] == [None]
    for user, text in (("ada", "ada's"), ("bob", "bob's"), (None, "nobody's")):
        found = await page(stored, "t", everybody=False, user=user)
        assert [each.entry.text for each in found.entries] == [text]
    assert (await page(stored, "t", everybody=False, user="eve")).summary is None
    newest = await page(stored, "t")
    assert newest.summary is not None
    assert newest.summary.user is None


# Finding -----------------------------------------------------------------------------


async def test_filters(stored: Stored) -> None:
    await keep(
        stored,
        entry("a", state="done", task_type="x", at=10.0),
        entry("b", state="failed", kind="verdict", at=20.0),
        entry("c", at=30.0, task_type="x"),
    )

    assert await names(stored) == ["c", "b", "a"]
    assert await names(stored, state="done") == ["a"]
    assert await names(stored, state="open") == ["c"]
    assert await names(stored, kind="verdict") == ["b"]
    assert await names(stored, task_type="x") == ["c", "a"]
    assert await names(stored, since=20.0) == ["c", "b"]
    assert await names(stored, task_type="x", since=20.0, limit=1) == ["c"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("lazy",), ["fox"]),
        (("LAZ", "bro"), ["fox"]),
        (("lazy", "cat"), []),  # in one text, not in two
        (("cafe",), ["menu"]),
        (("menu",), ["menu"]),
        (("men", "nu"), ["menu"]),
        (("中文",), ["han"]),
        (("文",), ["han"]),
        (("100%",), ["odd"]),
        (("50%",), []),
        (("_",), ["odd"]),
        (('"quoted"',), ["odd"]),
    ],
)
async def test_words_are_found_by_their_beginnings(
    stored: Stored, words: tuple[str, ...], found: list[str]
) -> None:
    await keep(
        stored,
        entry("fox", "The quick brown fox jumps over the lazy dog"),
        entry("fox", "The cat sleeps"),
        entry("menu", "A café au lait"),
        entry("han", "这是中文的问题"),
        entry("odd", '100% of a_b is "quoted"'),
    )

    assert await names(stored, words=words) == found


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(words=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4))
async def test_no_words_break_the_search(stored: Stored, words: list[str]) -> None:
    await names(stored, words=tuple(words))


@pytest.mark.parametrize(
    "word",
    [
        'a" OR "b',
        "NEAR(a b)",
        "a AND",
        "*",
        '"',
        "text:x",
        "^a",
        "-",
        "(",
        "{a b}",
        "'; DROP TABLE threads; --",
        "\x00",
        "\ud800",
        "+",
        "a*b",
    ],
)
async def test_nothing_in_a_word_is_a_command(stored: Stored, word: str) -> None:
    await keep(stored, entry("a", "plain words"), entry("b", "others"))

    assert await names(stored, words=(word,)) == []
    assert await names(stored) == ["b", "a"]


@pytest.mark.parametrize("at_once", [1, 2, 500])
async def test_the_index_of_words_catches_up(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("daemon.storage.threads.INDEXED_AT_ONCE", at_once)
    await keep(stored, entry("a", "apple"))
    assert await names(stored, words=("apple",)) == ["a"]
    await keep(stored, entry("b", "apples"), entry("c"), entry("d", "apple"))

    assert await names(stored, words=("apple",)) == ["d", "b", "a"]


async def test_pages_are_stable_while_threads_begin_and_go_on(stored: Stored) -> None:
    await keep(stored, *(entry(f"t{n}") for n in range(7)))
    found: list[str] = []
    cursor: str | None = None
    while rows := await listed(stored, limit=2, cursor=cursor):
        found += [row.thread_id for row in rows]
        cursor = rows[-1].cursor
        await keep(stored, entry(f"new{cursor}"), entry("t0"), entry("t6"))

    assert found == [f"t{n}" for n in reversed(range(7))]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "9" * 30, "\uff11"])
async def test_a_cursor_that_is_none_is_refused(stored: Stored, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        await listed(stored, cursor=cursor)


async def test_a_thread_is_read_in_pages(stored: Stored) -> None:
    await keep(stored, *(entry("t", str(n)) for n in range(5)), entry("other"))
    texts: list[str | None] = []
    after, more = 0, True
    while more:
        found = await page(stored, "t", limit=2, after=after)
        texts += [each.entry.text for each in found.entries]
        after, more = found.entries[-1].seq, found.more

    assert texts == ["0", "1", "2", "3", "4"]


async def test_a_page_holds_only_so_much_text_but_always_something(
    stored: Stored,
) -> None:
    await keep(stored, *(entry("t", letter * 100) for letter in "abc"))

    first = await page(stored, "t", max_chars=150)
    assert [e.entry.text and e.entry.text[0] for e in first.entries] == ["a", "b"]
    assert first.more
    rest = await page(stored, "t", max_chars=1, after=first.entries[-1].seq)
    assert [e.entry.text and e.entry.text[0] for e in rest.entries] == ["c"]


async def test_ballots_and_verdicts_of_all_threads(stored: Stored) -> None:
    await keep(
        stored,
        entry("a", kind="ballot", who="one", request_id="r1", at=10.0),
        entry("a", kind="verdict", request_id="r1"),
        entry("b", kind="ballot", who="two", user="bob", task_type="x"),
    )

    async def who(**query: object) -> list[str]:
        asked = {"limit": 10, "everybody": True, **query}
        found = await stored.store.threads(msgspec.convert(asked, ListRounds))
        assert isinstance(found, RoundList)
        return [each.who for each in found.entries]

    assert await who() == ["one", "ada", "two"]
    assert await who(limit=1) == ["two"]
    assert await who(everybody=False, user="ada") == ["one", "ada"]
    assert await who(task_type="x") == ["two"]


# Deleting ----------------------------------------------------------------------------


async def test_only_what_is_old_is_deleted_and_empty_threads_with_it(
    stored: Stored,
) -> None:
    await keep(
        stored,
        entry("old", "apple", at=10.0),
        entry("both", "apple", at=10.0),
        entry("both", "pear", at=20.0),
        entry("new", "apple", at=20.0),
    )
    assert await names(stored, words=("apple",)) == ["new", "both", "old"]

    assert await stored.store.sweep_threads(20.0, 100) == 2

    assert await names(stored) == ["new", "both"]
    assert await names(stored, words=("apple",)) == ["new"]
    found = await page(stored, "both")
    assert [each.entry.text for each in found.entries] == ["pear"]
    assert await stored.store.sweep_threads(20.0, 100) == 0


async def test_a_sweep_deletes_so_many_and_the_oldest_first(stored: Stored) -> None:
    await keep(stored, *(entry("t", str(n), at=float(9 - n)) for n in range(9)))

    assert await stored.store.sweep_threads(8.5, 3) == 3
    found = await page(stored, "t")
    assert [each.entry.at for each in found.entries] == [9, 8, 7, 6, 5, 4]
    assert await stored.store.sweep_threads(8.5, 100) == 5


async def test_the_index_forgets_what_is_deleted_before_it_was_indexed(
    stored: Stored,
) -> None:
    await keep(stored, entry("a", "apple", at=10.0))
    await names(stored, words=("apple",))
    await keep(stored, entry("b", "apple", at=10.0), entry("c", "apple", at=30.0))
    await stored.store.sweep_threads(20.0, 100)

    assert await names(stored, words=("apple",)) == ["c"]
    await stored.store.close()
    with sqlite3.connect(stored.folder / "gitbridge.db") as database:
        database.execute(
            "INSERT INTO thread_words (thread_words) VALUES ('integrity-check')"
        )
    database.close()


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(
    times=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20)), max_size=25),
    before=st.integers(0, 20),
    limit=st.integers(1, 9),
)
async def test_retention_is_exact_and_bounded(
    tmp_path_factory: pytest.TempPathFactory,
    times: list[tuple[str, int]],
    before: int,
    limit: int,
) -> None:
    folder = tmp_path_factory.mktemp("threads")
    spool = Spool(folder / "spool")
    store = Store(folder, spool)
    stored = Stored(folder, spool, store)
    try:
        await keep(stored, *(entry(name, "apple", at=float(at)) for name, at in times))
        await names(stored, words=("apple",))
        swept: list[int] = []
        while deleted := await store.sweep_threads(float(before), limit):
            swept.append(deleted)

        assert max(swept, default=0) <= limit
        assert sum(swept) == sum(at < before for _, at in times)
        left = {name for name, at in times if at >= before}
        assert set(await names(stored)) == left
        assert set(await names(stored, words=("apple",))) == left
    finally:
        await store.close()


async def test_without_an_index_every_text_is_looked_through(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "daemon.storage.threads._MAKE_INDEX",
        "CREATE VIRTUAL TABLE IF NOT EXISTS thread_words USING absent(text)",
    )
    await keep(stored, entry("a", "An apple a day"), entry("b", "Pears"))

    assert await names(stored, words=("apple", "DAY")) == ["a"]
    assert await names(stored, words=("pear",)) == ["b"]
    assert await stored.store.sweep_threads(1000.0, 10) == 2
