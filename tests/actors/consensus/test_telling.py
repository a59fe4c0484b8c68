"""A round tells how it goes to whoever listens, in virtual time."""

from decimal import Decimal

import anyio
import pytest
from msgspec import Struct
from typing_extensions import override

from actors.messages.consensus import ConsensusAsk
from actors.messages.notices import TOPICS, Notice, Topic
from actors.messages.progress import (
    MemberAbsent,
    MemberAnswered,
    MemberAsked,
    MemberFailed,
    RoundBegan,
    RoundDecided,
    RoundFailed,
    RoundStoppedEarly,
    WritingBegan,
)
from daemon.notices import Listening, Notices
from tests.support.consensus_house import ConsensusHouse, consensus_house
from tests.support.fake_transport import (
    Answer,
    FakeTransport,
    completion,
    refusal,
)

BAD = refusal(400, "bad")


class Unasked(Notices):
    """A board that nobody reads, and so nothing may be put up on."""

    asked = 0

    @override
    def wants(self, topic: Topic) -> bool:
        self.asked += 1
        return super().wants(topic)

    @override
    def tell(self, topic: Topic, name: str, body: Struct) -> None:
        raise AssertionError(f"nobody wants to know of {name}")


def after(seconds: float, text: str) -> Answer:
    answer = completion(text)
    return Answer(answer.pieces, headers=answer.headers, after_s=seconds)


def members(*answers: Answer) -> dict[str, FakeTransport]:
    names = ("one", "two", "three", "four")[: len(answers)]
    return dict(zip(names, map(FakeTransport, answers), strict=True))


def listen(house: ConsensusHouse, user: str | None = None) -> Listening:
    return house.notices.listen(
        TOPICS, lambda: None, user=user, everything=user is None
    )


def told(listening: Listening) -> list[tuple[str, str]]:
    """What was told and of whom, in order."""
    return [(n.name, str(getattr(n.body, "member", ""))) for n in taken(listening)]


def taken(listening: Listening) -> list[Notice]:
    notices, lost = listening.take()
    assert lost == 0
    return notices


async def test_everything_is_told_in_the_order_in_which_it_happens() -> None:
    answers = (after(2, "The answer is 7."), after(1, "7"), after(3, "8"))
    async with consensus_house(members(*answers)) as house:
        listening = listen(house)
        result, info = await house.verdict("majority", budget_usd=Decimal(3))
        notices = taken(listening)

    began, *asked, two, one, three, decided = [notice.body for notice in notices]
    names = ("one/gpt-4o", "two/gpt-4o", "three/gpt-4o")
    whose = {
        (getattr(body, "decision_id", ""), getattr(body, "request_id", ""))
        for body in (n.body for n in notices)
    }

    assert whose == {(result.decision_id, result.request_id)}
    assert isinstance(began, RoundBegan)
    assert (began.method, began.members, began.quorum) == ("majority", names, 2)
    assert (began.deadline_s, began.budget_usd) == (120.0, Decimal(3))
    assert [each.member for each in asked if isinstance(each, MemberAsked)] == [*names]
    assert isinstance(two, MemberAnswered)
    assert (two.member, two.kind, two.answer, two.agrees_with) == (
        *("two/gpt-4o", "number", "7", ()),
    )
    assert isinstance(one, MemberAnswered)
    assert (one.member, one.rule, one.agrees_with) == (
        *("one/gpt-4o", info.ballots[0].rule, ("two/gpt-4o",)),
    )
    assert one.latency_s == pytest.approx(2.0)
    assert one.cost_usd == info.ballots[0].cost_usd
    assert isinstance(three, MemberAnswered)
    assert three.agrees_with == ()
    assert isinstance(decided, RoundDecided)
    assert (decided.rule, decided.agreement, decided.confidence) == (
        *(info.rule, info.agreement, info.confidence),
    )
    assert decided.members == ("one/gpt-4o", "two/gpt-4o")


async def test_it_is_told_when_it_happens_and_not_at_the_end() -> None:
    answers = (after(1, "7"), after(60, "8"))
    async with (
        consensus_house(members(*answers)) as house,
        anyio.create_task_group() as g,
    ):
        listening = listen(house)
        g.start_soon(house.ask)
        await anyio.sleep(2)
        soon = told(listening)
        await anyio.sleep(60)
        late = told(listening)

    assert soon[-1] == ("member_answered", "one/gpt-4o")
    assert late == [("member_answered", "two/gpt-4o"), ("round_decided", "")]


