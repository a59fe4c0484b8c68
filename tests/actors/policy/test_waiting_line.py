"""One line: turns between users, oldest or newest first, who is shed and who never."""

from hypothesis import given, strategies as st

from actors.policy.codel import INTERVAL_S
from actors.policy.waiting_line import Shed, Waiter, WaitingLine
from tests.support.waiters import waiter


def line_of(*waiters: Waiter) -> WaitingLine:
    line = WaitingLine()
    for each in waiters:
        line.add(each, each.since)
    return line


def overloaded_line(now: float = 100.0) -> tuple[WaitingLine, float]:
    """An overloaded line with nobody in it but one durable task."""
    line = line_of(
        waiter(since=now), waiter(since=now), waiter(since=now, durable=True)
    )
    now += INTERVAL_S
    line.pop(now)
    last = waiter(since=now)
    line.add(waiter(since=now), now)
    line.add(last, now)
    now += INTERVAL_S
    line.pop(now)
    line.add(waiter(since=now, durable=True), now)
    line.remove(last)
    assert line.overloaded
    assert line.waiting == 1
    return line, now


# In order ----------------------------------------------------------------------------


def test_the_oldest_goes_first() -> None:
    first, second = waiter(since=1.0), waiter(since=2.0)
    line = line_of(first, second)

    assert [line.pop(2.0), line.pop(2.0), line.pop(2.0)] == [
        (first, []),
        (second, []),
        (None, []),
    ]
    assert line.waiting == 0


def test_users_take_turns_however_much_one_of_them_asks() -> None:
    noisy = [waiter(user="noisy", since=0.0) for _ in range(100)]
    quiet = [waiter(user="quiet", since=1.0) for _ in range(2)]
    line = line_of(*noisy, *quiet)

    turns = [line.pop(1.0)[0] for _ in range(5)]

    assert turns == [noisy[0], quiet[0], noisy[1], quiet[1], noisy[2]]


def test_who_returned_stands_first() -> None:
    waiting, returned = waiter(), waiter(returned=True)
    line = line_of(waiting, returned)

    assert line.pop(0.0)[0] is returned


def test_who_left_gets_no_turn() -> None:
    left, stays = waiter(), waiter()
    line = line_of(left, stays)

    line.remove(left)

    assert line.waiting == 1
    assert line.pop(0.0) == (stays, [])


def test_a_deadline_is_looked_at_when_the_turn_comes() -> None:
    late, patient = waiter(patience_s=3.0), waiter()
    line = line_of(late, patient)

    assert line.pop(3.0) == (patient, [Shed(late, "deadline")])


# Overload ----------------------------------------------------------------------------


def test_an_overloaded_line_serves_the_newest_and_sheds_what_waited_over_twice_its_target() -> (
    None
):
    line, now = overloaded_line()
    stale, fresh, newest = (waiter(since=now - age) for age in (1.1, 0.9, 0.1))
    for each in (stale, fresh, newest):
        line.add(each, now)
    line.pop(now)  # the durable one's turn

    assert line.pop(now) == (newest, [])
    assert line.pop(now) == (fresh, [])


def test_what_is_stale_is_shed_when_a_place_comes_free() -> None:
    line, now = overloaded_line()
    stale, fresh = waiter(since=now - 1.1), waiter(since=now - 0.9)
    line.add(stale, now)
    line.add(fresh, now)

    _, shed = line.pop(now)

    assert shed == [Shed(stale, "overloaded")]
    assert line.waiting == 1


def test_all_that_a_user_has_may_be_stale() -> None:
    line, now = overloaded_line()
    stale = [waiter(user="ada", since=now - age) for age in (9.0, 8.0)]
    fresh = waiter(user="bob", since=now)
    for each in (*stale, fresh):
        line.add(each, now)

    _, shed = line.pop(now)

    assert shed == [Shed(each, "overloaded") for each in stale]


def test_a_short_deadline_makes_stale_sooner() -> None:
    line, now = overloaded_line()
    hasty, patient = waiter(since=now - 0.5, patience_s=2.0), waiter(since=now - 0.5)
    for each in (hasty, patient):
        line.add(each, now)

    _, shed = line.pop(now)

    assert shed == [Shed(hasty, "overloaded")]


def test_the_last_one_is_served_however_long_it_waited() -> None:
    line, now = overloaded_line()
    assert line.pop(now)[0] is not None  # the durable one
    older, newer = waiter(since=now - 60.0), waiter(since=now - 50.0)
    line.add(older, now)
    line.add(newer, now)

    served, _ = line.pop(now)

    assert served is older  # an empty line is overloaded no more
    assert line.pop(now) == (newer, [])


