"""What the ledger's actor and its handle share, and what outlives a crash of it."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from actors.messages.lifecycle import Condition

Severity = Literal["info", "warning", "error"]
ConditionsChanged = Callable[[tuple[Condition, ...]], object]

CONDITIONS: dict[str, tuple[Severity, str]] = {
    "ledger_behind": (
        "warning",
        (
            "Requests are answered; their records wait in the spool. Check that the state"
            " folder's disk has room and that no other program locks gitbridge.db."
        ),
    ),
    "spool_unwritable": (
        "error",
        (
            "Requests are answered but not recorded. Make room in the state folder, or make"
            " its spool folder writable; recording resumes by itself."
        ),
    ),
    "spool_damaged": (
        "warning",
        "What could not be read is kept in spool/damaged in the state folder.",
    ),
    "database_corrupt": (
        "error",
        (
            "A new database was begun. History, usage and totals from before are in the"
            " file that was moved aside; check the disk."
        ),
    ),
    "usage_log_unwritable": (
        "warning",
        (
            "Usage is in the database. Make the logs folder in the state folder writable;"
            " the lines that are missing are written then."
        ),
    ),
}
"""Code -> how bad it is, and what to do about it."""


class LedgerSettings(Struct, frozen=True, kw_only=True):
    """How the ledger works; times in seconds.

    ``group_s`` and ``group_records`` say when a group is folded, whichever comes
    first; ``batch`` is how many records one transaction takes. ``retention_days``
    ``None`` keeps everything.
    """

    group_s: float = 0.05
    group_records: int = 500
    batch: int = 500
    backoff_s: float = 0.1
    backoff_max_s: float = 30.0
    patience_s: float = 2.0
    question_s: float = 15.0
    flush_s: float = 30.0
    retention_days: float | None = None
    sweep_every_s: float = 3600.0
    sweep_batch: int = 500
    sweep_pause_s: float = 0.05


class Desk:
    """State kept between lives of the actor.

    Attributes:
        woken: Records reported since the last round began.
        kept: Every small value, newest; what ``load`` answers from.
        unsaved: Those of them that are not in the database yet.

    Args:
        wall: UTC epoch seconds.
        changed: Called with all conditions whenever one comes, goes or changes.
        kept: Values saved by earlier processes.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        changed: ConditionsChanged,
        kept: dict[str, bytes],
    ) -> None:
        self.woken = 0
        self.kept = dict(kept)
        self.unsaved: dict[str, bytes] = {}
        self.wall = wall
        self._changed = changed
        self._conditions: dict[str, Condition] = {}

    def conditions(self) -> tuple[Condition, ...]:
        return tuple(self._conditions.values())

    def declare(self, code: str, text: str) -> None:
        """Say that a condition holds; ``since`` stays when it held already."""
        known = self._conditions.get(code)
        if known is not None and known.text == text:
            return
        severity, advice = CONDITIONS[code]
        self._conditions[code] = Condition(
            code=code,
            severity=severity,
            text=text,
            since=self.wall() if known is None else known.since,
            advice=advice,
        )
        self._changed(self.conditions())

    def withdraw(self, code: str) -> None:
        """Say that a condition does not hold any more."""
        if self._conditions.pop(code, None) is not None:
            self._changed(self.conditions())

    def saved(self, states: dict[str, bytes]) -> None:
        """These values are in the database now."""
        for key, value in states.items():
            if self.unsaved.get(key) is value:
                del self.unsaved[key]
