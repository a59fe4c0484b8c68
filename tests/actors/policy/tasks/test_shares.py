"""Which priority fills which place."""

from collections import Counter

from hypothesis import given, strategies as st

from actors.messages.routing import PRIORITIES, Priority
from actors.policy.tasks.shares import Shares


def test_with_all_priorities_waiting_each_gets_its_share() -> None:
    shares = Shares()
    had: Counter[Priority] = Counter()
    for _ in range(250):
        slots = shares.slots(4)
        taken = [slot[0] for slot in slots]
        shares.took(slots, taken)
        had.update(taken)
    assert abs(had["high"] - 700) <= 2
    assert abs(had["normal"] - 200) <= 2
    assert abs(had["low"] - 100) <= 2


def test_every_slot_takes_every_priority() -> None:
    assert all(sorted(slot) == sorted(PRIORITIES) for slot in Shares().slots(7))


def test_who_had_nothing_to_do_saves_nothing_up() -> None:
    shares = Shares()
    for _ in range(1000):  # only high ones are there
        slots = shares.slots(1)
        shares.took(slots, ["high"])
    had: Counter[Priority] = Counter()
    for _ in range(20):
        slots = shares.slots(1)
        shares.took(slots, [slots[0][0]])
        had[slots[0][0]] += 1
    assert had["high"] >= 13


@given(st.lists(st.integers(min_value=1, max_value=8), min_size=40, max_size=60))
def test_low_ones_never_starve(free: list[int]) -> None:
    shares = Shares()
    since_low = 0
    for places in free:
        slots = shares.slots(places)
        taken = [slot[0] for slot in slots]
        shares.took(slots, taken)
        for priority in taken:
            since_low = 0 if priority == "low" else since_low + 1
            assert since_low <= 12
