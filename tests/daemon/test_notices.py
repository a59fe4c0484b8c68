"""The notice board: who is told what, and what a slow listener loses."""

from pathlib import Path

from hypothesis import given, strategies as st
from msgspec.structs import replace

from actors.messages.consensus import Ballot, ConsensusInfo
from actors.messages.lifecycle import Condition
from actors.messages.notices import TOPICS, Topic
from actors.messages.provider import BreakerTransition
from daemon.conditions import ConditionWatch
from daemon.events import EventTeller
from daemon.health_log import HealthLog
from daemon.notices import HELD, Listening, Notices, RequestFinished, RoundFinished
from daemon.telemetry import Telemetry
from tests.support.records import record
from tests.support.small_house import MemorySpool

OPENED = BreakerTransition(
    provider="grok",
    model="grok-3-mini",
    before="closed",
    after="open",
    reason="consecutive_failures",
    at=5.0,
)
LAG = Condition(
    code="event_loop_lag", severity="warning", title="", text="", since=1.0, advice=""
)
INFO = ConsensusInfo(
    method="majority",
    kind="text",
    rule="majority",
    agreement=1.0,
    confidence=None,
    winner=0,
    groups=(("openai", "claude"),),
    ballots=(
        Ballot(member="openai", state="answered", group=0),
        Ballot(member="claude", state="answered", group=0),
    ),
)


def board() -> Notices:
    return Notices(lambda: 1_800_000_000.0)


class Ear:
    """A listener that counts how often it was called."""

    def __init__(
        self,
        notices: Notices,
        *topics: Topic,
        user: str | None = None,
    ) -> None:
        self.rung = 0
        self.listening: Listening = notices.listen(
            topics or TOPICS, self._ring, user=user, everything=user is None
        )

    def _ring(self) -> None:
        self.rung += 1

    def heard(self) -> list[str]:
        notices, _ = self.listening.take()
        return [notice.name for notice in notices]


def test_nobody_listens_and_nothing_is_made() -> None:
    notices = board()
    notices.tell("breakers", "breaker_changed", OPENED)
    ear = Ear(notices, "breakers")
    notices.tell("conditions", "condition_raised", LAG)
    notices.tell("breakers", "breaker_changed", OPENED)
    heard, lost = ear.listening.take()

    assert [notice.number for notice in heard] == [1]
    assert (heard[0].at, heard[0].body, lost) == (1_800_000_000.0, OPENED, 0)


def test_a_topic_is_wanted_as_long_as_somebody_listens_to_it() -> None:
    notices = board()
    assert not any(map(notices.wants, TOPICS))
    one, two = Ear(notices, "tasks"), Ear(notices, "tasks", "breakers")
    two.listening.close()
    two.listening.close()

    assert notices.wants("tasks")
    assert not notices.wants("breakers")
    assert notices.listeners == 1
    one.listening.close()
    assert not notices.wants("tasks")


def test_news_is_rung_once_until_it_is_taken() -> None:
    notices = board()
    ear = Ear(notices)
    notices.tell("breakers", "a", OPENED)
    notices.tell("breakers", "b", OPENED)
    assert (ear.rung, ear.heard()) == (1, ["a", "b"])
    notices.tell("breakers", "c", OPENED)

    assert (ear.rung, ear.heard(), ear.heard()) == (2, ["c"], [])


@given(st.lists(st.one_of(st.integers(1, 3 * HELD), st.none()), max_size=12))
def test_everything_is_either_taken_in_order_or_counted_as_lost(
    steps: list[int | None],
) -> None:
    notices = board()
    ear = Ear(notices)
    seen, missing, told = [0], 0, 0
    for step in [*steps, None]:
        if step is None:
            taken, lost = ear.listening.take()
            assert len(taken) <= HELD
            if taken:  # what is lost was told before the first of these
                assert taken[0].number - seen[-1] == lost + 1
            seen += [notice.number for notice in taken]
            missing += lost
            continue
        told += step
        for _ in range(step):
            notices.tell("breakers", "breaker_changed", OPENED)

    assert seen == sorted(set(seen))
    assert len(seen) - 1 + missing == told


def test_a_slow_listener_takes_nothing_from_another() -> None:
    notices = board()
    slow, quick = Ear(notices), Ear(notices)
    taken = 0
    for _ in range(2 * HELD):
        notices.tell("breakers", "breaker_changed", OPENED)
        taken += len(quick.heard())
    left, lost = slow.listening.take()

    assert (taken, len(left), lost) == (2 * HELD, HELD, HELD)


def test_a_user_is_told_what_is_their_own_and_what_is_everybodys() -> None:
    notices = board()
    admin, ada, bob = Ear(notices), Ear(notices, user="ada"), Ear(notices, user="bob")
    notices.request_finished(record(1, user="ada"))
    notices.request_finished(record(2, user=None))
    notices.tell("tasks", "task_changed", OPENED)  # says nothing of whose it is
    notices.tell("conditions", "condition_raised", LAG)

    assert admin.heard() == [
        *("request_finished", "request_finished", "task_changed", "condition_raised")
    ]
    assert ada.heard() == ["request_finished", "condition_raised"]
    assert bob.heard() == ["condition_raised"]


def test_a_finished_request_says_what_the_history_says() -> None:
    notices = board()
    ear = Ear(notices)
    notices.request_finished(record(1))
    (notice,) = ear.listening.take()[0]
    body = notice.body

    assert isinstance(body, RequestFinished)
    assert (body.decision_id, body.provider, body.model) == ("d1", "openai", "gpt-4o")
    assert (body.attempts, body.prompt_tokens, body.cost_usd) == (
        *(1, 10),
        record(1).cost_usd,
    )


def test_a_round_is_told_as_such_too() -> None:
    notices = board()
    ear = Ear(notices, "consensus", user="ada")
    notices.request_finished(record(1))
    notices.request_finished(replace(record(2, user="ada"), consensus=INFO))
    (notice,) = ear.listening.take()[0]
    body = notice.body

    assert isinstance(body, RoundFinished)
    assert (notice.topic, notice.name) == ("consensus", "round_finished")
    assert (body.members, body.agreement) == (("openai", "claude"), 1.0)


def test_the_daemon_tells_of_requests_breakers_and_conditions(tmp_path: Path) -> None:
    notices = board()
    ear = Ear(notices)
    events = EventTeller(Telemetry(), HealthLog(tmp_path), MemorySpool(), notices)
    now = [100.0]
    watch = ConditionWatch(lambda: now[0], lambda: 1_800_000_000.0, (), notices)
    events.request_finished(record(1))
    events.provider_event(OPENED)
    watch.troubles.declare("spool_unwritable", error="No space left on device")
    watch.look()
    watch.troubles.withdraw("spool_unwritable")
    watch.look()
    now[0] += 3600
    watch.look()

    assert ear.heard() == [
        "request_finished",
        "breaker_changed",
        "condition_raised",
        "condition_cleared",
    ]