async def test_a_failure_and_who_is_asked_instead() -> None:
    answers = (completion("1"), after(1, "1"), BAD, completion("1"))
    ask = ConsensusAsk(members=("one", "two", "three"), replace=True)
    async with consensus_house(members(*answers)) as house:
        listening = listen(house)
        await house.ask(ask)
        bodies = [notice.body for notice in taken(listening)]

    (failed,) = [each for each in bodies if isinstance(each, MemberFailed)]
    instead = [each for each in bodies if isinstance(each, MemberAsked)][-1]

    assert (failed.member, failed.error) == ("three/gpt-4o", "invalid_request")
    assert "bad" in failed.message
    assert (instead.member, instead.replaces) == ("four/gpt-4o", "three/gpt-4o")
    assert not any(isinstance(each, MemberAbsent) for each in bodies)


async def test_why_nobody_is_asked_instead_is_told_once() -> None:
    answers = (completion("1"), after(1, "1"), BAD)
    ask = ConsensusAsk(members=("one", "two", "three"))
    async with consensus_house(members(*answers)) as house:
        listening = listen(house)
        await house.ask(ask)
        bodies = [notice.body for notice in taken(listening)]

    (absent,) = [each for each in bodies if isinstance(each, MemberAbsent)]
    assert absent.member == "three/gpt-4o"
    assert "not replaced unless asked" in absent.reason


async def test_an_empty_answer_is_a_failure_without_an_error() -> None:
    async with consensus_house(
        members(completion("1"), completion("1"), completion(""))
    ) as house:
        listening = listen(house)
        await house.ask(ConsensusAsk(replace=False))
        bodies = [notice.body for notice in taken(listening)]

    (failed,) = [each for each in bodies if isinstance(each, MemberFailed)]
    assert (failed.error, failed.message) == (None, "an empty answer")


async def test_an_early_stop_names_who_is_not_waited_for_and_who_not_asked() -> None:
    quick = (completion("7"), completion("7"), after(60, "7"))
    async with consensus_house(members(*quick)) as house:
        listening = listen(house)
        await house.verdict("quorum")
        quorum = [notice.body for notice in taken(listening)]
        await house.verdict("cascade")
        cascade = [notice.body for notice in taken(listening)]

    (stopped,) = [each for each in quorum if isinstance(each, RoundStoppedEarly)]
    assert (stopped.cancelled, stopped.not_asked) == (("three/gpt-4o",), ())
    (stopped,) = [each for each in cascade if isinstance(each, RoundStoppedEarly)]
    assert (stopped.cancelled, len(stopped.not_asked)) == ((), 1)
    # one that was cancelled has not failed
    assert not any(isinstance(each, MemberFailed) for each in quorum)


async def test_a_judge_is_told_of_before_it_is_heard() -> None:
    texts = tuple(completion(f"Words of a kind, number {n}, " * 12) for n in (1, 2))
    async with consensus_house(members(*texts, completion("no scores"))) as house:
        listening = listen(house)
        result, _ = await house.verdict("judge", ("one", "two"), judge="three")
        bodies = [notice.body for notice in taken(listening)]

    writing, decided = bodies[-2:]
    assert isinstance(writing, WritingBegan)
    assert (writing.method, writing.model) == ("judge", "three/gpt-4o")
    assert isinstance(decided, RoundDecided)
    assert decided.rule == (result.consensus and result.consensus.rule)


async def test_a_round_without_a_verdict_says_why() -> None:
    async with consensus_house(members(BAD, BAD)) as house:
        listening = listen(house)
        error = await house.error()
        body = taken(listening)[-1].body

    assert isinstance(body, RoundFailed)
    assert (body.error, body.message) == (error.kind, error.message)


async def test_words_are_told_to_whoever_asked_and_nobody_else() -> None:
    async with consensus_house(members(completion("7"), completion("7"))) as house:
        ada, bob, admin = listen(house, "ada"), listen(house, "bob"), listen(house)
        await house.ask(user="ada")
        heard = [
            [
                each.body.answer
                for each in taken(listening)
                if isinstance(each.body, MemberAnswered)
            ]
            for listening in (ada, bob, admin)
        ]

    assert heard == [["7", "7"], [], [None, None]]


async def test_nothing_is_made_while_nobody_listens_to_rounds() -> None:
    board = Unasked(lambda: 0.0)
    answers = (completion("7"), BAD, after(60, "7"), completion("7"))
    async with consensus_house(members(*answers), board=board) as house:
        board.listen(
            [each for each in TOPICS if each != "consensus"],
            lambda: None,
            user=None,
            everything=True,
        )
        await house.verdict("quorum")
        await house.verdict("judge", ("one", "two", "four"), judge="four")
        await house.error(ConsensusAsk(members=("one", "two"), quorum=2))

    assert board.asked > 10
