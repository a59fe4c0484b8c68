"""Run a command of the allow-list."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from subprocess import PIPE, STDOUT
from typing import Final

import anyio
from anyio.abc import Process

from actors.actions.orphans import VARIABLE, end_orphans
from actors.errors import ActionFailed, DeadlineExceeded, InvalidRequest
from actors.messages.actions import ActionDone, CommandRule

MAX_OUTPUT: Final = 4_096
"""Bytes of what it prints that are kept; the rest is read and dropped."""

ORPHANS_S: Final = 5.0
"""How long what an earlier attempt has left running may take to end."""

_TEMPFAIL: Final = 75
"""EX_TEMPFAIL of sysexits.h: the command itself says that trying again may help."""


async def run_command(
    name: str, rules: Mapping[str, CommandRule], content: str, task_id: str
) -> ActionDone:
    """Run it with ``content`` on stdin, as a process group of its own.

    Its environment is what was declared, and ``GITBRIDGE_TASK_ID``. What an earlier
    attempt at the same task has left running is killed first.

    Raises:
        InvalidRequest: It is not on the list, cannot be started, or failed.
        ActionFailed: It ended with 75 or by a signal, or what was left of an earlier
            attempt cannot be ended: another try may help.
        DeadlineExceeded: It took too long, and was killed.
    """
    rule = rules.get(name)
    if rule is None:
        raise InvalidRequest(
            f"the command {name!r} is not on the list",
            field="command",
            got=name[:100],
            wanted="one of " + ", ".join(rules) if rules else "none is declared",
        )
    if not await end_orphans(task_id, ORPHANS_S):
        raise ActionFailed(f"an earlier attempt at {name} still runs")
    try:
        process = await anyio.open_process(
            list(rule.argv),
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            cwd=rule.cwd,
            env={**rule.env, VARIABLE: task_id},
            start_new_session=True,
        )
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidRequest(f"{name} cannot be started: {reason}") from None
    output = bytearray()
    try:
        with anyio.fail_after(rule.timeout_s):
            async with anyio.create_task_group() as group:
                group.start_soon(_feed, process, content.encode(errors="replace"))
                group.start_soon(_drain, process, output)
                code = await process.wait()
                # What it left running may hold its output open for ever.
                await _end(process, task_id)
    except TimeoutError:
        raise DeadlineExceeded(f"{name} took over {rule.timeout_s:g} s") from None
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process, task_id)
            await process.aclose()
    return _judged(name, code, output.decode(errors="replace").strip())


def _judged(name: str, code: int, said: str) -> ActionDone:
    if code == 0:
        return ActionDone(do="run_command", target=name, status=0, detail=said)
    how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
    message = f"{name} {how}: {said[-200:] or 'it said nothing'}"
    if code < 0 or code == _TEMPFAIL:
        raise ActionFailed(message)
    raise InvalidRequest(message)


async def _feed(process: Process, content: bytes) -> None:
    assert process.stdin is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await process.stdin.send(content)  # it need not read all of it
    with suppress(OSError):
        await process.stdin.aclose()


async def _drain(process: Process, output: bytearray) -> None:
    assert process.stdout is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for piece in process.stdout:
            output += piece[: MAX_OUTPUT - len(output)]


async def _end(process: Process, task_id: str) -> None:
    """Kill it, its group, and what has left that in a session of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await end_orphans(task_id, ORPHANS_S)
