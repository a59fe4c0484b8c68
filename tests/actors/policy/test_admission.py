"""Who gets a place next: priorities, reserved shares, lines, and a full queue."""

from collections import Counter

from hypothesis import given, settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
)

from actors.messages.routing import PRIORITIES, Priority
from actors.policy.admission import MAX_WAITING, SHARES, AdmissionQueue
from actors.policy.waiting_line import Shed, Waiter
from tests.support.waiters import waiter


def queue_of(*waiters: Waiter, max_waiting: int = MAX_WAITING) -> AdmissionQueue:
    queue = AdmissionQueue(max_waiting)
    for each in waiters:
        assert queue.join(each, each.since) is None
    return queue


def served(queue: AdmissionQueue, place: str, count: int) -> list[Waiter]:
    turns = [queue.next(place, 0.0).waiter for _ in range(count)]
    return [each for each in turns if each is not None]


# Priorities --------------------------------------------------------------------------


def test_the_highest_priority_goes_first() -> None:
    low, normal, high = (waiter(priority=p) for p in reversed(PRIORITIES))
    queue = queue_of(low, normal, high)

    assert queue.depths() == {"high": 1, "normal": 1, "low": 1}
    assert served(queue, "p", 4) == [high, normal, low]
    assert queue.waiting == 0


def test_of_a_hundred_places_the_lower_priorities_get_their_shares() -> None:
    queue = queue_of(*(waiter(priority=p) for p in PRIORITIES for _ in range(100)))

    counts = Counter(each.priority for each in served(queue, "p", 100))

    assert counts["low"] == SHARES["low"]
    assert counts["normal"] in {SHARES["normal"] - 1, SHARES["normal"]}
    assert counts.total() == 100


def test_a_share_that_nobody_wants_goes_to_the_others() -> None:
    queue = queue_of(*(waiter(priority=p) for p in ("high", "low") for _ in range(100)))

    counts = Counter(each.priority for each in served(queue, "p", 100))

    assert counts == {"high": 90, "low": 10}


def test_shares_are_not_saved_up_while_nobody_waits() -> None:
    queue = queue_of(*(waiter(priority="high") for _ in range(50)))
    for _ in range(9):
        lone = waiter(priority="low")
        queue.join(lone, 0.0)
        served(queue, "p", 1)
        queue.leave(lone)

    queue.join(waiter(priority="low"), 0.0)

    assert [each.priority for each in served(queue, "p", 10)] == [*["high"] * 9, "low"]


@given(
    st.lists(st.sampled_from(PRIORITIES), min_size=1, max_size=60),
    st.sampled_from(PRIORITIES),
)
def test_nobody_starves(arrivals: list[Priority], mine: Priority) -> None:
    """However the others come, one whose turn it is among its equals waits 10 places."""
    queue = AdmissionQueue()
    me = waiter("p", priority=mine, user="me")
    queue.join(me, 0.0)
    turns = 0
    while queue.waiting and turns < 200:
        for priority in arrivals:  # a place comes free as often as somebody comes
            if priority != mine:
                queue.join(waiter(priority=priority, user="other"), 0.0)
        turns += 1
        if queue.next("p", 0.0).waiter is me:
            break

    assert turns <= 10


# Places ------------------------------------------------------------------------------


def test_a_place_goes_to_somebody_who_can_use_it() -> None:
    only_a, both = waiter("a"), waiter("a", "b")
    queue = queue_of(only_a, both)

    assert queue.wanted("b")
    assert queue.next("b", 0.0).waiter is both
    assert not queue.wanted("b")
    assert queue.next("b", 0.0).waiter is None
    assert queue.next("a", 0.0).waiter is only_a
    assert not queue.wanted("a")


def test_lines_of_one_priority_take_turns() -> None:
    first = [waiter("a") for _ in range(3)]
    other = [waiter("a", "b") for _ in range(3)]
    queue = queue_of(*first, *other)

    turns = served(queue, "a", 6)

    assert [each in first for each in turns] == [True, False] * 3


def test_who_is_late_is_passed_over_and_told() -> None:
    late, patient = waiter(patience_s=1.0), waiter()
    queue = queue_of(late, patient)

    turn = queue.next("p", 1.0)

    assert turn.waiter is patient
    assert turn.shed == (Shed(late, "deadline"),)
    assert queue.waiting == 0


