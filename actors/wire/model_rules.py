"""Which model refuses which parameter of the OpenAI chat dialect.

Source: provider-apis 2.2 (OpenAI) and 4 (xAI), as of November 2026; the few rules for
models of compatible servers stand with their ``presets``. A family that is
newer than the table gets the rule of its nearest relative; a model of no known family
gets everything that was asked for.
"""

from typing import Literal

from msgspec import Struct

SAMPLING = frozenset(
    {
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
    }
)
"""Refused while a model reasons, even at their defaults."""


class ModelRule(Struct, frozen=True, kw_only=True):
    """What models whose name starts with ``prefix`` take.

    Attributes:
        efforts: Values of ``reasoning_effort``; empty if the field itself is refused,
            ``None`` if nothing is known, so that every value passes.
        effort_words: What to say for an effort that goes by another word here.
        idle_by_default: Does not reason unless told to.
        sampling: Whether the sampling parameters are taken.
        refused: Further parameters that are never taken.
        tools: ``no_reasoning``: function tools only with ``reasoning_effort`` none;
            ``never``: only through the Responses API.
    """

    prefix: str
    efforts: frozenset[str] | None = None
    effort_words: dict[str, str] = {}
    idle_by_default: bool = False
    sampling: Literal["always", "without_reasoning", "never"] = "always"
    refused: frozenset[str] = frozenset()
    tools: Literal["always", "no_reasoning", "never"] = "always"


ANY_MODEL = ModelRule(prefix="")

_STOP = frozenset({"stop"})
_LOW_TO_HIGH = frozenset({"low", "medium", "high"})
_LOW_TO_XHIGH = _LOW_TO_HIGH | {"xhigh"}
_NONE_TO_HIGH = _LOW_TO_HIGH | {"none"}
_NONE_TO_XHIGH = _LOW_TO_XHIGH | {"none"}
_MINIMAL_TO_HIGH = _LOW_TO_HIGH | {"minimal"}


def _plain(prefix: str) -> ModelRule:
    """A model that does not reason."""
    return ModelRule(prefix=prefix, efforts=frozenset())


def _thinks(
    prefix: str,
    efforts: frozenset[str],
    tools: Literal["always", "never"] = "always",
    refused: frozenset[str] = _STOP,
) -> ModelRule:
    """A model that always reasons."""
    return ModelRule(
        prefix=prefix, efforts=efforts, sampling="never", refused=refused, tools=tools
    )


def _may_think(
    prefix: str,
    efforts: frozenset[str] = _NONE_TO_XHIGH,
    tools: Literal["always", "no_reasoning"] = "no_reasoning",
    *,
    idle: bool = False,
) -> ModelRule:
    """A model whose reasoning can be switched off."""
    return ModelRule(
        prefix=prefix,
        efforts=efforts,
        idle_by_default=idle,
        sampling="without_reasoning",
        refused=_STOP,
        tools=tools,
    )


OPENAI_MODELS: tuple[ModelRule, ...] = (
    _plain("gpt-3.5"),
    _plain("gpt-4"),
    _plain("chatgpt-4o"),
    _thinks("o1", _LOW_TO_HIGH, refused=frozenset()),
    _thinks("o3", _LOW_TO_HIGH),
    _thinks("o3-mini", _LOW_TO_HIGH, refused=frozenset()),
    _thinks("o4", _LOW_TO_HIGH),
    _thinks("gpt-5", _MINIMAL_TO_HIGH),
    _plain("gpt-5-chat"),
    _thinks("gpt-5-pro", frozenset({"high"})),
    _may_think("gpt-5."),
    _may_think("gpt-5.1", _NONE_TO_HIGH, "always", idle=True),
    _may_think("gpt-5.2", tools="always", idle=True),
    _may_think("gpt-5.3", tools="always", idle=True),
    *(_thinks(f"gpt-5.{n}-chat", frozenset({"medium"})) for n in range(1, 7)),
    *(_thinks(f"gpt-5.{n}-pro", _LOW_TO_XHIGH - {"low"}) for n in range(2, 7)),
    _thinks("gpt-6", _LOW_TO_XHIGH, "never"),
    _may_think("gpt-6-sol"),
    _may_think("gpt-6-luna"),
    _may_think("gpt-6.1-terra"),
)

_XAI_REASONING = frozenset({"presence_penalty", "frequency_penalty", "stop"})


def _grok(prefix: str, efforts: frozenset[str] = frozenset()) -> ModelRule:
    """A Grok that reasons: it takes temperature and top_p all the same."""
    return ModelRule(prefix=prefix, efforts=efforts, refused=_XAI_REASONING)


XAI_MODELS: tuple[ModelRule, ...] = (
    _plain("grok-2"),
    _grok("grok-3"),  # retired: grok-4.3 answers, and is billed
    _grok("grok-3-mini", frozenset({"none", "low", "high"})),
    _grok("grok-4"),
    _grok("grok-4.3", _NONE_TO_HIGH),
    _grok("grok-4.5", _LOW_TO_HIGH),
    _grok("grok-4.6", _LOW_TO_HIGH),
    _grok("grok-4.7", _LOW_TO_XHIGH),
    _grok("grok-4.20"),  # reasoning is chosen by the model's name
    _grok("grok-code"),
    _grok("grok-build"),
)
