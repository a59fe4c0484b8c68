"""A door in a thread of its own, for clients without an event loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine

from tests.support.door import WAIT_S, Door, open_door


class ThreadedDoor:
    """A door that lives in a thread of its own; ``do`` and ``wait`` act in there."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))
        self._thread.start()
        assert self._ready.wait(WAIT_S)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        async with open_door() as self.door:
            self._ready.set()
            await self._end.wait()

    def do(self, action: Callable[[Door], object]) -> None:
        """Have it done in the door's thread, and wait until it is."""

        async def act() -> None:
            action(self.door)

        self.wait(act())

    def wait(self, work: Coroutine[object, object, object]) -> None:
        """Run a coroutine in the door's thread, and wait for its end."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(WAIT_S)
