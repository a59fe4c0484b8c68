"""Who agreed with whom, counted."""

from hypothesis import given, strategies as st

from daemon.thread_views.agreement import MAX_MEMBERS, Pair, agreement
from tests.support.thread_story import NAMES, a_request, a_round

groups = st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=20).map(tuple)


def test_each_pair_and_each_member_are_counted() -> None:
    told = [
        *a_round((0, 0, 1), request_id="a"),
        *a_round((0, 1, 1), winner=1, request_id="b"),
        *a_round((0, None, 0), winner=None, request_id="c"),
        *a_request("a/m first ok 1.0s"),
    ]
    shown = agreement(told)

    assert shown.rounds == 3
    assert [(m.name, m.asked, m.answered, m.won) for m in shown.members] == [
        (NAMES[0], 3, 3, 1),
        (NAMES[1], 3, 2, 2),
        (NAMES[2], 3, 3, 1),
    ]
    assert shown.pairs[0][1] == Pair(1, 2)
    assert shown.pairs[0][2] == Pair(1, 3)
    assert shown.pairs[1][2] == Pair(1, 2)
    assert Pair(1, 2).share == 0.5


def test_nothing_and_those_who_never_met() -> None:
    assert agreement([]).members == ()
    apart = [
        *a_round((0,), request_id="a"),
        *a_round((0,), request_id="b", names=NAMES[1:]),
    ]
    assert agreement(apart).pairs[0][1] == Pair(0, 0)
    assert Pair(0, 0).share is None


@given(st.lists(groups, max_size=6))
def test_it_is_symmetric_whole_and_bounded(
    rounds: list[tuple[int | None, ...]],
) -> None:
    told = [
        each
        for number, of_it in enumerate(rounds)
        for each in a_round(of_it, request_id=f"r{number}")
    ]
    shown = agreement(told)

    assert len(shown.members) <= MAX_MEMBERS
    everybody = max((len(each) for each in rounds), default=0)
    assert len(shown.members) + shown.left_out == everybody
    for i, one in enumerate(shown.members):
        assert shown.pairs[i][i] == Pair(one.answered, one.answered)
        assert 0 <= one.won <= one.answered <= one.asked <= shown.rounds
        for j, _ in enumerate(shown.members):
            assert shown.pairs[i][j] == shown.pairs[j][i]
            assert 0 <= shown.pairs[i][j].same <= shown.pairs[i][j].both
