"""Rounds of consensus with a real router and real providers, in virtual time."""

from decimal import Decimal

import anyio
import msgspec
import pytest
from typing_extensions import override

from actors.consensus import ConsensusSettings
from actors.errors import RESTART_S
from actors.messages.consensus import ConsensusAsk
from actors.messages.routing import ErrorInfo, RouteResult
from actors.policy.budgets import BudgetLimits
from actors.policy.voting.judging import SELF_DISCOUNT
from actors.wire.base import HttpRequest
from tests.support.consensus_house import ConsensusHouse, consensus_house
from tests.support.fake_transport import (
    Answer,
    FakeTransport,
    completion,
    event,
    refusal,
    stream,
)
from tests.support.small_house import ended, request

ESSAY = "An essay about the sky, which goes on for a while. " * 8
POEM = "A poem about the sky, in quite other words than that. " * 8


def three(*answers: Answer) -> dict[str, FakeTransport]:
    names = ("one", "two", "three", "four")
    return {
        name: FakeTransport(answer)
        for name, answer in zip(names, answers, strict=False)
    }


def texts(*answers: str) -> dict[str, FakeTransport]:
    return three(*map(completion, answers))


# ---- what is decided


async def test_equal_answers_win_and_dissent_is_kept() -> None:
    async with consensus_house(texts("42", "The answer is 42.", "43")) as house:
        result, info = await house.verdict()

    assert result.content == "42"
    assert info.kind == "number"
    assert info.agreement == pytest.approx(2 / 3)
    assert info.groups == (("one/gpt-4o", "two/gpt-4o"), ("three/gpt-4o",))
    assert [each.group for each in info.ballots] == [0, 0, 1]
    assert info.ballots[2].content == "43"
    assert info.winner == 0


async def test_majority_claims_no_confidence_and_weighing_does() -> None:
    async with consensus_house(texts("1", "1", "2")) as house:
        _, majority = await house.verdict("majority")
        _, weighted = await house.verdict("weighted")

    assert majority.confidence is None
    assert weighted.confidence is not None
    assert majority.rule == "2 of 3"


async def test_a_much_better_member_outvotes_two_others() -> None:
    settings = ConsensusSettings(priors={"one": 0.95, "two": 0.55, "three": 0.55})
    async with consensus_house(texts("7", "8", "8"), settings) as house:
        result, info = await house.verdict("weighted")

    assert result.content == "7"
    assert result.provider == "one"
    assert [each.prior for each in info.ballots] == [0.95, 0.55, 0.55]


async def test_differing_free_texts_go_to_the_best_prior_with_little_confidence() -> (
    None
):
    settings = ConsensusSettings(priors={"two": 0.9})
    async with consensus_house(texts(ESSAY, POEM, ESSAY + "!!"), settings) as house:
        result, info = await house.verdict()

    assert result.provider == "two"
    assert info.kind == "text"
    assert info.rule == "best prior: two/gpt-4o"
    assert info.confidence == 0.5


async def test_objects_that_all_differ_are_voted_on_path_by_path() -> None:
    answers = ('{"a":1,"b":2}', '{"a":1,"b":3}', '{"a":9,"b":2}')
    async with consensus_house(texts(*answers)) as house:
        result, info = await house.verdict()

    assert msgspec.json.decode(result.content or "") == {"a": 1, "b": 2}
    assert info.rule.startswith("json, path by path")
    assert info.winner is None
    assert info.agreement == pytest.approx(2 / 3)


async def test_an_abstention_is_a_ballot_without_a_group() -> None:
    question = "Which?\nA. left\nB. right"
    answers = ("the answer is (B)", "B", "no idea at all")
    async with consensus_house(texts(*answers)) as house:
        _, info = await house.verdict(prompt=question)

    assert info.kind == "option"
    assert info.ballots[2].group is None
    assert info.agreement == pytest.approx(2 / 3)


# ---- who is asked


