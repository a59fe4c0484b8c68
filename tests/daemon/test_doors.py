"""The entrance: kept in its place while the daemon runs, gone as soon as it drains."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.config import Config, ServerConfig
from daemon.doors import Entrance, open_sockets
from ipc.listener import Doors, Listener
from ipc.peers import Access, LocalIdentity
from ipc.server import NativeServer
from ipc.sockets import ListenError, ListeningSocket, create
from tests.support.door import drained, short_folder
from tests.support.fake_service import FakeService


class Place:
    """A socket in a folder of its own, and the entrance behind it."""

    def __init__(self) -> None:
        self.path = short_folder() / "s"
        self.listening: ListeningSocket = create(self.path)
        self.listener = Listener()
        native = NativeServer(FakeService(), version="1.2.3")
        self.native = native
        self.entrance = Entrance(
            self.listener,
            self.listening,
            Doors(json=native.json),
            LocalIdentity(Access(), own_uid=os.getuid()),
        )

    async def connect(self) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_unix_connection(self.path)
        writer.write(b'{"id":1,"method":"hello"}\n')
        assert b'"gitbridge"' in await asyncio.wait_for(reader.readline(), 5)
        return writer

    async def close(self) -> None:
        self.listener.close()
        await drained(self.native, 0)
        self.listening.close()
        for left in self.path.parent.iterdir():
            left.unlink()
        self.path.parent.rmdir()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    await made.entrance.open()
    yield made
    await made.close()


async def test_a_socket_that_somebody_removed_is_put_back(place: Place) -> None:
    before = await place.connect()
    place.path.unlink()

    with capture_logs() as logs:
        await place.entrance.look_after()
        await place.entrance.look_after()

    assert [line["event"] for line in logs] == ["socket_restored"]
    after = await place.connect()
    assert not before.is_closing()
    before.close()
    after.close()


async def test_what_somebody_put_in_its_place_stays_and_is_told_once(
    place: Place,
) -> None:
    place.path.unlink()
    place.path.write_text("precious")

    with capture_logs() as logs:
        await place.entrance.look_after()
        await place.entrance.look_after()

    assert [line["event"] for line in logs] == ["socket_lost"]
    assert "not removed" in logs[0]["error"]
    assert place.path.read_text() == "precious"
    place.path.unlink()
    await place.entrance.look_after()
    (await place.connect()).close()


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")]
)
def test_the_port_that_was_bound_is_told(host: str, shown: str) -> None:
    folder = short_folder()
    config = Config(server=ServerConfig(listen=f"{shown}:0"))
    with open_sockets(config, folder / "s", {}) as sockets:
        assert sockets.tcp is not None
        assert sockets.listen == f"{shown}:{sockets.tcp.getsockname()[1]}"
        assert not sockets.listen.endswith(":0")
    with open_sockets(Config(), folder / "s", {}) as sockets:
        assert sockets.listen is None
    (folder / "s.lock").unlink()
    folder.rmdir()


async def test_a_closed_entrance_is_found_no_more_and_not_put_back(
    place: Place,
) -> None:
    inside = await place.connect()

    place.entrance.close()
    await place.entrance.look_after()

    with pytest.raises(FileNotFoundError):
        await place.connect()
    inside.close()


def test_two_sockets_of_systemd_are_one_too_many() -> None:
    environ = {
        "LISTEN_FDS": "2",
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDNAMES": "api:more",
    }
    with (
        pytest.raises(ListenError, match=r"2 sockets \(api, more\), and one"),
        open_sockets(Config(), Path("/nonexistent/s"), environ),
    ):
        pass
