"""What may be typed: commands, flags, help with examples. A usage error exits with 64."""

from typing import get_args

from actors.messages.consensus import ConsensusMethod
from actors.messages.reuse import CacheUse
from actors.messages.routing import PRIORITIES
from daemon.cli import values
from daemon.cli.arguments import (
    Commands,
    CommandsFormatter,
    Parser,
    UsageError,
    add,
    add_client,
    add_places,
    add_strategy,
    add_thread,
)
from daemon.cli.parser_events import add_events
from daemon.cli.parser_live import add_live
from daemon.cli.parser_records import add_feedback, add_history
from daemon.cli.parser_tasks import add_tasks
from daemon.cli.parser_threads import add_threads

__all__ = ["Parser", "UsageError", "build_parser"]

DESCRIPTION = """\
One reliable local door to many LLM providers: routing, failover, an exact ledger.

  gitbridge serve --simulate        try it without keys
  gitbridge ask "Hello, who are you?"
  gitbridge status"""

EXIT_CODES = """\
exit codes: 0 ok, 1 the thing asked for failed, 64 usage, 69 daemon not reachable,
70 our bug, 75 try later, 77 not permitted, 78 bad configuration"""


def build_parser() -> Parser:
    """The whole tree; ``command`` and, for config, ``action`` are in the result."""
    parser = Parser(
        prog="gitbridge",
        allow_abbrev=False,  # a flag that comes later must not change what scripts mean
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=CommandsFormatter,
    )
    parser.add_argument("--version", action="store_true", help="say which version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_serve(commands)
    _add_ask(commands)
    _add_consensus(commands)
    _add_readings(commands)
    add_history(commands)
    add_feedback(commands)
    add_tasks(commands)
    add_threads(commands)
    add_events(commands)
    _add_control(commands)
    _add_health(commands)
    _add_config(commands)
    _add_service(commands)
    _add_logs(commands)
    add_live(commands)
    return parser


def _add_serve(commands: "Commands[Parser]") -> None:
    examples = (
        "gitbridge serve --simulate               pretend providers, no keys needed",
        "OPENAI_API_KEY=... gitbridge serve       every provider whose key is found",
        "gitbridge serve --config gitbridge.toml --check",
        "gitbridge serve --listen 127.0.0.1:4180  also over TCP, with tokens",
    )
    parser = add(commands, "serve", "run the daemon in the foreground", examples)
    add_places(parser)
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="also listen on TCP (wants a token)"
    )
    parser.add_argument(
        "--simulate", action="store_true", help="pretend providers on loopback"
    )
    parser.add_argument(
        "--check", action="store_true", help="check everything, then exit"
    )


def _add_ask(commands: "Commands[Parser]") -> None:
    examples = (
        'gitbridge ask "Why is the sky blue?"',
        "git diff | gitbridge ask - --task-type code_review --system 'Review this.'",
        "gitbridge ask --stream --strategy cost 'Tell me a story'",
        "gitbridge ask --provider grok --max-tokens 100 --json 'Hello'",
    )
    parser = add(commands, "ask", "send a prompt to the provider that suits", examples)
    parser.add_argument("prompt", metavar="PROMPT", help="the prompt; - reads stdin")
    parser.add_argument(
        "--task-type", metavar="T", help="code_review, documentation..."
    )
    add_strategy(parser, "--strategy")
    parser.add_argument("--provider", metavar="P", help="this provider and no other")
    parser.add_argument(
        "--model", metavar="M", help="auto, a model, an alias or provider/model"
    )
    parser.add_argument(
        "--max-tokens",
        metavar="N",
        type=values.positive_int,
        help="the longest answer that is wanted",
    )
    parser.add_argument(
        "--temperature", metavar="X", type=values.number, help="from 0 to 2"
    )
    parser.add_argument("--system", metavar="TEXT", help="the system prompt")
    parser.add_argument(
        "--stream", action="store_true", help="print the answer as it arrives"
    )
    parser.add_argument(
        "--deadline",
        metavar="S",
        type=values.seconds,
        help="give up after so many seconds",
    )
    parser.add_argument(
        "--budget", metavar="USD", type=values.number, help="the most it may cost"
    )
    parser.add_argument(
        "--priority",
        choices=PRIORITIES,
        help="who goes first where requests wait for a place (normal)",
    )
    add_thread(parser)
    parser.add_argument(
        "--cache", choices=get_args(CacheUse), help="whether a kept answer will do (on)"
    )
    parser.add_argument(
        "--idempotency-key", metavar="KEY", help="a name that repeats of it share"
    )
    add_client(parser)


