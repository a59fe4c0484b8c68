"""What is to be done about an event: whom to ask, and what follows the answer."""

from typing import Literal

from msgspec import Struct

from actors.messages.consensus import ConsensusMethod
from actors.messages.events import Event
from actors.messages.routing import Priority, Strategy


class CallUrl(Struct, frozen=True, kw_only=True, tag="call_url", tag_field="do"):
    """Send the answer to a URL, as JSON and signed. ``headers`` go with it."""

    url: str
    headers: dict[str, str] = {}
    timeout_s: float = 30.0


class RunCommand(Struct, frozen=True, kw_only=True, tag="run_command", tag_field="do"):
    """Run a command of the allow-list, by its name there, with the answer on stdin."""

    command: str


class WriteFile(Struct, frozen=True, kw_only=True, tag="write_file", tag_field="do"):
    """Write the answer to a file.

    ``folder`` is the name of a declared one, ``path`` a template below it: placeholders
    are those of prompts, and what they stand for cannot lead out of one path segment.
    """

    folder: str
    path: str


class PostComment(
    Struct, frozen=True, kw_only=True, tag="post_comment", tag_field="do"
):
    """Comment on the event's issue or pull request on GitHub.

    ``template`` is the comment: placeholders are those of prompts, and ``{answer}``.
    """

    template: str = "{answer}"


Action = CallUrl | RunCommand | WriteFile | PostComment


class Answer(Struct, frozen=True, kw_only=True):
    """What models said about an event, as actions get it."""

    content: str
    provider: str
    model: str
    decision_id: str
    agreement: float | None = None


class ActionWork(Struct, frozen=True, kw_only=True):
    """Payload of a task of kind ``action``."""

    action: Action
    event: Event
    answer: Answer
    task_type: str


class CommandRule(Struct, frozen=True, kw_only=True):
    """A command that actions may run.

    ``argv`` is what is run, without a shell. ``env`` is its whole environment.
    """

    argv: tuple[str, ...]
    env: dict[str, str] = {}
    cwd: str = "/"
    timeout_s: float = 60.0


class ActionDone(Struct, frozen=True, kw_only=True):
    """Result of a task of kind ``action``.

    ``existing``: it had been done before, by an attempt that could not say so.
    ``detail`` is what was answered, printed or written, shortened.
    """

    do: str
    target: str
    status: int | None = None
    existing: bool = False
    detail: str = ""


class EventRule(Struct, frozen=True, kw_only=True):
    """Which events, and what is to be done about them.

    An event has to meet every condition that is not empty. ``events``, ``repositories``
    and ``senders`` are shell patterns. ``paths`` are patterns too, where ``**`` goes
    through folders: one touched file has to match one of them (all of them have to,
    with ``all_paths``). Any of ``labels`` will do. ``ignore`` leaves the event alone.
    """

    events: tuple[str, ...] = ("*",)
    repositories: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    all_paths: bool = False
    labels: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    task_type: str = "general"
    priority: Priority = "normal"
    providers: tuple[str, ...] = ()
    strategy: Strategy | None = None
    consensus: ConsensusMethod | None = None
    prompt: str | None = None
    max_tokens: int | None = None
    actions: tuple[Action, ...] = ()
    ignore: bool = False


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be done about an event, and who said so.

    ``by`` is the rule's place (``rule 2``, ``default rule 1``) or ``classifier``;
    ``score`` is the classifier's probability for the task type.
    """

    by: str
    task_type: str
    priority: Priority
    prompt: str
    providers: tuple[str, ...] = ()
    strategy: Strategy | None = None
    consensus: ConsensusMethod | None = None
    max_tokens: int | None = None
    actions: tuple[Action, ...] = ()
    score: float | None = None


class EventDone(Struct, frozen=True, kw_only=True):
    """Result of a task of kind ``event``; ``plan_by`` as ``Plan.by``.

    ``request_id`` is the task that asks. ``ignored``: no rule wants the event any more.
    """

    outcome: Literal["asked", "ignored"]
    plan_by: str | None = None
    task_type: str | None = None
    score: float | None = None
    request_id: str | None = None


class Following(Struct, frozen=True, kw_only=True):
    """One of ``RequestWork.actions``: what follows its answer, and what it is about."""

    action: Action
    event: Event
    task_type: str
