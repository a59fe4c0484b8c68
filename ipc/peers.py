"""Who is on the other end of a local connection, and what they may do."""

import functools
import grp
import os
import pwd
import socket
import struct
from collections.abc import Callable
from typing import Final

from msgspec import Struct, structs

from ipc.methods import Peer, Tier

_UCRED: Final = struct.Struct("3i")


class Credentials(Struct, frozen=True):
    """What the kernel says of the process that connected, at that moment."""

    pid: int
    uid: int
    gid: int


class Access(Struct, frozen=True, kw_only=True):
    """Who may do what over the socket; names of users and groups.

    Root and the daemon's own user are administrators. With ``user_groups`` only their
    members may use the socket at all, else everybody whom the file mode lets in.
    """

    admin_users: tuple[str, ...] = ()
    admin_groups: tuple[str, ...] = ()
    user_groups: tuple[str, ...] = ()


Identify = Callable[[Credentials | None], Peer | None]
"""Credentials (none over TCP) -> who that is, or ``None`` for nobody we serve."""


def credentials_of(sock: socket.socket) -> Credentials | None:
    """The peer's credentials; ``None`` on a socket that has none (TCP)."""
    if sock.family != socket.AF_UNIX:
        return None
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Credentials(*_UCRED.unpack(data))


class LocalIdentity:
    """The rule for Unix sockets: an ``Identify``.

    Attributes:
        access: May be replaced at any time; holds for whoever is looked at next.
    """

    def __init__(self, access: Access, *, own_uid: int) -> None:
        self.access = access
        self._own_uid = own_uid

    def __call__(self, credentials: Credentials | None) -> Peer | None:
        if credentials is None:
            return None
        user = user_name(credentials.uid)
        tier = _tier(credentials, user, self.access, self._own_uid)
        if tier is None:
            return None
        return Peer(
            door="internal",
            tier=tier,
            uid=credentials.uid,
            gid=credentials.gid,
            pid=credentials.pid,
            user=user,
        )


def known_again(peer: Peer, identify: Identify) -> Peer | None:
    """Who a local peer is now; ``None``: nobody we serve any more."""
    if peer.pid is None or peer.uid is None or peer.gid is None:
        return peer
    now = identify(Credentials(peer.pid, peer.uid, peer.gid))
    return None if now is None else structs.replace(now, door=peer.door)


def identify_remote(credentials: Credentials | None) -> Peer | None:
    """The rule for TCP: nobody in particular, until a token says who."""
    return None if credentials else Peer(door="internal")


def _tier(who: Credentials, user: str, access: Access, own_uid: int) -> Tier | None:
    if who.uid in {0, own_uid} or user in access.admin_users:
        return "admin"
    if not access.admin_groups and not access.user_groups:
        return "user"
    groups = _groups(user, who.gid)
    if groups.intersection(access.admin_groups):
        return "admin"
    if not access.user_groups or groups.intersection(access.user_groups):
        return "user"
    return None


@functools.lru_cache(maxsize=1024)
def user_name(uid: int) -> str:
    """The name of a user, or the number of one without."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _groups(user: str, gid: int) -> set[str]:
    names = set()
    for number in os.getgrouplist(user, gid):
        try:
            names.add(grp.getgrgid(number).gr_name)
        except KeyError:
            names.add(str(number))
    return names
