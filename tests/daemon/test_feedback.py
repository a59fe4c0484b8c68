"""Scores for answers: whose they are, what they teach, and what is refused."""

from collections.abc import AsyncIterator, Callable

import pytest

from actors.errors import InvalidRequest
from actors.messages.routing import RequestRecord, RouteResult, Target
from actors.router import RouterSettings
from daemon.feedback import FeedbackDesk
from ipc.feedback import FeedbackParams, FeedbackResult
from ipc.methods import METHODS, Peer
from ipc.params import read_params
from tests.support.consensus_house import consensus_house
from tests.support.fake_transport import FakeTransport, completion, refusal
from tests.support.ledger_memory import MemoryLedger
from tests.support.notes import Notes
from tests.support.small_house import SmallHouse, small_house

ADA = Peer(door="json", user="ada", tier="admin")
NOW = 1_800_000_000.0


@pytest.fixture
async def house() -> AsyncIterator[SmallHouse]:
    transports = {
        "one": FakeTransport(completion()),
        "two": FakeTransport(completion()),
    }
    async with small_house(transports) as running:
        yield running


class Giving:
    """Somebody who gives feedback to a small house."""

    def __init__(
        self,
        house: SmallHouse,
        on_round: Callable[[RequestRecord, float], None] = lambda *_: None,
    ) -> None:
        self.house = house
        self.ledger = MemoryLedger(house.spool.records)
        self.notes = Notes()
        self.desk = FeedbackDesk(
            self.ledger, house.desk.quality, lambda: NOW, on_round, self.notes
        )

    async def give(
        self, answer: RouteResult, score: float, **more: str
    ) -> FeedbackResult:
        return await self.desk.take(
            FeedbackParams(answer.decision_id, score, **more), ADA
        )


async def test_users_score_what_they_asked(house: SmallHouse) -> None:
    desk = Giving(house).desk
    answer = await house.answer(user="ada", provider="two")
    ada, bob = (Peer(door="json", user=name) for name in ("ada", "bob"))

    with pytest.raises(InvalidRequest, match="there is no decision"):
        await desk.take(FeedbackParams(answer.decision_id, 1.0), bob)
    kept = await desk.take(FeedbackParams(answer.decision_id, 1.0), ada)
    assert [each.labels for each in kept.quality] == [1]


async def test_a_score_is_kept_with_who_answered_what_and_who_gave_it(
    house: SmallHouse,
) -> None:
    giving = Giving(house)
    answer = await house.answer(task_type="review", provider="two")

    result = await giving.give(answer, 0.25, comment="made it up")

    (label,) = await giving.ledger.labels()
    assert (label.provider, label.model) == ("two", "gpt-4o")  # as it was asked for
    assert (label.task_type, label.score, label.at) == ("review", 0.25, NOW)
    assert (label.user, label.comment) == ("ada", "made it up")
    assert (result.decision_id, result.score) == (answer.decision_id, 0.25)
    assert result.replaced is None
    assert result.quality[0].labels == 1
    assert result.quality[0].quality == pytest.approx(0.5625)
    assert giving.desk.rows() == result.quality


async def test_what_belongs_to_a_thread_has_its_score_in_it(house: SmallHouse) -> None:
    giving = Giving(house)
    alone = await house.answer(user="ada")
    answer = await house.answer(user="ada", thread="plan", provider="two")

    await giving.give(alone, 1.0)
    await giving.give(answer, 0.25, comment="made it up")

    (entry,) = giving.notes.entries
    assert (entry.thread_id, entry.user, entry.kind) == ("plan", "ada", "note")
    assert (entry.who, entry.to, entry.text) == ("ada", "two", "made it up")
    assert (entry.data, entry.decision_id) == ({"score": 0.25}, answer.decision_id)


async def test_a_pretended_answer_teaches_about_pretended_ones(
    house: SmallHouse,
) -> None:
    for transport in house.transports.values():
        transport.answers[0].headers["x-simulated"] = "true"
    giving = Giving(house)
    answer = await house.answer(provider="one")

    result = await giving.give(answer, 0.0)

    one, two = Target("one", "gpt-4o"), Target("two", "gpt-4o")
    assert result.quality[0].simulated
    assert giving.desk.rows() == result.quality
    assert house.desk.quality.of(None, (one, two)) == {}
    assert house.desk.quality.of(None, (one, two), {"one"})[one] == pytest.approx(0.5)


async def test_it_goes_to_the_call_that_answered_after_others_failed() -> None:
    transports = {
        "one": FakeTransport(refusal(500)),
        "two": FakeTransport(completion()),
    }
    async with small_house(transports) as house:
        giving = Giving(house)
        answer = await house.answer()

        result = await giving.give(answer, 1.0)

    assert result.quality[0].provider == "two"


async def test_a_later_score_replaces_the_earlier(house: SmallHouse) -> None:
    giving = Giving(house)
    answer = await house.answer()
    await giving.give(answer, 1.0)

    result = await giving.give(answer, 0.0)

    assert result.replaced == 1.0
    assert result.quality[0].labels == 1
    assert result.quality[0].quality == pytest.approx(0.5)
    assert len(await giving.ledger.labels()) == 1


