"""What is wrong with providers, from their snapshots. Pure."""

from collections.abc import Collection

from actors.messages.lifecycle import Finding
from actors.messages.provider import ModelSnapshot, ProviderSnapshot


def provider_findings(
    snapshots: Collection[ProviderSnapshot], now: float
) -> tuple[Finding, ...]:
    """Keys refused, accounts out of money, checks that fail, breakers open, nobody left.

    ``now`` is on the event loop's clock, as the times in snapshots are.
    """
    found: list[Finding] = []
    reasons: dict[str, str] = {}
    for snapshot in snapshots:
        found += _about(snapshot)
        reason = why_unusable(snapshot, now)
        if reason is not None:
            reasons[snapshot.provider] = reason
    if snapshots and len(reasons) == len(snapshots):
        said = ", ".join(f"{name}: {reason}" for name, reason in reasons.items())
        found.append(
            Finding(
                code="all_providers_down",
                values={"count": len(reasons), "reasons": said},
            )
        )
    return tuple(found)


def why_unusable(snapshot: ProviderSnapshot, now: float) -> str | None:
    """Why none of a provider's models would be asked now; ``None`` when one would.

    A provider that was never probed may well be there.
    """
    reasons = (
        (_key_refused(snapshot), "key refused"),
        (snapshot.out_of_money, "out of money"),
        (snapshot.healthy is False, "health check fails"),
        (not snapshot.models, "no model known"),
        (all(_is_left_out(each, now) for each in snapshot.models), "breaker open"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _is_left_out(model: ModelSnapshot, now: float) -> bool:
    """Whether its breaker lets nobody through yet; who comes later is let through."""
    return model.breaker == "open" and now < model.breaker_open_until


def _about(snapshot: ProviderSnapshot) -> list[Finding]:
    name = snapshot.provider
    found: list[Finding] = []
    if _key_refused(snapshot):
        found.append(Finding(code="provider_key_refused", provider=name))
    elif snapshot.out_of_money:
        found.append(Finding(code="provider_out_of_money", provider=name))
    elif snapshot.healthy is False:
        found.append(
            Finding(
                code="provider_unhealthy",
                values={"error": _probe_error(snapshot)},
                provider=name,
            )
        )
    for model in snapshot.models:
        if model.breaker != "closed":
            phase = model.breaker.replace("_", "-")
            found.append(
                Finding(
                    code="breaker_open",
                    values={"phase": phase},
                    provider=name,
                    model=model.model,
                )
            )
    return found


def _key_refused(snapshot: ProviderSnapshot) -> bool:
    if any(model.auth_refused for model in snapshot.models):
        return True
    probe = snapshot.last_probe
    failure = probe.failure if probe is not None and not probe.healthy else None
    return failure is not None and failure.failure == "auth"


def _probe_error(snapshot: ProviderSnapshot) -> str:
    probe = snapshot.last_probe
    failure = probe.failure if probe is not None else None
    return f"{failure.failure}: {failure.message}" if failure else "no reason is known"
