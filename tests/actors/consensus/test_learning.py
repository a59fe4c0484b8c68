"""What labels teach: kept over a restart, and apart for pretended rounds."""

import anyio
from msgspec.structs import replace
from typing_extensions import override

from actors.consensus.desk import LEARNED_KEYS
from actors.policy.voting.fitting import MIN_LABELS
from actors.policy.voting.pages import PAGE_ROUNDS, SLOTS
from tests.support.consensus_house import ConsensusHouse, consensus_house
from tests.support.fake_transport import FakeTransport, completion
from tests.support.small_house import MemoryKeeper

NAMES = ("one", "two", "three")


def texts(*answers: str) -> dict[str, FakeTransport]:
    return {
        name: FakeTransport(completion(answer))
        for name, answer in zip(NAMES, answers, strict=False)
    }


class Counting(MemoryKeeper):
    """Knows what was saved."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[str] = []

    @override
    def save(self, key: str, state: bytes) -> None:
        super().save(key, state)
        if key in kept_keys():
            self.saved.append(key)


async def label(house: ConsensusHouse, winner: int, score: float) -> None:
    """Every round so far, as if this group had won it; then time to fit."""
    for record in house.rounds():
        assert record.consensus is not None
        told = replace(record.consensus, winner=winner)
        house.handle.learn(replace(record, consensus=told), score=score)
    await anyio.sleep(5.0)


async def teach(house: ConsensusHouse) -> None:
    """``three`` alone is right, against two who agree."""
    for _ in range(MIN_LABELS):
        await house.verdict("best_of", task_type="sums")
    await label(house, winner=1, score=1.0)


async def calibrated(house: ConsensusHouse) -> tuple[str | None, str]:
    """The answer and the rule of one more round."""
    result, info = await house.verdict("calibrated", task_type="sums")
    return result.content, info.rule


async def cascade(house: ConsensusHouse) -> bool:
    """Whether its plan is a learned one."""
    _, info = await house.verdict("cascade", task_type="sums")
    assert info.plan is not None
    return info.plan.learned


def kept_keys() -> set[str]:
    """Of real and of pretended rounds, all there may be."""
    return {f"{key}-{n}" for key in LEARNED_KEYS.values() for n in range(SLOTS)}


FITTED = ("2", f"weights fitted to {MIN_LABELS} labels")


async def test_labelled_rounds_move_the_weights_and_survive_a_restart() -> None:
    keeper = MemoryKeeper()
    async with consensus_house(texts("1", "1", "2"), keeper=keeper) as house:
        await teach(house)
        assert await calibrated(house) == FITTED
    async with consensus_house(texts("1", "1", "2"), keeper=keeper) as house:
        await house.verdict()
        await anyio.sleep(5.0)

        assert await calibrated(house) == FITTED
        assert await cascade(house)


async def test_a_later_label_of_a_round_replaces_the_earlier() -> None:
    async with consensus_house(texts("1", "1", "2")) as house:
        for _ in range(MIN_LABELS):
            await house.verdict("best_of", task_type="sums")
        await label(house, winner=0, score=0.0)
        await label(house, winner=1, score=1.0)

        assert await calibrated(house) == FITTED


async def test_what_pretended_rounds_taught_means_nothing_to_real_ones() -> None:
    """The same providers, pretended first and then real, with one state."""
    keeper = MemoryKeeper()
    answers = ("1", "1", "2")
    async with consensus_house(texts(*answers), keeper=keeper, simulated=True) as house:
        await teach(house)
        assert await calibrated(house) == FITTED
        assert await cascade(house)
    async with consensus_house(texts(*answers), keeper=keeper) as house:
        await label(house, winner=0, score=1.0)
        content, rule = await calibrated(house)

        assert content == "1"
        assert "fitted" not in rule
        assert not await cascade(house)
    async with consensus_house(texts(*answers), keeper=keeper, simulated=True) as house:
        await house.verdict()
        await anyio.sleep(5.0)

        assert await calibrated(house) == FITTED
        assert await cascade(house)


async def test_what_real_rounds_taught_means_nothing_to_pretended_ones() -> None:
    keeper = MemoryKeeper()
    async with consensus_house(texts("1", "1", "2"), keeper=keeper) as house:
        await teach(house)
    async with consensus_house(
        texts("1", "1", "2"), keeper=keeper, simulated=True
    ) as house:
        _, rule = await calibrated(house)

        assert "fitted" not in rule
        assert not await cascade(house)


async def test_the_worth_of_votes_is_told_apart_too() -> None:
    keeper = MemoryKeeper()

    async with consensus_house(
        texts("1", "1", "2"), keeper=keeper, simulated=True
    ) as house:
        for _ in range(MIN_LABELS):
            await house.verdict("best_of", task_type="sums")
        for number, record in enumerate(house.rounds()):
            assert record.consensus is not None
            told = replace(record.consensus, winner=number % 2)
            house.handle.learn(replace(record, consensus=told), score=1.0)
        await anyio.sleep(5.0)
        _, pretended = await house.verdict("majority", task_type="sums")
    async with consensus_house(texts("1", "1", "2"), keeper=keeper) as house:
        _, real = await house.verdict("majority", task_type="sums")

    assert pretended.independent_votes is not None
    assert pretended.independent_votes.at_least is not None
    assert real.independent_votes is not None
    assert real.independent_votes.unknown == "0 labelled rounds, 20 are needed"


async def test_feedback_for_what_was_no_round_teaches_nothing() -> None:
    async with consensus_house(texts("1", "1")) as house:
        await house.verdict()
        house.handle.learn(house.parts()[0], 1.0)
        await anyio.sleep(1.0)

        assert not house.house.keeper.kept.keys() & kept_keys()


async def test_a_label_writes_its_own_page_and_no_other() -> None:
    keeper = Counting()
    async with consensus_house(texts("1", "1", "2"), keeper=keeper) as house:
        for _ in range(PAGE_ROUNDS * 2 + 1):
            await house.verdict("best_of", task_type="sums")
        await label(house, winner=1, score=1.0)
        keeper.saved.clear()
        record = house.rounds()[-1]
        house.handle.learn(record, 1.0)
        await anyio.sleep(0.1)
        newest = list(keeper.saved)
        keeper.saved.clear()
        house.handle.learn(house.rounds()[0], 1.0)
        await anyio.sleep(0.1)

    key = LEARNED_KEYS[False]
    assert newest == [f"{key}-2"]
    assert sorted(keeper.saved) == [f"{key}-0", f"{key}-2"]