def test_a_place_stays_free_when_everybody_is_late() -> None:
    queue = queue_of(waiter(patience_s=1.0), waiter(priority="low", patience_s=1.0))

    turn = queue.next("p", 9.0)

    assert turn.waiter is None
    assert len(turn.shed) == 2
    assert not queue.wanted("p")


# Full --------------------------------------------------------------------------------


def test_a_full_queue_refuses_the_newcomer() -> None:
    queue = queue_of(waiter(), waiter(), max_waiting=2)
    newcomer = waiter()

    assert queue.join(newcomer, 0.0) == Shed(newcomer, "queue_full")
    assert queue.waiting == 2


def test_a_lower_priority_makes_room() -> None:
    low = waiter(priority="low")
    queue = queue_of(waiter(), low, max_waiting=2)

    assert queue.join(waiter(), 0.0) == Shed(low, "queue_full")
    assert queue.depths() == {"high": 0, "normal": 2, "low": 0}


def test_the_longest_line_makes_room() -> None:
    hung = [waiter("hung", user="a") for _ in range(3)]
    queue = queue_of(*hung, waiter("well", user="b"), max_waiting=4)

    assert queue.join(waiter("well", user="b"), 0.0) == Shed(hung[-1], "queue_full")


def test_durable_work_is_not_pushed_out() -> None:
    queue = queue_of(waiter(durable=True, priority="low"), max_waiting=1)
    newcomer = waiter(priority="high")

    assert queue.join(newcomer, 0.0) == Shed(newcomer, "queue_full")


# Always ------------------------------------------------------------------------------

PLACES = ("a", "b", "c")


class Admitting(RuleBasedStateMachine):
    """Nobody is lost, nobody is served twice, and counts are what they say."""

    waiters = Bundle("waiters")

    def __init__(self) -> None:
        super().__init__()
        self.queue = AdmissionQueue(6)
        self.inside: set[Waiter] = set()
        self.now = 0.0

    @rule(
        target=waiters,
        places=st.sets(st.sampled_from(PLACES), min_size=1),
        priority=st.sampled_from(PRIORITIES),
        user=st.sampled_from(["ada", "bob"]),
        patience_s=st.sampled_from([0.5, 5.0, 600.0]),
        kind=st.sampled_from(["durable", "returned", "plain", "plain"]),
    )
    def join(
        self,
        places: set[str],
        priority: Priority,
        user: str,
        patience_s: float,
        kind: str,
    ) -> Waiter:
        each = waiter(
            *places,
            priority=priority,
            user=user,
            durable=kind == "durable",
            since=self.now,
            patience_s=patience_s,
            returned=kind == "returned",
        )
        self.inside.add(each)
        full = self.queue.waiting == 6
        shed = self.queue.join(each, self.now)
        assert full == (shed is not None)
        if shed is not None:
            assert shed.reason == "queue_full"
            assert shed.waiter is each or not shed.waiter.durable
            assert _rank(shed.waiter) >= _rank(each)
            self.inside.remove(shed.waiter)
        return each

    @rule(each=consumes(waiters))
    def leave(self, each: Waiter) -> None:
        if each in self.inside:
            self.queue.leave(each)
            self.inside.remove(each)

    @rule(place=st.sampled_from(PLACES), pause_s=st.sampled_from([0.0, 0.2, 2.0, 7.0]))
    def serve(self, place: str, pause_s: float) -> None:
        self.now += pause_s
        wanted = self.queue.wanted(place)
        turn = self.queue.next(place, self.now)
        for gone in turn.shed:
            self.inside.remove(gone.waiter)
            assert place in gone.waiter.places
            assert gone.reason == "deadline" or not gone.waiter.durable
        if turn.waiter is None:
            assert not any(place in each.places for each in self.inside)
        else:
            assert wanted
            self.inside.remove(turn.waiter)
            assert place in turn.waiter.places
            assert self.now < turn.waiter.deadline

    @invariant()
    def counts_are_true(self) -> None:
        assert self.queue.waiting == len(self.inside) <= 6
        assert self.queue.depths() == {
            p: sum(1 for each in self.inside if each.priority == p) for p in PRIORITIES
        }
        for place in PLACES:
            wanted = any(place in each.places for each in self.inside)
            assert self.queue.wanted(place) == wanted


def _rank(each: Waiter) -> int:
    return PRIORITIES.index(each.priority)


TestAdmitting = Admitting.TestCase
TestAdmitting.settings = settings(max_examples=150, stateful_step_count=40)
