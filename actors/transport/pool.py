"""The connections to one provider."""

import asyncio
import ssl
import sys
from typing import Final
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from msgspec import Struct
from yarl import URL

from actors.errors import ProviderConnectionError

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

USER_AGENT: Final = "gitbridge-smartrouter"
_NOT_ADDED: Final = ("Accept", "Content-Type", "User-Agent")
_TARGETS_KEPT: Final = 256

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


class Target(Struct, frozen=True):
    """Where a request goes; ``label`` is host and port, for messages.

    A proxy's password goes into ``tunnel_headers`` where there is a tunnel (https), and
    into ``headers`` where the proxy reads the request itself.
    """

    url: URL
    label: str
    proxy: URL | None = None
    tunnel_headers: dict[str, str] | None = None
    headers: dict[str, str] | None = None


class Pool:
    """Sessions, made inside the running loop when they are first needed."""

    def __init__(
        self,
        config: TransportConfig,
        provider: str | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.config = config
        self.provider = provider
        self.slots = asyncio.Semaphore(config.connections)
        self._tls = tls
        self._targets: dict[str, Target] = {}
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._closed = False

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
        self._kept = self._kept or self._open(force_close=False)
        return self._kept

    def target(self, url: str) -> Target:
        """The parsed URL and its proxy, kept: few URLs are asked for, and often.

        Raises:
            ProviderConnectionError: It is no URL.
        """
        target = self._targets.get(url)
        if target is None:
            if len(self._targets) >= _TARGETS_KEPT:
                self._targets.clear()
            try:
                target = _find_target(url, trust_env=self.config.trust_env)
            except ValueError:
                raise ProviderConnectionError(
                    "the provider's URL is not valid", provider=self.provider
                ) from None
            self._targets[url] = target
        return target

    async def aclose(self) -> None:
        self._closed = True
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()

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


class StaleConnectionError(Exception):
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
                raise StaleConnectionError from error
            raise
        except BaseException:
            abort(connection)
            raise
        if protocol is not None:
            _served.add(protocol)
        return self


def abort(connection: Connection) -> None:
    """Drop a connection at once; closing would first flush what is still unsent."""
    if connection.transport is not None:
        connection.transport.abort()


def _partly_answered(error: Exception) -> bool:
    """Whether the connection ended inside a response head."""
    return isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(
        error.message, str
    )


def _find_target(url: str, *, trust_env: bool) -> Target:
    parsed = URL(url)
    if parsed.host is None or parsed.scheme not in ("http", "https"):
        raise ValueError("not an HTTP URL")
    label = f"{parsed.host}:{parsed.port}"
    found = getproxies().get(parsed.scheme) if trust_env else None
    if not found or proxy_bypass(parsed.host):
        return Target(parsed, label)
    proxy = URL(found)
    if proxy.user is None:
        return Target(parsed, label, proxy)
    secret = aiohttp.encode_basic_auth(proxy.user, proxy.password or "")
    headers = {"Proxy-Authorization": secret}
    proxy = proxy.with_user(None)
    if parsed.scheme == "https":
        return Target(parsed, label, proxy, tunnel_headers=headers)
    return Target(parsed, label, proxy, headers=headers)
