"""The only HTTP client: moves the bytes of one provider's requests with aiohttp.

One pooled session per provider, made inside the running loop at the first request.
Nothing is followed, remembered or retried behind the caller's back: a redirect is
handed up as the response it is (following it would carry the key along), cookies are
dropped, and the only second try is for a kept-alive connection that turned out to be
closed already, once, on a connection of its own.

Leaving a response early, or cancelling, aborts its connection: request bytes that are
still buffered are not waited for.
"""

import asyncio
import io
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from os import strerror
from types import TracebackType
from typing import Final, Self
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import ContentEncodingError
from msgspec import Struct
from yarl import URL

from actors.errors import (
    ProviderConnectionError,
    ProviderError,
    ProviderResponseError,
    ProviderTimeout,
)
from actors.wire.base import HttpRequest, Response, ResponseHead, Timeouts

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

USER_AGENT: Final = "gitbridge-smartrouter"
STALE_WITHIN_S: Final = 5.0
"""A kept-alive connection that closes later than this after sending was not stale: the
provider had the request and hung up on it."""

_LARGE_BODY_BYTES: Final = 1 << 20  # aiohttp wants larger bodies as a file, in pieces
_NOT_ADDED: Final = ("Accept", "Content-Type", "User-Agent")
_IO_ERRORS: Final = (aiohttp.ClientError, OSError, ValueError)  # OSError: timeouts too
_PHRASES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "the name does not resolve"),
    (aiohttp.ClientConnectorSSLError, "the TLS handshake failed"),
    (aiohttp.ServerDisconnectedError, "hung up without an answer"),
    (aiohttp.ClientPayloadError, "the connection broke in the middle of the body"),
    (aiohttp.ClientHttpProxyError, "the proxy refuses to connect"),
    (aiohttp.ClientResponseError, "what answers does not speak HTTP"),
    (ValueError, "the URL or a header is not valid"),
)

_served: WeakSet[ResponseHandler] = WeakSet()  # connections that answered before


class TransportConfig(Struct, frozen=True, kw_only=True):
    """How one provider is connected to.

    ``connections`` may be open at once; further requests wait for one, at most their
    ``total_s``. ``max_body_bytes`` and ``max_stream_bytes`` bound the decoded body of
    plain and of streamed answers. ``trust_env`` takes proxies from the environment
    (``HTTPS_PROXY``, ``NO_PROXY``, ...), and nothing else from it.
    """

    connections: int = 256
    keepalive_s: float = 30.0
    max_body_bytes: int = 64 << 20
    max_stream_bytes: int = 512 << 20
    trust_env: bool = False


