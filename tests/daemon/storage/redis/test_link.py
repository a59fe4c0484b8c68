"""The link over a real server: killed, frozen, failed over, hostile to us."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from actors.errors import InternalError, QueueUnavailable
from daemon.redis_address import RedisAddress, parse_redis_url
from daemon.storage.redis.clients import Argument, Client
from daemon.storage.redis.link import LinkChange, RedisLink
from daemon.storage.redis.scripts import Script, packaged
from tests.support.redis_server import RedisServer, redis_server
from tests.support.redis_sets import ask, cluster, sentinel_set, tls_server
from tests.support.waiting import until

COUNT = Script("count", "return redis.call('INCRBY', KEYS[1], ARGV[1])")
TIMEOUT_S = 0.3


def link_to(url: str, timeout_s: float = TIMEOUT_S) -> RedisLink:
    return RedisLink(parse_redis_url(url), timeout_s=timeout_s)


async def counted(link: RedisLink, key: str = "n", by: int = 1) -> object:
    return await link.run(COUNT, [link.key(key)], [by])


async def test_a_script_runs_and_a_command_is_answered(server: RedisServer) -> None:
    async with link_to(server.url) as link:
        first, second = await counted(link, by=2), await counted(link, by=3)

        assert (first, second) == (2, 5)
        assert await link.call("GET", link.key("n")) == b"5"


async def test_a_script_is_one_round_trip_once_the_server_knows_it(
    server: RedisServer,
) -> None:
    async with link_to(server.url) as link:
        await counted(link)
        ask(server, "config", "resetstat")
        for _ in range(3):
            await counted(link)

        said = ask(server, "info", "commandstats")
        assert "cmdstat_evalsha:calls=3" in said
        assert "cmdstat_eval:" not in said


async def test_a_server_that_forgot_the_scripts_is_told_again(
    server: RedisServer,
) -> None:
    async with link_to(server.url) as link:
        await counted(link)
        ask(server, "script", "flush")

        assert await counted(link) == 2


async def test_a_script_that_fails_is_our_bug_and_no_outage(
    server: RedisServer,
) -> None:
    async with link_to(server.url) as link:
        await link.call("SET", link.key("n"), "words")

        with pytest.raises(InternalError, match=r"count: .*not an integer"):
            await counted(link)
        assert not link.away


async def test_a_killed_server_fails_fast_and_comes_back_by_itself(
    server: RedisServer,
) -> None:
    told: list[LinkChange] = []
    async with link_to(server.url) as link:
        link.on_change.append(told.append)
        await counted(link)
        server.kill()

        with capture_logs() as lines:
            with pytest.raises(QueueUnavailable, match="cannot be reached"):
                await counted(link)
            assert link.away
            started = time.perf_counter()
            for _ in range(1000):
                with pytest.raises(QueueUnavailable):
                    await counted(link)
            assert time.perf_counter() - started < 2.0
            server.start()
            await until(lambda: not link.away)

        assert await counted(link) == 2
        assert [each.away for each in told] == [True, False]
        assert told[1].lasted_s > 0.0
        assert [line["event"] for line in lines] == ["redis_away", "redis_back"]


async def test_a_frozen_server_stalls_neither_the_caller_nor_the_loop(
    server: RedisServer,
) -> None:
    async with link_to(server.url) as link:
        await counted(link)
        server.freeze()
        failed: list[float] = []
        worst_s = 0.0

        async def one() -> None:
            started = time.perf_counter()
            with pytest.raises(QueueUnavailable):
                await counted(link)
            failed.append(time.perf_counter() - started)

        async with anyio.create_task_group() as group:
            for _ in range(50):  # many more than there are connections
                group.start_soon(one)
            while len(failed) < 50:
                before = time.perf_counter()
                await anyio.sleep(0.005)
                worst_s = max(worst_s, time.perf_counter() - before)

        assert max(failed) < TIMEOUT_S + 0.7
        assert worst_s < 0.25
        assert link.reason == "no answer within 0.3 s"
        server.thaw()
        await until(lambda: not link.away)
        assert isinstance(await counted(link), int)


async def test_it_is_known_to_be_away_without_anybody_having_called(
    tmp_path: Path,
) -> None:
    async with link_to(f"unix://{tmp_path}/nothing.sock") as link:
        await until(lambda: link.away)

        with pytest.raises(QueueUnavailable) as caught:
            await counted(link)
        assert caught.value.retryable
        assert caught.value.retry_after_s is not None


async def test_a_refused_connection_is_said_with_its_address_once() -> None:
    async with link_to("redis://127.0.0.1:1") as link:
        await until(lambda: link.away)

        with pytest.raises(QueueUnavailable) as caught:
            await counted(link)

    assert str(caught.value) == (
        "Redis at 127.0.0.1:1 cannot be reached now: Connection refused"
    )


@pytest.mark.parametrize("login", [":wrong-secret", "nobody:wrong-secret"])
async def test_a_refused_login_is_said_without_the_password(
    tmp_path: Path, login: str
) -> None:
    with redis_server(tmp_path / "redis", "--requirepass", "right") as server:
        url = server.tcp_url.replace("//", f"//{login}@")
        with capture_logs() as lines:
            async with link_to(url) as link:
                await until(lambda: link.away)
                with pytest.raises(QueueUnavailable, match=r"WRONGPASS|invalid") as bad:
                    await counted(link)

    assert "wrong-secret" not in str(bad.value)
    assert "wrong-secret" not in str(lines)


async def test_user_and_password_and_database_are_used(tmp_path: Path) -> None:
    user = "--user me on >pa:ss ~* +@all"
    with redis_server(tmp_path / "redis", *user.split()) as server:
        url = server.tcp_url.replace("//", "//me:pa%3Ass@") + "/3"
        async with link_to(url) as link:
            assert await counted(link) == 1

        assert "db3:keys=" in ask(server, "info", "keyspace")


async def test_a_server_without_room_is_away_until_it_has_room(
    server: RedisServer,
) -> None:
    async with link_to(server.url) as link:
        await counted(link)
        ask(server, "config", "set", "maxmemory", "1")
        with pytest.raises(QueueUnavailable, match="maxmemory"):
            await link.call("SET", link.key("x"), "y")
        await anyio.sleep(0.3)
        assert link.away

        ask(server, "config", "set", "maxmemory", "0")
        await until(lambda: not link.away)


async def test_a_call_may_have_a_shorter_bound(server: RedisServer) -> None:
    async with link_to(server.url, timeout_s=5.0) as link:
        await counted(link)
        server.freeze()
        started = time.perf_counter()
        with pytest.raises(QueueUnavailable, match=r"within 0\.05 s"):
            await link.run(COUNT, [link.key("n")], [1], timeout_s=0.05)
        took_s = time.perf_counter() - started
        server.thaw()

        assert took_s < 0.5


async def test_a_caller_that_is_cancelled_spoils_no_answer_of_others(
    server: RedisServer,
) -> None:
    """A connection with half an answer in it would give it to the next one."""
    async with link_to(server.url) as link:
        slow = Script("slow", "for i = 1, 3e6 do end return ARGV[1]")
        for n in range(10):
            with anyio.move_on_after(0.001):
                await link.run(slow, [link.key("n")], [f"slow {n}"])
            echo = Script("echo", "return ARGV[1]")
            assert await link.run(echo, [link.key("n")], [n]) == str(n).encode()


async def test_no_more_connections_than_said(server: RedisServer) -> None:
    async with RedisLink(parse_redis_url(server.url), connections=3) as link:
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(counted, link)

        listed = ask(server, "client", "list")
        assert listed.count("name=gitbridge") <= 3
    assert "name=gitbridge" not in ask(server, "client", "list")


async def test_keys_of_one_tag_share_it() -> None:
    link = link_to("redis://h")

    assert link.key("a", "b", tag="q1") == "gitbridge:{q1}:a:b"


async def test_after_the_end_calls_are_refused(server: RedisServer) -> None:
    async with link_to(server.url) as link:
        pass

    with pytest.raises(QueueUnavailable, match="stopping"):
        await counted(link)


async def test_tls_is_checked_against_the_authority(tmp_path: Path) -> None:
    with tls_server(tmp_path / "redis") as (_, port, authority):
        async with link_to(f"rediss://127.0.0.1:{port}?ca={authority}", 2.0) as link:
            assert await counted(link) == 1
        async with link_to(f"rediss://127.0.0.1:{port}", 2.0) as link:
            with pytest.raises(QueueUnavailable, match=r"(?i)certificate"):
                await counted(link)


async def test_what_too_few_replicas_have_is_not_said_to_be_done(
    tmp_path: Path,
) -> None:
    once = Script("once", "return redis.call('INCR', KEYS[1])")
    with sentinel_set(tmp_path) as (_, replica, url):
        async with link_to(url, 1.0) as link:
            assert await link.run(once, ("n",), replicas=1) == 1
            replica.freeze()
            with pytest.raises(QueueUnavailable, match="0 have"):
                await link.run(once, ("n",), replicas=1)

            assert await link.run(once, ("n",)) == 3  # it was done all the same
            assert not link.away


@pytest.mark.slow
async def test_a_fail_over_is_found_by_asking_the_sentinels(tmp_path: Path) -> None:
    with sentinel_set(tmp_path) as (master, _, url):
        async with link_to(url, 1.0) as link:
            assert await counted(link) == 1
            await link.call("WAIT", 1, 500)
            master.kill()
            with pytest.raises(QueueUnavailable):
                await counted(link)
            await until(lambda: not link.away, 20.0)

            assert await counted(link) == 2


@pytest.mark.slow
async def test_a_cluster_serves_keys_of_every_slot(tmp_path: Path) -> None:
    with cluster(tmp_path) as (servers, url):
        async with link_to(url, 2.0) as link:
            for n in range(30):
                key = link.key("n", tag=f"tag{n}")
                assert await link.run(COUNT, [key], [n]) == n

            sizes = [int(ask(each, "dbsize").split()[-1]) for each in servers]
            assert all(sizes)

            servers[1].kill()
            failed = 0
            for n in range(30):
                try:
                    await link.run(COUNT, [link.key("n", tag=f"tag{n}")], [1])
                except QueueUnavailable:
                    failed += 1
            assert failed
            servers[1].start()
            await until(lambda: not link.away, 20.0)
            with anyio.fail_after(20):
                for n in range(30):
                    await link.run(COUNT, [link.key("n", tag=f"tag{n}")], [1])


class Fake:
    """A client that answers, or fails, as told."""

    def __init__(self, answers: Callable[[], object]) -> None:
        self._answers = answers
        self.closed = False

    async def execute_command(self, *args: Argument) -> object:
        return self._answers()

    async def aclose(self) -> None:
        self.closed = True


async def test_it_asks_again_soon_then_seldom_and_with_a_new_client() -> None:
    slept: list[float] = []
    made: list[Fake] = []
    well = False

    def answer() -> object:
        if not well:
            raise ConnectionRefusedError("refused")
        return 1

    def connect(address: RedisAddress, timeout_s: float) -> Client:
        made.append(Fake(answer))
        return made[-1]

    async def sleep(seconds: float) -> None:
        nonlocal well
        slept.append(seconds)
        well = len(slept) == 7
        await asyncio.tasks.sleep(0)

    waiting: Callable[[float], Awaitable[None]] = sleep
    address = parse_redis_url("redis://h")
    async with RedisLink(address, sleep=waiting, connect=connect) as link:
        await until(lambda: len(slept) == 7 and not link.away)

    assert slept == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert len(made) == 8
    assert all(each.closed for each in made)


def test_scripts_are_packaged_with_the_program(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        packaged("nothing_of_this_name")
