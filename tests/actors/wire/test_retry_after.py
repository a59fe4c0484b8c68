"""Headers and details that say when to come back."""

import pytest

from actors.wire.retry_after import parse_retry_after, retry_info_s, should_retry

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "0", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "x", "retry-after": "1"}, 1.0),
        ({"retry-after": "3\x1f"}, 3.0),  # a space to strip(), not to float()
        ({"retry-after": "0"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "9" * 50}, None),
        ({"retry-after": "9" * 500}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 -0000"}, 30.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:10 GMT"}, None),
        ({"retry-after": "Tue, 14 Nov 99999 22:13:10 GMT"}, None),
    ],
)
def test_retry_after_takes_the_first_source_that_says_something(
    headers: dict[str, str], expected: float | None
) -> None:
    assert parse_retry_after(headers, NOW) == expected


RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ([{"@type": RETRY_INFO, "retryDelay": "35s"}], 35.0),
        ([{"@type": "other"}, {"@type": RETRY_INFO, "retryDelay": "0.5s"}], 0.5),
        ([{"@type": RETRY_INFO, "retryDelay": "0s"}], None),
        ([{"@type": RETRY_INFO, "retryDelay": "-3s"}], None),
        ([{"@type": RETRY_INFO, "retryDelay": "soon"}], None),
        ([{"@type": RETRY_INFO, "retryDelay": 3}], None),
        ([{}] * 8 + [{"retryDelay": "35s"}], None),
        (["35s", None, 1], None),
        ("35s", None),
        (None, None),
    ],
)
def test_googles_retry_info_is_among_the_details(
    details: object, expected: float | None
) -> None:
    assert retry_info_s(details) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-should-retry": "true"}, True),
        ({"x-should-retry": "false"}, False),
        ({"x-should-retry": "maybe"}, None),
        ({}, None),
    ],
)
def test_x_should_retry(headers: dict[str, str], expected: bool | None) -> None:
    assert should_retry(headers) is expected
