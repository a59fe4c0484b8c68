"""What speaks against a server as a keeper of tasks, by what it says of itself."""

import pytest

from daemon.storage.redis.tasks.durable import doubt


@pytest.mark.parametrize(
    ("persistence", "memory", "found"),
    [
        (b"# Persistence\r\naof_enabled:1\r\n", b"maxmemory_policy:noeviction", None),
        (b"aof_enabled:1", b"maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n", None),
        (b"-NOPERM", b"", None),
        (b"loading:0\r\naof_enabled:0\r\n", b"", "append-only file"),
        (
            b"aof_enabled:1\r\n",
            b"maxmemory:99\r\nmaxmemory_policy:allkeys-lru\r\n",
            "allkeys-lru",
        ),
    ],
)
def test_what_may_lose_tasks_is_said(
    persistence: bytes, memory: bytes, found: str | None
) -> None:
    said = doubt([persistence, memory])

    assert said is None if found is None else said is not None and found in said