def test_the_newest_of_the_stale_gets_the_place_rather_than_nobody() -> None:
    line, now = overloaded_line()
    stale = [waiter(since=now - age) for age in (4.0, 3.0, 2.0)]
    for each in stale:
        line.add(each, now)
    line.pop(now)  # the durable one's turn, and the first two are shed

    assert line.pop(now) == (stale[-1], [])


def test_durable_work_is_never_shed_and_always_in_order() -> None:
    tasks = [waiter(since=float(n), durable=True, user="t") for n in range(5)]
    line = line_of(*tasks, *(waiter(since=10.0) for _ in range(5)))

    turns = [line.pop(100.0) for _ in range(10)]

    served = [turn for turn, _ in turns if turn is not None and turn.durable]
    assert served == tasks
    assert not any(each.waiter.durable for _, shed in turns for each in shed)


# Full --------------------------------------------------------------------------------


def test_the_noisiest_makes_room_for_another_user() -> None:
    noisy = [waiter(user="noisy", since=float(n)) for n in range(3)]
    line = line_of(*noisy, waiter(user="quiet"), waiter(user="quiet"))

    assert line.victim(waiter(user="quiet")) is None  # it would have as many
    assert line.victim(waiter(user="new")) is noisy[-1]
    assert line.victim(waiter(user="noisy")) is None


def test_a_higher_priority_takes_the_place_of_the_oldest() -> None:
    first, second = waiter(priority="low"), waiter(priority="low")

    assert line_of(first, second).victim(waiter(priority="high")) is first


def test_durable_work_makes_no_room() -> None:
    tasks = [waiter(durable=True, priority="low") for _ in range(3)]

    assert line_of(*tasks).victim(waiter(priority="high")) is None


def test_while_overloaded_the_oldest_makes_room_for_the_newest() -> None:
    line, now = overloaded_line()
    oldest, newer = waiter(since=now - 0.2), waiter(since=now - 0.1)
    line.add(oldest, now)
    line.add(newer, now)

    assert line.victim(waiter(since=now)) is oldest


# Always ------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "pop", "leave"]),
        st.sampled_from(["a", "b", None]),
        st.booleans(),
        st.sampled_from([0.0, 0.1, 0.7, 3.0, 6.0]),
        st.sampled_from([1.0, 4.0, 600.0]),
    ),
    max_size=120,
)


class History:
    """Plays a story on a line and says whether each turn was as it should be."""

    def __init__(self) -> None:
        self.line = WaitingLine()
        self.inside: set[Waiter] = set()
        self.now = 0.0

    def add(self, each: Waiter) -> None:
        self.line.add(each, self.now)
        self.inside.add(each)

    def leave(self) -> None:
        if self.inside:
            each = min(self.inside, key=lambda one: one.request_id)
            self.line.remove(each)
            self.inside.remove(each)

    def pop(self) -> None:
        served, shed = self.line.pop(self.now)
        for gone in shed:
            self._sheds(gone)
        if served is None:
            assert not self.inside
            return
        self.inside.remove(served)
        assert self.now < served.deadline
        if not self.line.overloaded:
            same = [w for w in self.inside if _owner(w) == _owner(served)]
            assert all(each.since >= served.since for each in same)

    def _sheds(self, gone: Shed) -> None:
        self.inside.remove(gone.waiter)
        late = self.now >= gone.waiter.deadline
        assert gone.reason == ("deadline" if late else "overloaded")
        if not late:
            assert self.line.overloaded
            assert not gone.waiter.durable
            assert gone.waiter.lateness(self.now) > 2.0


@given(steps)
def test_everybody_who_comes_goes_exactly_once(
    story: list[tuple[str, str | None, bool, float, float]],
) -> None:
    history = History()
    for what, user, durable, pause_s, patience_s in story:
        history.now += pause_s
        if what == "add":
            history.add(
                waiter(
                    user=user,
                    durable=durable,
                    since=history.now,
                    patience_s=patience_s,
                )
            )
        elif what == "leave":
            history.leave()
        else:
            history.pop()

        assert history.line.waiting == len(history.inside)


def _owner(one: Waiter) -> tuple[str | None, bool]:
    return one.user, one.durable


@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=8),
    st.integers(0, 7),
)
def test_nobody_waits_longer_than_one_turn_of_each_user(
    counts: list[int], index: int
) -> None:
    line = line_of(
        *(waiter(user=f"{user}") for user, n in enumerate(counts) for _ in range(n))
    )
    user = f"{index % len(counts)}"

    turns = [line.pop(0.0)[0] for _ in range(len(counts))]

    assert sum(1 for each in turns if each is not None and each.user == user) == 1
