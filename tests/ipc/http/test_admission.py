"""Who is let in through the HTTP door, on the Unix socket and over TCP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ipc.http import HttpAccess
from tests.support.http_door import ADMIN, CHAT, USER, OpenDoor, chat, open_door

SET = {"id": 1, "method": "strategy.set", "params": {"strategy": "cost"}}


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("path", ["/health", "/v1/models", "/rpc", "/nothing"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"host": "evil.example"},
        {"host": "localhost.evil.example:4180"},
    ],
)
async def test_what_a_foreign_page_sends_is_refused_on_every_door(
    opened: OpenDoor, headers: dict[str, str], path: str, tcp: bool
) -> None:
    answer = await opened.ask(
        "GET", path, tcp=tcp, headers={"x-api-key": ADMIN, **headers}
    )

    assert answer.status == 403
    assert answer.error["code"] == "not_permitted"


async def test_the_socket_may_be_called_by_made_up_names(opened: OpenDoor) -> None:
    for host in ("localhost", "gitbridge", "unix", "127.0.0.1", "[::1]:80"):
        answer = await opened.ask("GET", "/health", headers={"host": host})
        assert answer.status == 200

    answer = await opened.ask("GET", "/health", tcp=True, headers={"host": "gitbridge"})
    assert answer.status == 403


async def test_a_target_with_a_foreign_host_in_it_is_refused(opened: OpenDoor) -> None:
    for target, status in (
        ("http://evil.example/health", b"403"),
        ("http://localhost/health", b"200"),
    ):
        wire = await opened.say("GET", target)
        assert (await wire.reader.readline()).split()[1] == status
        wire.close()


async def test_a_page_of_this_host_may_come(opened: OpenDoor) -> None:
    headers = {"origin": "http://localhost:3000"}

    assert (await opened.ask("GET", "/health", headers=headers)).status == 200


async def test_tcp_wants_a_token_except_for_health(opened: OpenDoor) -> None:
    assert (await opened.ask("GET", "/health", tcp=True)).status == 200
    for path in ("/v1/models", "/ready", "/metrics", "/api/status", "/nothing"):
        answer = await opened.ask("GET", path, tcp=True)
        assert answer.status == 401
        assert answer.error["type"] == "authentication_error"


@pytest.mark.parametrize(
    "headers", [{"authorization": f"Bearer {USER}"}, {"x-api-key": USER}]
)
async def test_a_token_opens_and_names_the_caller(
    opened: OpenDoor, headers: dict[str, str]
) -> None:
    answer = await opened.ask("POST", CHAT, tcp=True, json=chat(), headers=headers)

    assert answer.status == 200
    assert opened.service.handles[0].request.user == "ben"


async def test_the_tier_of_the_token_counts(opened: OpenDoor) -> None:
    for secret, status in ((USER, 403), (ADMIN, 200)):
        headers = {"x-api-key": secret}
        answer = await opened.ask("POST", "/rpc", tcp=True, json=SET, headers=headers)
        assert answer.status == status

    assert [peer.user for _, _, peer in opened.service.calls] == ["ann"]


async def test_on_the_socket_a_token_changes_nothing(opened: OpenDoor) -> None:
    await opened.ask("POST", CHAT, json=chat(), headers={"x-api-key": USER})

    assert opened.service.handles[0].request.user != "ben"


async def test_open_loopback_needs_no_token(tmp_path: Path) -> None:
    async with open_door(tmp_path, open_loopback=True) as opened:
        headers = {"authorization": "Bearer unused"}
        answer = await opened.ask("POST", CHAT, tcp=True, json=chat(), headers=headers)
        refused = await opened.ask("POST", "/rpc", tcp=True, json=SET)

    assert answer.status == 200
    assert refused.status == 403


async def test_the_name_we_listen_under_is_no_foreign_host(opened: OpenDoor) -> None:
    opened.door.access = HttpAccess(open_loopback=True, hosts=("Router.Internal",))
    headers = {"host": "router.internal:4180"}

    assert (await opened.ask("GET", "/ready", tcp=True, headers=headers)).status == 200