async def test_a_task_type_said_with_the_score_counts(house: SmallHouse) -> None:
    giving = Giving(house)
    answer = await house.answer(task_type="review")
    await giving.give(answer, 1.0)

    result = await giving.give(answer, 1.0, task_type="docs")

    assert result.quality[0].task_type == "docs"
    assert [row.task_type for row in giving.desk.rows()] == ["docs"]


async def test_what_is_learned_is_what_the_router_ranks_with(house: SmallHouse) -> None:
    giving = Giving(house)
    answer = await house.answer(provider="one")
    await giving.give(answer, 0.0)

    one, two = Target("one", "gpt-4o"), Target("two", "gpt-4o")
    means = house.desk.quality.of(None, (one, two))
    assert means[one] < means[two]


async def test_a_decision_that_nobody_knows_is_refused(house: SmallHouse) -> None:
    giving = Giving(house)

    with pytest.raises(InvalidRequest, match="no decision 'nowhere'") as caught:
        await giving.desk.take(FeedbackParams("nowhere", 1.0), ADA)

    assert caught.value.field == "decision_id"
    assert giving.desk.rows() == ()


async def test_a_decision_without_an_answer_has_no_quality() -> None:
    async with small_house({"one": FakeTransport(refusal(500))}) as house:
        giving = Giving(house)
        error = await house.error()
        assert error.decision_id is not None

        with pytest.raises(InvalidRequest, match="nobody answered"):
            await giving.desk.take(FeedbackParams(error.decision_id, 1.0), ADA)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"decision_id": "d", "score": 1.1}, "score"),
        ({"decision_id": "d", "score": -0.1}, "score"),
        ({"decision_id": "d", "score": "good"}, "score"),
        ({"decision_id": "d"}, "score"),
        ({"decision_id": "", "score": 1}, "decision_id"),
        ({"score": 1}, "decision_id"),
        ({"decision_id": "d", "score": 1, "task_type": ""}, "task_type"),
        ({"decision_id": "d", "score": 1, "stars": 5}, "stars"),
    ],
)
def test_a_score_is_a_number_from_nothing_to_one(
    params: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_params(METHODS["feedback"].params, params)

    assert caught.value.field == field


async def test_quality_decides_where_speed_does_not() -> None:
    """Both are as fast; the one with bad labels is left, the unknown one is taken."""
    transports = {
        "one": FakeTransport(completion(after_s=1.0)),
        "two": FakeTransport(completion(after_s=1.0)),
    }
    settings = RouterSettings(strategy="performance")
    async with small_house(transports, settings=settings) as house:
        giving = Giving(house)
        for name in transports:
            await house.answer(provider=name, task_type="review")
        bad = await house.answer(provider="one", task_type="review")
        await giving.give(bad, 0.0)

        chosen = [await house.answer(task_type="review") for _ in range(5)]
        other = await house.answer(task_type="docs")

        assert {answer.provider for answer in chosen} == {"two"}
        (first, second) = house.spool.records[-2].decision.candidates
        assert [first.terms[0].value, second.terms[0].value] == [
            pytest.approx(1.0, abs=0.01),  # what was measured a second ago has faded
            pytest.approx(0.5 / (2 / 3), abs=0.02),
        ]
        assert "quality 0.50" in (second.terms[0].note or "")
        decision = house.spool.records[-1].decision
        assert other.decision_id == decision.decision_id
        assert all(each.terms[0].note is None for each in decision.candidates)


async def test_feedback_for_a_round_is_that_of_all_whose_answer_won() -> None:
    answers = ("42", "42", "43")
    transports = {f"m{n}": FakeTransport(completion(a)) for n, a in enumerate(answers)}
    async with consensus_house(transports) as voting:
        taught: list[tuple[str, str | None, float]] = []
        giving = Giving(
            voting.house,
            lambda record, score: taught.append(
                (record.request_id, record.task_type, score)
            ),
        )
        result, _ = await voting.verdict()
        given = await giving.give(result, 1.0, task_type="sums")
        labels = {label.provider for label in await giving.ledger.labels()}
        _, info = await voting.verdict(task_type="sums")

    assert given.decision_id == result.decision_id
    assert taught == [(result.request_id, "sums", 1.0)]
    assert labels == {"m0", "m1"}
    assert [row.provider for row in given.quality] == ["m0", "m1"]
    # The next round knows: those two were right, of the third nothing is known.
    assert [each.prior for each in info.ballots] == [0.75, 0.75, None]


async def test_a_synthesis_has_no_single_member_to_score() -> None:
    written = "Blue.\nCONTRIBUTIONS: A all"
    texts = ("An essay of some length about it. " * 9, "A poem, rather. " * 20, written)
    transports = {f"m{n}": FakeTransport(completion(t)) for n, t in enumerate(texts)}
    async with consensus_house(transports) as voting:
        giving = Giving(voting.house)
        result, _ = await voting.verdict("synthesis", ("m0", "m1"), judge="m2")

        with pytest.raises(InvalidRequest, match="score the members' own decisions"):
            await giving.give(result, 1.0)
