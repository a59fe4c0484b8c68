import pytest

from actors.policy.voting.climbing import finish
from actors.policy.voting.likelihood import Likelihood, Round, Shrinkage, Terms
from actors.policy.voting.weights import JointWeights, joint_posterior, length_of

PLAIN = [
    Round((("a", "b"), ("c",)), 0, "law"),
    Round((("a",), ("b", "c")), 1, "law"),
    Round((("a",), ("b",), ("c",)), None, "math"),
    Round((("a", "b", "c"),), 0),
    Round((("a", "b"), ("c",)), 1, "law"),
]
PARTLY = [
    Round((("a",), ("b", "c")), None, "law", (1,)),
    Round((("b",),), None, "", (0,)),
]
MEASURED = [
    Round((("a", "c"), ("b",)), 0, "law", lengths={"a": 5.0, "b": 6.5}),
    Round((("c",), ("a", "b")), None, "", (0,), {"a": 7.0, "b": 6.0, "c": 2.0}),
    Round((("c",), ("b",)), 1, "math", lengths={"b": 4.0, "c": length_of(100)}),
]


def read(rounds: list[Round], terms: Terms | None = None) -> Likelihood:
    likelihood = Likelihood(terms or Terms(), Shrinkage())
    finish(likelihood.read(rounds))
    return likelihood


@pytest.mark.parametrize("rounds", [PLAIN, PARTLY, MEASURED, PLAIN + PARTLY + MEASURED])
def test_the_slope_is_that_of_the_loss(rounds: list[Round]) -> None:
    likelihood = read(rounds)
    size = len(likelihood.places)
    point = [0.1 * (n % 5) - 0.2 for n in range(size)]
    _, slope = finish(likelihood.look(point))
    for place in range(1, size):
        up, down = list(point), list(point)
        up[place] += 1e-5
        down[place] -= 1e-5
        losses = [finish(likelihood.look(each))[0] for each in (up, down)]

        assert slope[place] == pytest.approx((losses[0] - losses[1]) / 2e-5, abs=1e-4)


def test_the_loss_is_that_of_the_posterior() -> None:
    likelihood = read(PLAIN, Terms(pairs=False, by_type=False))
    weights = JointWeights(members={"a": 0.3, "b": -0.2, "c": 0.7}, none=0.1)
    point = [0.0] * len(likelihood.places)
    for name, weight in weights.members.items():
        point[likelihood.places["member", name]] = weight
    point[likelihood.places["none", ""]] = weights.none
    seen = 1.0
    for each in PLAIN:
        posterior = joint_posterior(each.groups, weights, None)
        seen *= posterior.none if each.right is None else posterior.groups[each.right]
    loss, _ = finish(likelihood.look(point))
    shrunk = 0.5 * Shrinkage().member * sum(weight**2 for weight in point)

    assert 2.718281828 ** (shrunk - loss) == pytest.approx(seen)


def test_rounds_of_the_same_groups_are_looked_at_once() -> None:
    likelihood = read(PLAIN * 50)

    assert sum(count for _, count in likelihood._plain) == 250
    assert len(likelihood._plain) == 4


def test_what_is_possible_of_a_round() -> None:
    groups = (("a",), ("b",))

    assert Round(groups, 1).possible() == (1,)
    assert Round(groups, None).possible() == (2,)
    assert Round(groups, None, wrong=(0,)).possible() == (1, 2)


def test_far_away_from_the_top_the_loss_is_still_a_number() -> None:
    likelihood = read(PLAIN + MEASURED)
    point = [0.0, *((-1.0) ** n * 1e5 for n in range(len(likelihood.places) - 1))]
    loss, slope = finish(likelihood.look(point))

    assert loss > 1e5
    assert all(abs(each) < 1e9 for each in slope)
