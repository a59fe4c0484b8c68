"""Where requests of one URL go, and their first lines as bytes."""

import asyncio
import re
from typing import Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from actors.wire.base import HttpRequest

USER_AGENT: Final = "gitbridge-smartrouter"
_HEADS_KEPT: Final = 64
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Target:
    """One URL: its connections' origin, and the heads of requests to it.

    A proxy's password goes into the tunnel's headers where there is a tunnel (https),
    and into the request's own where the proxy reads the request itself.

    Attributes:
        label: Host and port, for messages.
        origin: What aiohttp's connectors want to know: host, port, TLS, proxy. It is
            never sent.
    """

    __slots__ = ("_heads", "_lines", "_path", "label", "origin")

    def __init__(self, url: URL, proxy: URL | None = None) -> None:
        self.label = f"{url.host}:{url.port}"
        tunnelled = url.scheme == "https"
        own: dict[str, str] = {}
        tunnel: dict[str, str] = {}
        if url.user is not None or url.password is not None:
            own["Authorization"] = _basic(url)
            url = url.with_user(None)
        if proxy is not None and proxy.user is not None:
            whose = tunnel if tunnelled else own
            whose["Proxy-Authorization"] = _basic(proxy)
            proxy = proxy.with_user(None)
        self.origin = aiohttp.ClientRequest(
            "POST",
            url,
            loop=asyncio.get_running_loop(),
            proxy=proxy,
            proxy_headers=tunnel or None,
        )
        whole = proxy is not None and not tunnelled
        self._path = str(url.with_fragment(None)) if whole else url.raw_path_qs
        added = self.origin.headers
        self._lines = {
            "Host": added["Host"],
            "User-Agent": USER_AGENT,
            "Accept-Encoding": added["Accept-Encoding"],
            **own,
        }
        self._heads: dict[tuple[object, ...], bytes] = {}

    def head(self, request: HttpRequest, *, close: bool) -> bytes:
        """The request's first lines, up to and without its Content-Length.

        Few different ones are sent, and often: they are kept.

        Raises:
            ValueError: A header holds a control character.
        """
        key = (request.method, close, *request.headers.items())
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _HEADS_KEPT:
                self._heads.clear()
            head = self._heads[key] = self._encode(request, close=close)
        return head

    def _encode(self, request: HttpRequest, *, close: bool) -> bytes:
        given = {name.lower() for name in request.headers}
        own = {k: v for k, v in self._lines.items() if k.lower() not in given}
        lines = [f"{request.method} {self._path} HTTP/1.1"]
        lines += [f"{k}: {v}" for k, v in (own | request.headers).items()]
        if close:
            lines.append("Connection: close")
        if any(_CONTROL.search(line) for line in lines):
            raise ValueError("a control character in a header")
        return "".join(f"{line}\r\n" for line in lines).encode()


def find_target(url: str, *, trust_env: bool) -> Target:
    """Parse a URL and look up its proxy.

    Raises:
        ValueError: It is no HTTP URL.
    """
    parsed = URL(url)
    if parsed.host is None or parsed.scheme not in ("http", "https"):
        raise ValueError("not an HTTP URL")
    found = getproxies().get(parsed.scheme) if trust_env else None
    if not found or proxy_bypass(parsed.host):
        return Target(parsed)
    return Target(parsed, URL(found))


def _basic(url: URL) -> str:
    return aiohttp.encode_basic_auth(url.user or "", url.password or "")
