"""The connections to one provider."""

import asyncio
import ssl
from functools import lru_cache
from typing import Final
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from msgspec import Struct

from actors.errors import ProviderConnectionError
from actors.transport.target import Target, find_target

_TARGETS_KEPT: Final = 256


class TransportConfig(Struct, frozen=True, kw_only=True):
    """How one provider is connected to.

    ``connections`` may be open at once; further requests wait for one, at most their
    ``total_s``. ``max_body_bytes`` and ``max_stream_bytes`` bound the decoded body of
    plain and of streamed answers. ``trust_env`` takes proxies from the environment
    (``HTTPS_PROXY``, ``NO_PROXY``, ...), and nothing else from it.
    """

    connections: int = 1024
    keepalive_s: float = 30.0
    max_body_bytes: int = 64 << 20
    max_stream_bytes: int = 512 << 20
    trust_env: bool = False


class Pool:
    """Connectors, made inside the running loop when they are first needed.

    aiohttp's connectors resolve, connect, do TLS and proxies and keep connections; its
    session and request objects, which cost more than everything else together, are
    left aside: ``Exchange`` writes requests itself.
    """

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
        self._kept: aiohttp.TCPConnector | None = None
        self._fresh: aiohttp.TCPConnector | None = None
        self._answered: WeakSet[ResponseHandler] = WeakSet()
        self._closed = False

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
                target = find_target(url, trust_env=self.config.trust_env)
            except ValueError:
                raise ProviderConnectionError(
                    "the provider's URL is not valid", provider=self.provider
                ) from None
            self._targets[url] = target
        return target

    async def connect(
        self, target: Target, limit_s: float, *, fresh: bool
    ) -> Connection:
        """A kept-alive connection or a new one; with ``fresh`` one never used again.

        Raises:
            ProviderConnectionError: The transport is closed.
            TimeoutError: There was none within ``limit_s`` seconds.
        """
        if self._closed:
            raise ProviderConnectionError(
                "the transport is closed", provider=self.provider, reused=True
            )
        if fresh:
            connector = self._fresh = self._fresh or self._open(force_close=True)
        else:
            connector = self._kept = self._kept or self._open(force_close=False)
        return await connector.connect(target.origin, [], _limits(limit_s))

    def used_before(self, protocol: ResponseHandler) -> bool:
        """Whether this connection has answered a request already."""
        return protocol in self._answered

    def answers(self, protocol: ResponseHandler) -> None:
        """Remember that this connection answers."""
        self._answered.add(protocol)

    async def aclose(self) -> None:
        self._closed = True
        for connector in (self._kept, self._fresh):
            if connector is not None:
                await connector.close()

    def _open(self, *, force_close: bool) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            limit=0,  # `slots` limits: aiohttp would count the wait as connecting
            ssl=self._tls or True,
            ttl_dns_cache=60,
            force_close=force_close,
            keepalive_timeout=None if force_close else self.config.keepalive_s,
        )


@lru_cache(maxsize=8)
def _limits(connect_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_s, sock_connect=None)
