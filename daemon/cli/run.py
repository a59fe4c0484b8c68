"""Dispatch: arguments to a command, its errors to a sentence and an exit code."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise, takewhile

import msgspec

from actors.errors import GitBridgeError
from daemon.cli.connection import Client, Connect, Where, open_client
from daemon.cli.ending import ending_of, usage_ending
from daemon.cli.output import Output, OutputFailed
from daemon.cli.parser import UsageError, build_parser
from daemon.config import HealthOptions, ServeOptions
from daemon.exits import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from ipc.calls import DaemonUnreachable

_INTERRUPTED = 130  # as shells say it: 128 + SIGINT


class Entrances(msgspec.Struct, frozen=True):
    """What the command line may not import: the daemon itself, and the socket's client.

    ``serve`` and ``check_health`` return exit codes.
    """

    serve: Callable[[ServeOptions], int]
    check_health: Callable[[HealthOptions], int]
    connect: Connect
    version: Callable[[], str]


def run(
    argv: Sequence[str],
    entrances: Entrances,
    environ: Mapping[str, str] = os.environ,
    out: Output | None = None,
) -> int:
    """One command from its arguments to its exit code; never raises but SystemExit."""
    as_json = wants_json(argv)
    out = Output(environ=environ, as_json=as_json) if out is None else out
    try:
        args = _parsed(argv)
    except UsageError as error:
        message = error.message
        return _guarded(lambda: _not_understood(message, out), out)
    if args.version:
        out.result(f"gitbridge {entrances.version()}")
        return EXIT_OK
    if args.command is None:
        build_parser().print_help(sys.stderr)
        return EXIT_USAGE
    return _guarded(lambda: _dispatch(args, entrances, environ, out), out)


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    # The parser ends here: ``serve`` would carry 0.3 MB of it along as long as it runs.
    return build_parser().parse_args(argv)


def wants_json(argv: Sequence[str]) -> bool:
    """Whether the answer, and so every error, is to be one JSON document."""
    words = list(takewhile(lambda word: word != "--", argv))
    named = "--json" in words or "--format=json" in words
    return named or ("--format", "json") in pairwise(words)


def _not_understood(message: str, out: Output) -> int:
    ending = usage_ending(message)
    if out.as_json:
        out.document({"error": ending.data})
    return ending.exit_code


def _guarded(command: Callable[[], int], out: Output) -> int:
    try:
        try:
            return command()
        except Exception as error:  # noqa: BLE001 - each has its exit code
            return _ended(error, out)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()  # whoever read us has enough
        return EXIT_OK
    except OutputFailed as error:
        _forget_stdout()
        out.error(str(error))
        return EXIT_FAILED


def _forget_stdout() -> None:
    """The flush at exit must not complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _ended(error: Exception, out: Output) -> int:
    """Say what is to be said about an exception; the exit code it makes."""
    if isinstance(error, BrokenPipeError | OutputFailed):
        raise error
    ending = ending_of(error)
    if out.as_json:
        out.document({"error": ending.data})
    out.error(ending.text)
    return ending.exit_code


def _dispatch(
    args: argparse.Namespace,
    entrances: Entrances,
    environ: Mapping[str, str],
    out: Output,
) -> int:
    if args.command == "serve":
        return entrances.serve(serve_options(args))
    if args.command in {"service", "logs", "completion"}:
        return _beside(args, entrances, environ, out)
    where = Where(socket=args.socket, config=args.config, state_dir=args.state_dir)
    sockets = where.sockets(environ)
    with ExitStack() as stack:

        def connected() -> Client:
            return stack.enter_context(open_client(entrances.connect, sockets))

        def connected_if_running() -> Client | None:
            try:
                return connected()
            except GitBridgeError:
                return None

        if args.command == "config":
            from daemon.cli.configure import configure  # noqa: PLC0415 - loads files

            return configure(args, out, environ, connected_if_running)
        if args.command == "health":
            options = health_options(args)
            return _health(options, entrances, connected, out)
        return _talk(args, connected, out)


def _beside(
    args: argparse.Namespace,
    entrances: Entrances,
    environ: Mapping[str, str],
    out: Output,
) -> int:
    """The commands that are about systemd or the shell rather than the daemon."""
    if args.command == "completion":
        from daemon.cli.completion import script  # noqa: PLC0415 - not for others

        out.result(script(args.shell, build_parser()))
        return EXIT_OK
    if args.command == "logs":
        from daemon.cli.logs import logs  # noqa: PLC0415 - not for others

        return logs(args, out)
    from daemon.cli.service import command, places  # noqa: PLC0415 - not for others

    host = places.Host.real(environ)
    return command.service(args, out, host, entrances.connect)


def _talk(
    args: argparse.Namespace, connected: Callable[[], Client], out: Output
) -> int:
    """The commands that are nothing without a daemon."""
    from daemon.cli.ask import ask  # noqa: PLC0415 - only what the command needs
    from daemon.cli.consensus import consensus  # noqa: PLC0415
    from daemon.cli.control import (  # noqa: PLC0415
        drain,
        feedback,
        reload,
        strategy,
        weights,
    )
    from daemon.cli.events import events  # noqa: PLC0415
    from daemon.cli.reading import read  # noqa: PLC0415
    from daemon.cli.tasks import tasks  # noqa: PLC0415
    from daemon.cli.threads import threads  # noqa: PLC0415
    from daemon.cli.top import top  # noqa: PLC0415

    commands = {
        "ask": ask,
        "consensus": consensus,
        "strategy": strategy,
        "weights": weights,
        "reload": reload,
        "drain": drain,
        "feedback": feedback,
        "tasks": tasks,
        "threads": threads,
        "events": events,
    }
    client = connected()
    if args.command == "top":
        return top(args, client, out, connected)
    return commands.get(args.command, read)(args, client, out)


def _health(
    options: HealthOptions,
    entrances: Entrances,
    connected: Callable[[], Client],
    out: Output,
) -> int:
    from daemon.cli.health import health_by_daemon  # noqa: PLC0415

    try:
        client = connected()
    except DaemonUnreachable:
        return entrances.check_health(options)
    return health_by_daemon(options, client, out)


def serve_options(args: argparse.Namespace) -> ServeOptions:
    """The flags of ``serve``."""
    return ServeOptions(
        config=args.config,
        socket=args.socket,
        state_dir=args.state_dir,
        listen=args.listen,
        simulate=args.simulate,
        check=args.check,
    )


def health_options(args: argparse.Namespace) -> HealthOptions:
    """The flags of ``health``."""
    return HealthOptions(
        provider=args.provider,
        model=args.model,
        max_latency_s=args.max_latency,
        retries=args.retries,
        as_json=args.json or args.format == "json",
        config=args.config,
        socket=args.socket,
        state_dir=args.state_dir,
    )
