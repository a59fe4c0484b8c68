"""What may be typed about past requests, as part of ``parser``."""

from daemon.cli import values
from daemon.cli.arguments import Commands, Parser, add, add_client, add_strategy

USAGE_GROUPS = ("provider", "model", "task_type", "user")


def add_history(commands: "Commands[Parser]") -> None:
    """``history``, ``explain``, ``usage`` and ``whatif``."""
    examples: tuple[str, ...] = (
        "gitbridge history --limit 50",
        "gitbridge history --json | jq '.entries[].cost_usd'",
    )
    parser = add(commands, "history", "past requests, newest first", examples)
    parser.add_argument(
        "--limit",
        metavar="N",
        type=values.positive_int,
        default=20,
        help="the newest N requests, at most 1000 (default 20)",
    )
    add_client(parser)

    examples = (
        "gitbridge explain 01JD...         an id from history, or from ask",
        "gitbridge explain 01JD... --all   every candidate, not only the best eight",
    )
    parser = add(commands, "explain", "why a request went where it went", examples)
    parser.add_argument("id", metavar="DECISION", help="a decision's or request's id")
    words = "every candidate, ranked again from the figures that were kept"
    parser.add_argument("--all", action="store_true", help=words)
    add_client(parser)

    examples = (
        "gitbridge usage --since 7d --by model",
        "gitbridge usage --since 2026-11-01 --json",
    )
    parser = add(commands, "usage", "tokens and money, grouped", examples)
    parser.add_argument(
        "--since", metavar="T", help="a date or time (ISO 8601, UTC) or an age (7d)"
    )
    parser.add_argument(
        "--by",
        choices=USAGE_GROUPS,
        default="provider",
        help="one row each (default provider)",
    )
    add_client(parser)

    examples = (
        "gitbridge whatif --strategy cost --since 7d",
        "gitbridge whatif --cost 0.7 --performance 0.2 --availability 0.1",
    )
    summary = "what other rules would have cost and taken, on recorded requests"
    parser = add(commands, "whatif", summary, examples)
    add_strategy(parser, "--strategy")
    for name in ("cost", "performance", "availability"):
        parser.add_argument(
            f"--{name}",
            metavar="X",
            type=values.number,
            help="its weight in the hybrid strategy; 0 if another is said",
        )
    parser.add_argument("--since", metavar="T", help="as for usage")
    parser.add_argument(
        "--limit",
        metavar="N",
        type=values.positive_int,
        help="the newest N requests (default 10000)",
    )
    add_client(parser)


def add_feedback(commands: "Commands[Parser]") -> None:
    """``feedback``."""
    examples = (
        "gitbridge feedback 01JD... 0.9             an id from history, or from ask",
        "gitbridge feedback 01JD... 0 --comment 'made it up'",
    )
    parser = add(commands, "feedback", "say how good an answer was", examples)
    parser.add_argument("decision", metavar="DECISION", help="its decision's id")
    parser.add_argument(
        "score",
        metavar="SCORE",
        type=values.score,
        help="from 0 (useless) to 1 (perfect); a later one replaces it",
    )
    parser.add_argument(
        "--task-type", metavar="T", help="what it was asked for, if not as it was said"
    )
    parser.add_argument("--comment", metavar="TEXT", help="why; kept beside the score")
    add_client(parser)
