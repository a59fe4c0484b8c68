"""Waiting for something of which nobody tells."""

from collections.abc import Callable

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
