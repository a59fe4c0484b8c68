"""URLs of Redis, taken apart and shown."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from daemon.redis_address import RedisAddress, masked_redis_url, parse_redis_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", RedisAddress("single", (("h", 6379),))),
        ("redis://[::1]:7/3", RedisAddress("single", (("::1", 7),), db=3)),
        ("redis://h/?db=4", RedisAddress("single", (("h", 6379),), db=4)),
        (
            "rediss://me:s%40c%3Aret@h:1/2?ca=/a.pem&cert=/c.pem&key=/k.pem",
            RedisAddress(
                "single",
                (("h", 1),),
                tls=True,
                db=2,
                user="me",
                password="s@c:ret",
                ca=Path("/a.pem"),
                cert=Path("/c.pem"),
                key=Path("/k.pem"),
            ),
        ),
        ("redis://:pw@h", RedisAddress("single", (("h", 6379),), password="pw")),
        ("unix:///run/r.sock?db=1", RedisAddress("unix", path="/run/r.sock", db=1)),
        (
            "redis+sentinel://:pw@a,b:5/main?db=2&sentinel_password=other",
            RedisAddress(
                "sentinel",
                (("a", 26379), ("b", 5)),
                master="main",
                db=2,
                password="pw",
                sentinel_password="other",
            ),
        ),
        (
            "rediss+cluster://a:1,b:2",
            RedisAddress("cluster", (("a", 1), ("b", 2)), tls=True),
        ),
    ],
)
def test_a_url_says_where_redis_is(url: str, address: RedisAddress) -> None:
    assert parse_redis_url(url) == address


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:6379", "wanted redis://"),
        ("http://h", "not 'http'"),
        ("redis://", "a host is missing"),
        ("redis://h:x", "a port is a number"),
        ("redis://h:99999", "a port is a number"),
        ("redis://[::1", "no URL"),
        ("redis://h?a", "no URL"),
        ("redis://h/x", "a database is a number"),
        ("redis://h?colour=red", "single has the options db, ca"),
        ("redis://h?sentinel_password=x", "single has the options"),
        ("redis://h?ca=/a.pem", "is for TLS"),
        ("rediss://h?cert=/a.pem", "come together"),
        ("redis://a,b", "several hosts"),
        ("unix://", "the path is missing"),
        ("unix://h/run/r.sock", "takes a path and no host"),
        ("redis+sentinel://h", "the master's name is missing"),
        ("redis+cluster://h/1", "database 0 only"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_redis_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h", "h:6379"),
        ("redis://u:pw@[::1]", "[::1]:6379"),
        ("unix:///r.sock", "/r.sock"),
        ("redis+sentinel://a,b:2/m", "m of a:26379,b:2"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert str(parse_redis_url(url)) == shown


def test_the_secrets_are_known_and_not_in_the_repr() -> None:
    address = parse_redis_url("redis+sentinel://:one1@h/m?sentinel_password=two2")

    assert address.secrets == ("one1", "two2")
    assert "one1" not in repr(address)
    assert "two2" not in repr(address)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h/1", "redis://h/1"),
        ("me:you@home", "me:you@home"),
        ("redis://me:pw@h", "redis://me:***@h"),
        ("redis://:p?w/x@h", "redis://:***@h"),
        ("redis://me@h", "redis://me@h"),
        (
            "redis+sentinel://:a@h/m?sentinel_password=p@w&db=1",
            "redis+sentinel://:***@h/m?sentinel_password=***&db=1",
        ),
    ],
)
def test_a_url_is_shown_without_its_passwords(url: str, shown: str) -> None:
    assert masked_redis_url(url) == shown


@given(
    st.sampled_from(["redis://:{}@h:1", "redis://u:{}@h/x", "rediss://:{}@?db=q"]),
    st.text("SECRT/?#:[]%&=,", min_size=1),
)
def test_no_message_shows_the_password_however_wrong_the_url_is(
    form: str, password: str
) -> None:
    url = form.format(f"hush{password}hush")

    try:
        shown = str(parse_redis_url(url))
    except ValueError as error:
        shown = str(error)

    assert "hush" not in shown
    assert "hush" not in masked_redis_url(url)