def _add_consensus(commands: "Commands[Parser]") -> None:
    examples = (
        'gitbridge consensus "Is 2027 a prime number?"',
        "gitbridge consensus --providers openai,grok,claude --method quorum - < q.txt",
        "gitbridge consensus --method judge --judge claude 'Which design is better?'",
        'gitbridge consensus --stream --method synthesis "What is a monad?"',
        "gitbridge consensus report --since 7d",
    )
    summary = "ask several models and decide between their answers"
    parser = add(commands, "consensus", summary, examples)
    words = "the prompt; - reads stdin; report: who was right so far, at what cost"
    parser.add_argument("prompt", metavar="PROMPT", help=words)
    parser.add_argument("--since", metavar="T", help="of the report, as for usage")
    parser.add_argument(
        "--providers", metavar="A,B,C", help="providers or provider/model names"
    )
    methods = get_args(ConsensusMethod)
    parser.add_argument(
        "--method", metavar="M", choices=methods, help=", ".join(methods)
    )
    parser.add_argument(
        "--quorum",
        metavar="N",
        type=values.positive_int,
        help="how many must have answered",
    )
    parser.add_argument("--judge", metavar="MODEL", help="who judges, or writes")
    parser.add_argument(
        "--task-type", metavar="T", help="code_review, documentation..."
    )
    parser.add_argument(
        "--max-tokens",
        metavar="N",
        type=values.positive_int,
        help="the longest answer that is wanted of each",
    )
    parser.add_argument("--system", metavar="TEXT", help="the system prompt")
    parser.add_argument(
        "--deadline",
        metavar="S",
        type=values.seconds,
        help="decide within so many seconds",
    )
    parser.add_argument(
        "--budget", metavar="USD", type=values.number, help="the most it may all cost"
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="tell on stderr how it goes, print the answer as it is written",
    )
    add_thread(parser)
    add_client(parser)


def _add_readings(commands: "Commands[Parser]") -> None:
    for name, summary in (
        ("status", "the daemon and its providers at a glance"),
        ("providers", "every provider and model as the router sees it"),
        ("models", "what can be asked for: prices, sizes, abilities, and until when"),
        ("metrics", "rolling and total figures of every provider"),
    ):
        examples = (f"gitbridge {name}", f"gitbridge {name} --json")
        add_client(add(commands, name, summary, examples))


def _add_control(commands: "Commands[Parser]") -> None:
    examples: tuple[str, ...] = (
        "gitbridge strategy              which one is in force",
        "gitbridge strategy cost         change it, kept over a restart",
        "gitbridge strategy --reset      back to what the configuration says",
    )
    parser = add(commands, "strategy", "show or change the strategy", examples)
    add_strategy(parser, "name", nargs="?")
    parser.add_argument("--reset", action="store_true", help="drop the override")
    add_client(parser)

    examples = (
        "gitbridge weights",
        "gitbridge weights --cost 0.6 --performance 0.3 --availability 0.1",
        "gitbridge weights --reset",
    )
    parser = add(
        commands, "weights", "show or change the hybrid strategy's weights", examples
    )
    for name in ("cost", "performance", "availability"):
        parser.add_argument(
            f"--{name}",
            metavar="X",
            type=values.weight,
            help="only the proportions count; as it is unless said",
        )
    parser.add_argument("--reset", action="store_true", help="drop the override")
    add_client(parser)

    examples = (
        "gitbridge reload            read the configuration again, show what changes",
        "gitbridge reload --json | jq '.changes[].key'",
        "systemctl reload gitbridge  the same, by signal; the log shows the changes",
    )
    summary = "read the configuration and keys again, all or nothing"
    add_client(add(commands, "reload", summary, examples))

    examples = (
        "gitbridge drain           take no more requests, finish, and end with 0",
        "gitbridge drain --wait    the same, and come back when it has",
        "gitbridge drain --json    how many are in flight, and how long they have",
    )
    summary = "have the daemon finish what is in flight and end"
    parser = add(commands, "drain", summary, examples)
    parser.add_argument(
        "--wait", action="store_true", help="until nothing is in flight any more"
    )
    add_client(parser)


