"""The redis-server that tests start: what it was told survives, and it can be maltreated."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import redis_server
from tests.support.redis_server import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server.redis_server(tmp_path / "redis") as made:
        yield made


def say(server: RedisServer, line: bytes, *, timeout_s: float = 5.0) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout_s) as client:
        client.sendall(line + b"\r\n")
        return client.recv(4096)


def test_what_it_acknowledged_survives_a_kill(server: RedisServer) -> None:
    assert say(server, b"SET name value") == b"+OK\r\n"
    server.restart()

    assert say(server, b"GET name") == b"$5\r\nvalue\r\n"


def test_frozen_it_takes_connections_and_answers_nobody(server: RedisServer) -> None:
    server.freeze()
    with pytest.raises(TimeoutError):
        say(server, b"PING", timeout_s=0.1)
    server.thaw()

    assert say(server, b"PING") == b"+PONG\r\n"


def test_stopped_nobody_listens(server: RedisServer) -> None:
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        say(server, b"PING")


def test_where_there_is_none_tests_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "redis_program", lambda: None)
    with (
        pytest.raises(pytest.skip.Exception, match="no redis-server"),
        redis_server.redis_server(tmp_path),
    ):
        pass
