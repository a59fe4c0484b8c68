"""Labels in the database: one a decision, the newest, kept for good."""

from collections.abc import AsyncIterator
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
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(tmp_path / "gitbridge.db")
    yield made
    await made.close()


async def test_a_label_comes_back_as_it_went_in(database: Database) -> None:
    simulated = replace(
        ONE, decision_id="d2", task_type=None, user=None, comment=None, simulated=True
    )

    assert await labels.put(database, ONE) == Labelled((0.9,))
    assert await labels.put(database, simulated) == Labelled((0.9,))
    kept = await labels.labels(database)
    assert sorted(kept, key=lambda each: each.decision_id) == [ONE, simulated]


async def test_they_survive_a_restart(database: Database) -> None:
    await labels.put(database, ONE)
    await database.close()

    assert await labels.labels(database) == (ONE,)


async def test_a_later_label_of_a_decision_replaces_it(database: Database) -> None:
    await labels.put(database, ONE)
    later = replace(ONE, score=0.1, at=2.0, comment=None)

    kept = await labels.put(database, later)

    assert kept == Labelled((0.1,), ONE, (0.1,))
    assert await labels.labels(database) == (later,)


async def test_a_label_may_move_to_another_task_type(database: Database) -> None:
    await labels.put(database, ONE)
    await labels.put(database, replace(ONE, decision_id="d2", score=0.5, at=2.0))

    moved = await labels.put(database, replace(ONE, task_type="docs", at=3.0))

    assert moved == Labelled((0.9,), ONE, (0.5,))


async def test_scores_are_those_of_the_model_and_task_type_the_oldest_first(
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
        await labels.put(database, replace(other, decision_id=f"o{n}", at=float(n)))

    last = await labels.put(database, replace(ONE, score=0.2, at=-1.0))

    assert last.scores == (0.2, 0.3)
