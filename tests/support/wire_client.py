"""A native client that trusts nobody: it keeps every message that came, by its id.

Where ``ipc.client`` would pass over a second answer to the same call, or a piece that
comes after the answer, this one remembers it, for the tests to look at.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal, cast

import msgspec

from ipc.frames import FrameError, Framing, JsonLines, MsgpackFrames

Spoken = Literal["json", "msgpack"]
Message = dict[str, object]


@dataclass
class Exchange:
    """One call and everything that came for its id, in order."""

    id: int
    messages: list[Message] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    lost: bool = False

    @property
    def replies(self) -> list[Message]:
        return [m for m in self.messages if "method" not in m]

    @property
    def reply(self) -> Message | None:
        """The answer, unless the connection was lost before it came."""
        return next(iter(self.replies), None)

    @property
    def result(self) -> Message:
        assert self.reply is not None, "never answered"
        assert "result" in self.reply, self.reply
        return cast("Message", self.reply["result"])

    @property
    def error(self) -> Message | None:
        assert self.reply is not None, "never answered"
        return cast("Message | None", self.reply.get("error"))

    @property
    def pieces(self) -> str:
        """The content of the deltas, put together."""
        params = [cast("Message", m["params"]) for m in self.messages if "method" in m]
        return "".join(str(p["content"] or "") for p in params)

    def assert_told_once(self) -> None:
        """Exactly one answer, and nothing after it."""
        assert len(self.replies) == 1, self.messages
        assert "method" not in self.messages[-1], self.messages


class WireClient:
    """One connection. Several calls may be in flight."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        spoken: Spoken,
    ) -> None:
        self._reader = reader
        self.writer = writer
        self._framing: Framing = JsonLines() if spoken == "json" else MsgpackFrames()
        self._ids = count(1)
        self.exchanges: dict[object, Exchange] = {}
        self.strays: list[Message] = []
        self.lost = False

    def start(self, method: str, params: object = None) -> Exchange:
        """Send a call; its answer comes later."""
        exchange = Exchange(next(self._ids))
        self.exchanges[exchange.id] = exchange
        if self.lost or self.writer.is_closing():
            self._give_up(exchange)
        else:
            self.send({"id": exchange.id, "method": method, "params": params or {}})
        return exchange

    def send(self, message: Message) -> None:
        self.writer.write(self._framing.encode({"jsonrpc": "2.0", **message}))

    async def call(
        self, method: str, params: object = None, *, timeout_s: float = 30.0
    ) -> Exchange:
        """Call and wait for the answer, or for the end of the connection."""
        exchange = self.start(method, params)
        async with asyncio.timeout(timeout_s):
            await exchange.ended.wait()
        return exchange

    async def read(self) -> None:
        """Take what comes until the connection ends."""
        try:
            while data := await self._reader.read(65536):
                for raw in self._framing.feed(data):
                    self._take(raw)
        except ConnectionError:
            pass
        finally:
            self.lost = True
            for exchange in self.exchanges.values():
                self._give_up(exchange)

    def _take(self, raw: bytes | FrameError) -> None:
        assert isinstance(raw, bytes), raw
        message = msgspec.convert(self._framing.decode(raw), Message)
        params = message.get("params", message)
        exchange = self.exchanges.get(cast("Message", params).get("id"))
        if exchange is None:
            self.strays.append(message)
            return
        exchange.messages.append(message)
        if "method" not in message:
            exchange.ended.set()

    @staticmethod
    def _give_up(exchange: Exchange) -> None:
        if not exchange.ended.is_set():
            exchange.lost = True
            exchange.ended.set()


@asynccontextmanager
async def wire_client(path: Path, spoken: Spoken = "json") -> AsyncIterator[WireClient]:
    """Connect; hang up at the end."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 20)
    client = WireClient(reader, writer, spoken)
    reading = asyncio.ensure_future(client.read())
    try:
        yield client
    finally:
        writer.transport.abort()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
