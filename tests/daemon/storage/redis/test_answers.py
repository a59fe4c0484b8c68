"""Answers that daemons give again for each other, through a real Redis."""

import anyio
import pytest

from daemon.storage.answers import MemoryAnswers
from daemon.storage.redis.answers import MAX_BYTES, SharedAnswers
from daemon.storage.redis.link import RedisLink
from tests.support.redis_server import RedisServer
from tests.support.redis_sets import ask
from tests.support.waiting import until

KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.fixture
def stores(link: RedisLink) -> tuple[SharedAnswers, SharedAnswers]:
    """Those of two daemons."""
    one, two = MemoryAnswers(8 << 20), MemoryAnswers(8 << 20)
    return SharedAnswers(link, one), SharedAnswers(link, two)


Stores = tuple[SharedAnswers, SharedAnswers]


async def test_what_one_keeps_the_other_has(stores: Stores) -> None:
    one, two = stores
    await one.put(KEY, b"\x00answer\xff", 60.0)

    assert await two.get(KEY) == b"\x00answer\xff"
    assert await two.get(OTHER) is None


async def test_a_newer_one_takes_the_place_of_the_older(stores: Stores) -> None:
    one, two = stores
    await one.put(KEY, b"old", 60.0)
    await two.put(KEY, b"new", 60.0)

    assert await one.get(KEY) == b"new"


async def test_it_goes_with_its_time(stores: Stores, server: RedisServer) -> None:
    one, two = stores
    await one.put(KEY, b"answer", 0.05)
    await anyio.sleep(0.06)

    assert await one.get(KEY) is None
    assert await two.get(KEY) is None
    assert "answer" not in ask(server, "keys", "*")


async def test_what_is_forgotten_is_gone_for_all(stores: Stores) -> None:
    one, two = stores
    await one.put(KEY, b"answer", 60.0)
    await two.put(KEY, b"", 0.0)

    assert await one.get(KEY) is None


async def test_a_long_one_stays_where_it_came(
    stores: Stores, server: RedisServer
) -> None:
    one, two = stores
    await one.put(KEY, b"short", 60.0)
    await one.put(KEY, b"x" * (MAX_BYTES + 1), 60.0)

    assert await one.get(KEY) == b"x" * (MAX_BYTES + 1)
    assert await two.get(KEY) is None


async def test_while_redis_is_away_each_has_its_own(
    stores: Stores, link: RedisLink, server: RedisServer
) -> None:
    one, two = stores
    await one.put(KEY, b"answer", 60.0)
    server.kill()
    await one.put(OTHER, b"meanwhile", 60.0)

    assert await one.get(KEY) == b"answer"
    assert await one.get(OTHER) == b"meanwhile"
    assert await two.get(KEY) is None
    server.start()
    await until(lambda: not link.away)
    assert await two.get(KEY) == b"answer"  # what it has acknowledged it keeps
    assert await one.get(OTHER) is None


async def test_a_stalled_redis_holds_nobody_up_for_long(
    stores: Stores, link: RedisLink, server: RedisServer
) -> None:
    one, _ = stores
    await one.put(KEY, b"answer", 60.0)
    server.freeze()
    began = anyio.current_time()
    assert await one.get(KEY) == b"answer"
    assert await one.get(KEY) == b"answer"
    took_s = anyio.current_time() - began
    server.thaw()

    assert took_s < 1.0
