"""What may be typed about durable tasks, as part of ``parser``."""

from actors.messages.routing import PRIORITIES
from actors.messages.tasks import TASK_STATES
from daemon.cli import values
from daemon.cli.arguments import (
    Commands,
    Parser,
    add,
    add_client,
    add_page,
    add_strategy,
    add_thread,
)


def add_tasks(commands: "Commands[Parser]") -> None:
    """``tasks`` and its actions."""
    examples: tuple[str, ...] = (
        "gitbridge tasks submit 'Summarise the plan' --wait",
        "gitbridge tasks list --state failed",
    )
    parser = add(commands, "tasks", "requests that are kept until answered", examples)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_submit(actions)
    _add_list(actions)
    examples = ("gitbridge tasks show 01JD...", "gitbridge tasks show 01JD... --json")
    show = add(actions, "show", "a task and what it came to", examples)
    show.add_argument("id", metavar="TASK", help="its id, from submit or list")
    add_client(show)
    _add_many(actions, "cancel", "cancel a task, or what is left of a batch")
    _add_many(actions, "retry", "queue a failed, cancelled or dead task again")
    wait = _add_many(actions, "wait", "wait until a task, or a batch, has ended")
    _add_timeout(wait)


def _add_submit(actions: "Commands[Parser]") -> None:
    examples = (
        "gitbridge tasks submit 'Summarise the plan' --wait",
        "git diff | gitbridge tasks submit - --task-type code_review --priority high",
        "gitbridge tasks submit 'Good morning' --delay 3600 --key greeting-1",
    )
    parser = add(
        actions, "submit", "have a prompt answered, whatever happens", examples
    )
    parser.add_argument("prompt", metavar="PROMPT", help="the prompt; - reads stdin")
    parser.add_argument("--system", metavar="TEXT", help="the system prompt")
    parser.add_argument(
        "--task-type", metavar="T", help="code_review, documentation..."
    )
    add_strategy(parser, "--strategy")
    parser.add_argument("--provider", metavar="P", help="this provider and no other")
    parser.add_argument("--model", metavar="M", help="auto, a model or an alias")
    parser.add_argument(
        "--max-tokens",
        metavar="N",
        type=values.positive_int,
        help="the longest answer that is wanted",
    )
    parser.add_argument("--priority", choices=PRIORITIES, help="default normal")
    words = "not before so many seconds from now"
    parser.add_argument("--delay", metavar="S", type=values.number, help=words)
    parser.add_argument(
        "--run-at", metavar="T", help="not before this time (ISO 8601, UTC)"
    )
    parser.add_argument("--deadline", metavar="T", help="not after this time")
    add_thread(parser)
    words = "the same key twice is one task"
    parser.add_argument("--key", metavar="KEY", help=words)
    parser.add_argument(
        "--max-attempts",
        metavar="N",
        type=values.positive_int,
        help="before it is dead",
    )
    parser.add_argument(
        "--require",
        metavar="KEYS",
        help="the answer must be JSON with these keys (a,b)",
    )
    parser.add_argument(
        "--consensus", action="store_true", help="ask several models and decide"
    )
    parser.add_argument("--wait", action="store_true", help="and print the answer")
    _add_timeout(parser)
    add_client(parser)


def _add_list(actions: "Commands[Parser]") -> None:
    examples = (
        "gitbridge tasks list --limit 50",
        "gitbridge tasks list --state dead --json",
    )
    parser = add(actions, "list", "tasks, newest first", examples)
    parser.add_argument("--state", choices=TASK_STATES, help="only these")
    parser.add_argument("--type", metavar="T", help="only of this type")
    parser.add_argument("--priority", choices=PRIORITIES, help="only of this one")
    parser.add_argument("--batch", metavar="BATCH", help="only of this batch")
    parser.add_argument("--since", metavar="T", help="as for usage")
    add_page(parser)
    add_client(parser)


def _add_many(actions: "Commands[Parser]", name: str, summary: str) -> Parser:
    examples = (
        f"gitbridge tasks {name} 01JD...",
        f"gitbridge tasks {name} --batch 01JD...",
    )
    parser = add(actions, name, summary, examples)
    parser.add_argument("id", metavar="TASK", nargs="?", help="its id")
    parser.add_argument("--batch", metavar="BATCH", help="all tasks of a batch")
    add_client(parser)
    return parser


def _add_timeout(parser: Parser) -> None:
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=values.wait,
        default=60.0,
        help="how long to wait (default 60, at most 3600)",
    )