async def test_everybody_who_is_well_is_asked_at_the_same_time() -> None:
    answers = [completion("1", after_s=after) for after in (1.0, 2.0, 3.0)]
    async with consensus_house(three(*answers)) as house:
        before = anyio.current_time()
        result, info = await house.verdict("weighted")

        assert anyio.current_time() - before == pytest.approx(3.0)
    assert result.latency_s == pytest.approx(3.0)
    assert len(info.ballots) == 3


async def test_members_can_be_named_by_provider_alias_or_model() -> None:
    async with consensus_house(texts("1", "1", "1")) as house:
        _, info = await house.verdict(members=("nick", "two/gpt-4o", "one"))

    assert [each.member for each in info.ballots] == ["one/gpt-4o", "two/gpt-4o"]


async def test_a_cascade_asks_two_cheap_ones_and_stops_when_they_agree() -> None:
    settings = ConsensusSettings(priors={"one": 0.8, "two": 0.8, "three": 0.9})
    transports = texts("5", "5", "6")
    async with consensus_house(transports, settings) as house:
        result, info = await house.verdict("cascade")

    assert result.content == "5"
    assert info.stopped_early
    assert [each.member for each in info.ballots] == ["one/gpt-4o", "two/gpt-4o"]
    assert not transports["three"].calls


async def test_a_cascade_asks_a_third_when_two_disagree() -> None:
    settings = ConsensusSettings(priors={"one": 0.8, "two": 0.8, "three": 0.9})
    async with consensus_house(texts("5", "6", "6"), settings) as house:
        result, info = await house.verdict("cascade")

    assert result.content == "6"
    assert len(info.ballots) == 3


async def test_a_quorum_stops_when_the_rest_cannot_change_the_outcome() -> None:
    slow = completion("2", after_s=60.0)
    transports = three(completion("1"), completion("1"), slow)
    async with consensus_house(transports) as house:
        before = anyio.current_time()
        _, info = await house.verdict("quorum")

        assert anyio.current_time() - before < 1.0
        assert info.stopped_early
        assert info.ballots[2].state == "cancelled"
        assert transports["three"].open == 0


async def test_no_text_of_an_answer_is_in_the_record() -> None:
    async with consensus_house(texts("secret 1", "secret 1")) as house:
        await house.verdict()

        (record,) = house.rounds()
    assert b"secret" not in msgspec.json.encode(record)


async def test_a_spool_that_cannot_be_written_does_not_keep_the_answer_back() -> None:
    async with consensus_house(texts("1", "1")) as house:
        house.house.spool.error = OSError("disk full")
        result, _ = await house.verdict()

        assert result.content == "1"
        assert house.house.finished[-1].consensus is not None


# ---- judges and chairs


def judging(*scores: str) -> Answer:
    return completion("\n".join(scores))


class FairJudge(FakeTransport):
    """Scores the poem 9 and everything else 3, in whatever order they are shown."""

    @override
    def _next(self, request: HttpRequest) -> Answer:
        shown = request.body.decode().split("<answer ")[1:]
        if not shown:
            return super()._next(request)
        lines = [f"{each[0]}: {9 if 'A poem' in each else 3}" for each in shown]
        return judging(*lines)


async def test_a_judge_decides_between_free_texts_in_both_orders() -> None:
    transports = texts(ESSAY, POEM)
    transports["judge"] = FairJudge(completion(""))
    async with consensus_house(transports) as house:
        result, info = await house.verdict(members=("one", "two"), judge="judge")

    assert result.content == POEM
    assert info.judge == "judge/gpt-4o"
    assert [each.score for each in info.ballots] == [3.0, 9.0]
    assert info.rule == "judged by judge/gpt-4o in 2 orders"
    assert len(transports["judge"].calls) == 2
    assert len(result.attempts) == 4


