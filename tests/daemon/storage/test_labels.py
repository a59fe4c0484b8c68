"""Labels in the database: one a decision, the newest, kept for good."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.messages.ledger import Label, Labelled
from daemon.storage import labels
from daemon.storage.sqlite import Database

ONE = Label(
    decision_id="d1",
    provider="openai",
    model="gpt-4o",
    task_type="review",
    score=0.9,
    at=1.0,
    user="ada",
    comment="good",
)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "gitbridge.db")


def test_a_label_comes_back_as_it_went_in(database: Database) -> None:
    simulated = replace(
        ONE, decision_id="d2", task_type=None, user=None, comment=None, simulated=True
    )

    assert labels.put(database, ONE) == Labelled((0.9,))
    assert labels.put(database, simulated) == Labelled((0.9,))
    assert sorted(labels.labels(database), key=lambda each: each.decision_id) == [
        ONE,
        simulated,
    ]


def test_they_survive_a_restart(tmp_path: Path, database: Database) -> None:
    labels.put(database, ONE)
    database.close()

    assert labels.labels(Database(tmp_path / "gitbridge.db")) == (ONE,)


def test_a_later_label_of_a_decision_replaces_it(database: Database) -> None:
    labels.put(database, ONE)
    later = replace(ONE, score=0.1, at=2.0, comment=None)

    kept = labels.put(database, later)

    assert kept == Labelled((0.1,), ONE, (0.1,))
    assert labels.labels(database) == (later,)


def test_a_label_may_move_to_another_task_type(database: Database) -> None:
    labels.put(database, ONE)
    labels.put(database, replace(ONE, decision_id="d2", score=0.5, at=2.0))

    moved = labels.put(database, replace(ONE, task_type="docs", at=3.0))

    assert moved == Labelled((0.9,), ONE, (0.5,))


def test_scores_are_those_of_the_model_and_task_type_the_oldest_first(
    database: Database,
) -> None:
    others = (
        replace(ONE, score=0.3),
        replace(ONE, model="gpt-4o-mini"),
        replace(ONE, provider="azure"),
        replace(ONE, task_type=None),
        replace(ONE, simulated=True),
    )
    for n, other in enumerate(others):
        labels.put(database, replace(other, decision_id=f"o{n}", at=float(n)))

    assert labels.put(database, replace(ONE, score=0.2, at=-1.0)).scores == (0.2, 0.3)
