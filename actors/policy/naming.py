"""Which providers and models a requested name means.

Looked up in this order: a form (``auto``, ``auto:<strategy>``), an alias, a provider's
own model (``<provider>/<model>``: that provider only), then the names that providers
serve (everyone who serves it). ``chatgpt`` is another name for ``openai``. A task rule
says who is asked first; the rest only when none of them can answer.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from actors.errors import InvalidRequest, UnknownModel
from actors.messages.provider import ModelSnapshot, ProviderSnapshot
from actors.messages.routing import Alias, Strategy, Target, TaskRule
from actors.policy.pricing import PriceOf, unpriced

_STRATEGIES: dict[str, Strategy] = {
    "cost": "cost",
    "cost_optimized": "cost",
    "performance": "performance",
    "performance_based": "performance",
    "performance_optimized": "performance",
    "availability": "availability",
    "availability_based": "availability",
    "availability_optimized": "availability",
    "hybrid": "hybrid",
    "round_robin": "round_robin",
    "priority": "priority",
}
_OTHER_NAMES = {"chatgpt": "openai"}
_NO_RULE = TaskRule()


class Resolution(Struct, frozen=True, kw_only=True):
    """What a name means.

    ``targets`` may be asked, in the order given; ``others`` only when none of them can
    answer. The model of a target is empty where none of its provider's is known yet. ``strategy`` is what the name, the alias or the rule wants; the request's
    own goes before it. ``forced``: one provider, retries but no failover. ``named``:
    the caller asked for a model, not for ``auto``.
    """

    targets: tuple[Target, ...]
    others: tuple[Target, ...] = ()
    strategy: Strategy | None = None
    forced: bool = False
    named: bool = False
    alias: Alias | None = None
    max_tokens: int | None = None


def canonical_strategy(word: str) -> Strategy | None:
    """The strategy a word means, other spellings included; ``None`` for no strategy."""
    return _STRATEGIES.get(word.strip().lower().replace("-", "_"))


def canonical_provider(name: str, providers: Iterable[str]) -> str | None:
    """The configured provider a name means; ``None`` when there is none."""
    known = frozenset(providers)
    if name in known:
        return name
    other = _OTHER_NAMES.get(name.lower(), name.lower())
    return other if other in known else None


def resolve(
    model: str | None,
    provider: str | None,
    snapshots: Sequence[ProviderSnapshot],
    aliases: Mapping[str, Alias],
    rule: TaskRule | None = None,
) -> Resolution:
    """Look a requested model up.

    Args:
        model: What the caller wrote; ``None`` or empty means ``auto``.
        provider: The provider the caller forces, if any.
        snapshots: Every provider that is switched on, in the configured order.
        aliases: Configured names.
        rule: The rule of the request's task type; a forced provider goes before it.

    Raises:
        UnknownModel: Nobody serves the name; the message holds it.
        InvalidRequest: No such provider or strategy, provider and model contradict
            each other, or the form does not exist yet.
    """
    names = _Names(snapshots, aliases)
    wanted = model or "auto"
    rule = rule or _NO_RULE
    if provider:
        return _forced(names, wanted, provider, rule)
    auto = _auto_strategy(wanted)
    if not auto and wanted != "auto":
        return _with_rule(names.look_up(wanted), rule, names)
    if rule.model:
        found = names.look_up(rule.model)
        found = replace(found, strategy=auto or found.strategy, named=False)
    else:
        found = Resolution(targets=names.defaults(), strategy=auto)
    return _with_rule(found, rule, names)


def candidates(
    resolution: Resolution,
    snapshots: Sequence[ProviderSnapshot],
    price_of: PriceOf = unpriced,
) -> list[ModelSnapshot]:
    """The snapshots of everybody named, in order; a fresh one for a model not called yet."""
    known = {
        (model.provider, model.model): model
        for snapshot in snapshots
        for model in snapshot.models
    }
    by_name = {snapshot.provider: snapshot for snapshot in snapshots}
    return [
        known.get((target.provider, target.model))
        or _not_called_yet(target, by_name[target.provider], price_of)
        for target in (*resolution.targets, *resolution.others)
    ]


def _not_called_yet(
    target: Target, snapshot: ProviderSnapshot, price_of: PriceOf
) -> ModelSnapshot:
    """A model of which only its provider and its price are known."""
    price, source = price_of(target.provider, snapshot.kind, target.model)
    probe = snapshot.last_probe
    failure = None if probe is None else probe.failure
    refused = failure is not None and failure.failure == "auth"
    return ModelSnapshot(
        provider=target.provider,
        model=target.model,
        healthy=snapshot.healthy,
        auth_refused=snapshot.healthy is False and refused,
        input_price=None if price is None else price.input,
        output_price=None if price is None else price.output,
        cached_input_price=None if price is None else price.cached_input,
        price_source=source,
    )


def _forced(names: "_Names", wanted: str, provider: str, rule: TaskRule) -> Resolution:
    name = names.provider(provider)
    if name is None:
        raise InvalidRequest(
            f"there is no provider {provider!r}",
            field="provider",
            got=provider,
            wanted="one of " + ", ".join(names.providers()),
        )
    auto = _auto_strategy(wanted)
    if auto or wanted == "auto":
        target = Target(name, names.default_model(name))
        found = Resolution(targets=(target,), strategy=auto)
    else:
        found = names.look_up(wanted, within=name)
    return replace(
        found,
        forced=True,
        strategy=found.strategy or rule.strategy,
        max_tokens=found.max_tokens or rule.max_tokens,
    )


def _auto_strategy(wanted: str) -> Strategy | None:
    form, colon, word = wanted.partition(":")
    if form == "consensus":
        raise InvalidRequest(
            "consensus is asked for by itself, not within another request",
            field="model",
            got=wanted,
            wanted="auto, an alias, <provider>/<model> or a model name",
        )
    if form != "auto" or not colon:
        return None
    strategy = canonical_strategy(word)
    if strategy is None:
        raise InvalidRequest(
            f"there is no strategy {word!r}",
            field="model",
            got=wanted,
            wanted="auto:" + "|".join(dict.fromkeys(_STRATEGIES.values())),
        )
    return strategy


def _with_rule(found: Resolution, rule: TaskRule, names: "_Names") -> Resolution:
    if rule is _NO_RULE:
        return found
    if found.forced:
        preferred = found.targets
    else:
        order = [names.provider(name) for name in rule.providers]
        preferred = tuple(
            target
            for name in dict.fromkeys(order)
            for target in found.targets
            if target.provider == name
        )
    return replace(
        found,
        targets=preferred or found.targets,
        others=tuple(t for t in found.targets if t not in preferred)
        if preferred
        else (),
        strategy=found.strategy or rule.strategy,
        max_tokens=found.max_tokens or rule.max_tokens,
    )


class _Names:
    """Everything a name can be looked up in."""

    __slots__ = ("_aliases", "_snapshots")

    def __init__(
        self, snapshots: Sequence[ProviderSnapshot], aliases: Mapping[str, Alias]
    ) -> None:
        self._snapshots = {snapshot.provider: snapshot for snapshot in snapshots}
        self._aliases = aliases

    def providers(self) -> tuple[str, ...]:
        return tuple(self._snapshots)

    def provider(self, name: str) -> str | None:
        return canonical_provider(name, self._snapshots)

    def default_model(self, provider: str) -> str:
        return self._snapshots[provider].default_model or ""

    def defaults(self) -> tuple[Target, ...]:
        """Every provider with its default model."""
        return tuple(Target(name, self.default_model(name)) for name in self._snapshots)

    def look_up(self, wanted: str, within: str | None = None) -> Resolution:
        """Alias, provider's model, served name; ``within`` one provider if given."""
        alias = self._aliases.get(wanted)
        if alias is not None:
            return self._alias(wanted, alias, within)
        own = self._own(wanted)
        if own is not None:
            if within is not None and own.provider != within:
                if self._serves(within, wanted):  # a slash may be part of a name
                    return Resolution(targets=(Target(within, wanted),), named=True)
                raise InvalidRequest(
                    f"the model {wanted!r} is not one of the provider {within!r}",
                    field="model",
                    got=wanted,
                    wanted=f"a model of {within}",
                )
            return Resolution(targets=(own,), forced=True, named=True)
        if within is not None:
            # Providers serve more names than they list: it will say so if not.
            return Resolution(targets=(Target(within, wanted),), named=True)
        targets = self._served(wanted)
        if not targets:
            raise UnknownModel(self._unknown(wanted))
        return Resolution(targets=targets, named=True)

    def _unknown(self, wanted: str) -> str:
        if self.provider(wanted) is not None:
            return (
                f"{wanted} is a provider and no model: ask for the provider {wanted},"
                f" or for {wanted}/<model>"
            )
        return (
            f"no provider serves the model {wanted!r}: gitbridge models, or"
            " GET /v1/models, lists the names there are"
        )

    def _alias(self, wanted: str, alias: Alias, within: str | None) -> Resolution:
        targets = dict.fromkeys(
            target
            for entry in alias.candidates
            for target in self._entry(entry)
            if within in {None, target.provider}
        )
        if not targets:
            where = f" at {within}" if within else ""
            raise UnknownModel(
                f"none of the candidates of the alias {wanted!r} is served{where}: "
                + ", ".join(alias.candidates)
            )
        return Resolution(
            targets=tuple(targets),
            strategy=alias.strategy,
            named=True,
            alias=alias,
            max_tokens=alias.max_tokens,
        )

    def _entry(self, entry: str) -> tuple[Target, ...]:
        """An alias' candidate: a provider, its model, or a served name."""
        provider = self.provider(entry)
        if provider is not None:
            return (Target(provider, self.default_model(provider)),)
        own = self._own(entry)
        return (own,) if own is not None else self._served(entry)

    def _own(self, wanted: str) -> Target | None:
        head, slash, model = wanted.partition("/")
        provider = self.provider(head) if slash and model else None
        return None if provider is None else Target(provider, model)

    def _served(self, wanted: str) -> tuple[Target, ...]:
        return tuple(
            Target(name, wanted)
            for name in self._snapshots
            if self._serves(name, wanted)
        )

    def _serves(self, provider: str, wanted: str) -> bool:
        snapshot = self._snapshots[provider]
        return (
            wanted == snapshot.default_model
            or wanted in snapshot.served
            or any(model.model == wanted for model in snapshot.models)
        )
