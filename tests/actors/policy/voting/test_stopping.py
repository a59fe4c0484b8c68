from actors.policy.voting.stopping import cheap_first, reached
from actors.policy.voting.weights import Posterior


def test_reached_asks_the_leading_answer_only() -> None:
    assert reached(Posterior((0.8, 0.1), 0.1), 0.8)
    assert not reached(Posterior((0.7, 0.2), 0.1), 0.8)
    assert not reached(Posterior((), 1.0), 0.0)


def test_two_cheap_good_ones_are_asked_before_the_best() -> None:
    order = cheap_first(
        ["best", "cheap", "fair", "poor"],
        {"best": 10.0, "cheap": 1.0, "fair": 2.0, "poor": 0.1},
        {"best": 0.8, "cheap": 0.7, "fair": 0.72, "poor": 0.4},
    )

    assert order == ("cheap", "fair", "best", "poor")


def test_two_members_have_no_order_to_choose() -> None:
    assert cheap_first(["b", "a"], {}, {}) == ("b", "a")


def test_an_unknown_price_counts_as_the_dearest() -> None:
    order = cheap_first(
        ["best", "unknown", "cheap", "dear"],
        {"best": 5.0, "cheap": 1.0, "dear": 5.0},
        {"best": 0.9, "unknown": 0.9, "cheap": 0.9, "dear": 0.9},
    )

    assert order[0] == "cheap"
