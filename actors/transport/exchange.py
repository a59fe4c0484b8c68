"""One request and its response."""

import asyncio
import io
from collections.abc import AsyncIterator
from functools import lru_cache
from types import TracebackType
from typing import Final, Literal, Self

import aiohttp

from actors.errors import (
    ProviderConnectionError,
    ProviderError,
    ProviderResponseError,
    ProviderTimeout,
)
from actors.transport.explain import IO_ERRORS, explain
from actors.transport.pool import Pool, StaleConnectionError, abort
from actors.wire.base import HttpRequest, ResponseHead, Timeouts

STALE_WITHIN_S: Final = 5.0
"""A kept-alive connection that closes later than this after sending was not stale: the
provider had the request and hung up on it."""

_LARGE_BODY_BYTES: Final = 1 << 20  # aiohttp wants larger bodies as a file, in pieces


class Exchange:
    """The context that ``send`` returns, its ``Response``, and the chunks of that."""

    __slots__ = (
        "_body",
        "_limit",
        "_pool",
        "_request",
        "_response",
        "_seen",
        "_stream",
        "_timeouts",
        "_total_s",
        "head",
    )

    head: ResponseHead
    _response: aiohttp.ClientResponse
    _body: aiohttp.StreamReader

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

    async def __aenter__(self) -> Self:
        await self._take_slot()
        try:
            self._response = response = await self._open()
        except BaseException:
            self._pool.slots.release()
            raise
        self._body = response.content
        self.head = ResponseHead(
            response.status, {k.lower(): v for k, v in response.headers.items()}
        )
        connection = response.connection
        if self._stream and connection is not None and not self._body.is_eof():
            protocol = connection.protocol
            if protocol is not None:  # from here on another silence is allowed
                protocol.read_timeout = self._timeouts.idle_s
                protocol.start_timeout()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        connection = self._response.connection
        if connection is not None:  # else it was read to its end and is pooled again
            abort(connection)
            self._response.close()
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
        self._seen += len(data)
        if self._seen > self._limit:
            raise ProviderResponseError(
                f"{self._where}: the answer is larger than {self._limit} bytes",
                provider=self._pool.provider,
                status=self.head.status,
            )
        return data

    async def read(self) -> bytes:
        return b"".join([data async for data in self])

    async def _take_slot(self) -> None:
        slots = self._pool.slots
        if not slots.locked():
            await slots.acquire()
            return
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(self._total_s):
                await slots.acquire()
        except TimeoutError:
            raise ProviderTimeout(
                f"{self._where}: total timeout: all {self._pool.config.connections}"
                f" connections were busy for {self._total_s:g} s",
                provider=self._pool.provider,
            ) from None
        self._total_s = max(self._total_s - (clock() - started), 0.001)

    async def _open(self) -> aiohttp.ClientResponse:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            return await self._ask(fresh=False)
        except StaleConnectionError:
            passed = clock() - started
        if passed > min(STALE_WITHIN_S, self._total_s):
            raise ProviderConnectionError(
                f"{self._where}: hung up after {passed:.1f} s without an answer",
                provider=self._pool.provider,
                reused=passed <= STALE_WITHIN_S,
                sent=True,
            )
        self._total_s -= passed
        return await self._ask(fresh=True)

    async def _ask(self, *, fresh: bool) -> aiohttp.ClientResponse:
        request = self._request
        body = request.body
        target = self._pool.target(request.url)
        headers = request.headers
        if target.headers is not None:
            headers = headers | target.headers
        session = self._pool.session(fresh=fresh)
        try:
            return await session.request(
                request.method,
                target.url,
                data=io.BytesIO(body)
                if len(body) > _LARGE_BODY_BYTES
                else body or None,
                headers=headers,
                timeout=_client_timeout(self._timeouts, self._total_s, self._stream),
                allow_redirects=False,
                proxy=target.proxy,
                proxy_headers=target.tunnel_headers,
            )
        except IO_ERRORS as error:
            raise self._explain(error, "head") from None

    @property
    def _where(self) -> str:
        return self._pool.target(self._request.url).label

    def _explain(
        self, error: Exception, phase: Literal["head", "body"]
    ) -> ProviderError:
        provider = self._pool.provider
        return explain(error, self._where, provider, self._timeouts, phase)


@lru_cache(maxsize=64)
def _client_timeout(
    timeouts: Timeouts,
    total_s: float,
    stream: bool,  # noqa: FBT001 - a cache key
) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=total_s,
        connect=timeouts.connect_s,
        sock_read=timeouts.first_token_s if stream else None,
    )
