"""Money: exact, monotone, never negative, and never zero for unknown."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from actors.messages.chat import Usage
from actors.policy.pricing import (
    Price,
    PriceBook,
    PriceTier,
    TableEntry,
    cost_of,
    settle_cost,
)

PLAIN = Price(input=Decimal("2.5"), output=Decimal(10))
CACHED = Price(
    input=Decimal(3),
    output=Decimal(15),
    cached_input=Decimal("0.3"),
    cache_write=Decimal("3.75"),
    cache_write_1h=Decimal(6),
)
TIERED = Price(
    input=Decimal(2),
    output=Decimal(10),
    cached_input=Decimal("0.1"),
    tiers=(
        PriceTier(prompt_tokens_over=272_000, input=Decimal(4), output=Decimal(15)),
        PriceTier(prompt_tokens_over=500_000, input=Decimal(8), output=Decimal(30)),
    ),
)


def usage(
    prompt: int | None,
    completion: int | None,
    *,
    cached_tokens: int | None = None,
    cache_write_tokens: int | None = None,
    cache_write_1h_tokens: int | None = None,
) -> Usage:
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached_tokens,
        cache_write_tokens=cache_write_tokens,
        cache_write_1h_tokens=cache_write_1h_tokens,
    )


# What usage costs


def test_a_plain_request_is_the_sum_of_both_sides() -> None:
    assert cost_of(usage(1000, 500), PLAIN) == Decimal("0.0075")


def test_a_million_tokens_cost_the_list_price() -> None:
    assert cost_of(usage(1_000_000, 0), PLAIN) == Decimal("2.5")


@pytest.mark.parametrize(("prompt", "completion"), [(None, 5), (5, None), (None, None)])
def test_a_missing_count_is_unknown_not_free(
    prompt: int | None, completion: int | None
) -> None:
    assert cost_of(usage(prompt, completion), PLAIN) is None


def test_a_missing_price_is_unknown_not_free() -> None:
    assert cost_of(usage(10, 10), None) is None


def test_a_configured_zero_is_a_known_zero() -> None:
    free = Price(input=Decimal(0), output=Decimal(0))

    assert cost_of(usage(10, 10), free) == Decimal(0)


def test_cached_and_written_tokens_are_parts_of_the_prompt() -> None:
    cost = cost_of(
        usage(
            1000,
            100,
            cached_tokens=600,
            cache_write_tokens=300,
            cache_write_1h_tokens=100,
        ),
        CACHED,
    )

    # 100 plain, 600 cached, 200 written for five minutes, 100 for an hour, 100 out.
    expected = (300 + 180 + 750 + 600 + 1500) * Decimal("1e-6")
    assert cost == expected


def test_without_a_cache_price_cached_and_written_tokens_are_input() -> None:
    parts = usage(1000, 0, cached_tokens=400, cache_write_tokens=300)

    assert cost_of(parts, PLAIN) == cost_of(usage(1000, 0), PLAIN)


def test_without_an_hour_price_an_hours_write_costs_a_write() -> None:
    price = Price(input=Decimal(1), output=Decimal(1), cache_write=Decimal(2))

    assert cost_of(usage(10, 0, cache_write_1h_tokens=10), price) == Decimal("2e-5")


def test_parts_that_exceed_the_prompt_are_cut_to_it() -> None:
    odd = usage(100, 0, cached_tokens=500, cache_write_tokens=700)

    assert cost_of(odd, CACHED) == 100 * Decimal("0.3") * Decimal("1e-6")


@pytest.mark.parametrize(
    ("prompt", "rate"),
    [(272_000, 2), (272_001, 4), (500_000, 4), (500_001, 8)],
)
def test_a_tier_switches_the_price_of_every_token(prompt: int, rate: int) -> None:
    assert cost_of(usage(prompt, 0), TIERED) == prompt * rate * Decimal("1e-6")


def test_the_order_of_tiers_does_not_matter() -> None:
    turned = Price(input=TIERED.input, output=TIERED.output, tiers=TIERED.tiers[::-1])

    assert cost_of(usage(600_000, 0), turned) == Decimal("4.8")


def test_a_tier_without_a_cache_price_charges_cached_tokens_as_its_input() -> None:
    assert cost_of(usage(300_000, 0, cached_tokens=300_000), TIERED) == Decimal("1.2")


# Properties

rates = st.decimals(0, 1000, places=6, allow_nan=False, allow_infinity=False)
tokens = st.integers(0, 10**9)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    optional = st.none() | rates
    return Price(
        input=draw(rates),
        output=draw(rates),
        cached_input=draw(optional),
        cache_write=draw(optional),
        cache_write_1h=draw(optional),
    )


@given(prices(), st.tuples(tokens, tokens, tokens, tokens, tokens))
@settings(deadline=None, max_examples=200)
def test_cost_is_exact_and_never_negative(
    price: Price, counts: tuple[int, int, int, int, int]
) -> None:
    fresh, cached, written, hour, out = counts
    prompt = fresh + cached + written + hour
    cost = cost_of(
        usage(
            prompt,
            out,
            cached_tokens=cached,
            cache_write_tokens=written + hour,
            cache_write_1h_tokens=hour,
        ),
        price,
    )

    # The same in integers of 1e-12 USD, where nothing can be rounded.
    def pico(rate: Decimal) -> int:
        return int(rate * 10**6)

    write = price.input if price.cache_write is None else price.cache_write
    hourly = write if price.cache_write_1h is None else price.cache_write_1h
    read = price.input if price.cached_input is None else price.cached_input
    expected = (
        fresh * pico(price.input)
        + cached * pico(read)
        + written * pico(write)
        + hour * pico(hourly)
        + out * pico(price.output)
    )
    assert cost is not None
    assert cost >= 0
    assert cost.scaleb(12) == expected


@given(st.lists(tokens, min_size=2, max_size=6), tokens, prices())
@settings(deadline=None, max_examples=100)
def test_more_tokens_never_cost_less(sizes: list[int], out: int, price: Price) -> None:
    for fewer, more in pairwise(sorted(sizes)):
        first, second = (cost_of(usage(size, out), price) for size in (fewer, more))
        third = cost_of(usage(out, more), price)
        fourth = cost_of(usage(out, fewer), price)

        assert None not in {first, second, third, fourth}
        assert first <= second  # type: ignore[operator]  # not None: asserted above
        assert fourth <= third  # type: ignore[operator]  # not None: asserted above


@given(st.integers(0, 10**6), st.integers(0, 10**6))
@settings(deadline=None, max_examples=100)
def test_more_tokens_never_cost_less_across_tiers(one: int, two: int) -> None:
    fewer, more = sorted((one, two))
    first, second = cost_of(usage(fewer, 5), TIERED), cost_of(usage(more, 5), TIERED)

    assert first is not None
    assert second is not None
    assert first <= second


# Where prices come from

GPT = Price(input=Decimal(1), output=Decimal(2))
DATED = Price(input=Decimal(3), output=Decimal(4))
GROK = Price(input=Decimal(5), output=Decimal(6))
TABLE = (
    TableEntry("openai", "gpt-4o", GPT),
    TableEntry("openai", "gpt-4o-2024-05-13", DATED),
    TableEntry("x-ai", "grok-3-mini", GROK),
)
BOOK = PriceBook(TABLE, {"mine": PLAIN, "mine/special": CACHED})


def test_a_configured_price_goes_before_the_table() -> None:
    assert BOOK.lookup("mine", "openai", "gpt-4o") == (PLAIN, "config")
    assert BOOK.lookup("mine", "openai", "special") == (CACHED, "config")


def test_the_table_is_looked_up_by_kind() -> None:
    assert BOOK.lookup("any name", "openai", "gpt-4o") == (GPT, "table")
    assert BOOK.lookup("grok", "xai", "grok-3-mini") == (GROK, "table")
    assert BOOK.lookup("grok", "anthropic", "grok-3-mini") == (None, "unknown")


@pytest.mark.parametrize("name", ["gpt-4o-2024-08-06", "gpt-4o-20240806"])
def test_an_unlisted_snapshot_has_the_price_of_its_undated_name(name: str) -> None:
    assert BOOK.lookup("openai", "openai", name) == (GPT, "table")


def test_a_listed_snapshot_has_its_own_price() -> None:
    assert BOOK.lookup("o", "openai", "gpt-4o-2024-05-13") == (DATED, "table")


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o-mini",
        "gpt-4",
        "gpt-4o-latest",
        "gpt-4o-2024",
        "gpt-4o-2024-13-01",
        "gpt-4o-2024-0806",
        "gpt-4o-1106",
        "",
    ],
)
def test_a_similar_name_is_not_the_same_model(name: str) -> None:
    assert BOOK.lookup("openai", "openai", name) == (None, "unknown")


def test_the_prices_of_a_provider_that_went_are_kept_for_its_last_calls() -> None:
    book = PriceBook(overrides={"one": CACHED, "two/m": CACHED, "three": CACHED})

    book.configure({}, {"three"})

    assert book.lookup("one", "openai", "m") == (CACHED, "config")
    assert book.lookup("two", "openai", "m") == (CACHED, "config")
    assert book.lookup("three", "openai", "m") == (None, "unknown")


def test_configured_prices_can_be_exchanged() -> None:
    book = PriceBook(overrides={"one": PLAIN})
    version = book.version
    book.configure({"two": CACHED}, {"one", "two"})

    assert book.lookup("one", "openai", "m") == (None, "unknown")
    assert book.lookup("two", "openai", "m") == (CACHED, "config")
    assert book.version > version


def test_the_later_row_of_a_table_counts() -> None:
    book = PriceBook([*TABLE, TableEntry("openai", "gpt-4o", DATED)])

    assert book.lookup("openai", "openai", "gpt-4o") == (DATED, "table")


# Settling

USED = usage(1_000_000, 0)


def settle(
    used: Usage, answered: str | None, requested: str, provider: str = "openai"
) -> tuple[Decimal | None, str]:
    return settle_cost(
        used,
        BOOK,
        provider,
        "openai",
        answered_model=answered,
        requested_model=requested,
    )


def test_the_providers_own_figure_goes_first() -> None:
    reported = Usage(
        prompt_tokens=10, completion_tokens=1, reported_cost_usd=Decimal("0.0123")
    )

    assert settle(reported, "gpt-4o", "gpt-4o", "mine") == (
        Decimal("0.0123"),
        "provider",
    )


def test_a_reported_zero_beside_tokens_is_not_free() -> None:
    reported = Usage(
        prompt_tokens=10**6, completion_tokens=0, reported_cost_usd=Decimal(0)
    )

    assert settle(reported, "gpt-4o", "gpt-4o") == (Decimal(1), "table")
    assert settle(reported, "unheard-of", "unheard-of") == (None, "unknown")


def test_more_than_one_call_can_cost_is_no_cost() -> None:
    """The ledger takes it for a mistake as well, so no budget may count it."""
    counts = Usage(prompt_tokens=10**6, completion_tokens=0)
    absurd = replace(counts, reported_cost_usd=Decimal("1000.01"))
    endless = Usage(prompt_tokens=10**14, completion_tokens=0)

    assert settle(absurd, "gpt-4o", "gpt-4o") == (Decimal(1), "table")
    assert settle(absurd, "unheard-of", "unheard-of") == (None, "unknown")
    assert settle(endless, "gpt-4o", "gpt-4o") == (None, "unknown")


def test_a_reported_zero_without_tokens_is_believed() -> None:
    nothing = Usage(reported_cost_usd=Decimal(0))

    assert settle(nothing, None, "gpt-4o") == (Decimal(0), "provider")


def test_the_model_that_answered_is_priced() -> None:
    assert settle(USED, "gpt-4o-2024-05-13", "gpt-4o") == (Decimal(3), "table")


@pytest.mark.parametrize("answered", [None, "", "unheard-of"])
def test_else_the_model_that_was_asked_for(answered: str | None) -> None:
    assert settle(USED, answered, "gpt-4o") == (Decimal(1), "table")


def test_a_configured_price_is_named_as_the_source() -> None:
    assert settle(USED, "gpt-4o", "gpt-4o", "mine") == (Decimal("2.5"), "config")


def test_without_a_price_or_without_usage_the_cost_is_unknown() -> None:
    assert settle(USED, "unheard-of", "unheard-of") == (None, "unknown")
    assert settle(Usage(), "gpt-4o", "gpt-4o") == (None, "unknown")
