"""The configuration, turned into what the actors are told. Pure."""

from collections.abc import Mapping
from decimal import Decimal

from actors.policy.attempts import RetryConfig
from actors.policy.breaker import BreakerConfig
from actors.policy.limits import LimitConfig
from actors.policy.pricing import Price
from actors.provider import ProviderSettings
from actors.router import ProviderDefaults, RouterSettings
from actors.wire.base import Endpoint
from daemon.config import Config, PriceConfig, ProviderConfig
from daemon.credentials import Credential
from daemon.model_facts import facts_of, windows_of


def provider_settings(
    name: str,
    provider: ProviderConfig,
    config: Config,
    credential: Credential | None,
    *,
    simulated_url: str | None = None,
) -> ProviderSettings:
    """What one provider's actor is told. ``simulated_url`` replaces its base URL."""
    secret = credential.secret if credential else None
    return ProviderSettings(
        name=name,
        kind=provider.server,
        models=provider.models,
        endpoint=Endpoint(
            base_url=(simulated_url or provider.base_url or "").rstrip("/"),
            api_key=secret.reveal() if secret else None,
            api_version=provider.api_version,
        ),
        timeouts=provider.timeouts,
        breaker=_breaker(config, _longest_call_s(config, provider)),
        limits=LimitConfig(
            concurrency=provider.limits.concurrency,
            requests_per_minute=provider.limits.requests_per_minute,
            tokens_per_minute=provider.limits.tokens_per_minute,
        ),
        metrics_window=config.routing.metrics_window,
        weight=provider.weight,
        context_windows=_windows(provider),
        found_window=provider.context_window,
        discover=provider.discover,
        resume=provider.resume,
        probe=config.health.probe,
        probe_interval_s=config.health.interval_s,
        simulated=simulated_url is not None,
    )


def _windows(provider: ProviderConfig) -> dict[str, int]:
    """Context windows by model: as configured, else as far as they are known."""
    if provider.context_window is not None:
        return dict.fromkeys(provider.models, provider.context_window)
    found = {name: facts_of(provider.server, name) for name in provider.models}
    known = {name: facts.context_window for name, facts in found.items() if facts}
    return windows_of(provider.server) | known


def _longest_call_s(config: Config, provider: ProviderConfig) -> float:
    asked = (
        alias.timeouts.total_s for alias in config.models.values() if alias.timeouts
    )
    return max(provider.timeouts.total_s, *(total for total in asked if total), 0.0)


def _breaker(config: Config, longest_call_s: float) -> BreakerConfig:
    return BreakerConfig(
        consecutive_failures=config.routing.failure_threshold,
        failure_ratio=config.breaker.failure_ratio,
        slow_ratio=config.breaker.slow_ratio,
        min_calls=config.breaker.min_calls,
        open_s=config.breaker.open_s,
        open_max_s=config.breaker.open_max_s,
        # A probe that still runs must not lose its permit to a second one.
        permit_lease_s=longest_call_s + 1.0,
    )


def router_settings(config: Config) -> RouterSettings:
    """What the router is told."""
    routing, retry = config.routing, config.retry
    return RouterSettings(
        strategy=routing.strategy,
        weights=routing.weights,
        tasks=dict(routing.tasks),
        aliases=dict(config.models),
        provider_aliases=config.provider_aliases,
        retry=RetryConfig(
            max_attempts=routing.max_attempts,
            max_retries=retry.max_retries,
            base_delay_s=retry.base_delay_s,
            max_delay_s=retry.max_delay_s,
            same_first=retry.same_first,
            wait_retry_after_s=retry.wait_retry_after_s,
            content_filter_fallback=routing.content_filter_fallback,
            adaptive_first_token=routing.adaptive_first_token,
        ),
        retry_budget_ratio=retry.budget_ratio,
        retry_budget_min_per_s=retry.budget_min_per_s,
        max_in_flight=config.server.max_requests,
        max_waiting=config.server.max_waiting,
        deadline_s=routing.deadline_s,
        stream_mode=routing.stream_mode,
        hedge=routing.hedge,
        stream_upstream=routing.stream_upstream,
        defaults={
            name: ProviderDefaults(
                temperature=provider.temperature,
                max_tokens=provider.max_tokens,
                reasoning_effort=provider.reasoning_effort,
            )
            for name, provider in config.enabled_providers.items()
        },
    )


def price_overrides(providers: Mapping[str, ProviderConfig]) -> dict[str, Price]:
    """Configured prices by provider."""
    return {
        name: _price(provider.price)
        for name, provider in providers.items()
        if provider.price is not None
    }


def _price(price: PriceConfig) -> Price:
    return Price(
        input=Decimal(price.input),
        output=Decimal(price.output),
        cached_input=price.cached_input,
        cache_write=price.cache_write,
    )
