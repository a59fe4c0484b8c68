"""``actors.wire.base.Transport`` over HTTP/1.1."""

import ssl
from contextlib import AbstractAsyncContextManager

from actors.transport.exchange import Exchange
from actors.transport.pool import Pool, TransportConfig
from actors.wire.base import HttpRequest, Response, Timeouts


class AiohttpTransport:
    """Performs the requests of one provider.

    May be made outside a loop; belongs to the loop of its first request. ``provider``
    names the provider in errors; ``tls`` replaces the default context, which verifies
    against the system's authorities.
    """

    def __init__(
        self,
        config: TransportConfig | None = None,
        *,
        provider: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._pool = Pool(config or TransportConfig(), provider, tls)

    def send(
        self, request: HttpRequest, timeouts: Timeouts, *, stream: bool
    ) -> AbstractAsyncContextManager[Response]:
        """See ``Transport.send``.

        In a stream ``first_token_s`` bounds the silence before the response's head and
        ``idle_s`` every silence after it.

        Raises:
            ProviderConnectionError: Not reached, or hung up before any byte.
            ProviderTimeout: A deadline passed; the message says which.
            ProviderResponseError: What came is not HTTP, does not decompress, or is
                larger than allowed.
        """
        return Exchange(self._pool, request, timeouts, stream=stream)

    async def aclose(self) -> None:
        """Close every connection; requests in flight fail. May be called again."""
        await self._pool.aclose()
