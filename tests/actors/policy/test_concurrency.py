"""How many calls at once a provider takes: learned from refusals, forgotten in time."""

import msgspec
from hypothesis import given, strategies as st

from actors.policy.concurrency import (
    FORGET_S,
    INITIAL,
    AdaptiveLimit,
    ConcurrencyState,
)


def cut(in_flight: int) -> AdaptiveLimit:
    limit = AdaptiveLimit()
    limit.refused(in_flight, 0, 0.0)
    return limit


def test_before_the_first_refusal_there_is_no_limit() -> None:
    limit = AdaptiveLimit()
    for _ in range(100):
        limit.succeeded(50, 0.0)

    assert limit.limit(0.0) is None


def test_the_first_refusal_cuts_what_was_in_flight() -> None:
    assert cut(40).limit(0.0) == 28


def test_a_refusal_with_little_in_flight_is_taken_for_a_few() -> None:
    assert cut(1).limit(0.0) == int(INITIAL * 0.7)


def test_refusals_of_one_round_trip_cut_once() -> None:
    limit = cut(40)
    for _ in range(39):
        limit.refused(39, 0, 0.1)

    assert limit.limit(0.1) == 28
    limit.refused(28, limit.cuts, 0.2)  # sent after the cut
    assert limit.limit(0.2) == 19


def test_it_never_falls_below_one() -> None:
    limit = AdaptiveLimit()
    for _ in range(50):
        limit.refused(1, limit.cuts, 0.0)

    assert limit.limit(0.0) == 1


def test_a_round_of_successes_raises_it_by_one() -> None:
    limit = cut(10)  # 7
    for _ in range(7):
        assert limit.limit(0.0) == 7
        limit.succeeded(7, 0.0)

    assert limit.limit(0.0) == 8


def test_what_is_not_used_does_not_grow() -> None:
    limit = cut(12)  # 8
    for _ in range(100):
        limit.succeeded(3, 0.0)
    assert limit.limit(0.0) == 8

    for _ in range(8):
        limit.succeeded(4, 0.0)
    assert limit.limit(0.0) == 9


def test_a_cut_begins_the_round_anew() -> None:
    limit = cut(10)
    for _ in range(6):
        limit.succeeded(7, 0.0)
    limit.refused(7, limit.cuts, 0.0)  # 4

    limit.succeeded(4, 0.0)

    assert limit.limit(0.0) == 4


def test_after_ten_minutes_without_a_refusal_it_is_forgotten() -> None:
    limit = cut(10)

    assert limit.limit(FORGET_S - 1.0) == 7
    assert limit.limit(FORGET_S) is None


def test_it_survives_a_restart() -> None:
    limit = cut(10)
    wire = msgspec.msgpack.encode(limit.dump(60.0))

    state = msgspec.msgpack.decode(wire, type=ConcurrencyState)
    restored = AdaptiveLimit.restore(state, 5.0)

    assert restored.limit(5.0) == 7
    assert restored.limit(5.0 + FORGET_S - 61.0) == 7
    assert restored.limit(5.0 + FORGET_S - 60.0) is None


def test_what_is_not_known_is_not_kept() -> None:
    assert AdaptiveLimit().dump(0.0) is None
    assert AdaptiveLimit.restore(None, 0.0).limit(0.0) is None


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.booleans()), max_size=200)
)
def test_it_moves_by_one_up_and_by_a_cut_down(
    story: list[tuple[bool, int, bool]],
) -> None:
    limit = AdaptiveLimit()
    for refused, in_flight, old in story:
        before = limit.limit(0.0)
        if refused:
            limit.refused(in_flight, limit.cuts - old, 0.0)
        else:
            limit.succeeded(in_flight, 0.0)
        after = limit.limit(0.0)

        if before is None:
            assert after is None or (refused and not old)
        elif after is not None:
            cut_to = max(1, int(before * 0.7))
            allowed = {before} | ({cut_to} if refused else {before + 1})
            assert after in allowed
            assert after >= 1