async def test_abstentions_count_in_the_agreement_with_a_judge_too() -> None:
    transports = texts("Answer: A", "Answer: B, A poem", "Who knows")
    transports["judge"] = FairJudge(completion(""))
    members = ("one", "two", "three")
    async with consensus_house(transports) as house:
        _, info = await house.verdict(
            "judge", members, judge="judge", prompt="Which?\nA. Essay\nB. Other"
        )

    assert info.rule == "judged by judge/gpt-4o in 2 orders"
    assert [each.group for each in info.ballots] == [0, 1, None]
    assert info.winner == 1
    assert info.agreement == pytest.approx(1 / 3)


@pytest.mark.parametrize("judge", ["two", "two/gpt-4o"])
async def test_a_judge_among_the_members_is_known_however_it_is_named(
    judge: str,
) -> None:
    transports = texts(ESSAY) | {"two": FairJudge(completion(POEM))}
    async with consensus_house(transports) as house:
        _, info = await house.verdict("judge", judge=judge)

    assert [each.score for each in info.ballots] == [3.0, 9.0 - SELF_DISCOUNT]


async def test_orders_that_disagree_are_told() -> None:
    transports = texts(ESSAY, POEM)
    transports["judge"] = FakeTransport(judging("A: 9", "B: 3"))
    async with consensus_house(transports) as house:
        _, info = await house.verdict("judge", members=("one", "two"), judge="judge")

    assert info.rule.endswith("which disagree about the first")


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (completion("I like both."), "judge/gpt-4o gave no scores"),
        (refusal(400, "bad"), "judge/gpt-4o did not judge"),
    ],
)
async def test_a_judge_that_fails_leaves_the_decision_to_the_votes(
    answer: Answer, trouble: str
) -> None:
    settings = ConsensusSettings(priors={"two": 0.9}, judge="judge")
    transports = texts(ESSAY, POEM) | {"judge": FakeTransport(answer)}
    async with consensus_house(transports, settings) as house:
        result, info = await house.verdict(members=("one", "two"))

    assert result.content == POEM
    assert info.rule.startswith(trouble)


async def test_equal_answers_need_no_judge() -> None:
    transports = texts("42", "42") | {"judge": FakeTransport(judging("A: 1"))}
    async with consensus_house(transports) as house:
        await house.verdict("judge", members=("one", "two"), judge="judge")

    assert not transports["judge"].calls


async def test_a_chair_writes_one_answer_and_says_who_contributed() -> None:
    written = "Blue, by scattering.\n\nCONTRIBUTIONS: A the colour; B nothing"
    transports = texts(ESSAY, POEM) | {"chair": FakeTransport(completion(written))}
    async with consensus_house(transports) as house:
        result, info = await house.verdict(
            "synthesis", members=("one", "two"), judge="chair"
        )

    assert result.content == "Blue, by scattering."
    assert result.provider == "chair"
    assert info.winner is None
    assert [each.contributed for each in info.ballots] == ["the colour", "nothing"]


@pytest.mark.parametrize("answer", [refusal(400, "bad"), completion("CONTRIBUTIONS:")])
async def test_a_chair_that_fails_leaves_the_best_answer(answer: Answer) -> None:
    transports = texts(ESSAY, POEM) | {"chair": FakeTransport(answer)}
    async with consensus_house(transports) as house:
        result, info = await house.verdict(
            "synthesis", members=("one", "two"), judge="chair"
        )

    assert result.content == ESSAY
    assert info.rule.startswith("chair/gpt-4o ")


async def test_a_caller_that_leaves_ends_the_judge_too() -> None:
    transports = texts(ESSAY, POEM) | {"judge": FakeTransport(Answer(hangs_first=True))}
    async with consensus_house(transports) as house:
        ask = ConsensusAsk(method="judge", members=("one", "two"), judge="judge")
        handle = house.handle.route(request(consensus=ask))
        async with anyio.create_task_group() as group:
            group.start_soon(ended, handle)
            await anyio.sleep(1.0)
            handle.cancel()

        assert transports["judge"].open == 0


# ---- streams


async def test_a_verdict_is_streamed_in_one_piece() -> None:
    async with consensus_house(texts("42", "42")) as house:
        result, deltas, started = await house.stream(ConsensusAsk())

    assert isinstance(result, RouteResult)
    assert [each.content for each in deltas] == ["42"]
    assert [each.decision_id for each in started] == [result.decision_id]


