"""Read the configuration: file, then environment, then flags; strict, all errors at once.

A file that is not found where nobody pointed is no error: every key has a default.
"""

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.wire.presets import PRESETS
from daemon.config import (
    Config,
    ProviderConfig,
    ServeOptions,
    Settings,
    TaskConfig,
)
from daemon.config_check import problems_of
from daemon.config_env import overlay, put
from daemon.config_events_check import event_problems
from daemon.config_rules import (
    broken_rules,
    none_enabled,
    normalise_spellings,
    normalised,
    strangers,
    take_out_features_to_come,
)
from daemon.exits import ConfigError, Problem
from daemon.paths import config_file

DEFAULT_MAX_TOKENS = 4000

# What a kind has where the file does not say; the seeds' values, and the current Sonnet.
KIND_DEFAULTS: dict[str, dict[str, object]] = {
    "openai": {
        "base_url": "https://api.openai.com/v1",
        "model": "gpt-4o",
        "temperature": 0.3,
        "max_tokens": DEFAULT_MAX_TOKENS,
    },
    "xai": {
        "base_url": "https://api.x.ai/v1",
        "model": "grok-3-mini",
        "temperature": 0.4,
        "reasoning_effort": "high",
        "max_tokens": DEFAULT_MAX_TOKENS,
    },
    "anthropic": {
        "base_url": "https://api.anthropic.com/v1",
        "model": "claude-sonnet-5-5",
        "max_tokens": DEFAULT_MAX_TOKENS,
    },
    "compatible": {},
}

# Names whose kind need not be said; the first three are on by themselves with a key.
BUILT_IN_PROVIDERS = {"openai": "openai", "grok": "xai", "claude": "anthropic"}
KIND_OF_NAME = {
    **BUILT_IN_PROVIDERS,
    "chatgpt": "openai",
    "xai": "xai",
    "anthropic": "anthropic",
}

# The seeds' task rules; whoever is not configured is left out of them.
DEFAULT_TASKS = {
    "code_review": TaskConfig(providers=("claude", "grok")),
    "documentation": TaskConfig(providers=("openai", "claude")),
}


class ProviderFile(Struct, frozen=True):
    """A file of ``providers.d`` that is right in itself: its tables as written.

    ``api_key_file`` in them is relative to nothing any more.
    """

    path: Path
    providers: dict[str, dict[str, object]]


def load_settings(
    flags: ServeOptions | None = None,
    *,
    environ: Mapping[str, str],
    files: Sequence[ProviderFile] | None = None,
) -> Settings:
    """The configuration in effect, apart from keys and run-time overrides.

    Without ``[providers.*]`` the built-in ones are all in it, and ``automatic`` is set:
    ``credentials.resolve`` leaves those that have a key. ``files`` add providers; with
    them, even none, rules may name providers that are not there (yet).

    Raises:
        ConfigError: The file cannot be read or is wrong; lists everything wrong in it.
    """
    flags = flags or ServeOptions()
    path = config_file(flags.config, environ)
    data = read_toml(path) if path is not None else {}
    return settings_from(data, flags=flags, environ=environ, path=path, files=files)


