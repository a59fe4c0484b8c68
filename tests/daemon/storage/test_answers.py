"""Answers in memory."""

import anyio
import pytest
from trio.testing import MockClock

from daemon.storage.answers import MemoryAnswers


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": MockClock(autojump_threshold=0)})


async def test_they_are_kept_for_their_time_within_their_room() -> None:
    answers = MemoryAnswers(1_000)
    await answers.put(b"k", b"answer", 60.0)
    await anyio.sleep(59.0)
    young = await answers.get(b"k")
    await anyio.sleep(2.0)
    old = await answers.get(b"k")
    await answers.put(b"large", b"x" * 1_000, 60.0)

    assert (young, old) == (b"answer", None)
    assert await answers.get(b"large") is None
