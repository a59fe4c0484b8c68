"""Two configurations key by key: what is different, and what of it can wait. Pure.

Keys are dotted names as in the file. A table that is there on one side only (a provider,
an alias, a task rule, a token) is told by those of its keys that differ from the
defaults; where none does, by its own name and ``{}``.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import cast

import msgspec
from msgspec import Struct, structs

from daemon.config import Config
from daemon.config_events import RuleConfig
from daemon.redis_address import masked_redis_url
from daemon.secret_parts import MASK, masked_named, masked_url, opens
from ipc.control import SettingChange

RESTART: Mapping[str, str] = {
    "server.socket": "callers and the lock beside it hold on to the socket there is",
    "server.listen": "the address is bound at start",
    "server.name": "other daemons were told it at the start",
    "ledger.sync": "the spool and the database are opened with it",
    "queue.backend": "the tasks that wait are there",
    "queue.url": "what daemons share is there",
    "queue.replicas": "what keeps the tasks was opened with it",
    "events.folder": "whoever looks into it was told at the start",
    "log.format": "whoever reads the log would have to change in the same moment",
}
"""Key -> why a new value holds only after a restart. All others hold at once."""

_SECRET = frozenset(("sha256",))
_URLS = frozenset(("queue.url",))
_TOKENS = "access.tokens"
_RULES = "events.github.rules"
_COMMAND_ENV = re.compile(r"actions\.commands\..+\.env\..+")

Values = dict[str, tuple[object, bool]]
"""Dotted key -> its value, and whether that is its default."""


def flat(value: object, key: str) -> Iterator[tuple[str, object]]:
    """Every leaf below a value of the configuration, by its dotted key."""
    for name, (each, _) in _leaves(value, key, default=False):
        yield name, _shown(name, each)


def origin_of(key: str, origins: Mapping[str, str]) -> str:
    """Where a key's value came from; a list of tables is known by its own key."""
    while key:
        if key in origins:
            return origins[key]
        key = key.rpartition(".")[0]
    return "default"


def diff(
    before: Config,
    after: Config,
    origins: Mapping[str, str],
    notes: Mapping[str, str] | None = None,
) -> tuple[SettingChange, ...]:
    """What is different, in the order of the sections.

    Args:
        before: In effect until now.
        after: What is to be.
        origins: Of ``after``, see ``Settings``.
        notes: What else should be known about a key, or about all keys below it.
    """
    old, new = _values(before), _values(after)
    old |= {key: ({}, False) for key in _empty_tables(before, after)}
    new |= {key: ({}, False) for key in _empty_tables(after, before)}
    changes: list[SettingChange] = []
    for key in dict.fromkeys((*new, *old)):
        (was, was_default), (now, is_default) = _pair(key, old, new)
        alone = key not in old or key not in new
        if was == now or (alone and was_default and is_default):
            continue
        changes.append(
            SettingChange(
                key=key,
                before=_shown(key, was),
                after=_shown(key, now),
                origin=origin_of(key, origins),
                restart=RESTART.get(key),
                note=_note(key, notes or {}),
            )
        )
    return tuple(changes)


def as_started(config: Config, started: Config) -> Config:
    """The configuration, with what only a restart changes as it was at the start."""
    sections: dict[str, dict[str, object]] = {}
    for key in RESTART:
        section, _, name = key.partition(".")
        value = getattr(getattr(started, section), name)
        sections.setdefault(section, {})[name] = value
    changed = {
        name: structs.replace(getattr(config, name), **values)
        for name, values in sections.items()
    }
    return structs.replace(config, **changed)


def sentence(change: SettingChange) -> str:
    """One change in one line, for the log."""
    text = f"{change.key}: {_word(change.before)} -> {_word(change.after)}"
    return f"{text} (after a restart)" if change.restart else text


def _word(value: object) -> str:
    return "-" if value is None else msgspec.json.encode(value).decode()


def _values(config: Config) -> Values:
    values: Values = {}
    for section in config.__struct_fields__:
        values.update(_leaves(getattr(config, section), section, default=False))
    del values[_TOKENS]
    tokens = {token.name: token for token in config.access.tokens}
    values.update(_leaves(tokens, _TOKENS, default=False))
    return values


def _empty_tables(config: Config, other: Config) -> Iterator[str]:
    """Tables that only this one has, and in which nothing differs from the defaults."""
    for name, rule in config.routing.tasks.items():
        if name not in other.routing.tasks and rule == type(rule)():
            yield f"routing.tasks.{name}"


def _leaves(
    value: object, key: str, *, default: bool
) -> Iterator[tuple[str, tuple[object, bool]]]:
    if isinstance(value, Struct):
        for field in structs.fields(value):
            inner = getattr(value, field.name)
            yield from _leaves(
                inner, f"{key}.{field.name}", default=inner == field.default
            )
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}", default=False)
    else:
        yield key, (value, default)


def _pair(key: str, old: Values, new: Values) -> tuple[tuple[object, bool], ...]:
    absent = (None, True)
    return old.get(key, absent), new.get(key, absent)


def _shown(key: str, value: object) -> object:
    if value is not None and key.rpartition(".")[2] in _SECRET:
        return MASK
    if key == _RULES:
        return [_shown_rule(each) for each in cast("tuple[RuleConfig, ...]", value)]
    if _COMMAND_ENV.fullmatch(key) and opens(key.rpartition(".")[2]):
        return MASK
    if key in _URLS and isinstance(value, str):
        return masked_redis_url(value)
    return msgspec.to_builtins(value, builtin_types=(Decimal,))


def _shown_rule(rule: RuleConfig) -> object:
    actions = tuple(
        structs.replace(
            each,
            url=None if each.url is None else masked_url(each.url),
            headers=masked_named(each.headers),
        )
        for each in rule.actions
    )
    return msgspec.to_builtins(structs.replace(rule, actions=actions))


def _note(key: str, notes: Mapping[str, str]) -> str | None:
    about = (text for k, text in notes.items() if f"{key}.".startswith(f"{k}."))
    return next(about, None)
