"""Texts that no other rule puts together are compared by embeddings, in virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anyio
import pytest

from actors.consensus import ConsensusSettings
from actors.messages.consensus import ConsensusAsk
from tests.support.consensus_house import ConsensusHouse, consensus_house
from tests.support.fake_transport import (
    Answer,
    FakeTransport,
    completion,
    embeddings,
    refusal,
)
from tests.support.small_house import request

MEMBERS = ("one", "two", "three")
SHORT = ("Blue and wide.", "It is azure, and vast.", "Green grass.")
LONG = tuple(f"{text} {'Because so it is seen by everybody. ' * 8}" for text in SHORT)
ALIKE = ((1.0, 0.0), (0.96, 0.28), (0.0, 1.0))
"""The first two have a cosine of 0.96."""


@asynccontextmanager
async def asked(
    texts: tuple[str, ...] = LONG,
    vectors: Answer | None = None,
    *,
    priors: dict[str, float] | None = None,
    judge: str | None = None,
    after_s: tuple[float, ...] = (0.0, 0.0, 0.0),
) -> AsyncIterator[ConsensusHouse]:
    """Three members, and a fourth provider that embeds."""
    settings = ConsensusSettings(
        members=MEMBERS,
        priors=priors or {},
        judge=judge,
        embeddings="four/small",
        embeddings_threshold=0.9,
    )
    transports = {
        name: FakeTransport(completion(text, after_s=delay))
        for name, text, delay in zip(MEMBERS, texts, after_s, strict=True)
    }
    transports["four"] = FakeTransport(vectors or embeddings(*ALIKE))
    async with consensus_house(transports, settings) as house:
        yield house


def embedded(house: ConsensusHouse) -> list[dict[str, Any]]:
    return house.house.transports["four"].bodies()


async def test_two_of_three_texts_that_are_alike_outvote_the_best_prior() -> None:
    priors = {"one": 0.7, "two": 0.72, "three": 0.75}
    async with asked(priors=priors) as house:
        result, info = await house.verdict()

    assert info.kind == "text"
    assert info.groups == (("one/gpt-4o", "two/gpt-4o"), ("three/gpt-4o",))
    assert info.winner == 0
    assert info.agreement == pytest.approx(2 / 3)
    assert info.rule.startswith(
        "embedding four/small: 3 answers are 2, alike by 0.96 or more; "
    )
    for each in info.ballots[:2]:
        assert each.rule == "embedding"
        assert each.similarity == pytest.approx(0.96)
    assert info.ballots[2].rule != "embedding"
    assert info.ballots[2].similarity is None
    assert embedded(house)[0]["input"] == [*LONG]
    # The better prior's wording stands, not the one in the middle.
    assert (result.provider, result.content) == ("two", LONG[1])


async def test_no_confidence_is_claimed_for_what_embeddings_joined() -> None:
    priors = {"one": 0.8, "two": 0.7, "three": 0.6}
    apart_at = embeddings((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0))
    async with asked(priors=priors) as house:
        _, alike = await house.verdict()
    async with asked(vectors=apart_at, priors=priors) as house:
        result, apart = await house.verdict()

    assert alike.confidence is None
    assert apart.confidence is not None
    assert apart.confidence <= 0.5
    assert apart.rule.startswith(
        "embedding four/small: none alike, the closest 0.00, wanted 0.9; "
    )
    assert result.provider == "one"


async def test_what_other_rules_have_put_together_is_not_embedded_twice() -> None:
    texts = (SHORT[0], SHORT[0], SHORT[1])
    async with asked(texts, embeddings((1.0, 0.0), (0.96, 0.28))) as house:
        _, info = await house.verdict()

    assert info.kind == "short_text"
    assert embedded(house)[0]["input"] == [SHORT[0], SHORT[1]]
    assert len(info.groups) == 1


@pytest.mark.parametrize(
    "texts",
    [("7", "8", "9"), ("same", "same", "same"), ('{"a":1}', '{"a":2}', '{"b":1}')],
)
async def test_what_can_be_equal_or_is_is_never_embedded(
    texts: tuple[str, ...],
) -> None:
    async with asked(texts) as house:
        _, info = await house.verdict()

    assert embedded(house) == []
    assert "embedding" not in info.rule


async def test_a_negation_or_a_number_keeps_short_texts_apart() -> None:
    texts = ("It is safe to eat.", "It is not safe for eating.", "Eat 2 of it, safely.")
    async with asked(texts, embeddings(*[(1.0, 0.0)] * 3)) as house:
        _, info = await house.verdict()

    assert len(info.groups) == 3
    assert "none alike" in info.rule


async def test_its_cost_is_in_the_rounds_and_comes_out_of_its_budget() -> None:
    async with asked(vectors=embeddings(*ALIKE, prompt_tokens=1000)) as house:
        result, _ = await house.verdict(budget_usd=Decimal(1))
        (record,) = house.rounds()
        parts = house.parts()

    costs = {part.requested_model: part.cost_usd for part in parts}
    assert costs["four/small"] == Decimal(4 * 1000) / 1_000_000
    assert (
        result.cost_usd == record.cost_usd == sum(each.cost_usd or 0 for each in parts)
    )
    assert {part.parent_id for part in parts} == {record.request_id}
    assert any(each.provider == "four" for each in result.attempts)


async def test_without_money_or_time_left_the_next_rule_decides_and_says_so() -> None:
    async with asked(tuple(text * 100 for text in LONG)) as house:
        _, poor = await house.verdict(budget_usd=Decimal("0.02"))
    async with asked(after_s=(0.0, 0.0, 60.0)) as house:
        _, late = await house.verdict(deadline_s=10.0)

    assert poor.rule.startswith("no embeddings: budget_exceeded")
    assert late.rule.startswith("no embeddings: no time is left; ")


@pytest.mark.parametrize(
    "answer", [refusal(500), embeddings((1.0,)), refusal(400, "no_such_model")]
)
async def test_a_failure_leaves_the_groups_and_is_told(answer: Answer) -> None:
    async with asked(vectors=answer) as house:
        result, info = await house.verdict()
        (record,) = house.rounds()

    assert len(info.groups) == 3
    assert info.rule.startswith("no embeddings: ")
    assert "best prior" in info.rule
    assert result.content == LONG[0]
    assert record.outcome == "ok"


async def test_a_judge_is_asked_about_what_is_still_apart() -> None:
    async with asked(judge="four/big") as house:
        house.house.transports["four"].answers = [
            embeddings(*ALIKE),
            completion("A: 3\nB: 9"),
        ]
        _, info = await house.verdict()

    assert info.judge == "four/big"
    assert len(info.groups) == 2
    assert info.rule.startswith("embedding four/small: 3 answers are 2")
    assert "judged" in info.rule or "no scores" in info.rule


async def test_a_caller_that_leaves_ends_it_too() -> None:
    vectors = Answer(hangs_first=True)
    async with asked(vectors=vectors) as house:
        handle = house.handle.route(request(consensus=ConsensusAsk()))
        ended: list[Any] = []
        handle.begin(ended.append)
        await anyio.sleep(1.0)
        assert house.house.transports["four"].open == 1
        handle.cancel()
        await anyio.sleep(1.0)

        assert ended[0].kind == "cancelled"
        assert house.house.transports["four"].open == 0


async def test_nothing_is_embedded_where_nothing_is_configured() -> None:
    transports = {
        name: FakeTransport(completion(t))
        for name, t in zip(MEMBERS, LONG, strict=True)
    }
    async with consensus_house(transports) as house:
        _, info = await house.verdict()

    assert "embedding" not in info.rule
    assert all("embed" not in call.url for t in transports.values() for call in t.calls)
