"""The models that pretend providers offer, with the real ones' prices.

As of November 2026, USD per million tokens: input, cached input, output.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec import structs

from daemon.simulator.behaviour import Behaviour, Kind, SimModel, SimPrice

FORCED_CHOICE: Final = "forced tool_choice"
"""What Claude models refuse that is not a field of its own."""

_SAMPLING: Final = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
)
_OPENAI_REASONING: Final = (*_SAMPLING, "max_tokens", "stop")
_XAI_REASONING: Final = ("presence_penalty", "frequency_penalty", "stop")
_CLAUDE_5: Final = ("temperature", "top_p", "top_k")


def _price(given: str, cached: str, output: str) -> SimPrice:
    return SimPrice(Decimal(given), Decimal(output), Decimal(cached))


OPENAI: Final = (
    SimModel(
        id="gpt-4o-mini",
        answers_as="gpt-4o-mini-2024-07-18",
        price=_price("0.15", "0.075", "0.6"),
        context_window=128_000,
    ),
    SimModel(
        id="gpt-4o",
        answers_as="gpt-4o-2024-08-06",
        price=_price("2.5", "1.25", "10"),
        context_window=128_000,
    ),
    SimModel(
        id="gpt-4.1-mini",
        answers_as="gpt-4.1-mini-2025-04-14",
        price=_price("0.4", "0.1", "1.6"),
    ),
    SimModel(
        id="gpt-5-mini",
        answers_as="gpt-5-mini-2025-08-07",
        price=_price("0.25", "0.025", "2"),
        context_window=400_000,
        refuses=_OPENAI_REASONING,
    ),
    SimModel(
        id="gpt-6-luna",
        price=_price("0.1", "0.01", "0.5"),
        refuses=("max_tokens", "stop"),
    ),
    SimModel(
        id="gpt-6.2-sol", price=_price("2", "0.1", "10"), refuses=_OPENAI_REASONING
    ),
    SimModel(
        id="text-embedding-3-small",
        price=_price("0.02", "0.02", "0"),
        context_window=8_192,
        dimensions=1_536,
    ),
    SimModel(
        id="text-embedding-3-large",
        price=_price("0.13", "0.13", "0"),
        context_window=8_192,
        dimensions=3_072,
    ),
)
XAI: Final = (
    SimModel(id="grok-4.3", price=_price("1.25", "0.2", "2.5"), refuses=_XAI_REASONING),
    SimModel(
        id="grok-4.5",
        price=_price("2", "0.3", "6"),
        context_window=500_000,
        refuses=_XAI_REASONING,
    ),
    SimModel(
        id="grok-4.7",
        price=_price("2", "0.5", "6"),
        context_window=500_000,
        refuses=_XAI_REASONING,
    ),
    SimModel(
        id="grok-3-mini",
        price=_price("0.3", "0.075", "0.5"),
        context_window=131_072,
        refuses=_XAI_REASONING,
        shows_reasoning=True,
    ),
)
ANTHROPIC: Final = (
    SimModel(
        id="claude-haiku-4-5",
        answers_as="claude-haiku-4-5-20251001",
        price=_price("1", "0.1", "5"),
        context_window=200_000,
        prefill="continued",
    ),
    SimModel(
        id="claude-sonnet-4-5",
        answers_as="claude-sonnet-4-5-20250929",
        price=_price("3", "0.3", "15"),
        context_window=200_000,
        prefill="continued",
    ),
    SimModel(
        id="claude-haiku-5-5",
        price=_price("0.1", "0.01", "0.5"),
        refuses=_CLAUDE_5,
        prefill="refused",
    ),
    SimModel(
        id="claude-sonnet-5-5",
        price=_price("2", "0.1", "10"),
        refuses=(*_CLAUDE_5, FORCED_CHOICE),
        prefill="refused",
    ),
    SimModel(
        id="claude-opus-5-5",
        price=_price("4", "0.2", "20"),
        refuses=(*_CLAUDE_5, FORCED_CHOICE),
        prefill="refused",
    ),
)

DEFAULTS: Final[dict[Kind, Behaviour]] = {
    "openai": Behaviour(models=OPENAI),
    "xai": Behaviour(models=XAI, reasoning_tokens=8),
    "anthropic": Behaviour(models=ANTHROPIC, reasoning_tokens=8),
}
"""How each kind behaves unless told otherwise."""


def default_behaviour(kind: Kind, models: Iterable[str] = ()) -> Behaviour:
    """The default of ``kind``, offering ``models`` too, at its first model's price.

    Those that have ``embed`` in their name give vectors.
    """
    default = DEFAULTS[kind]
    price = default.models[0].price
    more = [
        SimModel(id=m, price=price, dimensions=1_024 if "embed" in m else 0)
        for m in models
        if default.model(m) is None
    ]
    return structs.replace(default, models=(*default.models, *more))
