"""What the ledger's actor and its handle share, and what outlives a crash of it."""

from collections.abc import Callable

from msgspec import Struct

from actors.policy.conditions import Troubles


class LedgerSettings(Struct, frozen=True, kw_only=True):
    """How the ledger works; times in seconds.

    ``group_s`` and ``group_records`` say when a group is folded, whichever comes
    first; ``batch`` is how many records one transaction takes. ``retention_days`` are
    those of requests, ``thread_days`` of threads; ``None`` keeps everything.
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
    thread_days: float | None = None
    sweep_every_s: float = 3600.0
    sweep_batch: int = 500
    sweep_pause_s: float = 0.05


class Desk:
    """State kept between lives of the actor.

    Attributes:
        woken: Records reported since the last round began.
        kept: Every small value, newest; what ``load`` answers from.
        unsaved: Those of them that are not in the database yet.
        troubles: What an operator should know.
        retention_days, thread_days: As in the settings, until somebody says otherwise.

    Args:
        wall: UTC epoch seconds.
        kept: Values saved by earlier processes.
        retention_days, thread_days: See ``LedgerSettings``.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        kept: dict[str, bytes],
        retention_days: float | None = None,
        thread_days: float | None = None,
    ) -> None:
        self.woken = 0
        self.kept = dict(kept)
        self.unsaved: dict[str, bytes] = {}
        self.troubles = Troubles()
        self.retention_days = retention_days
        self.thread_days = thread_days
        self.wall = wall

    @property
    def sweeps(self) -> bool:
        """Whether anything is to be deleted when it is old."""
        return self.retention_days is not None or self.thread_days is not None

    def saved(self, states: dict[str, bytes]) -> None:
        """These values are in the database now."""
        for key, value in states.items():
            if self.unsaved.get(key) is value:
                del self.unsaved[key]
