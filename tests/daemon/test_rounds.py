"""Rounds of consensus read from the ledger, with what feedback says of them."""

from msgspec.structs import replace

from actors.messages.rounds import RoundsReport
from actors.messages.routing import RequestRecord
from daemon.feedback import FeedbackDesk
from daemon.rounds import PAGE, report_rounds
from ipc.feedback import FeedbackParams
from ipc.methods import Peer
from ipc.rounds import RoundsParams
from tests.support.consensus_house import consensus_house
from tests.support.fake_transport import FakeTransport, completion
from tests.support.ledger_memory import MemoryLedger
from tests.support.notes import Notes

ADMIN = Peer(door="json", tier="admin")
ROUNDS = 30


async def recorded() -> tuple[list[RequestRecord], MemoryLedger]:
    """``m2`` is outvoted every time, and feedback says that this was right."""
    answers = ("42", "42", "43")
    transports = {f"m{n}": FakeTransport(completion(a)) for n, a in enumerate(answers)}
    async with consensus_house(transports) as voting:
        decisions = [
            (await voting.verdict("majority", task_type="sums"))[0].decision_id
            for _ in range(ROUNDS)
        ]
        records = voting.house.spool.records
        ledger = MemoryLedger(records)
        book = voting.house.desk.quality
        desk = FeedbackDesk(ledger, book, lambda: 0.0, lambda *_: None, Notes())
        for decision in decisions:
            await desk.take(FeedbackParams(decision, 1.0), ADMIN)
    return records, ledger


async def reported(
    ledger: MemoryLedger, peer: Peer = ADMIN, **asked: int
) -> RoundsReport:
    return await report_rounds(ledger, RoundsParams(**asked), None, peer)


async def test_every_round_is_read_and_its_members_judged() -> None:
    records, ledger = await recorded()
    assert len(records) > PAGE
    report = await reported(ledger)

    (row,) = report.rows
    assert report.requests == ROUNDS
    assert (row.task_type, row.rounds, row.disagreed) == ("sums", ROUNDS, ROUNDS)
    assert (row.labelled, row.accuracy) == (ROUNDS, 1.0)
    shares = {each.member: each.share for each in row.members}
    assert shares == {"m0/gpt-4o": 1.0, "m1/gpt-4o": 1.0, "m2/gpt-4o": 0.0}
    assert row.bought_at_least == row.bought_at_most == 0.0
    assert row.usd is not None
    assert row.extra_usd is not None
    assert 0 < row.extra_usd < row.usd


async def test_only_the_newest_are_read_and_those_one_may_see() -> None:
    records, _ = await recorded()
    ledger = MemoryLedger([replace(each, user="ada") for each in records])
    newest = await reported(ledger, limit=8)
    ada = await reported(ledger, Peer(door="json", user="ada"))
    bob = await reported(ledger, Peer(door="json", user="bob"))

    assert [row.rounds for row in newest.rows] == [2]
    assert [row.rounds for row in ada.rows] == [ROUNDS]
    assert (bob.requests, bob.rows) == (0, ())
