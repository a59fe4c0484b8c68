"""Token counts and money of the OpenAI chat dialect -> ``Usage`` (provider-apis 1.3)."""

from decimal import Decimal, InvalidOperation
from typing import Literal

from actors.messages.chat import Usage
from actors.wire.tolerant import count, mapping

UsagePolicy = Literal["openai", "xai", "gemini"]

_TICKS_PER_USD_EXPONENT = 10
_MAX_COUNT = 10**15  # more than that is no count of anything here
_MAX_COST_CHARS = 64
_LEAST_COST_USD = Decimal("1e-15")  # less is no price of anything, and slow to add up


def decode_usage(raw: object, policy: UsagePolicy) -> Usage:
    """Normalise a ``usage`` object; anything that is none gives an empty ``Usage``."""
    usage = mapping(raw)
    if not usage:
        return Usage()
    prompt = _count(usage, "prompt_tokens")
    completion = _count(usage, "completion_tokens")
    total = _count(usage, "total_tokens")
    reasoning = _count(
        mapping(usage.get("completion_tokens_details")), "reasoning_tokens"
    )
    completion = _completion(policy, prompt, completion, total, reasoning)
    if total is None and prompt is not None and completion is not None:
        total = prompt + completion
    details = mapping(usage.get("prompt_tokens_details"))
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=_first(
            _count(details, "cached_tokens"),
            _count(usage, "prompt_cache_hit_tokens"),  # DeepSeek
            _count(usage, "num_cached_tokens"),  # older Mistral
        ),
        cache_write_tokens=_first(
            _count(details, "cache_write_tokens"),
            _count(usage, "cache_creation_input_tokens"),
        ),
        reasoning_tokens=reasoning,
        total_tokens=total,
        reported_cost_usd=_cost(usage, total),
    )


def _completion(
    policy: UsagePolicy,
    prompt: int | None,
    completion: int | None,
    total: int | None,
    reasoning: int | None,
) -> int | None:
    """All billed output.

    xAI's chat endpoint leaves reasoning out of ``completion_tokens`` but not out of the
    total; only where the total says so is it added, in case they come to fold it in.
    Gemini counts thinking in the total alone.
    """
    if prompt is None or completion is None or total is None:
        return completion
    if policy == "xai" and reasoning and total == prompt + completion + reasoning:
        return completion + reasoning
    if policy == "gemini":
        return max(completion, total - prompt)
    return completion


def _cost(usage: dict[str, object], total: int | None) -> Decimal | None:
    """What the provider says it cost; a zero beside tokens is a reseller's blank."""
    cost: Decimal | None = None
    ticks = _count(usage, "cost_in_usd_ticks")
    if ticks is not None:
        cost = Decimal(ticks).scaleb(-_TICKS_PER_USD_EXPONENT)  # exact below 28 digits
    else:
        said = usage.get("cost")
        cost = _dollars(
            mapping(said).get("total_cost") if isinstance(said, dict) else said
        )
    return None if cost == 0 and total != 0 else cost


def _dollars(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    said = str(value)
    try:
        cost = Decimal(said) if len(said) <= _MAX_COST_CHARS else None
    except InvalidOperation:
        return None
    if cost is None or not cost.is_finite() or (cost and cost < _LEAST_COST_USD):
        return None
    return cost if 0 <= cost < _MAX_COUNT else None


def _count(source: dict[str, object], name: str) -> int | None:
    value = source.get(name)
    if value is None:
        return None
    if type(value) is int and 0 <= value < _MAX_COUNT:  # as nearly always
        return value
    value = count(value)
    return value if value is not None and value < _MAX_COUNT else None


def _first(*values: int | None) -> int | None:
    for value in values:
        if value is not None:
            return value
    return None
