"""What cannot work of rules and actions."""

import pytest

from daemon.config import Config, ProviderConfig
from daemon.config_events import (
    ActionConfig,
    ActionsConfig,
    CommandConfig,
    EventsConfig,
    GitHubConfig,
    RuleConfig,
)
from daemon.config_events_check import event_problems


def problems(
    actions: ActionsConfig | None = None,
    *rules: RuleConfig,
    folder: str | None = None,
) -> list[str]:
    events = EventsConfig(folder=folder, github=GitHubConfig(rules=rules))
    config = Config(events=events, actions=actions or ActionsConfig())
    return [each.key for each in event_problems(config)]


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://api.github.com", True),
        ("https://git.example/api/v3", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
        ("http://git.example", False),
        ("http://127.0.0.1.example", False),
        ("ftp://git.example", False),
        ("git.example", False),
        ("https://", False),
        ("https://[", False),
        ("https://git.example?a=b", False),
        ("https://me:secret@git.example", False),
    ],
)
def test_where_our_token_may_go(url: str, good: bool) -> None:
    found = problems(ActionsConfig(github_url=url))
    assert found == ([] if good else ["actions.github_url"])


def test_commands_and_folders_are_absolute() -> None:
    actions = ActionsConfig(
        folders={"a": "/tmp", "b": "tmp"},
        commands={
            "c": CommandConfig(argv=("/bin/true",)),
            "d": CommandConfig(argv=("true",)),
            "e": CommandConfig(argv=()),
        },
    )
    assert problems(actions, folder="x") == [
        "events.folder",
        "actions.commands.d.argv",
        "actions.commands.e.argv",
        "actions.folders.b",
    ]


@pytest.mark.parametrize(
    ("action", "key"),
    [
        (ActionConfig(do="call_url"), "url"),
        (ActionConfig(do="call_url", url="http://far.example"), "url"),
        (ActionConfig(do="call_url", url="https://far.example"), None),
        (ActionConfig(do="run_command", command="none"), "command"),
        (ActionConfig(do="run_command", command="c"), None),
        (ActionConfig(do="write_file", folder="none", path="p"), "folder"),
        (ActionConfig(do="write_file", folder="a"), "path"),
        (ActionConfig(do="write_file", folder="a", path="p"), None),
        (ActionConfig(do="post_comment"), None),
    ],
)
def test_actions_use_what_is_declared(action: ActionConfig, key: str | None) -> None:
    may = ActionsConfig(
        folders={"a": "/tmp"}, commands={"c": CommandConfig(argv=("/bin/true",))}
    )
    found = problems(may, RuleConfig(actions=(action,)))
    place = "events.github.rules[0].actions[0]"
    assert found == ([] if key is None else [f"{place}.{key}"])


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        (RuleConfig(providers=("nobody",)), "providers"),
        (RuleConfig(providers=("openai", "grok")), "providers"),
        (RuleConfig(providers=("openai", "grok"), consensus="majority"), None),
        (RuleConfig(prompt="{title} {sonnet}"), "prompt"),
        (RuleConfig(prompt="{title}"), None),
    ],
)
def test_rules_name_what_there_is(rule: RuleConfig, key: str | None) -> None:
    events = EventsConfig(github=GitHubConfig(rules=(rule,)))
    known = {name: ProviderConfig(kind="compatible") for name in ("openai", "grok")}
    config = Config(events=events, providers=known)
    found = [each.key for each in event_problems(config)]
    assert found == ([] if key is None else [f"events.github.rules[0].{key}"])
