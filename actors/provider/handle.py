"""What the rest of the house holds of a provider actor."""

from collections.abc import Callable

from msgspec import Struct

from actors.messages.chat import ContinuesAs
from actors.messages.provider import (
    Attempt,
    CancelAttempt,
    CheckHealth,
    Failure,
    GetSnapshot,
    Outcome,
    ProbeResult,
    ProviderSnapshot,
    ProviderTotals,
)
from actors.provider.probe import judged_for
from actors.provider.settings import ProviderSettings
from actors.runtime import ActorRef, ActorStopped, AskTimeout, Backend, MailboxFull

ASK_GRACE_S = 5.0
"""An attempt ends by its own deadline; past that plus this, the actor is at fault."""

PROBE_TIMEOUT_S = 60.0

KEEP_TIMEOUT_S = 5.0


class Retire(Struct, frozen=True):
    """Command: another actor takes over, or none. Probe no more, keep what is known.

    Answered with the ``ProviderTotals`` that were kept. Calls go on.
    """


class Adjust(Struct, frozen=True):
    """Command: go on by these settings; calls in flight end as they began."""

    settings: ProviderSettings


class AwaitIdle(Struct, frozen=True):
    """Query: answered with the ``ProviderTotals`` once no call is in flight."""


class Absorb(Struct, frozen=True):
    """Event: the actor before this one ended calls after it had retired."""

    kept: ProviderTotals
    final: ProviderTotals


HandOver = Retire | AwaitIdle | Absorb | Adjust
ProviderMessage = Attempt | CancelAttempt | CheckHealth | GetSnapshot | HandOver


class SnapshotCell:
    """The newest snapshot of a provider, kept over its actor's restarts.

    Snapshots are built when somebody looks, at most once a change: an actor that
    settles a thousand calls a second does not publish a thousand snapshots.
    """

    __slots__ = ("_build", "_latest", "_starts", "_version")

    def __init__(self, first: ProviderSnapshot) -> None:
        self._latest = first
        self._starts = 0
        self._version: Callable[[], int] | None = None
        self._build: Callable[[], ProviderSnapshot] | None = None

    def starts(self) -> int:
        """How often an actor was started on this cell before; counts this one too."""
        self._starts += 1
        return self._starts - 1

    def bind(
        self, version: Callable[[], int], build: Callable[[], ProviderSnapshot]
    ) -> None:
        """An actor started: ask it from now on.

        At once, too: its versions begin anew, and may be those of what stood before.
        """
        self._version, self._build = version, build
        self._latest = build()

    def freeze(self) -> None:
        """The actor ended: what it last said stays until the next one binds."""
        self._version = self._build = None

    def get(self) -> ProviderSnapshot:
        if self._build is None or self._version is None:
            return self._latest
        if self._latest.version != self._version():
            self._latest = self._build()
        return self._latest


class ProviderHandle:
    """A ``ProviderRef`` over a mailbox and a snapshot cell."""

    def __init__(
        self,
        ref: ActorRef[ProviderMessage],
        cell: SnapshotCell,
        backend: Backend,
        resumes_as: Callable[[str], ContinuesAs | None] = lambda _: "none",
    ) -> None:
        self._resumes_as = resumes_as
        self._ref = ref
        self._cell = cell
        self._backend = backend

    @property
    def name(self) -> str:
        return self._cell.get().provider

    async def attempt(self, attempt: Attempt) -> Outcome:
        started = self._backend.now()
        wait_s = max(0.0, attempt.deadline - started) + ASK_GRACE_S
        try:
            outcome: object = await self._ref.ask(attempt, timeout_s=wait_s)
        except MailboxFull:
            return self._lost(attempt, started, "its mailbox is full", called=False)
        except ActorStopped:
            return self._lost(attempt, started, "its actor stopped", called=True)
        except AskTimeout:
            self.cancel(attempt.attempt_id)
            return self._lost(
                attempt, started, "its actor does not answer", called=True
            )
        assert isinstance(outcome, Outcome)
        return outcome

    def _lost(
        self, attempt: Attempt, started: float, why: str, *, called: bool
    ) -> Outcome:
        return Outcome(
            attempt_id=attempt.attempt_id,
            provider=self.name,
            model=attempt.model,
            latency_s=self._backend.now() - started,
            failure=Failure(
                failure="internal",
                message=f"{self.name}: {why}",
                owner="us",
                neutral=True,
            ),
            called=called,
        )

    def cancel(self, attempt_id: str, *, lost: bool = False) -> None:
        self._ref.tell(CancelAttempt(attempt_id, lost))

    def resumes_as(self, model: str) -> ContinuesAs | None:
        return self._resumes_as(model)

    async def check_health(self, model: str | None = None) -> ProbeResult:
        """Probe now.

        Raises:
            ActorStopped: The provider was removed or is restarting.
            AskTimeout: The probe did not end within a minute.
        """
        result: object = await self._ref.ask(
            CheckHealth(model), timeout_s=PROBE_TIMEOUT_S
        )
        assert isinstance(result, ProbeResult)
        return judged_for(result, model)

    def snapshot(self) -> ProviderSnapshot:
        return self._cell.get()

    # ---- handing over

    async def retire(self) -> ProviderTotals:
        """Have what is known kept for the next actor; calls in flight go on.

        Raises:
            ActorStopped: It is down; what it kept last stands.
            AskTimeout: It does not answer.
        """
        return await self._totals(Retire(), KEEP_TIMEOUT_S)

    def adjust(self, settings: ProviderSettings) -> None:
        """Have it go on by these settings, which differ in what is adjustable only."""
        self._ref.tell(Adjust(settings))

    def rest(self) -> None:
        """As ``retire``, without waiting for it."""
        self._ref.tell(Retire())

    async def idle(self, timeout_s: float) -> ProviderTotals:
        """Wait until no call is in flight.

        Raises:
            ActorStopped: It went down.
            AskTimeout: There still is one after ``timeout_s``.
        """
        return await self._totals(AwaitIdle(), timeout_s)

    async def _totals(
        self, question: Retire | AwaitIdle, timeout_s: float
    ) -> ProviderTotals:
        totals: object = await self._ref.ask(question, timeout_s=timeout_s)
        assert isinstance(totals, ProviderTotals)
        return totals

    def absorb(self, kept: ProviderTotals, final: ProviderTotals) -> None:
        """Count what the actor before this one did since its totals were kept."""
        self._ref.tell(Absorb(kept, final))
