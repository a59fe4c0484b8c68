"""Waiting for something of which nobody tells."""

from collections.abc import Awaitable, Callable

import anyio

POLL_S = 0.002


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait until ``condition`` holds.

    Raises:
        TimeoutError: It did not.
    """
    with anyio.fail_after(timeout_s):
        while not condition():  # noqa: ASYNC110 - a counter sets no event
            await anyio.sleep(POLL_S)


async def eventually(
    condition: Callable[[], Awaitable[bool]], timeout_s: float = 10.0
) -> None:
    """Ask again and again until the answer is yes.

    Raises:
        TimeoutError: It never was.
    """
    with anyio.fail_after(timeout_s):
        while not await condition():  # noqa: ASYNC110 - others' state sets no event
            await anyio.sleep(5 * POLL_S)
