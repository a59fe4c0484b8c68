"""``POST /webhooks/github`` at the door: what is passed on, and what is refused."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from actors.errors import InvalidRequest, NotPermitted, QueueUnavailable
from ipc.events import Delivery, PublishResult
from ipc.http.webhooks import MAX_BYTES
from tests.support.http_door import OpenDoor, open_door

HEADERS = {
    "content-type": "application/json",
    "x-github-event": "push",
    "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    "x-hub-signature-256": "sha256=abc",
}


class Desk:
    def __init__(self) -> None:
        self.got: list[Delivery] = []
        self.error: Exception | None = None
        self.duplicate = False

    async def receive(self, delivery: Delivery) -> PublishResult:
        self.got.append(delivery)
        if self.error is not None:
            raise self.error
        return PublishResult(id=delivery.id, task_id="T1", duplicate=self.duplicate)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def opened(tmp_path: Path, desk: Desk) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path, webhook=desk.receive) as opened:
        yield opened


async def post(opened: OpenDoor, *, tcp: bool = False, **changes: Any) -> Any:
    headers = {**HEADERS, **changes.pop("headers", {})}
    left = {name: value for name, value in headers.items() if value is not None}
    body = changes.pop("data", b'{"a": 1}')
    path = "/webhooks/github"
    return await opened.ask("POST", path, tcp=tcp, headers=left, data=body)


@pytest.mark.parametrize("tcp", [False, True])
async def test_it_is_passed_on_as_it_came(
    opened: OpenDoor, desk: Desk, tcp: bool
) -> None:
    answer = await post(opened, tcp=tcp)  # without any of our tokens

    assert answer.status == 202
    assert answer.json()["task_id"] == "T1"
    assert answer.json()["duplicate"] is False
    assert desk.got == [
        Delivery(
            kind="push",
            id=HEADERS["x-github-delivery"],
            signature="sha256=abc",
            body=b'{"a": 1}',
        )
    ]


async def test_a_duplicate_is_told_so(opened: OpenDoor, desk: Desk) -> None:
    desk.duplicate = True
    answer = await post(opened)

    assert answer.status == 202
    assert answer.json()["duplicate"] is True


async def test_a_ping_is_answered(opened: OpenDoor) -> None:
    assert (await post(opened, headers={"x-github-event": "ping"})).status == 200


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        ({"x-github-event": None}, 400, "x-github-event is missing"),
        ({"x-github-event": "é"}, 400, "none of GitHub's"),
        ({"x-github-delivery": "x" * 101}, 400, "x-github-delivery"),
        (
            {"content-type": "application/x-www-form-urlencoded"},
            400,
            "set its content type to application/json",
        ),
        ({"x-hub-signature-256": None}, 401, "set a secret"),
    ],
)
async def test_what_is_no_webhook(
    opened: OpenDoor,
    desk: Desk,
    headers: dict[str, str | None],
    status: int,
    text: str,
) -> None:
    answer = await post(opened, headers=headers)

    assert answer.status == status
    assert text in answer.error["message"]
    assert desk.got == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotPermitted("its signature is not that of our secret"), 401),
        (InvalidRequest("the payload is not JSON"), 400),
        (QueueUnavailable("the queue is away"), 503),
    ],
)
async def test_what_the_desk_refuses(
    opened: OpenDoor, desk: Desk, error: Exception, status: int
) -> None:
    desk.error = error
    answer = await post(opened)

    assert answer.status == status
    assert str(error) in answer.error["message"]


async def test_a_body_may_be_so_long(opened: OpenDoor, desk: Desk) -> None:
    assert (await post(opened, data=BytesIO(b"x" * MAX_BYTES))).status == 202

    answer = await post(opened, data=BytesIO(b"x" * (MAX_BYTES + 1)))
    assert answer.status == 413
    assert f"at most {MAX_BYTES} bytes" in answer.error["message"]

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(26):
            yield b"x" * (1 << 20)

    assert (await post(opened, data=pieces())).status == 413
    assert len(desk.got) == 1


async def test_where_nobody_takes_webhooks(tmp_path: Path) -> None:
    async with open_door(tmp_path) as opened:
        answer = await post(opened)

    assert answer.status == 404
    assert "not supported yet" in answer.error["message"]
