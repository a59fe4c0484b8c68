"""What in headers, URLs and variables is not to be seen."""

import pytest
from hypothesis import given, strategies as st

from daemon.secret_parts import MASK, in_named, in_url, masked_named, masked_url, opens


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://a.example/hook", "https://a.example/hook"),
        ("https://a.example/v1/long-words-in-a-path", None),
        ("https://me:a-password@a.example/", "https://me:***@a.example/"),
        ("https://a.example/?t=abcdefgh&v=1", "https://a.example/?t=***&v=1"),
        ("https://a.example/?t=abc%20defgh", "https://a.example/?t=***"),
        (
            "https://a.example/services/T0ABCDEF1234567890/x",
            "https://a.example/services/***/x",
        ),
        ("", None),
        ("not a url", None),
    ],
)
def test_urls(url: str, seen: str | None) -> None:
    assert masked_url(url) == (url if seen is None else seen)


def test_headers_and_variables() -> None:
    values = {
        "Authorization": "Bearer abcdefgh",
        "x-api-key": "short",
        "Accept": "application/json",
    }
    assert list(in_named(values)) == ["abcdefgh"]
    assert masked_named(values) == {
        "Authorization": MASK,
        "x-api-key": MASK,
        "Accept": "application/json",
    }
    assert not opens("content-type")


@given(st.from_regex(r"[a-z0-9%+]{8,30}", fullmatch=True))
def test_no_value_of_a_query_is_seen(value: str) -> None:
    url = f"https://a.example/?token={value}"
    seen = masked_url(url)
    assert all(each not in seen for each in in_url(url))
