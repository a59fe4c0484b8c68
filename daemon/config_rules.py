"""What the shape of a value cannot say: features to come, and how keys go together."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from math import fsum
from urllib.parse import urlsplit

import msgspec

from daemon.config import (
    Config,
    HybridWeights,
    ProviderConfig,
    TaskConfig,
)
from daemon.config_check import shown
from daemon.exits import Problem
from daemon.redis_address import masked_redis_url, parse_redis_url

NOT_YET = "is not supported yet"
STRATEGY_SPELLINGS = {
    "cost_optimized": "cost",
    "performance_optimized": "performance",
    "availability_optimized": "availability",
    "roundrobin": "round_robin",
}

_VALUES_TO_COME: dict[str, Callable[[object], bool]] = {
    "prompts": lambda value: value is True,
}
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
_TAKEN_NAMES = ("auto", "consensus")


def strategy_name(text: str) -> str:
    """The strategy's name for any spelling of it, the seeds' ones included."""
    plain = text.strip().lower().replace("-", "_")
    return STRATEGY_SPELLINGS.get(plain, plain)


def take_out_features_to_come(data: dict[str, object]) -> list[Problem]:
    """Remove and report what is in the contract but does not exist yet."""
    problems = []
    for path, table in _with_values_to_come(data):
        for key, refused in _VALUES_TO_COME.items():
            if key in table and refused(table[key]):
                problems.append(_not_yet(table, key, path))
    return problems


def _not_yet(table: dict[str, object], key: str, path: str) -> Problem:
    value = table.pop(key)
    got = "a table" if isinstance(value, dict) else shown(value)
    return Problem(f"{path}.{key}", got, NOT_YET)


def _tables(section: object) -> list[tuple[str, dict[str, object]]]:
    if not isinstance(section, dict):
        return []
    return [(name, t) for name, t in section.items() if isinstance(t, dict)]


def _with_values_to_come(
    data: dict[str, object],
) -> Iterator[tuple[str, dict[str, object]]]:
    yield from ((n, t) for n, t in _tables(data) if n in {"routing", "log"})
    yield from ((f"models.{n}", t) for n, t in _tables(data.get("models")))


def normalise_spellings(data: dict[str, object]) -> None:
    """Strategies to their names; ``fast = [...]`` to an alias table."""
    models = data.get("models")
    if isinstance(models, dict):
        for name, value in models.items():
            if isinstance(value, list):
                models[name] = {"candidates": value}
    routing = data.get("routing")
    tasks = routing.get("tasks") if isinstance(routing, dict) else None
    holders = [t for name, t in _tables(data) if name == "routing"]
    holders += [t for _, t in _tables(tasks) + _tables(data.get("models"))]
    for holder in holders:
        strategy = holder.get("strategy")
        if isinstance(strategy, str):
            holder["strategy"] = strategy_name(strategy)


def _consensus(config: Config) -> Iterator[Problem]:
    told = config.consensus
    if told.embeddings is not None and told.embeddings_threshold is None:
        wanted = "a cosine in (0, 1], measured with that model: see docs/consensus.md"
        yield Problem("consensus.embeddings_threshold", "nothing", wanted)
    names = [("consensus.members", name) for name in told.members]
    names += [(f"consensus.priors.{name}", name) for name in told.priors]
    names += [("consensus.judge", told.judge)] if told.judge else []
    for key, name in names:
        if not _known_provider(config, name.partition("/")[0]):
            text = f"{_known_text(config)}, alone or with /model"
            yield Problem(key, shown(name), text)


def broken_rules(config: Config, origins: Mapping[str, str]) -> list[Problem]:
    """Everything about a well-shaped configuration that cannot work."""
    found = [
        *_weights(config),
        *_server(config),
        *_spans(config),
        *_providers(config),
        *_aliases(config),
        *_queue(config),
    ]
    return _with_origins(found, origins)


def _queue(config: Config) -> Iterator[Problem]:
    if config.queue.backend == "redis" and config.queue.url is None:
        wanted = "wanted redis://HOST:PORT, as queue.backend is redis"
        yield Problem("queue.url", None, wanted)
    if config.queue.url is not None:
        try:
            address = parse_redis_url(config.queue.url)
            if address.shape == "cluster" and config.queue.replicas:
                got = shown(config.queue.replicas)
                yield Problem("queue.replicas", got, "wanted 0 for a cluster")
        except ValueError as error:
            got = shown(masked_redis_url(config.queue.url))
            yield Problem("queue.url", got, str(error))
    for name, kind in config.queue.types.items():
        try:
            re.compile(kind.pattern or "")
        except re.error as error:
            key = f"queue.types.{name}.pattern"
            text = f"wanted a regular expression: {error}"
            yield Problem(key, shown(kind.pattern), text)


def strangers(config: Config, origins: Mapping[str, str]) -> list[Problem]:
    """Task rules, aliases and consensus that name providers which are not there."""
    found = [*_tasks(config), *_candidates(config), *_consensus(config)]
    return _with_origins(found, origins)


def none_enabled(config: Config) -> list[Problem]:
    """A daemon without any provider has nobody to ask."""
    on = config.enabled_providers
    return [] if on else [Problem("providers", None, "none is enabled")]


def _with_origins(found: list[Problem], origins: Mapping[str, str]) -> list[Problem]:
    return [
        msgspec.structs.replace(p, origin=origins.get(p.key, p.origin)) for p in found
    ]


def _weights(config: Config) -> Iterator[Problem]:
    weights = config.routing.weights
    if weights.cost + weights.performance + weights.availability <= 0:
        yield Problem("routing.weights", "all zero", "wanted at least one above 0")


def normalised(weights: HybridWeights) -> HybridWeights:
    """The same proportions with a sum of 1."""
    total = fsum((weights.cost, weights.performance, weights.availability))
    if total == 1.0:
        return weights
    return HybridWeights(
        cost=weights.cost / total,
        performance=weights.performance / total,
        availability=weights.availability / total,
    )


def _server(config: Config) -> Iterator[Problem]:
    names = [token.name for token in config.access.tokens]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("access.tokens", shown(name), "wanted each name once")
    listen = config.server.listen
    if listen is None:
        return
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        yield Problem("server.listen", shown(listen), "wanted HOST:PORT")
    elif not is_loopback(host) and not config.access.tokens:
        text = "wanted [access] tokens, without them only a loopback address may listen"
        yield Problem("server.listen", shown(listen), text)


def _spans(config: Config) -> Iterator[Problem]:
    for key, low, high in (
        ("breaker.open_s", config.breaker.open_s, config.breaker.open_max_s),
        ("retry.base_delay_s", config.retry.base_delay_s, config.retry.max_delay_s),
    ):
        if low > high:
            most = "breaker.open_max_s" if "open" in key else "retry.max_delay_s"
            yield Problem(key, f"{low:g}", f"wanted at most {most} ({high:g})")


def _providers(config: Config) -> Iterator[Problem]:
    for name, provider in config.providers.items():
        path = f"providers.{name}"
        if _NAME.match(name) is None or name in _TAKEN_NAMES:
            text = "wanted a name of letters, digits, ._- that is not auto or consensus"
            yield Problem(path, None, text)
        if provider.base_url is None:
            yield Problem(f"{path}.base_url", None, "is missing for this kind")
        else:
            yield from _base_url(f"{path}.base_url", provider.base_url, provider)
        yield from _models(path, provider)
        yield from _window(path, provider)
        yield from _preset(path, provider)


def _base_url(key: str, url: str, provider: ProviderConfig) -> Iterator[Problem]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
        parts = urlsplit("")
    wanted = "wanted http(s)://HOST[:PORT]/... with the version prefix, no ? or #"
    if parts.scheme not in {"http", "https"} or not host or parts.query:
        yield Problem(key, shown(url), wanted)
    elif parts.username is not None or parts.fragment:
        yield Problem(key, None, f"{wanted}, no user or password")
    elif parts.scheme == "http" and not (provider.allow_http or is_loopback(host)):
        text = "wanted https: plain http is for loopback unless allow_http = true"
        yield Problem(key, shown(url), text)


def is_loopback(host: str) -> bool:
    """Whether a host part (``localhost``, an address) can only be this machine."""
    bare = host.removeprefix("[").removesuffix("]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def _preset(path: str, provider: ProviderConfig) -> Iterator[Problem]:
    if provider.preset is not None and provider.kind != "compatible":
        text = 'wanted "compatible", or none, beside a preset'
        yield Problem(f"{path}.kind", shown(provider.kind), text)
    if provider.api_version is not None and provider.preset != "azure":
        text = 'wanted only with preset = "azure"'
        yield Problem(f"{path}.api_version", shown(provider.api_version), text)


def _models(path: str, provider: ProviderConfig) -> Iterator[Problem]:
    if not (provider.models or provider.discover):
        text = "is missing for this kind: wanted model, models or discover = true"
        yield Problem(f"{path}.model", None, text)
    if provider.discover and provider.kind != "compatible":
        text = 'wanted only for compatible servers: kind = "compatible" or a preset'
        yield Problem(f"{path}.discover", "true", text)


def _window(path: str, provider: ProviderConfig) -> Iterator[Problem]:
    window, most = provider.context_window, provider.max_tokens
    if window is not None and most is not None and most > window:
        text = f"wanted at most context_window ({window})"
        yield Problem(f"{path}.max_tokens", str(most), text)


def _known_provider(config: Config, name: str) -> bool:
    return name in config.providers or name in config.provider_aliases


def _known_text(config: Config) -> str:
    known = [*config.providers, *config.provider_aliases]
    return f"wanted a configured provider: {', '.join(known)}"


def _tasks(config: Config) -> Iterator[Problem]:
    for name, task in config.routing.tasks.items():
        yield from _task(config, f"routing.tasks.{name}.providers", task)


def _task(config: Config, key: str, task: TaskConfig) -> Iterator[Problem]:
    for provider in task.providers:
        if not _known_provider(config, provider):
            yield Problem(key, shown(provider), _known_text(config))


def _aliases(config: Config) -> Iterator[Problem]:
    for name, alias in config.models.items():
        taken = name in _TAKEN_NAMES or _known_provider(config, name)
        if taken or "/" in name or ":" in name or not name:
            text = (
                "wanted a name without / and : that is no provider, auto or consensus"
            )
            yield Problem(f"models.{name}", None, text)
        key = f"models.{name}.candidates"
        if not alias.candidates:
            yield Problem(key, "an empty list", "wanted at least one candidate")
        for candidate in alias.candidates:
            if candidate.endswith("/"):
                text = "wanted a provider, alone or with /model"
                yield Problem(key, shown(candidate), text)


def _candidates(config: Config) -> Iterator[Problem]:
    for name, alias in config.models.items():
        for candidate in alias.candidates:
            if not _known_provider(config, candidate.partition("/")[0]):
                text = f"{_known_text(config)}, alone or with /model"
                key = f"models.{name}.candidates"
                yield Problem(key, shown(candidate), text)
