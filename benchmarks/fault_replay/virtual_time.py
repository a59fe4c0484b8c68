"""An asyncio loop whose clock jumps to the next timer: hours in seconds.

Nothing in a replay does I/O, so there is nothing to wait for: where asyncio would sleep
until the next timer is due, the clock is set to that moment instead. Callbacks run in
the order asyncio runs them, so a run depends on its seeds alone.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import TypeVar

from typing_extensions import override

T = TypeVar("T")

EPOCH_S = 1e8
"""Loop time at the start: far from the system's own clock, which the runtime asks."""


class Deadlock(Exception):
    """Raised when nothing is ready and no timer is set: it would wait for ever."""


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting it moves the clock. ``on_turn`` is called once a turn."""

    def __init__(self, on_turn: Callable[[], object] | None) -> None:
        super().__init__()
        self.now = EPOCH_S
        self._on_turn = on_turn

    @override
    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        if self._on_turn is not None:
            self._on_turn()
        if timeout is None:
            raise Deadlock("nothing is ready and no timer is set")
        if timeout > 0.0:
            self.now += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self, on_turn: Callable[[], object] | None = None) -> None:
        self._virtual = _JumpingSelector(on_turn)
        super().__init__(self._virtual)
        # asyncio runs what is due by now plus this, which must not vanish in rounding.
        self._clock_resolution = 1e-6

    @override
    def time(self) -> float:
        return self._virtual.now


def run(
    main: Coroutine[object, object, T], on_turn: Callable[[], object] | None = None
) -> T:
    """Run ``main`` to its end in virtual time.

    ``on_turn`` is called after every turn of the loop; what it raises ends the run.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(on_turn)) as runner:
        return runner.run(main)