def _add_health(commands: "Commands[Parser]") -> None:
    examples = (
        "gitbridge health                          every provider, costs nothing",
        "gitbridge health openai --model gpt-4o-mini --max-latency 1.5",
        "gitbridge health --retries 5 --format json",
    )
    summary = "check the providers; with and without a running daemon"
    parser = add(commands, "health", summary, examples)
    parser.add_argument("provider", metavar="PROVIDER", nargs="?", help="this one only")
    parser.add_argument("--model", metavar="M", help="the model that must be served")
    parser.add_argument(
        "--max-latency", metavar="S", type=values.seconds, help="slower is not healthy"
    )
    parser.add_argument(
        "--retries",
        metavar="N",
        type=values.retries,
        default=3,
        help="further checks of what is not healthy, 1, 2, 4... s apart (default 3)",
    )
    parser.add_argument(
        "--format", choices=("human", "json"), default="human", help="json is --json"
    )
    add_client(parser)


def _add_config(commands: "Commands[Parser]") -> None:
    examples = (
        "gitbridge config check --config gitbridge.toml",
        "gitbridge config show",
        "gitbridge config example > gitbridge.toml",
    )
    parser = add(commands, "config", "check or show the configuration", examples)
    parser.add_argument(
        "action",
        choices=("check", "show", "example"),
        help="check: is it right; show: each value and where it came from; example: "
        "a commented file",
    )
    parser.add_argument(
        "--simulate", action="store_true", help="as for serve: no keys needed"
    )
    add_client(parser)


def _add_service(commands: "Commands[Parser]") -> None:
    examples = (
        "sudo gitbridge service install --now     for the whole machine, and start it",
        "gitbridge service install --user --now   for yourself alone",
        "gitbridge service install --dry-run      say what would be done, do nothing",
        "gitbridge service status                 does it run, does it answer",
        "gitbridge service print                  the units, for a package or an image",
        "sudo gitbridge service uninstall         configuration, keys and state stay",
    )
    parser = add(commands, "service", "run the daemon under systemd", examples)
    parser.add_argument(
        "action",
        choices=("install", "uninstall", "status", "print"),
        help="install: write and enable the units; uninstall: stop the service and "
        "take them away; status: how it is; print: the units as they would be written",
    )
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument(
        "--system", action="store_true", help="for the whole machine (default)"
    )
    scope.add_argument("--user", action="store_true", help="for yourself alone")
    parser.add_argument(
        "--now", action="store_true", help="start it too, or start it anew"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, do nothing"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON document on stdout, nothing else"
    )


def _add_logs(commands: "Commands[Parser]") -> None:
    examples = (
        "gitbridge logs -f                        follow the service's journal",
        "gitbridge logs --since 1h --level warning",
        "gitbridge logs --request 01JD...         by a request's or its decision's id",
        "gitbridge serve 2>&1 | gitbridge logs -  without systemd",
    )
    summary = "the daemon's log, readable: from the journal, a file or stdin"
    parser = add(commands, "logs", summary, examples)
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="this file, not the journal; - is stdin"
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on with lines as they come"
    )
    parser.add_argument(
        "-n",
        "--lines",
        metavar="N",
        type=values.positive_int,
        help="the last N (of the journal 100, unless --since is given)",
    )
    parser.add_argument(
        "--since", metavar="T", help="a date or time (ISO 8601, UTC) or an age (1h)"
    )
    parser.add_argument(
        "--level", choices=values.LEVELS, help="nothing that is less grave"
    )
    parser.add_argument("--request", metavar="ID", help="only this request's lines")
    parser.add_argument(
        "--unit", metavar="NAME", default="gitbridge", help="the service's name"
    )
    parser.add_argument(
        "--user", action="store_true", help="the service of your own user manager"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON document; with --follow one a line",
    )
