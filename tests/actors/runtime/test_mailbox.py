"""The bounded queue and its overflow policies."""

from collections import deque

import pytest
from hypothesis import given, settings, strategies as st

from actors.runtime.mailbox import Mailbox, Overflow


def filled(overflow: Overflow) -> Mailbox[str]:
    mailbox: Mailbox[str] = Mailbox(2, overflow)
    mailbox.offer("first")
    mailbox.offer("second")
    return mailbox


def drained(mailbox: Mailbox[str]) -> list[str]:
    return [entry for entry in iter(mailbox.take, None) if entry]


def test_entries_leave_in_the_order_they_came() -> None:
    mailbox = filled("reject")

    assert len(mailbox) == 2
    assert drained(mailbox) == ["first", "second"]
    assert mailbox.take() is None


def test_reject_refuses_the_new_entry_and_counts_it_rejected() -> None:
    mailbox = filled("reject")

    assert mailbox.offer("third") == "third"
    assert (mailbox.rejected, mailbox.dropped) == (1, 0)
    assert drained(mailbox) == ["first", "second"]


def test_drop_newest_loses_the_new_entry_and_counts_it_dropped() -> None:
    mailbox = filled("drop_newest")

    assert mailbox.offer("third") == "third"
    assert (mailbox.rejected, mailbox.dropped) == (0, 1)
    assert drained(mailbox) == ["first", "second"]


def test_drop_oldest_gives_up_the_first_of_the_queue() -> None:
    mailbox = filled("drop_oldest")

    assert mailbox.offer("third") == "first"
    assert (mailbox.rejected, mailbox.dropped) == (0, 1)
    assert drained(mailbox) == ["second", "third"]


def test_forced_entries_go_beyond_the_bound() -> None:
    mailbox = filled("reject")

    mailbox.force("third")

    assert mailbox.high_water == 3
    assert drained(mailbox) == ["first", "second", "third"]


def test_clearing_empties_it_and_keeps_the_high_water_mark() -> None:
    mailbox = filled("reject")

    assert mailbox.clear() == 2
    assert len(mailbox) == 0
    assert mailbox.high_water == 2


def test_a_mailbox_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 message, not 0"):
        Mailbox(0, "reject")


@settings(max_examples=100)
@given(
    capacity=st.integers(1, 4),
    overflow=st.sampled_from(("reject", "drop_oldest", "drop_newest")),
    steps=st.lists(st.booleans(), max_size=30),
)
def test_it_behaves_like_a_bounded_deque(
    capacity: int, overflow: Overflow, steps: list[bool]
) -> None:
    mailbox: Mailbox[int] = Mailbox(capacity, overflow)
    model: deque[int] = deque()
    lost = 0
    for number, offering in enumerate(steps):
        if not offering:
            expected = model.popleft() if model else None
            assert mailbox.take() == expected
        elif len(model) < capacity:
            model.append(number)
            assert mailbox.offer(number) is None
        else:
            lost += 1
            if overflow == "drop_oldest":
                model.append(number)
                assert mailbox.offer(number) == model.popleft()
            else:
                assert mailbox.offer(number) == number

        assert len(mailbox) == len(model) <= mailbox.high_water <= capacity
        assert mailbox.dropped + mailbox.rejected == lost
