"""How a command ends that failed: what people are told, what programs, the exit code."""

import traceback
from decimal import Decimal

import msgspec
from msgspec import UNSET, Struct

from actors.errors import GitBridgeError, InvalidRequest, NotPermitted
from daemon.cli.connection import CommandFailed
from daemon.cli.render.units import seconds
from daemon.exits import (
    EXIT_BUG,
    EXIT_CONFIG,
    EXIT_FAILED,
    EXIT_NOT_PERMITTED,
    EXIT_TRY_LATER,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    ConfigError,
)
from ipc.calls import CallFailed, DaemonUnreachable

_EXIT_OF_KIND = {
    "not_permitted": EXIT_NOT_PERMITTED,
    "overloaded": EXIT_TRY_LATER,
    "rate_limited": EXIT_TRY_LATER,
    "interrupted": EXIT_TRY_LATER,
    "internal": EXIT_BUG,
}

# What no daemon says, because there was none to ask, or nothing that it could be asked.
_KIND_OF_EXIT = {
    EXIT_USAGE: "invalid_request",
    EXIT_UNREACHABLE: "unreachable",
    EXIT_BUG: "internal",
    EXIT_CONFIG: "bad_config",
}


class Ending(Struct, frozen=True):
    """``text`` is for stderr; ``data`` is the error as ``--json`` prints it."""

    exit_code: int
    text: str
    data: dict[str, object]


def ending_of(error: Exception) -> Ending:
    """How a command ends on this error; on any that is not ours, as a bug of ours."""
    if isinstance(error, ConfigError):
        problems = [msgspec.to_builtins(each) for each in error.problems]
        return _told(error.exit_code, error.message, {"problems": problems})
    if isinstance(error, DaemonUnreachable):
        return _told(EXIT_UNREACHABLE, error.message)
    if isinstance(error, GitBridgeError):
        return _of_daemon(error)
    if isinstance(error, CommandFailed):
        return _told(error.exit_code, str(error))
    trace = "".join(traceback.format_exception(error))
    text = f"this is a bug of gitbridge:\n{trace}"
    return Ending(EXIT_BUG, text, _told(EXIT_BUG, repr(error)).data)


def _of_daemon(error: GitBridgeError) -> Ending:
    if mistakes := _mistakes(error):
        return _told(EXIT_CONFIG, error.message, {"problems": mistakes})
    return Ending(exit_code_of(error), sentence(error), error_data(error))


def _mistakes(error: GitBridgeError) -> list[dict[str, object]]:
    """Those of a configuration that the daemon refused, as ``config check`` has them."""
    cause = error.__cause__
    found = cause.data.mistakes if isinstance(cause, CallFailed) else UNSET
    return [
        {
            "file": each.file,
            "key": each.key,
            "got": each.got,
            "text": each.wanted,
            "origin": each.origin,
        }
        for each in found or ()
    ]


def usage_ending(message: str) -> Ending:
    """How a command ends that was not understood."""
    return _told(EXIT_USAGE, message)


def _told(
    exit_code: int, message: str, more: dict[str, object] | None = None
) -> Ending:
    kind = _KIND_OF_EXIT.get(exit_code, "failed")
    return Ending(
        exit_code, message, {"kind": kind, "message": message, **(more or {})}
    )


def exit_code_of(error: GitBridgeError) -> int:
    """The exit code that an error of the daemon makes.

    A value that it refuses was typed here, so it is one of usage; that an id is not in
    the ledger, or that a provider refuses the request, is not.
    """
    if isinstance(error, InvalidRequest):
        field = error_data(error).get("field")
        return EXIT_FAILED if field in {None, "decision_id"} else EXIT_USAGE
    return _EXIT_OF_KIND.get(error.kind, EXIT_FAILED)


def sentence(error: GitBridgeError) -> str:
    """The error for people: what, of which kind, what to do about it."""
    data = error_data(error)
    if isinstance(error, NotPermitted) and not isinstance(error.__cause__, CallFailed):
        return f"{error.message}: ask for the group that owns it"
    wanted = data.get("wanted")
    hint = "" if not wanted or str(wanted) in error.message else f"; wanted {wanted}"
    wait = error.retry_after_s
    again = f"; try again in {_soon(wait)}" if wait is not None else ""
    decision = data.get("decision_id")
    why = f"\n  why: gitbridge explain {decision}" if decision else ""
    blame = error.provider if error.kind == "provider_error" else None
    who = f"{blame}: " if blame and blame not in error.message else ""
    return f"{who}{error.message}{hint} ({error.kind}){again}{why}"


def _soon(wait_s: float) -> str:
    return f"{wait_s:.3g} s" if wait_s < 60.0 else seconds(wait_s)


def error_data(error: GitBridgeError) -> dict[str, object]:
    """The error as ``--json`` prints it: all that the daemon said about it."""
    known: dict[str, object] = {"kind": error.kind, "message": error.message}
    cause = error.__cause__
    if isinstance(cause, CallFailed) and cause.data is not None:
        # Money stays exact: the output writes it as a number.
        data: object = msgspec.to_builtins(cause.data, builtin_types=(Decimal,))
        return {**known, **data} if isinstance(data, dict) else known
    if isinstance(error, InvalidRequest):
        said = {"field": error.field, "got": error.got, "wanted": error.wanted}
        return {**known, **{key: text for key, text in said.items() if text}}
    return known
