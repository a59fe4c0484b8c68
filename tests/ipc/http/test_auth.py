"""Who may come in over HTTP."""

import hashlib

import pytest
from hypothesis import given, settings, strategies as st

from ipc.http.auth import (
    HttpAccess,
    Token,
    authenticate,
    check_host,
    check_origin,
    host_name,
    is_loopback,
)
from ipc.http.errors import HttpError
from ipc.methods import Peer

ALLOWED = frozenset(("localhost", "127.0.0.1", "::1"))
STRANGER = Peer(door="http")
ANN = Token("ann", hashlib.sha256(b"s3cret").hexdigest(), "admin")
BEN = Token("ben", hashlib.sha256(b"0ther").hexdigest())


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "LOCALHOST:4180",
        "localhost.",
        "127.0.0.1:80",
        "[::1]:80",
        "[::1]",
    ],
)
def test_our_own_names_are_no_foreign_hosts(host: str) -> None:
    check_host([host], ALLOWED)


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "localhost.evil.com",
        "evil.com:80",
        "127.0.0.1.nip.io",
        "localhost@evil.com",
        "localhost/evil",
        "localhost:80:80",
        "[::1",
        "[]",
        ":80",
        "localhost evil.com",
        "localhost,evil.com",
        "127.0.0.2",
        "?",
    ],
)
def test_foreign_hosts_are_refused(host: str) -> None:
    with pytest.raises(HttpError, match="foreign") as caught:
        check_host(["localhost", host], ALLOWED)

    assert caught.value.status == 403


def test_a_request_without_host_and_origin_is_nobodys_trick() -> None:
    check_host([], ALLOWED)
    check_origin([], ALLOWED)


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080"]
)
def test_pages_of_this_host_may_come(origin: str) -> None:
    check_origin([origin], ALLOWED)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.com",
        "https://localhost.evil.com",
        "null",
        "",
        "file://",
        "http://",
        "chrome-extension://localhost",
        "http://localhost/x",
    ],
)
def test_pages_from_elsewhere_may_not(origin: str) -> None:
    with pytest.raises(HttpError, match="foreign") as caught:
        check_origin([origin], ALLOWED)

    assert caught.value.status == 403


@settings(max_examples=100)
@given(st.text(max_size=40))
def test_no_authority_is_taken_for_ours_by_mistake(text: str) -> None:
    name = host_name(text)

    assert name not in ALLOWED or text.lower().strip("[].:0123456789") in {
        "localhost",
        "",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer s3cret"},
        {"authorization": "bearer  s3cret "},
        {"x-api-key": "s3cret"},
        {"authorization": "Basic xyz", "x-api-key": "s3cret"},
    ],
)
def test_a_token_says_who_it_is(headers: dict[str, str]) -> None:
    peer = authenticate(HttpAccess((BEN, ANN, BEN)), STRANGER, headers, "10.0.0.9")

    assert peer.user == "ann"
    assert peer.tier == "admin"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "a token is needed"),
        ({"authorization": "Bearer "}, "a token is needed"),
        ({"authorization": "Bearer wrong"}, "not known"),
        ({"authorization": "Bearer \udcff"}, "not known"),
        ({"x-api-key": ANN.sha256}, "not known"),
    ],
)
def test_without_a_token_that_somebody_has_nobody_comes_in(
    headers: dict[str, str], words: str
) -> None:
    with pytest.raises(HttpError, match=words) as caught:
        authenticate(HttpAccess((ANN,)), STRANGER, headers, "127.0.0.1")

    assert caught.value.status == 401
    assert "www-authenticate" in caught.value.headers
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer unused"}])
def test_open_loopback_lets_the_own_host_in_as_a_user(headers: dict[str, str]) -> None:
    access = HttpAccess((ANN,), open_loopback=True)

    assert authenticate(access, STRANGER, headers, "127.0.0.1") == STRANGER
    with pytest.raises(HttpError):
        authenticate(access, STRANGER, headers, "10.0.0.9")


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("localhost", False),
        (None, False),
    ],
)
def test_loopback_addresses_are_known(address: str | None, own: bool) -> None:
    assert is_loopback(address) is own
