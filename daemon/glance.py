"""Snapshots of providers as callers see them."""

from msgspec.structs import replace

from actors.messages.provider import ProviderSnapshot
from ipc import results


def at_a_glance(snapshot: ProviderSnapshot) -> results.ProviderStatus:
    default = next(
        (m for m in snapshot.models if m.model == snapshot.default_model), None
    )
    totals = snapshot.totals
    priced = totals.requests > totals.unpriced_calls or not totals.requests
    return results.ProviderStatus(
        provider=snapshot.provider,
        kind=snapshot.kind,
        model=snapshot.default_model,
        healthy=snapshot.healthy,
        breaker=default.breaker if default else "closed",
        success_rate=snapshot.success_rate,
        latency_avg_s=snapshot.latency_avg_s,
        consecutive_failures=default.consecutive_failures if default else 0,
        in_flight=snapshot.in_flight,
        concurrency_limit=snapshot.concurrency_limit,
        requests=totals.requests,
        failures=totals.failures,
        cost_usd=totals.cost_usd if priced else None,
        last_request_at=totals.last_request_at,
        simulated=snapshot.simulated,
    )


def in_epoch_seconds(snapshot: ProviderSnapshot, shift: float) -> ProviderSnapshot:
    """The loop's clock is nobody's business outside: its times as UTC epoch seconds."""
    return replace(
        snapshot,
        blocked_until=_moved(snapshot.blocked_until, shift),
        requests_free_at=_moved(snapshot.requests_free_at, shift),
        models=tuple(
            replace(
                model,
                breaker_open_until=_moved(model.breaker_open_until, shift),
                blocked_until=_moved(model.blocked_until, shift),
                last_call_at=(
                    None if model.last_call_at is None else model.last_call_at + shift
                ),
            )
            for model in snapshot.models
        ),
    )


def _moved(at: float, shift: float) -> float:
    return at + shift if at else 0.0
