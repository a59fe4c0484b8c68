"""Records explained, and their decisions made again where that is asked."""

import pytest
from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.routing import RequestRecord
from actors.router import RouterSettings
from daemon.explaining import explain
from ipc.explanation import ExplainParams, Explanation
from ipc.methods import Peer
from tests.support.cache_house import cache_house
from tests.support.consensus_house import consensus_house
from tests.support.fake_transport import FakeTransport, completion
from tests.support.ledger_memory import MemoryLedger
from tests.support.small_house import small_house

PROVIDERS = 20
ROOT = Peer(door="json", tier="admin")


async def explained(
    records: list[RequestRecord],
    decision_id: str,
    *,
    whole: bool = False,
    peer: Peer = ROOT,
) -> Explanation:
    asked = ExplainParams(decision_id=decision_id, all=whole)
    return await explain(MemoryLedger(records), asked, peer)


async def test_users_are_told_of_their_own_requests() -> None:
    async with small_house({"one": FakeTransport(completion())}) as house:
        answer = await house.answer(user="ada")
        records, decision_id = house.spool.records, answer.decision_id

    ada, bob = (Peer(door="json", user=name) for name in ("ada", "bob"))
    assert (await explained(records, decision_id, peer=ada)).provider == "one"
    for peer in (bob, Peer(door="internal")):
        with pytest.raises(InvalidRequest, match="there is no decision or request"):
            await explained(records, decision_id, peer=peer)


async def test_everybody_is_shown_who_was_ranked() -> None:
    given = {f"p{n:02}": FakeTransport(completion()) for n in range(PROVIDERS)}
    async with small_house(given, settings=RouterSettings()) as house:
        for _ in range(4):
            await house.answer()
        answer = await house.answer()
        best = await explained(house.spool.records, answer.decision_id)
        whole = await explained(house.spool.records, answer.decision_id, whole=True)

    assert (len(best.decision.candidates), best.recomputed) == (8, False)
    assert whole.recomputed
    assert whole.decision.candidates[:8] == best.decision.candidates
    assert {c.target.provider for c in whole.decision.candidates} == set(given)
    assert whole.attempts == best.attempts


async def test_it_is_said_when_what_it_saw_is_not_kept_any_more() -> None:
    given = {name: FakeTransport(completion()) for name in ("one", "two")}
    async with small_house(given) as house:
        answer = await house.answer()
        swept = [replace(record, sightings=()) for record in house.spool.records]
        answer_now = await explained(swept, answer.decision_id, whole=True)

    assert not answer_now.recomputed
    assert "not kept any more" in (answer_now.not_recomputed or "")
    assert answer_now.decision == swept[0].decision


async def test_a_round_of_consensus_points_to_its_ballots() -> None:
    given = {name: FakeTransport(completion()) for name in ("one", "two")}
    async with consensus_house(given) as asking:
        result, _ = await asking.verdict("majority")
        records = asking.house.spool.records
        answer = await explained(records, result.decision_id, whole=True)

    assert answer.consensus is not None
    assert not answer.recomputed
    assert "ballots" in (answer.not_recomputed or "")


async def test_an_answer_that_was_given_again_says_whose_it_was() -> None:
    async with cache_house({"one": FakeTransport(completion())}) as asking:
        first = await asking.ask()
        again = await asking.ask()
        records = asking.house.spool.records
        answer = await explained(records, again.decision_id, whole=True)

    assert answer.reused is not None
    assert answer.reused.request_id == first.request_id
    assert "another's answer" in (answer.not_recomputed or "")


async def test_a_member_of_a_round_points_to_it() -> None:
    given = {name: FakeTransport(completion()) for name in ("one", "two")}
    async with consensus_house(given) as asking:
        result, info = await asking.verdict("majority")
        records = asking.house.spool.records
        member = info.ballots[0].decision_id or ""
        shown = await explained(records, member, whole=True)
        orphans = [each for each in records if each.consensus is None]
        orphan = await explained(orphans, member)
        whole = await explained(records, result.decision_id)

    assert (shown.part_of, shown.part_of_lost) == (result.decision_id, None)
    assert shown.recomputed
    assert orphan.part_of is None
    assert "not in the ledger" in (orphan.part_of_lost or "")
    assert (whole.part_of, whole.part_of_lost) == (None, None)
