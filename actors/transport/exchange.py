"""One request and its response."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Literal, Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD

from actors.errors import (
    OurError,
    ProviderConnectionError,
    ProviderError,
    ProviderResponseError,
    ProviderTimeout,
)
from actors.transport.explain import IO_ERRORS, explain
from actors.transport.pool import Pool
from actors.transport.target import Target
from actors.wire.base import HttpRequest, ResponseHead, Timeouts

STALE_WITHIN_S: Final = 5.0
"""A kept-alive connection that closes later than this after sending was not stale: the
provider had the request and hung up on it."""

_SWITCHING_PROTOCOLS: Final = 101


class StaleConnectionError(Exception):
    """Raised when a kept-alive connection closes before any byte of an answer."""


class Exchange:
    """The context that ``send`` returns, its ``Response``, and the chunks of that."""

    __slots__ = (
        "_body",
        "_connection",
        "_limit",
        "_loop",
        "_pool",
        "_request",
        "_seen",
        "_stream",
        "_target",
        "_timeouts",
        "_timer",
        "_total_s",
        "head",
    )

    head: ResponseHead
    _loop: asyncio.AbstractEventLoop
    _target: Target
    _connection: Connection

    def __init__(
        self, pool: Pool, request: HttpRequest, timeouts: Timeouts, *, stream: bool
    ) -> None:
        config = pool.config
        self._pool = pool
        self._request = request
        self._timeouts = timeouts
        self._total_s = timeouts.total_s
        self._stream = stream
        self._limit = config.max_stream_bytes if stream else config.max_body_bytes
        self._seen = 0
        self._body: aiohttp.StreamReader = EMPTY_PAYLOAD
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._target = self._pool.target(self._request.url)
        await self._take_slot()
        try:
            await self._open()
        except BaseException:
            self._stop_timer()
            self._pool.slots.release()
            raise
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stop_timer()
        connection = self._connection
        transport = connection.transport
        unsent = transport is not None and transport.get_write_buffer_size()
        if self._body.is_eof() and not unsent:
            connection.release()
        else:
            _abort(connection)
        self._pool.slots.release()

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._body.readany()
        except IO_ERRORS as error:
            raise self._explain(error, "body") from None
        if not data:
            raise StopAsyncIteration
        self._count(data)
        return data

    async def read(self) -> bytes:
        if not self._body.is_eof():
            return b"".join([data async for data in self])
        try:
            data = self._body.read_nowait()
        except IO_ERRORS as error:
            raise self._explain(error, "body") from None
        self._count(data)
        return data

    def _count(self, data: bytes) -> None:
        self._seen += len(data)
        if self._seen > self._limit:
            raise ProviderResponseError(
                f"{self._target.label}: the answer is larger than {self._limit} bytes",
                provider=self._pool.provider,
                status=self.head.status,
            )

    # Sending --------------------------------------------------------------------------

    async def _take_slot(self) -> None:
        slots = self._pool.slots
        if not slots.locked():
            await slots.acquire()
            return
        started = self._loop.time()
        try:
            async with asyncio.timeout(self._total_s):
                await slots.acquire()
        except TimeoutError:
            raise ProviderTimeout(
                f"{self._target.label}: total timeout: all"
                f" {self._pool.config.connections} connections were busy for"
                f" {self._total_s:g} s",
                provider=self._pool.provider,
            ) from None
        self._total_s = max(self._total_s - (self._loop.time() - started), 0.001)

    async def _open(self) -> None:
        started = self._loop.time()
        try:
            await self._ask(fresh=False)
        except StaleConnectionError:
            passed = self._loop.time() - started
        else:
            return
        if passed > min(STALE_WITHIN_S, self._total_s):
            raise ProviderConnectionError(
                f"{self._target.label}: hung up after {passed:.1f} s without an answer",
                provider=self._pool.provider,
                reused=passed <= STALE_WITHIN_S,
                sent=True,
            )
        self._stop_timer()
        self._total_s -= passed
        await self._ask(fresh=True)

    async def _ask(self, *, fresh: bool) -> None:
        started = self._loop.time()
        connection = self._connection = await self._connect(fresh=fresh)
        protocol = connection.protocol
        assert protocol is not None
        left_s = self._total_s - (self._loop.time() - started)
        self._timer = self._loop.call_later(left_s, self._out_of_time, protocol)
        try:
            self._send(protocol, fresh=fresh)
            message, self._body = await _response(protocol)
        except BaseException as error:
            _abort(connection)
            if _is_stale(error) and self._pool.used_before(protocol):
                raise StaleConnectionError from error
            if isinstance(error, IO_ERRORS):
                raise self._explain(error, "head") from None
            raise
        self._pool.answers(protocol)
        headers = {name.lower(): value for name, value in message.headers.items()}
        self.head = ResponseHead(message.code, headers)
        if self._stream and not self._body.is_eof():
            protocol.read_timeout = self._timeouts.idle_s  # another silence is allowed
            protocol.start_timeout()

    async def _connect(self, *, fresh: bool) -> Connection:
        connect_s = self._timeouts.connect_s
        limit_s = min(connect_s, self._total_s)
        try:
            return await self._pool.connect(self._target, limit_s, fresh=fresh)
        except IO_ERRORS as error:
            if isinstance(error, TimeoutError) and limit_s == connect_s:
                error = aiohttp.ConnectionTimeoutError()
            raise self._explain(error, "head") from None

    def _send(self, protocol: ResponseHandler, *, fresh: bool) -> None:
        request = self._request
        head = self._target.head(request, close=fresh)
        if request.body or request.method != "GET":
            head += b"content-length: %d\r\n\r\n" % len(request.body)
        else:
            head += b"\r\n"
        protocol.set_response_params(
            read_until_eof=True,
            read_timeout=self._timeouts.first_token_s if self._stream else None,
        )
        if protocol.transport is None:
            raise aiohttp.ServerDisconnectedError
        protocol.transport.write(head + request.body)
        protocol.start_timeout()

    # Time -----------------------------------------------------------------------------

    def _out_of_time(self, protocol: ResponseHandler) -> None:
        """Whoever waits for the head or for more of the body hears of it."""
        protocol.set_exception(TimeoutError())
        if not self._body.is_eof():
            self._body.set_exception(TimeoutError())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _explain(
        self, error: Exception, phase: Literal["head", "body"]
    ) -> ProviderError | OurError:
        provider = self._pool.provider
        return explain(error, self._target.label, provider, self._timeouts, phase)


async def _response(
    protocol: ResponseHandler,
) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    """The final response; interim ones (100, 103) are passed over."""
    while True:
        message, body = await protocol.read()
        if message.code >= 200 or message.code == _SWITCHING_PROTOCOLS:
            return message, body


def _abort(connection: Connection) -> None:
    """Drop a connection at once; closing would first flush what is still unsent."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()


def _is_stale(error: BaseException) -> bool:
    """Whether the connection closed before any byte of a response head."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else it is the head so far
    return isinstance(error, aiohttp.ClientOSError)
