"""Where a Redis is, read from its URL.

    redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]           rediss:// with TLS
    unix:///PATH[?db=N]
    redis+sentinel://[...@]HOST[:PORT],HOST.../MASTER    rediss+sentinel://
    redis+cluster://[...@]HOST[:PORT],HOST...            rediss+cluster://

With TLS the server's certificate and name are checked, against the system's authorities
or those of ``?ca=FILE``; ``cert=FILE&key=FILE`` is our own certificate. Sentinels that
want a password of their own get ``sentinel_password``. Parts are percent-encoded.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from typing_extensions import override

Shape = Literal["single", "unix", "sentinel", "cluster"]

_SHAPES: Final[Mapping[str, tuple[Shape, bool]]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("unix", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_TLS_FILES: Final[tuple[str, ...]] = ("ca", "cert", "key")
_OPTIONS: Final[Mapping[Shape, str]] = {
    "single": "db, ca, cert and key",
    "unix": "db",
    "sentinel": "db, sentinel_password, ca, cert and key",
    "cluster": "ca, cert and key",
}
_IN_QUERY: Final = re.compile("(sentinel_password=)[^&]*")
WANTED: Final = "redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A URL, taken apart. Neither ``str`` nor ``repr`` shows a password.

    Attributes:
        hosts: Host and port of the server, the sentinels, or some of the cluster.
        path: The socket, for ``unix``.
        master: What the sentinels call it.
        ca: File with the authorities that are trusted; ``None``: the system's.
        cert: File with our own certificate, if we show one; ``key``: its key.
    """

    shape: Shape
    hosts: tuple[tuple[str, int], ...] = ()
    tls: bool = False
    path: str | None = None
    master: str | None = None
    db: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @override
    def __str__(self) -> str:
        """Where it is, for people."""
        if self.path is not None:
            return self.path
        hosts = ",".join(f"{_bracketed(host)}:{port}" for host, port in self.hosts)
        return f"{self.master} of {hosts}" if self.master else hosts

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        return tuple(each for each in (self.password, self.sentinel_password) if each)


def parse_redis_url(url: str) -> RedisAddress:
    """Take a URL apart; see the module.

    Raises:
        ValueError: With a sentence that shows no password.
    """
    scheme, there, rest = url.partition("://")
    if not there or scheme not in _SHAPES:
        raise ValueError(f"wanted {WANTED}, not {scheme[:20]!r}")
    shape, tls = _SHAPES[scheme]
    try:
        parts = urlsplit(f"//{rest}", allow_fragments=False)
        asked = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:  # its text may hold the password
        raise ValueError("this is no URL") from None
    path, asked_db = unquote(parts.path), asked.pop("db", None)
    files = _files(asked, tls=tls)
    sentinel_password = asked.pop("sentinel_password", None)
    if asked or (sentinel_password and shape != "sentinel"):
        raise ValueError(f"{shape} has the options {_OPTIONS[shape]}, and no other")
    user, password, places = _authority(parts.netloc)
    db = asked_db if shape in {"unix", "sentinel"} else asked_db or path.strip("/")
    return RedisAddress(
        shape=shape,
        hosts=_hosts(places, 26379 if shape == "sentinel" else 6379, shape),
        tls=tls,
        path=_socket(path) if shape == "unix" else None,
        master=_master(path) if shape == "sentinel" else None,
        db=_database(db, shape),
        user=user,
        password=password,
        sentinel_password=sentinel_password,
        **files,
    )


def masked_redis_url(url: str) -> str:
    """The URL as it may be shown: without passwords, however wrong it is."""
    scheme, there, rest = url.partition("://")
    if not there:
        return url
    rest = _IN_QUERY.sub(r"\1***", rest)
    before, at, after = rest.rpartition("@")
    user, colon, _ = before.partition(":")
    return f"{scheme}{there}{user}{colon}{'***' if colon else ''}{at}{after}"


def _authority(netloc: str) -> tuple[str | None, str | None, str]:
    before, _, places = netloc.rpartition("@")
    user, _, password = before.partition(":")
    return unquote(user) or None, unquote(password) or None, places


def _files(asked: dict[str, str], *, tls: bool) -> dict[str, Path]:
    found = {name: Path(asked.pop(name)) for name in _TLS_FILES if name in asked}
    if found and not tls:
        raise ValueError(f"{', '.join(found)} is for TLS: rediss://")
    if ("cert" in found) != ("key" in found):
        raise ValueError("cert and key come together")
    return found


def _hosts(places: str, port: int, shape: Shape) -> tuple[tuple[str, int], ...]:
    if shape == "unix":
        if places:
            raise ValueError("unix:// takes a path and no host: unix:///run/redis.sock")
        return ()
    found = tuple(_host(each, port) for each in places.split(","))
    if shape == "single" and len(found) > 1:
        raise ValueError("several hosts are for redis+sentinel:// or redis+cluster://")
    return found


def _host(place: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("a port is a number up to 65535") from None
    if not host:
        raise ValueError("a host is missing")
    return host, default_port if port is None else port


def _socket(path: str) -> str:
    if path in {"", "/"}:
        raise ValueError("the path is missing: unix:///run/redis.sock")
    return path


def _master(path: str) -> str:
    name = path.strip("/")
    if not name:
        raise ValueError("the master's name is missing: redis+sentinel://HOST/MASTER")
    return name


def _database(text: str | None, shape: Shape) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ValueError("a database is a number")  # it may be half a password
    if shape == "cluster" and int(text):
        raise ValueError("a cluster has database 0 only")
    return int(text)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
