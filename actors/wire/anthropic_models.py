"""Which Claude model refuses which parameter of the Messages API.

Source: provider-apis 3.1 to 3.3 and the price list's capability fields, as of November
2026. A Claude that is newer than the table is taken to refuse whatever its newest
relatives refuse; a model of another name gets everything that was asked for.
"""

from typing import Literal

from msgspec import Struct

Thinking = Literal["none", "budget", "adaptive"]
Off = Literal["omit", "disabled", "between_tools", "never"]


class ClaudeRule(Struct, frozen=True, kw_only=True):
    """What models whose name starts with ``prefix`` take.

    Attributes:
        sampling: ``one``: temperature or top_p, not both; ``never``: only defaults.
        thinking: How it is asked for: a token budget, or adaptive with an effort.
        efforts: Values of ``output_config.effort``.
        off: How thinking is switched off: by leaving it out, by a type of
            ``thinking``, or not at all.
        forced: Takes a ``tool_choice`` that forces a call.
        prefill: Takes a last message of the assistant, to be continued.
        json_schema: Has ``output_config.format`` and strict tools.
        max_output: Largest ``max_tokens``; ``None`` where not known.
    """

    prefix: str
    sampling: Literal["both", "one", "never"] = "both"
    thinking: Thinking = "none"
    efforts: frozenset[str] = frozenset()
    off: Off = "omit"
    forced: bool = True
    prefill: bool = True
    json_schema: bool = False
    max_output: int | None = None


DEFAULT_MAX_TOKENS = 16_384
"""Sent where the request gives none: the API demands one, and 16k never needs hours."""

MIN_BUDGET = 1024
"""The smallest thinking budget that is taken."""

BUDGETS = {
    "minimal": MIN_BUDGET,
    "low": 2048,
    "medium": 10_000,
    "high": 16_384,
    "xhigh": 32_000,
    "max": 32_000,
}
"""Thinking budget in tokens of each reasoning effort (provider-apis 5.1)."""

_LOW_TO_MAX = frozenset({"low", "medium", "high", "xhigh", "max"})
_WITHOUT_XHIGH = _LOW_TO_MAX - {"xhigh"}


def _budget(
    prefix: str,
    max_output: int,
    sampling: Literal["both", "one"] = "one",
    *,
    json_schema: bool = True,
) -> ClaudeRule:
    """A model that thinks within a budget of tokens, if told to."""
    return ClaudeRule(
        prefix=prefix,
        sampling=sampling,
        thinking="budget",
        json_schema=json_schema,
        max_output=max_output,
    )


def _adaptive(
    prefix: str,
    off: Off,
    *,
    forced: bool = True,
    sampling: Literal["one", "never"] = "never",
    efforts: frozenset[str] = _LOW_TO_MAX,
) -> ClaudeRule:
    """A model that decides itself how long to think."""
    return ClaudeRule(
        prefix=prefix,
        sampling=sampling,
        thinking="adaptive",
        efforts=efforts,
        off=off,
        forced=forced,
        prefill=False,
        json_schema=True,
        max_output=128_000,
    )


ANY_MODEL = ClaudeRule(prefix="", thinking="budget")

CLAUDE_MODELS: tuple[ClaudeRule, ...] = (
    _adaptive("claude-", "never", forced=False),  # newer than this table
    ClaudeRule(prefix="claude-3", max_output=4096),
    ClaudeRule(prefix="claude-3-5", max_output=8192),
    _budget("claude-3-7", 64_000, "both", json_schema=False),
    _budget("claude-sonnet-4", 64_000, "both", json_schema=False),
    _budget("claude-opus-4", 32_000, "both", json_schema=False),
    _budget("claude-opus-4-1", 32_000, json_schema=False),
    _budget("claude-sonnet-4-5", 64_000),
    _budget("claude-haiku-4-5", 64_000),
    _budget("claude-opus-4-5", 64_000),
    _adaptive("claude-sonnet-4-6", "omit", sampling="one", efforts=_WITHOUT_XHIGH),
    _adaptive("claude-opus-4-6", "omit", sampling="one", efforts=_WITHOUT_XHIGH),
    _adaptive("claude-opus-4-7", "omit"),
    _adaptive("claude-opus-4-8", "omit"),
    _adaptive("claude-opus-5", "disabled"),
    _adaptive("claude-sonnet-5", "disabled"),
    _adaptive("claude-haiku-5-5", "disabled"),
    _adaptive("claude-opus-5-5", "never", forced=False),
    _adaptive("claude-sonnet-5-5", "between_tools", forced=False),
    *(_adaptive(f"claude-{name}-5", "never") for name in ("fable", "mythos")),
    *(
        _adaptive(f"claude-{name}-5-{n}", "never", forced=False)
        for name in ("fable", "mythos")
        for n in (1, 2)
    ),
)


def rule_for(model: str) -> ClaudeRule:
    """What is known about ``model``, which may carry a vendor's prefix."""
    name = model.rpartition("/")[2]
    best = ANY_MODEL
    for rule in CLAUDE_MODELS:
        if name.startswith(rule.prefix) and len(rule.prefix) > len(best.prefix):
            best = rule
    return best
