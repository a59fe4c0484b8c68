"""What decisions saw: carried in records, found by number, gone with their requests."""

import msgspec

from actors.messages.routing import RequestRecord
from actors.messages.sighting import RankedOn, Sighting
from daemon.storage.rows import sighting_rows
from tests.support.records import START, record
from tests.support.stored import Stored


def carrying(
    number: int, *seen: tuple[str, int], saw: tuple[int, ...] = (), epoch: str = "e"
) -> RequestRecord:
    """Request ``number``, which carries some sightings and saw some of ``epoch``."""
    plain = record(number)
    on = RankedOn(epoch=epoch, sightings=saw, now=1.0, preferred=len(saw))
    return msgspec.structs.replace(
        plain,
        decision=msgspec.structs.replace(plain.decision, ranked_on=on),
        sightings=tuple(Sighting(e, seq, f"p{seq}", "m", calls=seq) for e, seq in seen),
    )


async def test_what_a_decision_saw_is_found_wherever_it_was_written(
    stored: Stored,
) -> None:
    last = carrying(4, saw=(1, 3, 5))
    await stored.fold(
        carrying(1, ("e", 1), ("e", 2)),
        carrying(2, ("e", 3), ("e", 4), ("f", 1)),
        carrying(3, ("e", 5)),
        last,
    )

    found = await stored.store.sightings(last.decision)

    assert {key: each.calls for key, each in found.items()} == {
        ("e", 1): 1,
        ("e", 3): 3,
        ("e", 5): 5,
    }
    assert await stored.store.sightings(record(9).decision) == {}


async def test_a_fold_done_twice_keeps_it_once(stored: Stored) -> None:
    carrier = carrying(1, ("e", 1), saw=(1,))
    await stored.fold(carrier, carrier)
    await stored.fold(carrier)

    assert len(await stored.store.sightings(carrier.decision)) == 1


async def test_it_goes_with_the_request_that_carried_it(stored: Stored) -> None:
    late = carrying(50, ("e", 2), saw=(1, 2))
    await stored.fold(carrying(1, ("e", 1)), late)
    assert await stored.store.sweep(START + 10, 10) == 1

    assert set(await stored.store.sightings(late.decision)) == {("e", 2)}


async def test_explain_tells_nothing_of_others(stored: Stored) -> None:
    await stored.fold(carrying(1, ("e", 1), saw=(1,)))

    explained = await stored.store.explain("r1")

    assert explained is not None
    assert explained.sightings == ()
    assert explained.decision.ranked_on is not None


def test_a_record_over_the_turn_of_an_epoch_names_both() -> None:
    turning = carrying(1, ("e", 8), ("e", 9), ("f", 1), ("f", 2))

    assert [row[:3] for row in sighting_rows(turning)] == [("e", 8, 9), ("f", 1, 2)]
