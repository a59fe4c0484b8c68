"""The sections ``[events]`` and ``[actions]``: what happens outside, and what follows."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from actors.messages.actions import (
    Action,
    CallUrl,
    CommandRule,
    EventRule,
    PostComment,
    RunCommand,
    WriteFile,
)
from actors.messages.consensus import ConsensusMethod
from actors.messages.routing import Priority, Strategy

Text = Annotated[str, Meta(min_length=1)]
SomeSeconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class ActionConfig(Struct, frozen=True, kw_only=True):
    """One of a rule's ``actions``; which keys it needs depends on ``do``."""

    do: Literal["call_url", "run_command", "write_file", "post_comment"]
    url: Text | None = None
    headers: dict[str, Text] = {}
    timeout_s: SomeSeconds = 30.0
    command: Text | None = None
    folder: Text | None = None
    path: Text | None = None
    template: Text = "{answer}"

    def missing(self) -> str | None:
        """The key that this kind of action cannot do without, and is not there."""
        needed = {
            "call_url": ("url",),
            "run_command": ("command",),
            "write_file": ("folder", "path"),
            "post_comment": (),
        }[self.do]
        values = {"url": self.url, "command": self.command}
        values |= {"folder": self.folder, "path": self.path}
        return next((name for name in needed if values[name] is None), None)

    def action(self) -> Action:
        """As it is carried out; ``missing`` is ``None``."""
        match self.do:
            case "call_url":
                return CallUrl(
                    url=self.url or "", headers=self.headers, timeout_s=self.timeout_s
                )
            case "run_command":
                return RunCommand(command=self.command or "")
            case "write_file":
                return WriteFile(folder=self.folder or "", path=self.path or "")
            case "post_comment":
                return PostComment(template=self.template)


class RuleConfig(Struct, frozen=True, kw_only=True):
    """``[[events.github.rules]]``; see ``EventRule``."""

    events: tuple[Text, ...] = ("*",)
    repositories: tuple[Text, ...] = ()
    paths: tuple[Text, ...] = ()
    all_paths: bool = False
    labels: tuple[Text, ...] = ()
    senders: tuple[Text, ...] = ()
    task_type: Text = "general"
    priority: Priority = "normal"
    providers: tuple[Text, ...] = ()
    strategy: Strategy | None = None
    consensus: ConsensusMethod | None = None
    prompt: Text | None = None
    max_tokens: Count | None = None
    actions: tuple[ActionConfig, ...] = ()
    ignore: bool = False

    def rule(self) -> EventRule:
        """As events are judged by it."""
        return EventRule(
            events=self.events,
            repositories=self.repositories,
            paths=self.paths,
            all_paths=self.all_paths,
            labels=self.labels,
            senders=self.senders,
            task_type=self.task_type,
            priority=self.priority,
            providers=self.providers,
            strategy=self.strategy,
            consensus=self.consensus,
            prompt=self.prompt,
            max_tokens=self.max_tokens,
            actions=tuple(each.action() for each in self.actions),
            ignore=self.ignore,
        )


class GitHubConfig(Struct, frozen=True, kw_only=True):
    """``[events.github]``; no ``repositories`` takes every one that knows the secret."""

    repositories: tuple[Text, ...] = ()
    rules: tuple[RuleConfig, ...] = ()


class EventsConfig(Struct, frozen=True, kw_only=True):
    """Events from outside. ``classify`` guesses where no rule says anything."""

    folder: Text | None = None
    classify: bool = False
    github: GitHubConfig = GitHubConfig()


class CommandConfig(CommandRule, frozen=True, kw_only=True):
    """``[actions.commands.NAME]``."""

    argv: tuple[Text, ...]
    cwd: Text = "/"
    timeout_s: SomeSeconds = 60.0


class ActionsConfig(Struct, frozen=True, kw_only=True):
    """What actions may use: folders and commands by name, and GitHub's API."""

    github_url: Text = "https://api.github.com"
    folders: dict[str, Text] = {}
    commands: dict[str, CommandConfig] = {}
