"""Rate-limit headers of every provider that sends some."""

import pytest
from hypothesis import example, given, strategies as st

from actors.messages.provider import Allowance, RateLimits
from actors.wire.rate_limits import go_duration_s, read_rate_limits, used_up_s

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12ms", 0.012),
        ("0s", 0.0),
        ("6m0s", 360.0),
        ("1h2m3s", 3723.0),
        ("17.399999999s", 17.399999999),
        ("1m30.5s", 90.5),
        ("250us", 250e-6),
        ("250µs", 250e-6),
        ("7ns", 7e-9),
        ("24h0m0s", 86400.0),
    ],
)
def test_go_durations(text: str, seconds: float) -> None:
    assert go_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "500", "7", "s", "1x", "1m x", " 1s", "1s ", "-1s", "1d", "1..2s", "9s" * 40],
)
def test_what_is_no_go_duration(text: str) -> None:
    assert go_duration_s(text) is None


def openai(**said: str) -> dict[str, str]:
    return {f"x-ratelimit-{k.replace('_', '-')}": v for k, v in said.items()}


@pytest.mark.parametrize(
    ("headers", "requests", "tokens"),
    [
        (
            openai(
                limit_requests="5000",
                remaining_requests="4999",
                reset_requests="12ms",
                limit_tokens="2000000",
                remaining_tokens="1999973",
                reset_tokens="0s",
            ),
            Allowance(limit=5000, remaining=4999, reset_s=0.012),
            Allowance(limit=2_000_000, remaining=1_999_973, reset_s=0.0),
        ),
        (  # Azure: its resets are bare numbers of no unit
            openai(limit_tokens="-1", remaining_tokens="0", reset_tokens="500"),
            Allowance(),
            Allowance(limit=-1, remaining=0),
        ),
        (  # xAI
            openai(limit_requests="480", remaining_requests="479"),
            Allowance(limit=480, remaining=479),
            Allowance(),
        ),
        (  # Mistral
            {
                **openai(limit_tokens_minute="100000", remaining_tokens_minute="99344"),
                **openai(limit_req_minute="100", remaining_req_minute="97"),
            },
            Allowance(limit=100, remaining=97),
            Allowance(limit=100_000, remaining=99_344),
        ),
        (  # Together
            openai(limit="2", remaining="1", reset="2"),
            Allowance(limit=2, remaining=1, reset_s=2),
            Allowance(),
        ),
        (
            {"ratelimit": '"api";r=999;t=295'},
            Allowance(remaining=999, reset_s=295),
            Allowance(),
        ),
        (
            {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:50Z",
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:00",
            },
            Allowance(limit=50, remaining=49, reset_s=30.0),
            Allowance(remaining=0, reset_s=0.0),
        ),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "x",
                "anthropic-ratelimit-tokens-reset": "soon",
            },
            Allowance(),
            Allowance(),
        ),
        (
            {"anthropic-ratelimit-tokens-remaining": "1"},
            Allowance(),
            Allowance(remaining=1),
        ),
        ({"ratelimit": "?"}, Allowance(), Allowance()),
        ({}, Allowance(), Allowance()),
    ],
)
def test_headers_of_every_provider(
    headers: dict[str, str], requests: Allowance, tokens: Allowance
) -> None:
    limits = read_rate_limits(headers, NOW)

    assert limits == RateLimits(requests=requests, tokens=tokens)


@pytest.mark.parametrize(
    ("requests", "tokens", "wait_s"),
    [
        (Allowance(remaining=0, reset_s=3.0), Allowance(remaining=5, reset_s=9.0), 3.0),
        (Allowance(remaining=0, reset_s=3.0), Allowance(remaining=0, reset_s=9.0), 9.0),
        (Allowance(remaining=0), Allowance(remaining=0, reset_s=9.0), 9.0),
        (Allowance(remaining=0, reset_s=0.0), Allowance(), None),
        (Allowance(reset_s=3.0), Allowance(), None),
    ],
)
def test_what_is_used_up_is_waited_for(
    requests: Allowance, tokens: Allowance, wait_s: float | None
) -> None:
    assert used_up_s(RateLimits(requests=requests, tokens=tokens)) == wait_s


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("ratelimit", "x-ratelimit-remaining", "x-ratelimit-reset"),
                *("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
                *("anthropic-ratelimit-tokens-remaining",),
                *("anthropic-ratelimit-tokens-reset",),
            ]
        ),
        st.text(max_size=80) | st.from_regex(r"[0-9a-z.:TZ-]{0,40}"),
    )
)
@example({"x-ratelimit-remaining": "0\x1f"})  # a space to strip(), not to float()
def test_no_header_is_too_strange(headers: dict[str, str]) -> None:
    limits = read_rate_limits(headers, NOW)

    wait_s = used_up_s(limits)
    assert wait_s is None or wait_s > 0
