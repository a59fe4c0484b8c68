"""Everything that can be asked for, and what is known about it."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.messages.chat import ModelInfo
from actors.messages.provider import ModelSnapshot, ProbeResult, ProviderSnapshot
from actors.messages.routing import Alias
from actors.policy.pricing import Price, PriceBook, TableEntry
from daemon.model_list import SOON_DAYS, day_of, list_models, retiring
from ipc.listing import ModelRow

PRICE = Price(input=Decimal("2.5"), output=Decimal(10), cached_input=Decimal("1.25"))
BOOK = PriceBook([TableEntry("openai", "gpt-4o", PRICE)])


def provider(
    name: str,
    *models: str,
    kind: str = "openai",
    default: str | None = None,
    listed: tuple[ModelInfo, ...] = (),
    window: int | None = None,
) -> ProviderSnapshot:
    return ProviderSnapshot(
        provider=name,
        kind=kind,
        version=1,
        models=tuple(
            ModelSnapshot(provider=name, model=model, context_window=window)
            for model in models
        ),
        default_model=default or (models[0] if models else None),
        served=tuple(row.id for row in listed),
        last_probe=ProbeResult(
            provider=name,
            healthy=True,
            at=0.0,
            latency_s=0.1,
            probe="models",
            models=listed,
        )
        if listed
        else None,
    )


def rows(*snapshots: ProviderSnapshot, **aliases: Alias) -> dict[str, ModelRow]:
    return {r.name: r for r in list_models(snapshots, aliases, BOOK.lookup)}


def names(*snapshots: ProviderSnapshot, **aliases: Alias) -> list[str]:
    return list(rows(*snapshots, **aliases))


def test_auto_names_come_first_then_aliases_then_models_in_order() -> None:
    found = names(
        provider("zed", "b", "a"),
        provider("abc", "x"),
        slow=Alias(candidates=("zed",)),
        fast=Alias(candidates=("abc/x",)),
    )

    assert found[:2] == ["auto", "auto:cost"]
    assert found[7:] == ["fast", "slow", "abc/x", "zed/a", "zed/b"]


def test_an_auto_name_has_its_strategy_and_an_alias_its_candidates() -> None:
    found = rows(
        fast=Alias(candidates=("a", "b"), strategy="priority"),
    )

    assert found["auto"].strategy is None
    assert found["auto:cost"].strategy == "cost"
    assert found["fast"].candidates == ("a", "b")
    assert found["fast"].strategy == "priority"


def test_a_known_model_has_price_size_abilities_and_end() -> None:
    found = rows(provider("openai", "gpt-4o", window=128_000))["openai/gpt-4o"]

    assert (found.input_price, found.output_price) == (Decimal("2.5"), Decimal(10))
    assert (found.cached_input_price, found.price_source) == (Decimal("1.25"), "table")
    assert (found.context_window, found.max_output_tokens) == (128_000, 16_384)
    assert (found.tools, found.vision, found.json_schema) == (True, True, True)
    assert found.reasoning is False
    assert found.retires_at == "2027-01-14"
    assert found.default


def test_of_an_unknown_model_everything_is_null() -> None:
    found = rows(provider("local", "mine", kind="ollama"))["local/mine"]

    assert (found.input_price, found.price_source) == (None, "unknown")
    assert (found.context_window, found.max_output_tokens) == (None, None)
    assert (found.tools, found.vision, found.json_schema) == (None, None, None)
    assert (found.reasoning, found.retires_at, found.served) == (None, None, None)


def test_served_names_are_there_with_what_the_list_says_of_them() -> None:
    listed = (
        ModelInfo(
            id="new-model",
            context_window=9000,
            max_output_tokens=700,
            retires_at="2028-05-01T00:00:00Z",
        ),
        ModelInfo(id="gpt-4o", retires_at="2027-02-02"),
    )
    found = rows(provider("openai", "gpt-4o", "gone", listed=listed))

    new, old, gone = (found[f"openai/{n}"] for n in ("new-model", "gpt-4o", "gone"))
    assert (new.context_window, new.max_output_tokens) == (9000, 700)
    assert new.retires_at == "2028-05-01"
    assert old.retires_at == "2027-02-02"
    assert (new.served, old.served, gone.served) == (True, True, False)
    assert (new.default, old.default) == (False, True)


def test_a_configured_window_goes_before_what_is_known() -> None:
    found = rows(provider("openai", "gpt-4o", window=1000))

    assert found["openai/gpt-4o"].context_window == 1000


def test_a_provider_of_which_nothing_is_known_yet_has_no_rows() -> None:
    assert names(provider("local", kind="ollama"))[7:] == []


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-12-11", "2026-12-11"),
        ("2027-01-01T00:00:00Z", "2027-01-01"),
        ("1765411200", "2025-12-11"),
        ("soon", None),
        ("2026-13-01", None),
        ("9" * 30, None),
        ("", None),
        (None, None),
    ],
)
def test_days_are_read_in_all_their_forms(text: str | None, day: str | None) -> None:
    assert day_of(text) == day


END = date(2027, 1, 14)  # of gpt-4o


@pytest.mark.parametrize(
    ("days_left", "told"),
    [(SOON_DAYS + 1, False), (SOON_DAYS, True), (0, True), (-400, True)],
)
def test_models_that_end_soon_or_have_ended_are_told(
    days_left: int, told: bool
) -> None:
    used = provider("openai", "gpt-4o", "never-heard-of")
    found = retiring([used], END - timedelta(days=days_left))

    assert [(f.code, f.provider, f.model) for f in found] == (
        [("model_retiring", "openai", "gpt-4o")] if told else []
    )


def test_what_the_providers_list_says_of_an_end_goes_first() -> None:
    listed = ModelInfo(id="gpt-4o", retires_at="2027-02-02")
    used = provider("openai", "gpt-4o", listed=(listed,))

    assert [f.values for f in retiring([used], END)] == [{"day": "2027-02-02"}]


def test_pretended_models_do_not_end() -> None:
    pretended = replace(provider("openai", "gpt-4o"), simulated=True)

    assert retiring([pretended], END) == ()