async def test_a_chairs_answer_is_streamed_without_its_account() -> None:
    chair = stream("The sky ", "is blue.", "\n\nCONTRIB", "UTIONS: A: all")
    transports = texts(ESSAY, POEM) | {"chair": FakeTransport(chair)}
    ask = ConsensusAsk(method="synthesis", members=("one", "two"), judge="chair")
    async with consensus_house(transports) as house:
        result, deltas, started = await house.stream(ask)

    assert isinstance(result, RouteResult)
    assert "".join(each.content or "" for each in deltas) == "The sky is blue."
    assert result.content == "The sky is blue."
    assert len(started) == 1


async def test_a_chair_without_an_account_is_streamed_whole() -> None:
    chair = stream("The sky is blue, ", "and that is that for today.")
    transports = texts(ESSAY, POEM) | {"chair": FakeTransport(chair)}
    ask = ConsensusAsk(method="synthesis", members=("one", "two"), judge="chair")
    async with consensus_house(transports) as house:
        result, deltas, _ = await house.stream(ask)

    assert isinstance(result, RouteResult)
    assert "".join(each.content or "" for each in deltas) == result.content


async def test_a_chair_that_breaks_off_is_an_error_and_no_short_answer() -> None:
    chair = stream("The sky is blue because of ", "something that", whole=False)
    transports = texts(ESSAY, POEM) | {"chair": FakeTransport(chair)}
    ask = ConsensusAsk(method="synthesis", members=("one", "two"), judge="chair")
    async with consensus_house(transports) as house:
        result, deltas, started = await house.stream(ask)

        (record,) = house.rounds()
    assert deltas
    assert isinstance(result, ErrorInfo)
    assert result.kind == "provider_error"
    assert result.message.startswith("chair/gpt-4o broke off while it wrote: ")
    assert result.provider == "chair"
    assert len(started) == 1
    assert record.outcome == "provider_error"


@pytest.mark.parametrize(
    "chair",
    [
        stream(" " * 40, "\n" * 40),
        stream(whole=False),
        Answer([(0.0, event({"reasoning_content": "well"}))]),
    ],
)
async def test_a_chair_that_comes_to_nothing_leaves_the_stream_to_the_best_answer(
    chair: Answer,
) -> None:
    transports = texts(ESSAY, POEM) | {"chair": FakeTransport(chair)}
    ask = ConsensusAsk(method="synthesis", members=("one", "two"), judge="chair")
    async with consensus_house(transports) as house:
        result, deltas, started = await house.stream(ask)

    assert isinstance(result, RouteResult)
    assert "".join(each.content or "" for each in deltas) == ESSAY == result.content
    assert [each.provider for each in started] == ["one"]


async def test_a_chairs_stream_is_told_as_the_rounds_own() -> None:
    chair = FakeTransport(stream("The sky ", "is blue, as far as anybody can tell."))
    transports = texts(ESSAY, POEM) | {"chair": chair}
    ask = ConsensusAsk(method="synthesis", members=("one", "two"), judge="chair")
    async with consensus_house(transports) as house:
        result, _, (started,) = await house.stream(ask)

    assert started.decision_id == result.decision_id
    assert started.attempts == len(result.attempts) == 3


@pytest.mark.parametrize(
    ("budget", "judged"), [(Decimal("0.01"), 0), (Decimal("0.2"), 2)]
)
async def test_a_judge_is_not_asked_for_more_than_is_left(
    budget: Decimal, judged: int
) -> None:
    judge = FakeTransport(completion("A: 5\nB: 6"))
    transports = texts(ESSAY, POEM) | {"judge": judge}
    ask = ConsensusAsk(method="judge", members=("one", "two"), judge="judge")
    async with consensus_house(transports) as house:
        result = await house.ask(ask, budget_usd=budget)

    assert isinstance(result, RouteResult)
    assert result.consensus is not None
    assert [each.state for each in result.consensus.ballots] == ["answered"] * 2
    assert len(judge.calls) == judged
    assert ("budget_exceeded" in result.consensus.rule) == (not judged)


