"""Ids sort by time and do not repeat."""

import random

from daemon.ids import id_maker, utc


def test_ids_have_26_characters_and_sort_by_time() -> None:
    now = [1_800_000_000.0]
    new_id = id_maker(lambda: now[0])
    first = new_id()
    now[0] += 0.001
    second = new_id()

    assert len(first) == len(second) == 26
    assert first < second


def test_ids_of_one_moment_do_not_repeat() -> None:
    new_id = id_maker(lambda: 1.0)

    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_a_given_seed_gives_the_same_ids() -> None:
    one, two = (id_maker(lambda: 1.0, random.Random(7)) for _ in range(2))

    assert [one() for _ in range(3)] == [two() for _ in range(3)]


def test_the_wall_clock_is_in_epoch_seconds() -> None:
    assert utc() > 1_700_000_000
