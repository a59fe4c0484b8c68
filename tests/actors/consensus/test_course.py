"""A cascade's order and threshold: learned from feedback, or as declared."""

import anyio
from msgspec.structs import replace

from actors.messages.consensus import ConsensusAsk, ConsensusInfo
from actors.policy.voting.fitting import MIN_LABELS
from actors.policy.voting.stopping import TAU
from tests.support.consensus_house import ConsensusHouse, consensus_house
from tests.support.fake_transport import FakeTransport, completion

NAMES = ("one", "two", "three")


def texts(*answers: str) -> dict[str, FakeTransport]:
    return {
        name: FakeTransport(completion(answer))
        for name, answer in zip(NAMES, answers, strict=True)
    }


def calls(transports: dict[str, FakeTransport]) -> list[int]:
    return [len(each.calls) for each in transports.values()]


async def teach(house: ConsensusHouse, method: str, count: int) -> None:
    """So many rounds, of which ``three`` was right and the two others were not."""
    before = len(house.rounds())
    for _ in range(count):
        await house.verdict(method, task_type="sums")
    for record in house.rounds()[before:]:
        info = record.consensus
        assert info is not None
        won = next(n for n, group in enumerate(info.groups) if "three/gpt-4o" in group)
        house.handle.learn(
            replace(record, consensus=replace(info, winner=won)), score=1.0
        )
    await anyio.sleep(5.0)


async def cascade(house: ConsensusHouse, task_type: str = "sums") -> ConsensusInfo:
    _, info = await house.verdict("cascade", task_type=task_type)
    assert info.plan is not None
    return info


async def test_without_labels_the_cheap_ones_are_asked_first_and_it_is_said() -> None:
    transports = texts("1", "1", "2")
    async with consensus_house(transports) as house:
        plan = (await cascade(house)).plan

    assert plan is not None
    assert (plan.learned, plan.tau) == (False, TAU)
    assert len(plan.steps) == 2
    assert plan.why == (
        "cheap ones first: 0 labelled rounds of all of them for task type sums; "
        f"a plan is learned from {MIN_LABELS}"
    )


async def test_from_fifty_labels_on_the_plan_is_learned() -> None:
    """The declared order asks ``one`` and ``two``, who are always wrong."""
    transports = texts("1", "1", "2")
    async with consensus_house(transports) as house:
        await teach(house, "majority", MIN_LABELS - 1)
        few = (await cascade(house)).plan
        await teach(house, "majority", 1)
        before = calls(transports)
        result, info = await house.verdict("cascade", task_type="sums")
        after = calls(transports)
        other = (await cascade(house, "law")).plan

    assert few is not None
    assert few.why.startswith(f"cheap ones first: {MIN_LABELS - 1} labelled rounds")
    plan = info.plan
    assert plan is not None
    assert plan.learned
    assert plan.why == (
        f"learned from {MIN_LABELS} labelled rounds of all of them for task type sums"
    )
    assert "three/gpt-4o" in plan.steps[0]
    assert result.content == "2"
    asked = [new - old for new, old in zip(after, before, strict=True)]
    assert asked[2] == 1
    assert sum(asked) == len(info.ballots)
    assert other is not None
    assert not other.learned


async def test_rounds_that_ended_early_teach_no_plan() -> None:
    async with consensus_house(texts("1", "2", "2")) as house:
        await teach(house, "cascade", MIN_LABELS)
        plan = (await cascade(house)).plan

    assert plan is not None
    assert plan.why.startswith("cheap ones first: 0 labelled rounds")


async def test_a_plan_that_asks_too_few_is_not_followed() -> None:
    async with consensus_house(texts("1", "1", "2")) as house:
        await teach(house, "majority", MIN_LABELS)
        ask = ConsensusAsk(method="cascade", quorum=3)
        result = await house.ask(ask, task_type="sums")
        learned = (await cascade(house)).plan

    info = getattr(result, "consensus", None)
    assert isinstance(info, ConsensusInfo)
    assert info.plan is not None
    assert learned is not None
    assert learned.learned
    # Three are asked by either plan: with the quorum all of them answer.
    assert sum(each.state == "answered" for each in info.ballots) == 3


async def test_other_methods_have_no_plan() -> None:
    async with consensus_house(texts("1", "1", "2")) as house:
        _, info = await house.verdict("quorum")

    assert info.plan is None
