import pytest

from actors.policy.voting.climbing import Climb, Looked, Vector, dot, finish

STEEP = (1.0, 30.0, 0.2)
TOP = (2.0, -1.0, 5.0)


def bowl(point: Vector) -> Looked:
    """Steeper one way than the other, with a known top."""
    yield
    away = [a - b for a, b in zip(point, TOP, strict=True)]
    slope = [s * a for s, a in zip(STEEP, away, strict=True)]
    return 1.0 + 0.5 * dot(slope, away), slope


def test_it_comes_to_the_top() -> None:
    climb = Climb(bowl, [0.0, 0.0, 0.0])
    finish(climb.climb())

    assert climb.point == pytest.approx(TOP, abs=0.01)


def test_no_iteration_goes_down() -> None:
    climb = Climb(bowl, [0.0, 0.0, 0.0])
    losses = []
    for _ in climb.climb():
        if climb._loss and climb._loss not in losses:
            losses.append(climb._loss)

    assert losses == sorted(losses, reverse=True)
    assert 3 < len(losses) < 40


def test_it_can_be_cut_short() -> None:
    climb = Climb(bowl, [0.0, 0.0, 0.0])
    finish(climb.climb(1))

    assert climb.point != pytest.approx(TOP, abs=0.5)


def test_at_the_top_it_is_over() -> None:
    climb = Climb(bowl, list(TOP))

    assert len(list(climb.climb())) == 1


def test_where_no_step_gains_it_is_over() -> None:
    def cliff(point: Vector) -> Looked:
        """Claims a slope that is none."""
        yield
        return abs(point[0]), [1.0 if point[0] <= 0.0 else -1.0]

    climb = Climb(cliff, [0.0])
    finish(climb.climb())

    assert climb.point == [0.0]


def test_a_move_that_bends_nothing_is_not_remembered() -> None:
    def plane(point: Vector) -> Looked:
        yield
        return 10.0 - point[0], [-1.0]

    climb = Climb(plane, [0.0])
    finish(climb.climb(3))

    assert climb.point[0] > 0.0
    assert not climb._history
