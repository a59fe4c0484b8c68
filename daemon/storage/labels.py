"""Labels of decisions: what callers thought of the answers. Blocking."""

import sqlite3

import msgspec

from actors.messages.ledger import Label, Labelled
from daemon.storage.rows import Value
from daemon.storage.sqlite import Database

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


def put(database: Database, label: Label) -> Labelled:
    """Keep a label, in place of an earlier one of that decision."""

    def work(connection: sqlite3.Connection) -> Labelled:
        row = connection.execute(_BEFORE, (label.decision_id,)).fetchone()
        connection.execute(_PUT, msgspec.structs.astuple(label))
        before = None if row is None else _label(row)
        left = () if before is None else _scores(connection, before)
        return Labelled(_scores(connection, label), before, left)

    return database.write(work)


def labels(database: Database) -> tuple[Label, ...]:
    """All there are."""
    return tuple(_label(row) for row in database.read(_ALL))


def _scores(connection: sqlite3.Connection, label: Label) -> tuple[float, ...]:
    found = connection.execute(
        _SCORES, (label.provider, label.model, label.task_type, label.simulated)
    )
    return tuple(score for (score,) in found)


def _label(row: tuple[Value, ...]) -> Label:
    return msgspec.convert(dict(zip(_COLUMNS, row, strict=True)), Label, strict=False)
