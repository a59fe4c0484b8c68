"""Daemons that tell each other of themselves, and strangers that do so badly."""

import anyio
import msgspec
import pytest
from structlog.testing import capture_logs

from actors.messages.peers import MAX_BEAT_BYTES, Beat, OpenBreaker
from daemon.storage.redis.link import RedisLink
from daemon.storage.redis.peers import ALIVE_S, FORGOTTEN_S, Peers
from tests.support.redis_server import RedisServer
from tests.support.redis_sets import ask
from tests.support.waiting import until

NOW = 1_800_000_000.0


class Member:
    """One daemon, as far as others see it."""

    def __init__(self, link: RedisLink, name: str, **more: int) -> None:
        self.now = 100.0
        self.heard: list[tuple[Beat, ...]] = []
        self.beat = Beat(
            id=f"{name}-id",
            name=name,
            version="1.2",
            started_at=NOW - 60,
            in_flight=more.get("in_flight", 0),
            tasks=more.get("tasks", 0),
            open=(OpenBreaker("openai", "gpt-4o"),),
        )
        self.peers = Peers(
            link,
            lambda: self.beat,
            self.heard.append,
            clock=lambda: self.now,
            utc=lambda: NOW,
            sleep=anyio.sleep,
        )


async def test_daemons_see_each_other_and_not_themselves(link: RedisLink) -> None:
    one, two = Member(link, "one", in_flight=3), Member(link, "two", tasks=2)
    await one.peers.beat()
    await two.peers.beat()
    await one.peers.beat()

    (row,) = one.peers.rows()
    assert (row.name, row.version, row.tasks, row.alive) == ("two", "1.2", 2, True)
    assert row.uptime_s == 60.0
    assert 0.0 <= row.last_seen_s < 5.0
    (row,) = two.peers.rows()
    assert (row.name, row.in_flight) == ("one", 3)
    assert [each.id for each in two.heard[-1]] == ["one-id"]
    assert one.peers.alive == 1


async def test_who_is_not_heard_of_any_more_is_shown_so_then_forgotten(
    link: RedisLink,
) -> None:
    one, two = Member(link, "one"), Member(link, "two")
    await two.peers.beat()
    await one.peers.beat()
    one.now += ALIVE_S

    assert [row.alive for row in one.peers.rows()] == [False]
    one.now += FORGOTTEN_S
    assert one.peers.rows() == ()


async def test_an_old_word_is_no_reason_and_an_older_one_is_gone(
    link: RedisLink, server: RedisServer
) -> None:
    one, two = Member(link, "one"), Member(link, "two")
    seconds = int(ask(server, "time").split()[0])
    said = msgspec.json.encode(two.beat).decode()
    key = link.key("peers")
    ask(server, "hset", key, "two-id", f"{(seconds - 10) * 1000}:{said}")
    await one.peers.beat()

    assert one.heard == [()]
    (row,) = one.peers.rows()
    assert row.last_seen_s >= 9.0
    ask(server, "hset", key, "two-id", f"{(seconds - 61) * 1000}:{said}")
    await one.peers.beat()
    assert one.peers.rows() == ()
    assert "two-id" not in ask(server, "hgetall", key)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "{",
        "[" * 10_000,
        "\udcff",
        '{"id": "bad"}',
        '{"id": "bad", "name": "", "version": "1", "started_at": 0}',
        '{"id": "bad", "name": "x", "version": "1", "started_at": 1e300}',
        '{"id": "bad", "name": "x", "version": "1", "started_at": 0, "tasks": -1}',
        '{"id": "bad", "name": "x", "version": "1", "started_at": 0, "v": 2}',
        '{"id": "other", "name": "x", "version": "1", "started_at": 0}',
        '{"id": "bad", "name": "' + "x" * MAX_BEAT_BYTES + '"}',
        '{"id": "bad", "name": "x", "version": "1", "started_at": 0, "open": ['
        + ",".join(['{"provider": "p", "model": "m"}'] * 65)
        + "]}",
    ],
)
async def test_what_cannot_be_understood_is_left_out_and_said_once(
    link: RedisLink, said: str
) -> None:
    one, two = Member(link, "one"), Member(link, "two")
    await two.peers.beat()
    word = b"99999999999999:" + said.encode(errors="surrogateescape")
    now = await link.call("TIME")
    assert isinstance(now, tuple | list)
    word = f"{int(now[0]) * 1000}:".encode() + said.encode(errors="surrogateescape")
    await link.call("HSET", link.key("peers"), "bad", word)

    with capture_logs() as lines:
        await one.peers.beat()
        await one.peers.beat()

    assert [row.name for row in one.peers.rows()] == ["two"]
    assert [line["event"] for line in lines] == ["peer_not_understood"]


@pytest.mark.parametrize("value", ["", "nonsense", "x:{}", "1e400:{}", "-5:{}"])
async def test_a_word_without_a_time_is_swept_away(link: RedisLink, value: str) -> None:
    one = Member(link, "one")
    await link.call("HSET", link.key("peers"), "bad", value)
    await one.peers.beat()

    assert one.peers.rows() == ()
    assert await link.call("HGET", link.key("peers"), "bad") is None


async def test_two_with_one_id_notice_it_and_a_restart_does_not_look_like_it(
    link: RedisLink,
) -> None:
    one, two = Member(link, "one"), Member(link, "one", in_flight=7)
    await one.peers.beat()
    await one.peers.beat()
    await two.peers.beat()  # as after a restart
    await two.peers.beat()
    found = [each.peers.has_double for each in (one, two)]
    await one.peers.beat()
    await two.peers.beat()
    found += [each.peers.has_double for each in (one, two)]
    one.now += FORGOTTEN_S

    assert found == [False, False, True, True]
    assert not one.peers.has_double


async def test_it_goes_on_by_itself_when_redis_is_back(
    link: RedisLink, server: RedisServer
) -> None:
    one, two = Member(link, "one"), Member(link, "two")
    async with anyio.create_task_group() as group:
        group.start_soon(one.peers.run)
        await two.peers.beat()
        await until(lambda: bool(one.peers.rows()))
        server.kill()
        await until(lambda: link.away)
        server.start()
        before = len(one.heard)
        await until(lambda: len(one.heard) > before)
        group.cancel_scope.cancel()
