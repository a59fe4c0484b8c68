"""What systemd hears while we run: that the event loop turns, and how we are.

Both come from the event loop itself: one that hangs must fall silent, so that the
watchdog ends it. A thread of its own would go on reporting good health.
"""

from collections.abc import Callable, Sequence
from typing import Final

import anyio

from actors.messages.lifecycle import Condition
from actors.messages.provider import ProviderSnapshot
from daemon.sdnotify import Notifier

STATUS_S: Final = 3.0
"""How often the status is looked at; it is sent only when it has changed."""

EXTEND_S: Final = 30.0
"""How much longer a stop may take, said again and again: the deadline is ``drain_s``."""

_LONGEST: Final = 160


async def keep_informed(notifier: Notifier, status: Callable[[], str]) -> None:
    """Signs of life for the watchdog, ``status()`` whenever it changed; never ends."""
    if not notifier.listened_to:
        await anyio.sleep_forever()
    async with anyio.create_task_group() as group:
        group.start_soon(_feed_watchdog, notifier)
        group.start_soon(_report_status, notifier, status)


async def ask_for_time(notifier: Notifier) -> None:
    """While the daemon stops: it goes on for as long as the event loop turns."""
    while notifier.listened_to:
        notifier.extend(EXTEND_S)
        await anyio.sleep(EXTEND_S / 3)


async def _feed_watchdog(notifier: Notifier) -> None:
    interval_s = notifier.watchdog_interval_s
    while interval_s is not None:
        notifier.watchdog()
        await anyio.sleep(interval_s)


async def _report_status(notifier: Notifier, status: Callable[[], str]) -> None:
    said = ""
    while True:
        if (text := status()) != said:
            notifier.status(text)
            said = text
        await anyio.sleep(STATUS_S)


def status_line(
    in_flight: int,
    providers: Sequence[ProviderSnapshot],
    conditions: Sequence[Condition],
    *,
    draining: bool = False,
) -> str:
    """How we are in one line: ``12 active, 3/4 providers healthy``.

    A provider counts as healthy once a probe has passed. The gravest condition is named.
    """
    healthy = sum(1 for each in providers if each.healthy)
    pretended = "simulated " if any(each.simulated for each in providers) else ""
    line = (
        f"{in_flight} active, {healthy}/{len(providers)} {pretended}providers healthy"
    )
    if draining:
        line = f"draining: {line}"
    grave = [each for each in conditions if each.severity == "error"]
    grave += [each for each in conditions if each.severity == "warning"]
    if grave:
        line += f"; {grave[0].text}"
        line += f" (and {len(grave) - 1} more)" if len(grave) > 1 else ""
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
