"""Climbs a smooth concave hill: L-BFGS with backtracking, a slice of work at a time.

Nocedal and Wright, algorithm 7.5. What is climbed is given as the loss (the hill upside
down) and its slope, both of one point; looking may take slices of its own.
"""

from collections import deque
from collections.abc import Callable, Generator
from typing import TypeVar

ITERATIONS = 40
TOLERANCE = 1e-5
"""Relative gain of an iteration below which the top is reached."""

_MEMORY = 6
_BACKTRACKS = 20

Vector = list[float]
Work = Generator[None, None, None]
T = TypeVar("T")
Looked = Generator[None, None, tuple[float, Vector]]
"""Slices of work that come to the loss and its slope."""


def finish(work: Generator[None, None, T]) -> T:
    """All slices of a work at once; what it comes to."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            value: T = end.value
            return value


class Climb:
    """One climb; ``point`` is where it has come to."""

    def __init__(self, look: Callable[[Vector], Looked], start: Vector) -> None:
        self._look = look
        self.point = start
        self._history: deque[tuple[Vector, Vector, float]] = deque(maxlen=_MEMORY)
        self._loss, self._slope = 0.0, Vector()

    def climb(self, iterations: int = ITERATIONS) -> Work:
        """To the top, or as far as so many iterations lead."""
        self._loss, self._slope = yield from self._look(self.point)
        for _ in range(iterations):
            if (yield from self._iterate()):
                return

    def _iterate(self) -> Generator[None, None, bool]:
        """Returns whether another iteration gains nothing."""
        direction = self._direction()
        descent = dot(direction, self._slope)
        if descent >= 0.0:
            return True
        size = (
            1.0 if self._history else 1.0 / max(1.0, dot(direction, direction) ** 0.5)
        )
        for _ in range(_BACKTRACKS):
            yield
            moved = _plus(self.point, size, direction)
            loss, slope = yield from self._look(moved)
            if loss <= self._loss + 1e-4 * size * descent:
                return self._move(moved, loss, slope)
            size *= 0.5
        return True

    def _move(self, moved: Vector, loss: float, slope: Vector) -> bool:
        step = _plus(moved, -1.0, self.point)
        change = _plus(slope, -1.0, self._slope)
        curvature = dot(step, change)
        if curvature > 0.0:
            self._history.append((step, change, curvature))
        over = self._loss - loss <= TOLERANCE * abs(loss)
        self.point, self._loss, self._slope = moved, loss, slope
        return over

    def _direction(self) -> Vector:
        """Minus the slope, bent by the curvature of the last iterations."""
        direction = [-value for value in self._slope]
        shares = []
        for step, change, curvature in reversed(self._history):
            share = dot(step, direction) / curvature
            shares.append(share)
            direction = _plus(direction, -share, change)
        if self._history:
            _, change, curvature = self._history[-1]
            scale = curvature / dot(change, change)
            direction = [scale * value for value in direction]
        for (step, change, curvature), share in zip(
            self._history, reversed(shares), strict=True
        ):
            back = dot(change, direction) / curvature
            direction = _plus(direction, share - back, step)
        return direction


def dot(one: Vector, other: Vector) -> float:
    return sum([a * b for a, b in zip(one, other, strict=True)])


def _plus(one: Vector, factor: float, other: Vector) -> Vector:
    return [a + factor * b for a, b in zip(one, other, strict=True)]
