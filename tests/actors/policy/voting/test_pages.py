import pytest
from hypothesis import given, strategies as st

from actors.policy.voting import pages as module
from actors.policy.voting.likelihood import Round
from actors.policy.voting.pages import Pages


def told(number: int) -> Round:
    return Round((("a",), ("b",)), 0, f"t{number}")


def types(pages: Pages) -> list[str]:
    return [each.task_type for each in pages.rounds()]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two rounds, in three slots."""
    monkeypatch.setattr(module, "PAGE_ROUNDS", 2)
    monkeypatch.setattr(module, "SLOTS", 3)


def filled(count: int) -> Pages:
    pages = Pages()
    for number in range(count):
        pages.put(f"d{number}", told(number))
    return pages


@pytest.mark.usefixtures("small")
def test_the_oldest_page_is_dropped_for_a_new_one() -> None:
    assert types(filled(6)) == ["t0", "t1", "t2", "t3", "t4", "t5"]
    assert types(filled(7)) == ["t2", "t3", "t4", "t5", "t6"]
    assert len(filled(7)) == 5


@pytest.mark.usefixtures("small")
def test_only_changed_pages_are_written() -> None:
    pages = filled(5)
    assert set(pages.changes()) == {0, 1, 2}
    assert pages.changes() == {}

    pages.put("d5", told(5))
    assert set(pages.changes()) == {2}

    pages.put("d6", told(6))  # in place of the oldest
    assert set(pages.changes()) == {0}


@pytest.mark.usefixtures("small")
def test_a_later_label_takes_the_earlier_out_of_its_page() -> None:
    pages = filled(5)
    pages.changes()
    pages.put("d0", told(9))

    assert types(pages) == ["t1", "t2", "t3", "t4", "t9"]
    assert set(pages.changes()) == {0, 2}


def test_a_label_writes_a_fortieth_of_what_there_is() -> None:
    pages = filled(2000)
    everything = sum(map(len, pages.changes().values()))
    pages.put("d1999", told(0))

    (page,) = pages.changes().values()
    assert len(page) < everything / 35


@pytest.mark.parametrize("kept", [b"", b"\xc1", b"\x90", b"\x80"])
def test_a_slot_that_cannot_be_read_costs_its_own_rounds_only(kept: bytes) -> None:
    written = dict(filled(120).changes())
    again = Pages.read([kept, written[1], None, written[2]])

    assert types(again) == types(filled(120))[50:]


def test_nothing_is_lost_of_what_comes_after_a_slot_was() -> None:
    written = dict(filled(120).changes())
    again = Pages.read([written[0], b"", written[2]])
    again.put("d1", told(1))

    assert set(again.changes()) == {0, 2}
    assert len(again) == 70


@given(st.lists(st.integers(0, 20), max_size=60))
def test_what_was_written_is_what_is_known(labels: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PAGE_ROUNDS", 3)
        patch.setattr(module, "SLOTS", 4)
        pages, slots = Pages(), dict[int, bytes]()
        for number, name in enumerate(labels):
            pages.put(f"d{name}", told(number))
            slots.update(pages.changes())

            known = pages.rounds()
            assert Pages.read(slots.values()).rounds() == known
            assert known[-1] == told(number)
            assert len(known) == len(pages) <= 12
