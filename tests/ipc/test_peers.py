"""Peers are who the kernel says they are, and may do what the configuration says."""

import grp
import os
import pwd
import socket

import pytest
from msgspec import structs

from ipc.methods import Peer
from ipc.peers import (
    Access,
    Credentials,
    LocalIdentity,
    credentials_of,
    identify_remote,
    known_again,
    user_name,
)

NOBODY = Credentials(pid=9, uid=pwd.getpwnam("nobody").pw_uid, gid=65534)
PEER_OF_NOBODY = Peer(
    door="internal", uid=NOBODY.uid, gid=NOBODY.gid, pid=9, user="nobody"
)
GROUP = grp.getgrgid(NOBODY.gid).gr_name


def tier(access: Access, credentials: Credentials = NOBODY, own: int = 4242) -> object:
    peer = LocalIdentity(access, own_uid=own)(credentials)
    return None if peer is None else peer.tier


def test_the_kernel_says_who_connected() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)

    assert credentials_of(ours) == Credentials(os.getpid(), os.getuid(), os.getgid())
    ours.close()
    theirs.close()


def test_over_tcp_nobody_says_anything() -> None:
    with socket.socket(socket.AF_INET) as tcp:
        assert credentials_of(tcp) is None
    assert identify_remote(None) == Peer(door="internal")
    assert identify_remote(NOBODY) is None
    assert LocalIdentity(Access(), own_uid=0)(None) is None


def test_a_peer_carries_what_is_known() -> None:
    peer = LocalIdentity(Access(), own_uid=4242)(NOBODY)

    assert peer == Peer(
        door="internal",
        tier="user",
        uid=NOBODY.uid,
        gid=NOBODY.gid,
        pid=9,
        user="nobody",
    )


def test_root_and_the_daemons_own_user_are_administrators() -> None:
    assert tier(Access(user_groups=("none",)), Credentials(1, 0, 0)) == "admin"
    assert tier(Access(user_groups=("none",)), own=NOBODY.uid) == "admin"


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (Access(), "user"),
        (Access(admin_users=("nobody",)), "admin"),
        (Access(admin_groups=(GROUP,)), "admin"),
        (Access(admin_groups=("other",)), "user"),
        (Access(user_groups=(GROUP,)), "user"),
        (Access(user_groups=("other",)), None),
        (Access(admin_groups=(GROUP,), user_groups=("other",)), "admin"),
    ],
)
def test_users_and_groups_give_the_tier(access: Access, expected: object) -> None:
    assert tier(access) == expected


def test_users_and_groups_without_a_name_are_numbers() -> None:
    assert user_name(3_999_999) == "3999999"
    unknown = Credentials(1, 3_999_999, 3_999_998)
    assert tier(Access(user_groups=("3999998",)), unknown) == "user"


def test_a_peer_is_known_again_by_what_the_kernel_said_once() -> None:
    before = structs.replace(PEER_OF_NOBODY, door="json")
    promoted = LocalIdentity(Access(admin_users=("nobody",)), own_uid=4242)
    shut_out = LocalIdentity(Access(user_groups=("none",)), own_uid=4242)

    assert known_again(before, promoted) == structs.replace(before, tier="admin")
    assert known_again(before, shut_out) is None
    assert known_again(Peer(door="http"), shut_out) == Peer(door="http")
