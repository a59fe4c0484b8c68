"""What the shape of ``[events]`` and ``[actions]`` cannot say."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from actors.policy.classify import PLACEHOLDERS, strange_placeholders
from daemon.config import Config
from daemon.config_check import shown
from daemon.config_events import ActionConfig, ActionsConfig, RuleConfig
from daemon.config_rules import is_loopback
from daemon.exits import Problem


def event_problems(config: Config) -> Iterator[Problem]:
    """Everything about rules and actions that cannot work."""
    folder = config.events.folder
    if folder is not None and not folder.startswith("/"):
        yield Problem("events.folder", shown(folder), "wanted an absolute path")
    for index, rule in enumerate(config.events.github.rules):
        path = f"events.github.rules[{index}]"
        yield from _rule(path, rule, config)
        for place, action in enumerate(rule.actions):
            yield from _action(f"{path}.actions[{place}]", action, config.actions)
    yield from _may(config.actions)


def _may(actions: ActionsConfig) -> Iterator[Problem]:
    url = actions.github_url
    if not _is_url(url) or "?" in url or "@" in url:
        text = "wanted https://..., or http:// on this machine: our token goes there"
        yield Problem("actions.github_url", shown(url), text)
    for name, command in actions.commands.items():
        if not command.argv or not command.argv[0].startswith("/"):
            text = "wanted the absolute path of a program, and its arguments"
            yield Problem(f"actions.commands.{name}.argv", None, text)
    for name, where in actions.folders.items():
        if not where.startswith("/"):
            text = "wanted an absolute path"
            yield Problem(f"actions.folders.{name}", shown(where), text)


def _rule(path: str, rule: RuleConfig, config: Config) -> Iterator[Problem]:
    for name in rule.providers:
        known = {**config.providers, **config.provider_aliases}
        if name.partition("/")[0] not in known:
            text = f"wanted a configured provider: {', '.join(known)}"
            yield Problem(f"{path}.providers", shown(name), text)
    if len(rule.providers) > 1 and rule.consensus is None:
        text = (
            "wanted one, or a consensus method: who is eligible for a type of task is"
            " said in [routing.tasks.TYPE]"
        )
        yield Problem(f"{path}.providers", None, text)
    for name in strange_placeholders(rule.prompt or ""):
        text = f"wanted placeholders among {', '.join(sorted(PLACEHOLDERS))}"
        yield Problem(f"{path}.prompt", f"{{{name}}}", text)


def _action(path: str, action: ActionConfig, may: ActionsConfig) -> Iterator[Problem]:
    missing = action.missing()
    if missing is not None:
        yield Problem(f"{path}.{missing}", None, f"is missing for {action.do}")
    if action.url is not None and not _is_url(action.url):
        text = "wanted https://..., or http:// on this machine"
        yield Problem(f"{path}.url", None, text)
    if action.command is not None and action.command not in may.commands:
        text = f"wanted one of [actions.commands]: {', '.join(may.commands) or 'none'}"
        yield Problem(f"{path}.command", shown(action.command), text)
    if action.folder is not None and action.folder not in may.folders:
        text = f"wanted one of [actions.folders]: {', '.join(may.folders) or 'none'}"
        yield Problem(f"{path}.folder", shown(action.folder), text)


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
