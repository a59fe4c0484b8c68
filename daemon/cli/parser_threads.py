"""What may be typed about threads, as part of ``parser``."""

from actors.messages.threads import ENTRY_KINDS, THREAD_STATES
from daemon.cli.arguments import Commands, Parser, add, add_client, add_page
from ipc.threads import EXPORT_FORMATS, PICTURES


def add_threads(commands: "Commands[Parser]") -> None:
    """``threads`` and its actions."""
    examples: tuple[str, ...] = (
        "gitbridge threads list --query 'flaky test'",
        "gitbridge threads show 01JD...",
    )
    summary = "who said what about a question, a task or an event"
    parser = add(commands, "threads", summary, examples)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_list(actions)
    examples = (
        "gitbridge threads show review-12",
        "gitbridge threads show 01JD... --json",
    )
    show = add(actions, "show", "all that was said and done, in order", examples)
    _add_which(show)
    add_client(show)
    _add_export(actions)


def _add_list(actions: "Commands[Parser]") -> None:
    examples = (
        "gitbridge threads list --since 7d --state failed",
        "gitbridge threads list --query 'timeout retry' --kind verdict",
        "gitbridge threads list --json | jq -r '.threads[].thread_id'",
    )
    parser = add(actions, "list", "threads, those begun last first", examples)
    words = "each of these words, or their beginnings, in one text or in the name"
    parser.add_argument("--query", metavar="WORDS", help=words)
    parser.add_argument("--state", choices=THREAD_STATES, help="only these")
    parser.add_argument("--kind", choices=ENTRY_KINDS, help="with such an entry")
    parser.add_argument("--task-type", metavar="T", help="only of this type")
    parser.add_argument("--since", metavar="T", help="as for usage: spoken in since")
    parser.add_argument("--user", metavar="U", help="whose; for administrators")
    add_page(parser)
    add_client(parser)


def _add_export(actions: "Commands[Parser]") -> None:
    examples = (
        "gitbridge threads export 01JD... --format markdown > thread.md",
        "gitbridge threads export 01JD... --format svg > how-it-was-decided.svg",
        "gitbridge threads export --format svg --since 30d > who-agreed.svg",
    )
    summary = "a thread, or who agreed with whom, as a document or picture on stdout"
    parser = add(actions, "export", summary, examples)
    _add_which(parser, nargs="?", more="; without one: who agreed in all of them")
    parser.add_argument(
        "--format", choices=EXPORT_FORMATS, default="json", help="default json"
    )
    words = "how it was decided (the default), or who agreed with whom"
    parser.add_argument("--picture", choices=PICTURES, help=words)
    words = "without a thread: only those of this type"
    parser.add_argument("--task-type", metavar="T", help=words)
    words = "without a thread: spoken in since, as for usage"
    parser.add_argument("--since", metavar="T", help=words)
    add_client(parser)


def _add_which(parser: Parser, nargs: str | None = None, more: str = "") -> None:
    words = f"its name, or the id that an answer or a task gave it{more}"
    parser.add_argument("thread", metavar="THREAD", nargs=nargs, help=words)
    parser.add_argument("--user", metavar="U", help="whose; for administrators")
