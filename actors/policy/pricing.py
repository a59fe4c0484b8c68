"""What usage costs: exact, in US dollars, with the source of the figure.

First the provider's own figure, then the price in the configuration, then the table by
the model that answered, then by the model that was asked for, else unknown: ``None``,
never 0. Estimates of prompt tokens before a call are in ``tokens``.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal

from msgspec import Struct

from actors.messages.chat import Usage
from actors.messages.provider import CostSource
from actors.policy.tokens import estimate_prompt_tokens, upper_bound_prompt_tokens

__all__ = [
    "Price",
    "PriceBook",
    "PriceTier",
    "TableEntry",
    "cost_of",
    "estimate_prompt_tokens",
    "settle_cost",
    "undated",
    "upper_bound_prompt_tokens",
]

# Our kinds and presets -> the spelling the table is kept under.
_TABLE_NAMES = {
    "x-ai": "xai",
    "grok": "xai",
    "claude": "anthropic",
    "chatgpt": "openai",
    "gemini": "google",
}
_DATE_SUFFIX = re.compile(r"-20\d\d(-?)(0[1-9]|1[0-2])\1(0[1-9]|[12]\d|3[01])$")
_PER_MILLION = -6

MAX_COST_USD = Decimal(1000)
"""Of one call; beyond it a figure is taken for a mistake, so the cost is unknown."""


class PriceTier(Struct, frozen=True, kw_only=True):
    """Prices for every token of a request with a prompt over the mark.

    Fields as in ``Price``.
    """

    prompt_tokens_over: int
    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None


class Price(Struct, frozen=True, kw_only=True):
    """US dollars per million tokens.

    ``None`` for a kind of input means that no other price than ``input`` is known for
    it; ``cache_write_1h`` falls back to ``cache_write`` first.
    """

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    tiers: tuple[PriceTier, ...] = ()


class TableEntry(Struct, frozen=True):
    """One row of a price table; ``provider`` is a kind, a preset or ``x-ai``."""

    provider: str
    model: str
    price: Price


PriceOf = Callable[[str, str, str], tuple[Price | None, CostSource]]
"""``PriceBook.lookup``: provider, kind, model."""


def unpriced(
    provider: str,  # noqa: ARG001 - a ``PriceOf``
    kind: str,  # noqa: ARG001 - likewise
    model: str,  # noqa: ARG001 - likewise
) -> tuple[Price | None, CostSource]:
    """A ``PriceOf`` where no prices are known."""
    return None, "unknown"


def cost_of(usage: Usage, price: Price | None) -> Decimal | None:
    """The exact cost in US dollars; ``None`` when a count or the price is unknown.

    Cached and cache-written tokens are parts of ``prompt_tokens``, one-hour writes a
    part of all writes; parts that exceed the whole are cut to it.
    """
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if price is None or prompt is None or completion is None:
        return None
    rates = _rates(price, prompt)
    write_rate = rates.input if rates.cache_write is None else rates.cache_write
    hour_rate = write_rate if rates.cache_write_1h is None else rates.cache_write_1h
    cached_rate = rates.input if rates.cached_input is None else rates.cached_input
    cached = min(usage.cached_tokens or 0, prompt)
    hour_written = usage.cache_write_1h_tokens or 0
    written = min(max(usage.cache_write_tokens or 0, hour_written), prompt - cached)
    hour_written = min(hour_written, written)
    total = (
        (prompt - cached - written) * rates.input
        + cached * cached_rate
        + (written - hour_written) * write_rate
        + hour_written * hour_rate
        + completion * rates.output
    )
    return total.scaleb(_PER_MILLION)


def _rates(price: Price, prompt_tokens: int) -> Price | PriceTier:
    rates: Price | PriceTier = price
    mark = -1
    for tier in price.tiers:
        if mark < tier.prompt_tokens_over < prompt_tokens:
            rates, mark = tier, tier.prompt_tokens_over
    return rates


class PriceBook:
    """Prices by configuration and by table.

    Args:
        table: Rows of a price list; of two rows for one model the later one counts.
        overrides: Configured prices by provider name, or by ``provider/model``, which
            goes before the provider's own.
    """

    __slots__ = ("_overrides", "_table", "version")

    def __init__(
        self,
        table: Iterable[TableEntry] = (),
        overrides: Mapping[str, Price] | None = None,
    ) -> None:
        self._overrides = dict(overrides or {})
        self._table: dict[tuple[str, str], Price] = {}
        self.version = 0
        self.load(table)

    def load(self, table: Iterable[TableEntry]) -> None:
        """Take another price list in place of the one before; ``version`` grows."""
        self.version += 1
        self._table = {
            (_table_name(row.provider), row.model): row.price for row in table
        }

    def configure(
        self, overrides: Mapping[str, Price], providers: Collection[str]
    ) -> None:
        """Take other configured prices in place of those before; ``version`` grows.

        Args:
            overrides: As at the beginning.
            providers: All that there are now. The prices of others are kept: their
                last calls have yet to be billed.
        """
        self.version += 1
        gone = {
            name: price
            for name, price in self._overrides.items()
            if name.partition("/")[0] not in providers
        }
        self._overrides = {**gone, **overrides}

    def lookup(
        self, provider: str, kind: str, model: str
    ) -> tuple[Price | None, CostSource]:
        """The price of a model: configured, else from the table, else unknown.

        In the table a dated name (``gpt-4o-2024-08-06``, ``...-20240806``) that is not
        listed itself has the price of the name without its date.
        """
        configured = self._overrides.get(f"{provider}/{model}")
        if configured is None:
            configured = self._overrides.get(provider)
        if configured is not None:
            return configured, "config"
        maker = _table_name(kind)
        listed = self._table.get((maker, model))
        if listed is None:
            listed = self._table.get((maker, undated(model)))
        if listed is not None:
            return listed, "table"
        return None, "unknown"


def undated(model: str) -> str:
    """The name without its date: ``gpt-4o`` for ``gpt-4o-2024-08-06``."""
    return _DATE_SUFFIX.sub("", model)


def settle_cost(
    usage: Usage,
    book: PriceBook,
    provider: str,
    kind: str,
    *,
    answered_model: str | None,
    requested_model: str,
) -> tuple[Decimal | None, CostSource]:
    """What a call cost in US dollars and who says so; ``(None, "unknown")`` if nobody.

    A reported zero beside tokens is not "free" and is passed over, and so is more than
    one call can cost.
    """
    reported = usage.reported_cost_usd
    if reported is not None and _credible(reported, usage):
        return reported, "provider"
    price: Price | None = None
    source: CostSource = "unknown"
    if answered_model:
        price, source = book.lookup(provider, kind, answered_model)
    if price is None:
        price, source = book.lookup(provider, kind, requested_model)
    cost = cost_of(usage, price)
    if cost is None or cost > MAX_COST_USD:
        return None, "unknown"
    return cost, source


def _credible(reported: Decimal, usage: Usage) -> bool:
    if reported > MAX_COST_USD:
        return False
    return reported > 0 or not _any_tokens(usage)


def _any_tokens(usage: Usage) -> bool:
    return bool(usage.prompt_tokens or usage.completion_tokens or usage.total_tokens)


def _table_name(provider: str) -> str:
    return _TABLE_NAMES.get(provider, provider)