class AiohttpTransport:
    """``actors.wire.base.Transport`` over HTTP/1.1.

    ``provider`` names the provider in errors; ``tls`` replaces the default context,
    which verifies against the system's authorities.
    """

    def __init__(
        self,
        config: TransportConfig | None = None,
        *,
        provider: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.config = config or TransportConfig()
        self.provider = provider
        self.slots = asyncio.Semaphore(self.config.connections)
        self._tls = tls
        self._targets: dict[str, _Target] = {}
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._closed = False

    def send(
        self, request: HttpRequest, timeouts: Timeouts, *, stream: bool
    ) -> AbstractAsyncContextManager[Response]:
        """See ``Transport.send``.

        In a stream ``first_token_s`` bounds the silence before the response's head and
        ``idle_s`` every silence after it.
        """
        return _Exchange(self, request, timeouts, stream=stream)

    async def aclose(self) -> None:
        """Close every connection; requests in flight fail. May be called again."""
        self._closed = True
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()

    def session(self, *, fresh: bool) -> aiohttp.ClientSession:
        """The pooled session, or the one whose connections are never used twice.

        Raises:
            ProviderConnectionError: The transport is closed.
        """
        if self._closed:
            raise ProviderConnectionError(
                "the transport is closed", provider=self.provider, reused=True
            )
        if fresh:
            self._fresh = self._fresh or self._open(force_close=True)
            return self._fresh
        self._pooled = self._pooled or self._open(force_close=False)
        return self._pooled

    def target(self, url: str) -> "_Target":
        """The parsed URL and its proxy, kept: few URLs are asked for, and often.

        Raises:
            ProviderConnectionError: It is no URL.
        """
        target = self._targets.get(url)
        if target is None:
            if len(self._targets) >= 256:
                self._targets.clear()
            try:
                target = _find_target(url, trust_env=self.config.trust_env)
            except ValueError:
                raise ProviderConnectionError(
                    "the provider's URL is not valid", provider=self.provider
                ) from None
            self._targets[url] = target
        return target

    def _open(self, *, force_close: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,  # `slots` limits: aiohttp would count the wait as connecting
            ssl=self._tls or True,
            ttl_dns_cache=60,
            force_close=force_close,
            keepalive_timeout=None if force_close else self.config.keepalive_s,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            skip_auto_headers=_NOT_ADDED,
            response_class=_Response,
        )


class _Exchange:
    """One request and its response: a context, a ``Response`` and its chunks."""

    __slots__ = (
        "_body",
        "_limit",
        "_owner",
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
        self,
        owner: AiohttpTransport,
        request: HttpRequest,
        timeouts: Timeouts,
        *,
        stream: bool,
    ) -> None:
        config = owner.config
        self._owner = owner
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
            self._owner.slots.release()
            raise
        self._body = response.content
        self.head = ResponseHead(
            response.status, {k.lower(): v for k, v in response.headers.items()}
        )
        if self._stream and response.connection and not self._body.is_eof():
            protocol = response.connection.protocol
            if protocol is not None:  # from here on silence is measured differently
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
            _abort(connection)
            self._response.close()
        self._owner.slots.release()

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._body.readany()
        except _IO_ERRORS as error:
            raise self._explain(error) from None
        if not data:
            raise StopAsyncIteration
        self._seen += len(data)
        if self._seen > self._limit:
            raise ProviderResponseError(
                f"{self._host} answered with more than {self._limit} bytes",
                provider=self._owner.provider,
                status=self.head.status,
            )
        return data

    async def read(self) -> bytes:
        return b"".join([data async for data in self])

    async def _take_slot(self) -> None:
        slots = self._owner.slots
        if not slots.locked():
            await slots.acquire()
            return
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(self._total_s):
                await slots.acquire()
        except TimeoutError:
            raise self._timed_out(
                f"total timeout: all {self._owner.config.connections} connections"
                f" were busy for {self._total_s:g} s"
            ) from None
        self._total_s = max(self._total_s - (clock() - started), 0.001)

    async def _open(self) -> aiohttp.ClientResponse:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            return await self._ask(fresh=False)
        except _StaleConnectionError:
            passed = clock() - started
            if passed > min(STALE_WITHIN_S, self._total_s):
                raise ProviderConnectionError(
                    f"{self._host} hung up after {passed:.1f} s without an answer",
                    provider=self._owner.provider,
                    reused=passed <= STALE_WITHIN_S,
                ) from None
            self._total_s -= passed
        return await self._ask(fresh=True)

    async def _ask(self, *, fresh: bool) -> aiohttp.ClientResponse:
        session = self._owner.session(fresh=fresh)
        request = self._request
        body = request.body
        try:
            target = self._owner.target(request.url)
            return await session.request(
                request.method,
                target.url,
                data=io.BytesIO(body)
                if len(body) > _LARGE_BODY_BYTES
                else body or None,
                headers=request.headers,
                timeout=_client_timeout(self._timeouts, self._total_s, self._stream),
                allow_redirects=False,
                proxy=target.proxy,
                proxy_headers=target.proxy_headers,
            )
        except _IO_ERRORS as error:
            # `from None`: aiohttp's errors hold the request, and so the key
            raise self._explain(error) from None

    @property
    def _host(self) -> str:
        return self._owner.target(self._request.url).label

    def _timed_out(self, message: str) -> ProviderTimeout:
        return ProviderTimeout(
            f"{self._host}: {message}", provider=self._owner.provider
        )

    def _explain(self, error: Exception) -> ProviderError:
        if isinstance(error, TimeoutError):
            return self._timed_out(self._which_timeout(error))
        message = f"{self._host}: {_describe(error)}"
        if isinstance(error, aiohttp.ClientResponseError) or _undecodable(error):
            return ProviderResponseError(message, provider=self._owner.provider)
        return ProviderConnectionError(message, provider=self._owner.provider)

    def _which_timeout(self, error: TimeoutError) -> str:
        timeouts = self._timeouts
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return f"connect timeout: no connection within {timeouts.connect_s:g} s"
        if not isinstance(error, aiohttp.SocketTimeoutError):
            return f"total timeout: not done after {timeouts.total_s:g} s"
        if hasattr(self, "head"):
            return f"idle timeout: silent for {timeouts.idle_s:g} s"
        return f"first-token timeout: no answer within {timeouts.first_token_s:g} s"


class _StaleConnectionError(Exception):
    """Raised when a kept-alive connection closes before any byte of an answer."""


class _Response(aiohttp.ClientResponse):
    """Knows whether its connection was used before, and aborts it when it fails."""

    @override
    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        try:
            await super().start(connection)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if protocol in _served and not _partly_answered(error):
                raise _StaleConnectionError from error
            raise
        except BaseException:
            _abort(connection)  # closing would first flush what is still unsent
            raise
        if protocol is not None:
            _served.add(protocol)
        return self


class _Target(Struct, frozen=True):
    url: URL
    label: str
    proxy: URL | None = None
    proxy_headers: dict[str, str] | None = None


def _find_target(url: str, *, trust_env: bool) -> _Target:
    parsed = URL(url)
    if parsed.host is None:
        raise ValueError("no host in the URL")
    label = f"{parsed.host}:{parsed.port}"
    found = getproxies().get(parsed.scheme) if trust_env else None
    if not found or proxy_bypass(parsed.host):
        return _Target(parsed, label)
    proxy = URL(found)
    if proxy.user is None:
        return _Target(parsed, label, proxy)
    secret = aiohttp.encode_basic_auth(proxy.user, proxy.password or "")
    return _Target(
        parsed, label, proxy.with_user(None), {"Proxy-Authorization": secret}
    )


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


def _abort(connection: Connection) -> None:
    if connection.transport is not None:
        connection.transport.abort()


def _partly_answered(error: Exception) -> bool:
    return isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(
        error.message, str
    )


def _undecodable(error: Exception) -> bool:
    """Whether a compressed body does not decompress, rather than end too early."""
    return isinstance(error.__cause__, ContentEncodingError)


def _describe(error: Exception) -> str:
    """One clear phrase without anything of the request: its headers hold the key."""
    if _undecodable(error):
        return "the body does not decompress"
    phrase = next((text for kind, text in _PHRASES if isinstance(error, kind)), None)
    if phrase is None and isinstance(error, OSError) and error.errno is not None:
        phrase = strerror(error.errno)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        phrase = f"the TLS certificate is refused ({error.certificate_error})"
    return phrase or f"connection failed ({type(error).__name__})"
