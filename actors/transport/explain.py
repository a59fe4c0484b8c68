"""What aiohttp, the system and TLS raise -> our errors, in one clear sentence.

Never with anything of the request in it: its headers hold the key. For the same reason
they are raised ``from None``: aiohttp's errors hold the whole request.
"""

import errno
from os import strerror
from typing import Final, Literal

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError

from actors.errors import (
    OurError,
    Overloaded,
    ProviderConnectionError,
    ProviderError,
    ProviderResponseError,
    ProviderTimeout,
)
from actors.wire.base import Timeouts

IO_ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)
"""What to catch around aiohttp; ``TimeoutError`` is an ``OSError``."""

_PHRASES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "the name does not resolve"),
    (aiohttp.ClientConnectorSSLError, "the TLS handshake failed"),
    (aiohttp.ServerDisconnectedError, "hung up without an answer"),
    (aiohttp.ClientPayloadError, "the connection broke in the middle of the body"),
    (aiohttp.ClientHttpProxyError, "the proxy refuses to connect"),
    (aiohttp.ClientResponseError, "what answers does not speak HTTP"),
    (HttpProcessingError, "what answers does not speak HTTP"),
)
_OURS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
"""What this machine or process has too little of is nobody else's fault."""

_NEVER_SENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
)


def explain(
    error: Exception,
    where: str,
    provider: str | None,
    timeouts: Timeouts,
    phase: Literal["head", "body"],
) -> ProviderError | OurError:
    """The error to raise; ``phase`` is what was being waited for."""
    if isinstance(error, OSError) and error.errno in _OURS:
        return Overloaded(
            f"there is no connection left for {where}: {strerror(error.errno)}"
        )
    if isinstance(error, TimeoutError):
        text = f"{where}: {_which_timeout(error, timeouts, phase)}"
        return ProviderTimeout(text, provider=provider)
    text = f"{where}: {_describe(error)}"
    if _undecodable(error):
        return ProviderResponseError(text, provider=provider)
    sent = isinstance(error, aiohttp.ClientError | OSError)
    return ProviderConnectionError(
        text, provider=provider, sent=sent and not isinstance(error, _NEVER_SENT)
    )


def _which_timeout(
    error: TimeoutError, timeouts: Timeouts, phase: Literal["head", "body"]
) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"connect timeout: no connection within {timeouts.connect_s:g} s"
    if not isinstance(error, aiohttp.SocketTimeoutError):
        return f"total timeout: not done after {timeouts.total_s:g} s"
    if phase == "body":
        return f"idle timeout: silent for {timeouts.idle_s:g} s"
    return f"first-token timeout: no answer within {timeouts.first_token_s:g} s"


def _undecodable(error: Exception) -> bool:
    """Whether what came makes no sense, rather than end too early."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return False
    kinds = (aiohttp.ClientResponseError, HttpProcessingError)
    return isinstance(error, kinds) or isinstance(error.__cause__, ContentEncodingError)


def _describe(error: Exception) -> str:
    if isinstance(error.__cause__, ContentEncodingError):
        return "the body does not decompress"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the TLS certificate is refused ({error.certificate_error})"
    phrase = next((text for kind, text in _PHRASES if isinstance(error, kind)), None)
    if phrase is None and isinstance(error, OSError) and error.errno is not None:
        phrase = strerror(error.errno)
    if phrase is None and isinstance(error, ValueError):
        phrase = "the URL or a header is not valid"
    return phrase or f"connection failed ({type(error).__name__})"
