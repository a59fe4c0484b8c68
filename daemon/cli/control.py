"""What changes the daemon: ``strategy``, ``weights``, ``reload``, ``drain``, ``feedback``."""

import argparse

from daemon.cli.connection import Client, CommandFailed, typed
from daemon.cli.output import Output
from daemon.cli.render import changes, records, status
from daemon.exits import EXIT_OK, EXIT_USAGE
from ipc.control import DrainResult, ReloadResult
from ipc.feedback import FeedbackResult
from ipc.results import StrategyResult

WEIGHTS = ("cost", "performance", "availability")


def strategy(args: argparse.Namespace, client: Client, out: Output) -> int:
    """Show the strategy, set it, or drop the override."""
    params: dict[str, object] = {}
    if args.name is not None:
        params["strategy"] = args.name
    return _change("strategy.set", params, args, client, out)


def weights(args: argparse.Namespace, client: Client, out: Output) -> int:
    """Show the weights, set some of them, or drop the override."""
    params = {
        name: value for name in WEIGHTS if (value := getattr(args, name)) is not None
    }
    return _change("weights.set", dict(params), args, client, out)


def reload(args: argparse.Namespace, client: Client, out: Output) -> int:
    """Have the configuration read again; a wrong one ends with 78, as everywhere."""
    del args
    result = client.call("reload", {})
    if out.as_json:
        out.document(result)
        return EXIT_OK
    read = typed(result, ReloadResult)
    out.result(changes.reloaded(read, out.paint))
    for text in (*read.warnings, *read.key_notes):
        out.note(f"{out.error_paint('warning:', 'warn')} {text}")
    return EXIT_OK


def drain(args: argparse.Namespace, client: Client, out: Output) -> int:
    """Have the daemon finish and end."""
    result = client.call("drain", {})
    if args.wait:
        client.wait_for_end()
    if out.as_json:
        out.document(result)
    else:
        out.result(changes.draining(typed(result, DrainResult)))
    return EXIT_OK


def feedback(args: argparse.Namespace, client: Client, out: Output) -> int:
    """Say how good the answer of a decision was."""
    params: dict[str, object] = {"decision_id": args.decision, "score": args.score}
    for name in ("task_type", "comment"):
        if (value := getattr(args, name)) is not None:
            params[name] = value
    result = client.call("feedback", params)
    if out.as_json:
        out.document(result)
    else:
        out.result(records.feedback(typed(result, FeedbackResult)))
    return EXIT_OK


def _change(
    method: str,
    params: dict[str, object],
    args: argparse.Namespace,
    client: Client,
    out: Output,
) -> int:
    if params and args.reset:
        raise CommandFailed("either a value or --reset, not both", EXIT_USAGE)
    if args.reset:
        params = {"reset": True}
    result = client.call(method if params else "strategy.get", params)
    if out.as_json:
        out.document(result)
    else:
        out.result(status.strategy(typed(result, StrategyResult)))
    return EXIT_OK
