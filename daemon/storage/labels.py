"""Labels of decisions: what callers thought of the answers."""

import aiosqlite
import msgspec

from actors.messages.ledger import Label, Labelled
from daemon.storage.shield import in_thread
from daemon.storage.sqlite import Database, Row

_COLUMNS = Label.__struct_fields__
_ALL = f"SELECT {', '.join(_COLUMNS)} FROM feedback"  # noqa: S608 - constants
_PUT = (
    f"INSERT OR REPLACE INTO feedback ({', '.join(_COLUMNS)})"  # noqa: S608 - constants
    f" VALUES ({', '.join('?' * len(_COLUMNS))})"
)
_BEFORE = f"{_ALL} WHERE decision_id = ?"
_SCORES = (
    "SELECT score FROM feedback WHERE provider = ? AND model = ? AND task_type IS ?"
    " AND simulated = ? ORDER BY at, decision_id"
)


async def put(database: Database, label: Label) -> Labelled:
    """Keep a label, in place of an earlier one of that decision."""

    async def work(connection: aiosqlite.Connection) -> Labelled:
        rows = await connection.execute_fetchall(_BEFORE, (label.decision_id,))
        await connection.execute(_PUT, msgspec.structs.astuple(label))
        before = next((_label(tuple(row)) for row in rows), None)
        left = () if before is None else await _scores(connection, before)
        return Labelled(await _scores(connection, label), before, left)

    return await database.write(work)


async def labels(database: Database) -> tuple[Label, ...]:
    """All there are."""
    return await in_thread(_labels, await database.read(_ALL))


def _labels(rows: list[Row]) -> tuple[Label, ...]:
    return tuple(map(_label, rows))


async def _scores(connection: aiosqlite.Connection, label: Label) -> tuple[float, ...]:
    found = await connection.execute_fetchall(
        _SCORES, (label.provider, label.model, label.task_type, label.simulated)
    )
    return tuple(score for (score,) in found)


def _label(row: Row) -> Label:
    return msgspec.convert(dict(zip(_COLUMNS, row, strict=True)), Label, strict=False)
