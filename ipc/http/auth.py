"""Who may come in over HTTP: hosts, origins and tokens.

On a Unix socket the kernel has said who the caller is, and headers cannot change it. On
TCP a token says so, or, with ``open_loopback``, the loopback address does. A browser can
be made to talk to either by a page from elsewhere: it then sends that page's ``Origin``,
or, where the page's name was bound to our address, its ``Host``. Both are refused.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from msgspec import Struct, structs

from actors.errors import NotPermitted
from ipc.http.errors import HttpError
from ipc.methods import Peer, Tier

LOOPBACK_HOSTS: Final = frozenset(("localhost", "127.0.0.1", "::1"))
SOCKET_HOSTS: Final = frozenset(("gitbridge", "unix"))
"""Made-up names that clients of a Unix socket may send, beside the loopback ones."""

_AUTHORITY: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:/@\[\]\s]+))(?::\d*)?")
_MISSING: Final = "a token is needed: Authorization: Bearer <token>, or x-api-key"
_CHALLENGE: Final = {"www-authenticate": 'Bearer realm="gitbridge"'}


class Token(Struct, frozen=True):
    """A token that opens the TCP door. ``sha256`` is lower-case hex of its UTF-8."""

    name: str
    sha256: str
    tier: Tier = "user"


class HttpAccess(Struct, frozen=True):
    """Who may come in over TCP.

    ``open_loopback`` lets callers from the same host in without a token, as users.
    ``hosts`` are further names under which we may be addressed (the listen address).
    """

    tokens: tuple[Token, ...] = ()
    open_loopback: bool = False
    hosts: tuple[str, ...] = ()


def check_host(values: Collection[str], allowed: Collection[str]) -> None:
    """Refuse a request that was meant for another host.

    Args:
        values: Every ``Host`` header, and the authority of an absolute target.
        allowed: Host names, lower-case, without ports.

    Raises:
        HttpError: 403; a host is not among the allowed ones.
    """
    for value in values:
        name = host_name(value)
        if name and name not in allowed:
            raise _foreign("Host", value, allowed)


def check_origin(values: Collection[str], allowed: Collection[str]) -> None:
    """Refuse what a page from elsewhere makes a browser send.

    Raises:
        HttpError: 403; the ``Origin`` is not of an allowed host.
    """
    for value in values:
        scheme, _, rest = value.partition("://")
        if scheme not in {"http", "https"} or host_name(rest) not in allowed:
            raise _foreign("Origin", value, allowed)


def host_name(authority: str) -> str:
    """The lower-case name of ``name:port``; ``?`` when it is nothing of the kind."""
    if not authority:
        return ""
    match = _AUTHORITY.fullmatch(authority.lower())
    return "?" if match is None else (match[1] or match[2]).rstrip(".")


def authenticate(
    access: HttpAccess, peer: Peer, headers: Mapping[str, str], remote: str | None
) -> Peer:
    """Who this is, over TCP.

    Args:
        access: The tokens, and whether loopback is open.
        peer: What is known of the connection.
        headers: With names in lower case, or in any where lookups do not care.
        remote: The address at the other end.

    Raises:
        HttpError: 401; no token, or one that nobody has.
    """
    presented = _presented(headers)
    token = None if presented is None else _holder(access.tokens, presented)
    if token is not None:
        return structs.replace(peer, user=token.name, tier=token.tier)
    if access.open_loopback and is_loopback(remote):
        return peer
    message = _MISSING if presented is None else "this token is not known here"
    raise HttpError(
        NotPermitted(message),
        401,
        error_type="authentication_error",
        headers=_CHALLENGE,
    )


def _presented(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key")


def _holder(tokens: Iterable[Token], presented: str) -> Token | None:
    """Whose it is; takes the same time whichever it is, and whether or not it is one."""
    digest = hashlib.sha256(presented.encode(errors="surrogateescape")).hexdigest()
    found: Token | None = None
    for token in tokens:
        if hmac.compare_digest(token.sha256.encode(), digest.encode()):
            found = token
    return found


def is_loopback(address: str | None) -> bool:
    """Whether an address is this host's own; IPv4 within IPv6 counts."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


def _foreign(header: str, value: str, allowed: Collection[str]) -> HttpError:
    names = ", ".join(sorted(allowed))
    return HttpError(
        NotPermitted(
            f"{header}: {value[:100]!r} is foreign here; served are {names}"
            + ("" if header == "Host" else ", or no Origin")
        ),
        403,
    )
