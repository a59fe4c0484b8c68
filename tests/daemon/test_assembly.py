"""The configuration reaches the actors: each setting where it belongs."""

from decimal import Decimal

from msgspec.structs import replace

from daemon.assembly import price_overrides, provider_settings, router_settings
from daemon.config import (
    BreakerConfig,
    Config,
    HealthConfig,
    LimitsConfig,
    PriceConfig,
    ProviderConfig,
    RetryConfig,
    RoutingConfig,
    TimeoutsConfig,
)
from daemon.credentials import Credential, Secret

PROVIDER = ProviderConfig(
    kind="openai",
    base_url="https://api.test/v1/",
    model="m",
    models=("m", "n"),
    temperature=0.3,
    max_tokens=100,
    timeouts=TimeoutsConfig(total_s=120),
    context_window=1000,
    limits=LimitsConfig(concurrency=3, requests_per_minute=60),
    weight=2.0,
    price=PriceConfig(input=Decimal(1), output=Decimal(2), cached_input=Decimal("0.5")),
)
CONFIG = Config(
    routing=RoutingConfig(
        strategy="cost", failure_threshold=5, metrics_window=50, max_attempts=2
    ),
    retry=RetryConfig(max_retries=1, budget_ratio=0.2),
    breaker=BreakerConfig(open_s=2, open_max_s=9, min_calls=4),
    health=HealthConfig(interval_s=30, probe="completion"),
    providers={"one": PROVIDER},
)


def test_a_provider_is_told_what_is_configured() -> None:
    credential = Credential("one", Secret("k"), "environment X")
    settings = provider_settings("one", PROVIDER, CONFIG, credential)

    assert settings.endpoint.base_url == "https://api.test/v1"
    assert settings.endpoint.api_key == "k"
    assert settings.default_model == "m"
    assert settings.breaker.consecutive_failures == 5
    assert (settings.breaker.open_s, settings.breaker.open_max_s) == (2, 9)
    assert settings.breaker.permit_lease_s > settings.timeouts.total_s == 120
    assert settings.limits.concurrency == 3
    assert settings.metrics_window == 50
    assert (settings.probe, settings.probe_interval_s) == ("completion", 30)
    assert settings.context_windows == {"m": 1000, "n": 1000}
    assert not settings.simulated


def test_known_windows_are_told_where_none_is_configured() -> None:
    models = ("gpt-4o-2024-08-06", "mine")
    plain = replace(PROVIDER, models=models, context_window=None)
    settings = provider_settings("one", plain, CONFIG, None)

    assert settings.context_windows["gpt-4o-2024-08-06"] == 128_000
    assert settings.context_windows["gpt-5-mini"] == 400_000  # may be asked by name
    assert "mine" not in settings.context_windows


def test_what_is_to_be_discovered_needs_no_model() -> None:
    server = ProviderConfig(
        kind="compatible",
        preset="ollama",
        base_url="http://127.0.0.1:11434/v1",
        discover=True,
        context_window=8192,
    )
    settings = provider_settings("local", server, CONFIG, None)

    assert settings.discover
    assert settings.default_model is None
    assert settings.found_window == 8192
    assert not provider_settings("one", PROVIDER, CONFIG, None).discover


def test_a_simulated_provider_is_marked_and_asked_elsewhere() -> None:
    settings = provider_settings(
        "one", PROVIDER, CONFIG, None, simulated_url="http://127.0.0.1:1/v1"
    )

    assert settings.simulated
    assert settings.endpoint.base_url == "http://127.0.0.1:1/v1"
    assert settings.endpoint.api_key is None


def test_the_router_is_told_what_is_configured() -> None:
    settings = router_settings(CONFIG)

    assert settings.strategy == "cost"
    assert settings.retry.max_attempts == 2
    assert settings.retry.max_retries == 1
    assert settings.retry_budget_ratio == 0.2
    assert settings.defaults["one"].temperature == 0.3
    assert settings.defaults["one"].max_tokens == 100


def test_configured_prices_go_before_every_table() -> None:
    prices = price_overrides(CONFIG.providers)

    assert prices["one"].input == 1
    assert prices["one"].cached_input == Decimal("0.5")
