"""Somebody else is asked in place of a member that failed, in virtual time."""

from decimal import Decimal

import pytest

from actors.consensus import ConsensusSettings
from actors.messages.consensus import ConsensusAsk
from tests.support.consensus_house import ConsensusHouse, consensus_house
from tests.support.fake_transport import (
    Answer,
    FakeTransport,
    completion,
    refusal,
)

BAD = refusal(400, "bad")


def four(*answers: Answer) -> dict[str, FakeTransport]:
    names = ("one", "two", "three", "four")
    return dict(zip(names, map(FakeTransport, answers), strict=True))


ONE_FAILS = (completion("1"), BAD, completion("1"), completion("1"))


async def ask_two(
    house: ConsensusHouse, *, replace: bool | None = None, **given: object
) -> dict[str, tuple[str, str | None, str | None, str | None]]:
    """What became of each member, where ``one`` and ``two`` are asked."""
    ask = ConsensusAsk(members=("one", "two"), quorum=1, replace=replace)
    result = await house.ask(ask, **given)
    assert result.decision_id is not None
    (record,) = house.rounds()
    assert record.consensus is not None
    return {
        each.member.partition("/")[0]: (
            each.state,
            each.replaces,
            each.replaced_by,
            each.absent,
        )
        for each in record.consensus.ballots
    }


async def test_the_best_prior_not_yet_asked_stands_in() -> None:
    settings = ConsensusSettings(priors={"three": 0.5, "four": 0.9})
    async with consensus_house(four(*ONE_FAILS), settings) as house:
        told = await ask_two(house, replace=True)

    assert told == {
        "one": ("answered", None, None, None),
        "two": ("failed", None, "four/gpt-4o", None),
        "four": ("answered", "two/gpt-4o", None, None),
    }


async def test_who_has_no_prior_counts_as_in_a_vote() -> None:
    settings = ConsensusSettings(priors={"three": 0.5})
    async with consensus_house(four(*ONE_FAILS), settings) as house:
        told = await ask_two(house, replace=True)

    assert told["two"][2] == "four/gpt-4o"


async def test_a_stand_in_that_fails_is_replaced_too_until_nobody_is_left() -> None:
    answers = (completion("1"), BAD, BAD, BAD)
    async with consensus_house(four(*answers)) as house:
        told = await ask_two(house, replace=True)

    assert told["two"][2:] == ("three/gpt-4o", None)
    assert told["three"][1:] == ("two/gpt-4o", "four/gpt-4o", None)
    assert told["four"][3] == "nobody else who is well could be asked"


async def test_named_members_are_not_replaced_unless_asked() -> None:
    transports = four(*ONE_FAILS)
    async with consensus_house(transports) as house:
        told = await ask_two(house)

    assert told["two"][3] == "members that were named are not replaced unless asked"
    assert not transports["three"].calls


@pytest.mark.parametrize("asked", [True, None])
async def test_settings_may_replace_named_members(asked: bool | None) -> None:
    settings = ConsensusSettings(replace=True)
    async with consensus_house(four(*ONE_FAILS), settings) as house:
        told = await ask_two(house, replace=asked)

    assert told["two"][2] == "three/gpt-4o"


async def test_a_request_may_switch_it_off() -> None:
    settings = ConsensusSettings(replace=True)
    async with consensus_house(four(*ONE_FAILS), settings) as house:
        told = await ask_two(house, replace=False)

    assert told["two"][3] == "replacing is switched off"


async def test_nobody_is_asked_when_little_time_is_left() -> None:
    late = Answer([(80.0, b"")], status=400)
    answers = (completion("1"), late, completion("1"), completion("1"))
    transports = four(*answers)
    async with consensus_house(transports) as house:
        told = await ask_two(house, replace=True, deadline_s=100.0)

    assert told["two"][3] == "too little time is left"
    assert not transports["three"].calls


async def test_nobody_is_asked_for_whom_the_money_was_too_little() -> None:
    async with consensus_house(four(*ONE_FAILS)) as house:
        told = await ask_two(house, replace=True, budget_usd=Decimal("1e-11"))

    assert told["one"][3] == "another would fail as well: budget_exceeded"


async def test_a_stand_in_has_a_budget() -> None:
    async with consensus_house(four(*ONE_FAILS)) as house:
        told = await ask_two(house, replace=True, budget_usd=Decimal(1))

    assert told["three"][0] == "answered"


async def test_a_cascade_goes_on_before_anybody_is_replaced() -> None:
    async with consensus_house(four(BAD, BAD, completion("1"), completion("1"))) as h:
        _, info = await h.verdict("cascade", quorum=2)

    heard = [each.member for each in info.ballots if each.state == "answered"]
    assert heard == ["three/gpt-4o", "four/gpt-4o"]
    assert len(info.ballots) == 4
