"""Rate-limit headers, under the names and in the units each provider has for them.

Source: provider-apis 1.7. Azure's resets are bare numbers of no reliable unit and are
not read; xAI and Mistral send none.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from actors.messages.provider import Allowance, RateLimits

_DURATION_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,12})?)(h|ms|m|us|µs|ns|s)")
_UNIT_S = {
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_HUGGING_FACE = re.compile(r'"[^"]{0,64}";r=([0-9]{1,15});t=([0-9]{1,9})')
_MAX_CHARS = 64


_SIGNS = (
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-tokens-remaining",
    "x-ratelimit-remaining",
    "x-ratelimit-remaining-req-minute",
    "x-ratelimit-remaining-tokens-minute",
    "ratelimit",
)
"""Without any of these there is nothing to read."""

NOTHING = RateLimits()
"""What is read where nothing is said."""


def read_rate_limits(headers: Mapping[str, str], now: float) -> RateLimits:
    """Everything understandable in ``headers`` (lower-case names). Never raises.

    The object ``NOTHING`` when there is none of them at all.
    ``now`` is UTC epoch seconds, for Anthropic's times.
    """
    if not any(sign in headers for sign in _SIGNS):
        return NOTHING
    return RateLimits(
        requests=_together(headers)
        or _hugging_face(headers)
        or _allowance(headers, ("requests", "req-minute"), now),
        tokens=_allowance(headers, ("tokens", "tokens-minute"), now),
    )


def used_up_s(limits: RateLimits) -> float | None:
    """Seconds until nothing that is used up now is so any more, if that is said."""
    pauses = [
        each.reset_s
        for each in (limits.requests, limits.tokens)
        if each.remaining is not None and each.remaining <= 0
    ]
    known = [pause for pause in pauses if pause is not None and pause > 0]
    return max(known, default=None)


def go_duration_s(text: str) -> float | None:
    """Seconds in a duration as Go writes them: ``12ms``, ``6m0s``, ``1h2m3.5s``."""
    if len(text) > _MAX_CHARS:
        return None
    seconds, end = 0.0, 0
    for part in _DURATION_PART.finditer(text):
        if part.start() != end:
            return None
        seconds += float(part[1]) * _UNIT_S[part[2]]
        end = part.end()
    return seconds if end and end == len(text) else None


def _allowance(
    headers: Mapping[str, str], names: tuple[str, ...], now: float
) -> Allowance:
    for name in names:
        theirs = f"anthropic-ratelimit-{name}-"
        if f"{theirs}remaining" in headers:
            return Allowance(
                limit=_number(headers.get(f"{theirs}limit")),
                remaining=_number(headers[f"{theirs}remaining"]),
                reset_s=_until(headers.get(f"{theirs}reset", ""), now),
            )
        if f"x-ratelimit-remaining-{name}" in headers:
            return Allowance(
                limit=_number(headers.get(f"x-ratelimit-limit-{name}")),
                remaining=_number(headers[f"x-ratelimit-remaining-{name}"]),
                reset_s=go_duration_s(headers.get(f"x-ratelimit-reset-{name}", "")),
            )
    return Allowance()


def _together(headers: Mapping[str, str]) -> Allowance | None:
    if "x-ratelimit-remaining" not in headers:
        return None
    return Allowance(
        limit=_number(headers.get("x-ratelimit-limit")),
        remaining=_number(headers["x-ratelimit-remaining"]),
        reset_s=_number(headers.get("x-ratelimit-reset")),
    )


def _hugging_face(headers: Mapping[str, str]) -> Allowance | None:
    found = _HUGGING_FACE.match(headers.get("ratelimit", ""))
    if found is None:
        return None
    return Allowance(remaining=float(found[1]), reset_s=float(found[2]))


def _number(value: str | None) -> float | None:
    number = None if value is None else _NUMBER.fullmatch(value.strip())
    return None if number is None else float(number[0])


def _until(value: str, now: float) -> float | None:
    if not 0 < len(value) <= _MAX_CHARS:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, at.timestamp() - now)
