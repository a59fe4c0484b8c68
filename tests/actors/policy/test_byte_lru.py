"""A map within a bound of bytes: what goes first, and that every byte is counted."""

from collections import OrderedDict

import pytest
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.policy.byte_lru import ENTRY_BYTES, ByteLru

KEYS = st.sampled_from([b"a", b"b", b"c", b"dd", b"eee"])
VALUES = st.integers(0, 300).map(lambda n: b"v" * n)


def test_what_was_put_is_there_until_its_time_is_over() -> None:
    lru = ByteLru(10_000)
    lru.put(b"k", b"v", 100.0, 10.0)

    assert lru.get(b"k", 109.9) == b"v"
    assert lru.get(b"k", 110.0) is None
    assert len(lru) == lru.size_bytes == 0
    assert lru.evicted == 0


def test_the_one_that_was_not_used_for_longest_goes_first() -> None:
    lru = ByteLru(2 * (ENTRY_BYTES + 2))
    lru.put(b"a", b"1", 0.0, 60.0)
    lru.put(b"b", b"2", 0.0, 60.0)
    lru.get(b"a", 1.0)
    lru.put(b"c", b"3", 2.0, 60.0)

    assert lru.get(b"b", 3.0) is None
    assert (lru.get(b"a", 3.0), lru.get(b"c", 3.0)) == (b"1", b"3")
    assert lru.evicted == 1


def test_a_value_in_place_of_another_counts_once() -> None:
    lru = ByteLru(10_000)
    lru.put(b"k", b"v" * 500, 0.0, 60.0)
    lru.put(b"k", b"w", 0.0, 60.0)

    assert lru.size_bytes == ENTRY_BYTES + 2
    assert lru.get(b"k", 0.0) == b"w"


def test_what_is_larger_than_the_bound_is_not_kept_and_evicts_nobody() -> None:
    lru = ByteLru(1_000)
    lru.put(b"a", b"1", 0.0, 60.0)

    assert not lru.put(b"b", b"v" * 1_000, 0.0, 60.0)
    assert lru.get(b"a", 0.0) == b"1"


def test_what_cannot_be_kept_is_not_what_was_there_before() -> None:
    lru = ByteLru(1_000)
    lru.put(b"a", b"old", 0.0, 60.0)
    lru.put(b"a", b"v" * 1_000, 0.0, 60.0)

    assert lru.get(b"a", 0.0) is None


def test_a_smaller_bound_lets_go_at_once() -> None:
    lru = ByteLru(10_000)
    for key in (b"a", b"b", b"c"):
        lru.put(key, b"v", 0.0, 60.0)
    lru.resize(ENTRY_BYTES + 2)

    assert len(lru) == 1
    assert lru.get(b"c", 0.0) == b"v"


@given(st.integers(0, ENTRY_BYTES))
def test_a_bound_too_small_for_anything_keeps_nothing(bound: int) -> None:
    lru = ByteLru(bound)

    assert not lru.put(b"k", b"", 0.0, 60.0)
    assert len(lru) == 0


class Model(RuleBasedStateMachine):
    """Against a plain ordered map that adds everything up anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self.bound = 1_500
        self.lru = ByteLru(self.bound)
        self.model: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self.now = 0.0

    def size(self) -> int:
        return sum(len(k) + len(v) + ENTRY_BYTES for k, (v, _) in self.model.items())

    def shrink(self) -> None:
        while self.size() > self.bound:
            self.model.popitem(last=False)

    @rule(seconds=st.floats(0, 5))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(key=KEYS, value=VALUES, ttl_s=st.floats(0, 10))
    def put(self, key: bytes, value: bytes, ttl_s: float) -> None:
        fits = len(key) + len(value) + ENTRY_BYTES <= self.bound
        assert self.lru.put(key, value, self.now, ttl_s) == fits
        self.model.pop(key, None)
        if fits:
            self.model[key] = (value, self.now + ttl_s)
        self.shrink()

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        value, until = self.model.get(key, (None, 0.0))
        if value is not None and self.now >= until:
            del self.model[key]
            value = None
        if value is not None:
            self.model.move_to_end(key)
        assert self.lru.get(key, self.now) == value

    @rule(bound=st.integers(0, 2_000))
    def resize(self, bound: int) -> None:
        self.bound = bound
        self.lru.resize(bound)
        self.shrink()

    @invariant()
    def every_byte_is_counted(self) -> None:
        assert self.lru.size_bytes == self.size() <= self.bound
        assert len(self.lru) == len(self.model)


TestModel = pytest.mark.slow(Model.TestCase)