async def test_a_cascade_asks_nobody_when_the_time_is_over() -> None:
    slow = [completion(str(n), after_s=20.0) for n in range(3)]
    transports = three(*slow)
    async with consensus_house(transports) as house:
        ask = ConsensusAsk(method="cascade")
        error = await house.error(ask, deadline_s=10.0)

    assert error.kind == "deadline_exceeded"
    assert len(error.ballots) == 2


async def test_an_error_of_a_round_streams_nothing() -> None:
    async with consensus_house(texts("1")) as house:
        _, deltas, started = await house.stream(ConsensusAsk())

    assert deltas == []
    assert started == []


# ---- settings that change, and the end


async def test_rounds_begin_by_the_settings_of_the_moment() -> None:
    async with consensus_house(texts("1", "1", "1")) as house:
        house.handle.configure(ConsensusSettings(members=("one", "two")))
        _, info = await house.verdict()

    assert len(info.ballots) == 2


async def test_a_stopped_actor_interrupts_its_rounds() -> None:
    async with consensus_house(three(*[Answer(hangs_first=True)] * 2)) as house:
        outcomes: list[object] = []
        house.handle.route(request(consensus=ConsensusAsk())).begin(outcomes.append)
        await anyio.sleep(1.0)

    # Told by the end of the house: nobody waits for ever.
    await anyio.sleep(1.0)
    (error,) = outcomes
    assert isinstance(error, ErrorInfo)
    assert (error.kind, error.retry_after_s) == ("interrupted", RESTART_S)


async def test_a_round_cut_short_by_the_end_says_when_to_come_again() -> None:
    async with consensus_house(three(*[Answer(hangs_first=True)] * 2)) as house:
        handle = house.handle.route(request(consensus=ConsensusAsk()))
        outcomes: list[object] = []
        handle.begin(outcomes.append)
        await anyio.sleep(1.0)
        handle.cancel(interrupted=True)
        await anyio.sleep(1.0)

    (error,) = outcomes
    assert isinstance(error, ErrorInfo)
    assert (error.kind, error.retry_after_s) == ("interrupted", RESTART_S)


async def test_an_actor_that_is_not_there_refuses_at_once() -> None:
    async with consensus_house(texts("1", "1")) as house:
        pass
    error = await _error_of(house)

    assert error == "interrupted"


async def _error_of(house: ConsensusHouse) -> str:
    outcome = await ended(house.handle.route(request(consensus=ConsensusAsk())))
    assert not isinstance(outcome, RouteResult)
    return outcome.kind


@pytest.mark.parametrize("simulated", [True, False])
async def test_a_round_that_failed_is_as_pretended_as_its_members(
    *, simulated: bool
) -> None:
    transports = three(refusal(500), refusal(500))
    async with consensus_house(transports, simulated=simulated) as house:
        failed = await house.error(ConsensusAsk(members=("one", "two")))

        told = {record.simulated for record in house.rounds()}
    assert len(failed.ballots) == 2
    assert (failed.simulated, told) == (simulated, {simulated})


async def test_a_round_without_money_says_of_each_member_why() -> None:
    members = ("one", "two", "three")
    async with consensus_house(texts("1", "1", "1")) as house:
        own = await house.error(
            ConsensusAsk(members=members), budget_usd=Decimal("1e-5")
        )
        house.house.desk.daily.configure(BudgetLimits(daemon=Decimal(0)))
        daily = await house.error(ConsensusAsk(members=members[:2]))

    assert own.kind == daily.kind == "budget_exceeded"
    for name in members:
        assert f"{name}/gpt-4o: expected to cost $" in own.message
    assert own.message.count("the budget is $0.00000333") == 3
    assert "333333" not in own.message
    for name in members[:2]:
        assert f"{name}/gpt-4o: the daily budget of the daemon is $0" in daily.message
