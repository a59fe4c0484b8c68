"""Threads in the database: noting, sweeping, and finding them again.

Texts stand in a column of their own, which is what is searched: by SQLite's index of
words (FTS5) where it has one, else text by text. The index is made when it is first
needed and catches up by itself, so that a database may move between an SQLite that has
it and one that has not.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import aiosqlite
import msgspec
from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.threads import (
    GetThread,
    ListRounds,
    ListThreads,
    RoundList,
    StoredEntry,
    ThreadAnswer,
    ThreadEntry,
    ThreadList,
    ThreadPage,
    ThreadQuery,
    ThreadSummary,
)
from daemon.storage.rows import Value, dollars, pico_dollars
from daemon.storage.shield import in_thread
from daemon.storage.sqlite import Database, Row

TITLE_CHARS = 120
INDEXED_AT_ONCE = 500
"""Entries that one transaction indexes: others want to write as well."""

_PUT_THREAD = """
INSERT INTO threads (user, name, task_type, state, started_at, last_at, simulated)
VALUES (?1, ?2, ?3, COALESCE(?4, 'open'), ?5, ?5, ?6)
ON CONFLICT (user, name) DO UPDATE SET
  task_type = COALESCE(task_type, excluded.task_type),
  state = COALESCE(?4, state),
  last_at = MAX(last_at, excluded.last_at),
  simulated = MAX(simulated, excluded.simulated)
"""
_PUT_ENTRY = """
INSERT INTO thread_entries (thread, entry_id, at, kind, who, cost, text, entry)
SELECT id, ?, ?, ?, ?, ?, ?, ? FROM threads WHERE user = ? AND name = ?
ON CONFLICT (entry_id) DO NOTHING
"""
_MAKE_INDEX = """
CREATE VIRTUAL TABLE IF NOT EXISTS thread_words USING fts5(
  text, content = 'thread_entries', content_rowid = 'seq',
  tokenize = "unicode61 remove_diacritics 2")
"""
_INDEX_TO = """
SELECT MAX(seq) FROM (SELECT seq FROM thread_entries
WHERE seq > (SELECT seq FROM thread_words_done) ORDER BY seq LIMIT ?)
"""
_INDEX_NEW = """
INSERT INTO thread_words (rowid, text) SELECT seq, text FROM thread_entries
WHERE seq > (SELECT seq FROM thread_words_done) AND seq <= ? AND text IS NOT NULL
"""
_INDEX_DONE = "UPDATE thread_words_done SET seq = ?"
_OLD = "SELECT seq FROM thread_entries WHERE at < ? ORDER BY at LIMIT ?"
_UNINDEX = (
    "INSERT INTO thread_words (thread_words, rowid, text)"  # noqa: S608 - constants
    f" SELECT 'delete', seq, text FROM thread_entries WHERE seq IN ({_OLD})"
    " AND text IS NOT NULL AND seq <= (SELECT seq FROM thread_words_done)"
)
_DELETE = f"DELETE FROM thread_entries WHERE seq IN ({_OLD})"  # noqa: S608 - same
_DELETE_EMPTY = (
    "DELETE FROM threads WHERE last_at < ?"
    " AND NOT EXISTS (SELECT 1 FROM thread_entries WHERE thread = threads.id)"
)

_SUMMARY = f"""
SELECT t.id, t.name, t.user, t.task_type, t.state, t.started_at, t.last_at, t.simulated,
  (SELECT substr(text, 1, {2 * TITLE_CHARS}) FROM thread_entries
    WHERE thread = t.id AND text IS NOT NULL ORDER BY seq LIMIT 1),
  (SELECT COUNT(*) FROM thread_entries WHERE thread = t.id),
  (SELECT json_group_array(who) FROM (SELECT who FROM thread_entries
    WHERE thread = t.id GROUP BY who ORDER BY MIN(seq))),
  (SELECT SUM(cost) FROM thread_entries
    WHERE thread = t.id AND kind IN ('answer', 'verdict')),
  (SELECT COUNT(*) FROM thread_entries
    WHERE thread = t.id AND kind IN ('answer', 'verdict') AND cost IS NULL)
FROM threads t WHERE
"""  # noqa: S608 - constants
_PAGE = """
SELECT seq, text, entry FROM (
  SELECT seq, text, entry, SUM(COALESCE(LENGTH(text), 0)) OVER (ORDER BY seq)
    - COALESCE(LENGTH(text), 0) AS before
  FROM (SELECT seq, text, entry FROM thread_entries
    WHERE thread = ? AND seq > ? ORDER BY seq LIMIT ?))