def read_toml(path: Path) -> dict[str, object]:
    """The file as parsed.

    Raises:
        ConfigError: It cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the configuration {path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the configuration {path} is no TOML: {error}") from None


def settings_from(
    data: Mapping[str, object],
    *,
    flags: ServeOptions | None = None,
    environ: Mapping[str, str],
    path: Path | None = None,
    files: Sequence[ProviderFile] | None = None,
) -> Settings:
    """As ``load_settings``, from an already parsed file."""
    tree = deepcopy(dict(data))
    origins = _leaf_origins(tree, "file")
    automatic = not tree.get("providers")
    if automatic:
        tree["providers"] = {name: {} for name in BUILT_IN_PROVIDERS}
    for file in files or ():
        _add_providers(tree, file, origins)
    config = _read(tree, flags or ServeOptions(), environ, path, origins)
    problems, absent = broken_rules(config, origins), strangers(config, origins)
    problems += event_problems(config)
    if files is None:
        problems += [*none_enabled(config), *absent]
        absent = []
    if problems:
        raise _error(path, problems)
    return Settings(
        config=_completed(config, origins),
        origins=origins,
        path=str(path) if path else None,
        automatic=automatic,
        added=tuple(name for file in files or () for name in file.providers),
        warnings=(*_warnings(config), *(problem.sentence() for problem in absent)),
    )


def provider_file(path: Path, *, environ: Mapping[str, str]) -> ProviderFile:
    """Read and check a file of ``providers.d``: ``[providers.NAME]`` tables only.

    Raises:
        ConfigError: It cannot be read or is wrong in itself; lists everything.
    """
    tree = read_toml(path)
    text = "wanted only [providers.NAME] tables in this file"
    problems = [Problem(key, None, text) for key in tree if key != "providers"]
    if problems:
        raise _error(path, problems)
    origins = _leaf_origins(tree, "file")
    config = _read(deepcopy(tree), ServeOptions(), environ, path, origins)
    if problems := broken_rules(config, origins):
        raise _error(path, problems)
    tables = tree.get("providers")
    providers = tables if isinstance(tables, dict) else {}
    for name, table in providers.items():
        if "api_key_file" in table:
            table["api_key_file"] = config.providers[name].api_key_file
    return ProviderFile(path, providers)


def _read(
    tree: dict[str, object],
    flags: ServeOptions,
    environ: Mapping[str, str],
    path: Path | None,
    origins: dict[str, str],
) -> Config:
    """The parsed file as a ``Config``, defaults filled in; rules are not checked."""
    problems = take_out_features_to_come(tree)
    _name_kinds(tree)
    problems += overlay(tree, environ, origins)
    _put_flags(tree, flags, origins)
    normalise_spellings(tree)
    problems += problems_of(tree, Config, origins)
    if problems:
        raise _error(path, problems)
    return _filled(msgspec.convert(tree, Config), path, origins)


def _add_providers(
    tree: dict[str, object], file: ProviderFile, origins: dict[str, str]
) -> None:
    providers = tree["providers"]
    if isinstance(providers, dict):
        providers |= deepcopy(file.providers)
        origins |= _leaf_origins({"providers": file.providers}, f"file {file.path}")


def _error(path: Path | None, problems: list[Problem]) -> ConfigError:
    where = f" {path}" if path else ""
    count = "a mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
    return ConfigError(f"the configuration{where} has {count}:", tuple(problems))


def _leaf_origins(
    tree: Mapping[str, object], origin: str, prefix: str = ""
) -> dict[str, str]:
    origins: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            origins |= _leaf_origins(value, origin, f"{prefix}{name}.")
        else:
            origins[f"{prefix}{name}"] = origin
    return origins


def _name_kinds(tree: dict[str, object]) -> None:
    """Add the kinds that names and presets say."""
    providers = tree.get("providers")
    for name, table in providers.items() if isinstance(providers, dict) else ():
        if isinstance(table, dict) and name in KIND_OF_NAME:
            table.setdefault("kind", KIND_OF_NAME[name])
        if isinstance(table, dict) and "preset" in table:
            table.setdefault("kind", "compatible")


def _put_flags(
    tree: dict[str, object], flags: ServeOptions, origins: dict[str, str]
) -> None:
    for key, value in (("listen", flags.listen), ("socket", flags.socket)):
        if value is not None:
            put(tree, ("server", key), value)
            origins[f"server.{key}"] = f"flag --{key}"


def _filled(config: Config, path: Path | None, origins: dict[str, str]) -> Config:
    providers = {
        name: _filled_provider(provider, path)
        for name, provider in config.providers.items()
    }
    for name in providers:
        if f"providers.{name}.models" in origins:
            origin = origins[f"providers.{name}.models"]
            origins.setdefault(f"providers.{name}.model", origin)
    return msgspec.structs.replace(config, providers=providers)


def _defaults(provider: ProviderConfig) -> dict[str, object]:
    if provider.preset is not None:
        return {"base_url": PRESETS[provider.preset].base_url}
    return KIND_DEFAULTS[provider.kind]


def _filled_provider(provider: ProviderConfig, path: Path | None) -> ProviderConfig:
    """Put in the defaults of kind or preset; ``model`` becomes the first of ``models``."""
    model = provider.model or (provider.models[0] if provider.models else None)
    changes: dict[str, object] = {
        key: value
        for key, value in _defaults(provider).items()
        if getattr(provider, key) is None and not (key == "model" and model)
    }
    chosen = str(changes.get("model", model)) if changes.get("model", model) else None
    others = tuple(each for each in provider.models if each != chosen)
    changes["model"] = chosen
    changes["models"] = tuple(dict.fromkeys((chosen, *others))) if chosen else ()
    window, most = provider.context_window, changes.get("max_tokens")
    if window is not None and isinstance(most, int):
        changes["max_tokens"] = min(most, window)
    if provider.base_url is not None:
        changes["base_url"] = provider.base_url.rstrip("/")
    if provider.api_key_file is not None:
        folder = path.parent if path is not None else Path()
        changes["api_key_file"] = str(folder / Path(provider.api_key_file).expanduser())
    return msgspec.structs.replace(provider, **changes)


def _completed(config: Config, origins: Mapping[str, str]) -> Config:
    """Weights with a sum of 1, and the default task rules."""
    routing = msgspec.structs.replace(
        config.routing, weights=normalised(config.routing.weights)
    )
    return with_task_rules(msgspec.structs.replace(config, routing=routing), origins)


def with_task_rules(config: Config, origins: Mapping[str, str]) -> Config:
    """The configured task rules and, for other task types, the default ones.

    A rule keeps those of its providers that are enabled; a default one without any is
    left out.
    """
    on = config.enabled_providers
    configured = {
        name: rule
        for name, rule in config.routing.tasks.items()
        if any(f"{key}.".startswith(f"routing.tasks.{name}.") for key in origins)
    }
    tasks = {**DEFAULT_TASKS, **configured}
    kept = {
        name: msgspec.structs.replace(
            rule,
            providers=tuple(
                dict.fromkeys(
                    config.provider_aliases.get(p, p)
                    for p in rule.providers
                    if config.provider_aliases.get(p, p) in on
                )
            ),
        )
        for name, rule in tasks.items()
    }
    kept = {n: r for n, r in kept.items() if n in configured or r.providers}
    routing = msgspec.structs.replace(config.routing, tasks=kept)
    return msgspec.structs.replace(config, routing=routing)


def _warnings(config: Config) -> list[str]:
    address = config.server.listen_address
    access = config.access
    if address is None or access.tokens or access.open_loopback:
        return []
    text = (
        "server.listen is on but there are no access.tokens: every request over TCP "
        "will be refused (set a token, or access.open_loopback = true)"
    )
    return [text]
