"""Everything that can be asked for, from what configuration and providers say. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

from actors.messages.chat import ModelInfo
from actors.messages.lifecycle import Finding
from actors.messages.provider import CostSource, ModelSnapshot, ProviderSnapshot
from actors.messages.routing import Alias
from actors.policy.pricing import Price, PriceOf
from daemon.model_facts import facts_of
from ipc.listing import ModelRow
from ipc.route import STRATEGIES

_UNLISTED = ModelInfo(id="")

SOON_DAYS = 60
"""An end that is nearer is a condition."""


def list_models(
    snapshots: Iterable[ProviderSnapshot],
    aliases: Mapping[str, Alias],
    price_of: PriceOf,
) -> tuple[ModelRow, ...]:
    """Every name: ``auto`` ones, aliases by name, models by provider and name."""
    autos = [ModelRow(name="auto", kind="auto")]
    autos += [
        ModelRow(name=f"auto:{strategy}", kind="auto", strategy=strategy)
        for strategy in STRATEGIES
    ]
    own = [
        ModelRow(
            name=name,
            kind="alias",
            strategy=alias.strategy,
            candidates=alias.candidates,
        )
        for name, alias in sorted(aliases.items())
    ]
    models: list[ModelRow] = []
    for snapshot in sorted(snapshots, key=lambda each: each.provider):
        models += _models_of(snapshot, price_of)
    return (*autos, *own, *models)


def _models_of(snapshot: ProviderSnapshot, price_of: PriceOf) -> list[ModelRow]:
    known = {model.model: model for model in snapshot.models}
    probe = snapshot.last_probe
    listed = {row.id: row for row in probe.models} if probe else {}
    return [
        _row(
            snapshot,
            name,
            known.get(name),
            listed.get(name, _UNLISTED),
            price_of(snapshot.provider, snapshot.kind, name),
        )
        for name in sorted(known.keys() | set(snapshot.served))
    ]


def _row(
    snapshot: ProviderSnapshot,
    name: str,
    known: ModelSnapshot | None,
    listed: ModelInfo,
    priced: tuple[Price | None, CostSource],
) -> ModelRow:
    facts, (price, source) = facts_of(snapshot.kind, name), priced
    window = known.context_window if known else None
    window = window or (facts.context_window if facts else listed.context_window)
    longest = listed.max_output_tokens or (facts.max_output_tokens if facts else None)
    retires = day_of(listed.retires_at) or (facts.retires if facts else None)
    return ModelRow(
        name=f"{snapshot.provider}/{name}",
        kind="model",
        provider=snapshot.provider,
        model=name,
        default=name == snapshot.default_model,
        served=name in snapshot.served if snapshot.served else None,
        input_price=price.input if price else None,
        output_price=price.output if price else None,
        cached_input_price=price.cached_input if price else None,
        price_source=source,
        context_window=window,
        max_output_tokens=longest,
        tools=facts.tools if facts else None,
        vision=facts.vision if facts else None,
        json_schema=facts.json_schema if facts else None,
        reasoning=facts.reasoning if facts else None,
        embeddings=facts.embeddings if facts else None,
        retires_at=retires,
        simulated=snapshot.simulated,
    )


def retiring(snapshots: Iterable[ProviderSnapshot], today: date) -> tuple[Finding, ...]:
    """Models in use that end soon, or have ended, as far as their end is known.

    Pretended ones live for ever.
    """
    found: list[Finding] = []
    for snapshot in snapshots:
        probe = snapshot.last_probe
        listed = {row.id: row for row in probe.models} if probe else {}
        for model in () if snapshot.simulated else snapshot.models:
            facts = facts_of(snapshot.kind, model.model)
            said = day_of(listed.get(model.model, _UNLISTED).retires_at)
            day = said or (facts.retires if facts else None)
            if day is None or (date.fromisoformat(day) - today).days > SOON_DAYS:
                continue
            found.append(
                Finding(
                    code="model_retiring",
                    values={"day": day},
                    provider=snapshot.provider,
                    model=model.model,
                )
            )
    return tuple(found)


def day_of(text: str | None) -> str | None:
    """The day as ISO 8601 of a date, a time or epoch seconds; ``None`` for neither."""
    if not text:
        return None
    try:
        if text.isdecimal():
            return datetime.fromtimestamp(int(text), UTC).date().isoformat()
        return date.fromisoformat(text[:10]).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