WHERE before < ? ORDER BY seq
"""
_LAST = "SELECT COALESCE(MAX(seq), 0) FROM thread_entries WHERE thread = ?"
_ROUNDS = """
SELECT e.entry FROM thread_entries e JOIN threads t ON t.id = e.thread
WHERE e.kind IN ('ballot', 'verdict') AND
"""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ThreadEntry).decode

Condition = tuple[str, tuple[Value, ...]]


async def insert(
    connection: aiosqlite.Connection, entries: Sequence[ThreadEntry]
) -> None:
    """Keep these; one that is there already stays as it is."""
    await connection.executemany(_PUT_THREAD, map(_thread_row, entries))
    await connection.executemany(_PUT_ENTRY, map(_entry_row, entries))


async def sweep(connection: aiosqlite.Connection, before: float, limit: int) -> int:
    """Delete up to ``limit`` entries of before that time; how many it were."""
    if await _has_index(connection):
        await connection.execute(_UNINDEX, (before, limit))
    deleted = (await connection.execute(_DELETE, (before, limit))).rowcount
    await connection.execute(_DELETE_EMPTY, (before,))
    return deleted


async def answer(database: Database, query: ThreadQuery) -> ThreadAnswer:
    """See the query.

    Raises:
        InvalidRequest: A cursor did not come from an earlier answer.
    """
    match query:
        case ListThreads():
            return await _list(database, query)
        case GetThread():
            return await _get(database, query)
        case ListRounds():
            return await _rounds(database, query)


async def _list(database: Database, query: ListThreads) -> ThreadList:
    conditions = [*_common(query), ("t.id < ?", (_position(query.cursor),))]
    if query.state is not None:
        conditions.append(("t.state = ?", (query.state,)))
    if query.kind is not None:
        having = (
            "EXISTS (SELECT 1 FROM thread_entries WHERE thread = t.id AND kind = ?)"
        )
        conditions.append((having, (query.kind,)))
    if query.words:
        conditions.append(await _said(database, query.words))
    where, values = _all_of(conditions)
    rows = await database.read(
        f"{_SUMMARY} {where} ORDER BY t.id DESC LIMIT ?", (*values, query.limit)
    )
    return ThreadList(tuple(map(_summary, rows)))


async def _get(database: Database, query: GetThread) -> ThreadPage:
    conditions: list[Condition] = [("t.name = ?", (query.thread_id,))]
    if not query.everybody or query.user is not None:
        conditions.append(("t.user = ?", (query.user or "",)))
    where, values = _all_of(conditions)
    rows = await database.read(f"{_SUMMARY} {where} ORDER BY t.id DESC LIMIT 1", values)
    if not rows:
        return ThreadPage(None)
    summary = _summary(rows[0])
    number = int(summary.cursor)
    page = (number, query.after, query.limit, query.max_chars)
    found = await database.read(_PAGE, page)
    ((last,),) = await database.read(_LAST, (number,))
    entries = await in_thread(_stored, found)
    reached = entries[-1].seq if entries else query.after
    return ThreadPage(summary, entries, msgspec.convert(last, int) > reached)


async def _rounds(database: Database, query: ListRounds) -> RoundList:
    where, values = _all_of(_common(query))
    rows = await database.read(
        f"{_ROUNDS} {where} ORDER BY e.seq DESC LIMIT ?", (*values, query.limit)
    )
    return RoundList(await in_thread(_decoded, rows))


def _common(query: ListThreads | ListRounds) -> list[Condition]:
    conditions: list[Condition] = []
    if not query.everybody or query.user is not None:
        conditions.append(("t.user = ?", (query.user or "",)))
    if query.since is not None:
        conditions.append(("t.last_at >= ?", (query.since,)))
    if query.task_type is not None:
        conditions.append(("t.task_type = ?", (query.task_type,)))
    return conditions


def _all_of(conditions: Iterable[Condition]) -> tuple[str, tuple[Value, ...]]:
    parts = [("1", ()), *conditions]
    where = " AND ".join(f"({sql})" for sql, _ in parts)
    return where, tuple(value for _, values in parts for value in values)


# ---- words


async def _said(database: Database, words: Sequence[str]) -> Condition:
    """Threads where one text has all these words, or whose name does."""
    words = [word.encode(errors="replace").decode() for word in words]
    words = [word.replace("\0", "\ufffd") for word in words]  # which SQLite ends at
    if await _index(database) and all(map(_indexed, words)):
        texts = "SELECT rowid FROM thread_words WHERE thread_words MATCH ?"
        wanted: tuple[Value, ...] = (" ".join(f'"{_quoted(w)}"*' for w in words),)
    else:
        like = " AND ".join(["text LIKE ? ESCAPE '\\'"] * len(words))
        texts = f"SELECT seq FROM thread_entries WHERE {like}"  # noqa: S608 - marks
        wanted = tuple(_pattern(word) for word in words)
    named = " AND ".join(["t.name LIKE ? ESCAPE '\\'"] * len(words))
    sql = (
        f"t.id IN (SELECT thread FROM thread_entries WHERE seq IN ({texts}))"  # noqa: S608 - constants and marks
        f" OR ({named})"
    )
    return sql, (*wanted, *(_pattern(word) for word in words))


async def _index(database: Database) -> bool:
    """Whether there is an index of words; it is up to date then."""

    async def make(connection: aiosqlite.Connection) -> bool:
        try:
            await connection.execute(_MAKE_INDEX)
        except sqlite3.OperationalError as error:
            if "no such module" in str(error):
                return False
            raise
        return True

    async def catch_up(connection: aiosqlite.Connection) -> bool:
        found = await connection.execute_fetchall(_INDEX_TO, (INDEXED_AT_ONCE,))
        ((reached,),) = found
        if reached is None:
            return False
        await connection.execute(_INDEX_NEW, (reached,))
        await connection.execute(_INDEX_DONE, (reached,))
        return True

    if not await database.write(make):
        return False
    while await database.write(catch_up):  # what is to be folded comes in between
        pass
    return True


async def _has_index(connection: aiosqlite.Connection) -> bool:
    try:
        await connection.execute("SELECT 1 FROM thread_words LIMIT 1")
    except sqlite3.OperationalError:
        return False
    return True


def _quoted(word: str) -> str:
    return word.replace('"', '""')


def _pattern(word: str) -> str:
    for special in ("\\", "%", "_"):
        word = word.replace(special, f"\\{special}")
    return f"%{word}%"


def _indexed(word: str) -> bool:
    """Whether the index knows it: words as scripts with spaces between them have."""
    spaceless = any("\u2e80" <= each <= "\uffef" for each in word)
    return any(map(str.isalnum, word)) and not spaceless


# ---- rows


def _thread_row(entry: ThreadEntry) -> tuple[Value, ...]:
    at = entry.at or 0.0
    return (
        *(entry.user or "", entry.thread_id, entry.task_type),
        *(entry.state, at, entry.simulated),
    )


def _entry_row(entry: ThreadEntry) -> tuple[Value, ...]:
    return (
        entry.entry_id,
        entry.at or 0.0,
        entry.kind,
        entry.who,
        pico_dollars(entry.cost_usd),
        entry.text,
        _encode(replace(entry, text=None)),
        entry.user or "",
        entry.thread_id,
    )


class _Found(msgspec.Struct, frozen=True, array_like=True):
    number: int
    name: str
    user: str
    task_type: str | None
    state: str
    started_at: float
    last_at: float
    simulated: int
    title: str | None
    entries: int
    who: str
    cost: int | None
    unpriced: int


def _summary(row: Row) -> ThreadSummary:
    found = msgspec.convert(row, _Found)
    priced = found.cost is not None and not found.unpriced
    fields: dict[str, object] = {
        "cursor": str(found.number),
        "thread_id": found.name,
        "user": found.user or None,
        "title": None if found.title is None else _title(found.title),
        "task_type": found.task_type,
        "state": found.state,
        "started_at": found.started_at,
        "last_at": found.last_at,
        "entries": found.entries,
        "who": msgspec.json.decode(found.who),
        "cost_usd": dollars(found.cost or 0) if priced else None,
        "simulated": bool(found.simulated),
    }
    return msgspec.convert(fields, ThreadSummary)


def _title(text: str) -> str:
    """Its first line."""
    line = text.strip().partition("\n")[0].rstrip()
    return f"{line[:TITLE_CHARS]}…" if len(line) > TITLE_CHARS else line


def _stored(rows: list[Row]) -> tuple[StoredEntry, ...]:
    found = msgspec.convert(rows, list[tuple[int, str | None, bytes]])
    return tuple(
        StoredEntry(seq, replace(_decode(entry), text=text))
        for seq, text, entry in found
    )


def _decoded(rows: list[Row]) -> tuple[ThreadEntry, ...]:
    found = msgspec.convert(rows, list[tuple[bytes]])
    return tuple(_decode(entry) for (entry,) in reversed(found))


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 2**63 - 1
    if cursor.isascii() and cursor.isdecimal() and len(cursor) < 19:
        return int(cursor)
    raise InvalidRequest(
        f"cursor {cursor!r} is not one that threads.list has given",
        field="cursor",
        got=cursor[:80],
        wanted="the cursor of a thread of an earlier answer",
    )
