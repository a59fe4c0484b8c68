"""What must hold of a router and its providers, whatever happens around them.

Checked after every turn of the loop (``Watch.turn``):

* **No permit leaks.** A provider counts as many calls in flight as it runs, its limiter
  holds as many places, and its upstream has no more connections open.
* **Limits hold.** Calls in flight never exceed a configured concurrency.
* **One probe at most, and no breaker is wedged**, with everything else that
  ``actors.policy.breaker_invariants`` lists: it is checked within every call of a breaker.
* **The retry budget is never overdrawn** by more than is earned while a call may wait for
  it, nor the hedges' share by more than ten times its burst.
* **No place leaks**: those taken in the house and at providers are held by requests that
  run, or have just been granted; the line that waits for one is no longer than it may be.
* **Mailboxes stay within their size.**
* **Nobody crashes** who was not told to, and nobody meets a bug of ours.

Checked when something is told:

* **Every request is answered exactly once.**
* **Nothing comes after the end**, and no answer and no piece of one after a cancellation.
* **No request outlives its deadline** (by more than ``GRACE_S``).
* **The pieces are the answer**: joined they are its text, and an answer that is held back
  until whole gives no piece without the whole.
* **A record for every request**, exactly one, that says what the caller was told.
* **Every call is in a record**, with its cost, or with the word that it is unknown; the
  record's cost is the sum of its attempts', unknown if one of them is.
* **No request makes more calls than it may**, and none of somebody it did not ask for.

Checked at the end, when everything is quiet (``Watch.quiet``):

* **Everybody was told**, everything in flight is back to 0, nothing is left open, no
  request is left behind in the router.
* **Extra calls were paid for**: no more than burst + share x requests + rate x seconds.
* **Breakers let calls in again** by themselves.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isinf

from actors.messages.chat import Delta
from actors.messages.lifecycle import ActorExited, ActorRestarted
from actors.messages.routing import (
    ErrorInfo,
    RequestRecord,
    RouteRequest,
    RouteResult,
)
from actors.policy.breaker_invariants import BrokenInvariant
from actors.provider import ProviderActor
from actors.router import RouterActor
from actors.router.desk import Desk
from actors.router.gate import HOUSE
from actors.runtime import ActorSystem
from tests.support.chaos_transport import ChaosTransport

GRACE_S = 0.5
BUGS = frozenset({"request_bug", "attempt_bug", "probe_bug"})
_BURST = 10.0
_ROUNDING = 1e-6


@dataclass(slots=True)
class Story:
    """One request, and what its caller has heard. Times are on the loop's clock."""

    request: RouteRequest
    began: float
    deadline_s: float
    cancelled_at: float | None = None
    ended_at: float | None = None
    outcome: RouteResult | ErrorInfo | None = None
    pieces: list[str] = field(default_factory=list)


class Watch:
    """Sees everything and checks it. ``now`` is loop time.

    Raises:
        BrokenInvariant: One does not hold; the text names it and what was seen.
    """

    def __init__(
        self,
        system: ActorSystem,
        desk: Desk,
        transports: Mapping[str, ChaosTransport],
        began: float,
    ) -> None:
        self._system = system
        self._desk = desk
        self._transports = transports
        self._began = began
        self.actors: dict[str, ProviderActor] = {}
        self.router: RouterActor | None = None
        self.stories: dict[str, Story] = {}
        self.records: dict[str, RequestRecord] = {}
        self.told_to_crash = 0
        self.crashes = 0
        self.turns = 0
        self.requests = 0
        self.extra = 0
        self.hedges = 0
        self._broken: BaseException | None = None

    # ---- after every turn

    def turn(self) -> None:
        self.turns += 1
        if self._broken is not None:
            raise self._broken
        for name, actor in self.actors.items():
            self._permits(name, actor)
        settings = self._desk.settings
        ahead = settings.retry.max_delay_s * settings.retry_budget_min_per_s
        for budget, most in (
            (self._desk.budget, ahead),
            (self._desk.hedges, 10.0 * _BURST),
        ):
            if budget._balance < -most - _ROUNDING:
                _fail("the retry budget is never overdrawn", budget._balance)
        if self.router is not None:
            self._places(self.router)

    def _places(self, router: RouterActor) -> None:
        gate, taken = self._desk.gate, Counter(self._desk.gate._granted.values())
        for run in router._runs.values():
            taken.update(run._places._held)
            taken[HOUSE] += run._places._inside
        counted = {place: n for place, n in gate._taken.items() if n}
        # A place that was granted is in both books until its waiter's task goes on.
        if any(n > taken[place] for place, n in counted.items()):
            _fail("no place in the house or at a provider leaks", (counted, taken))
        if gate.waiting > self._desk.settings.max_waiting:
            _fail("the line is no longer than it may be", gate.waiting)

    def _permits(self, name: str, actor: ProviderActor) -> None:
        state = actor._state
        running = len(actor._calls)
        counted = sum(model.in_flight for model in state._models.values())
        if counted != running:
            _fail("no permit leaks", (name, "counted", counted, "running", running))
        if state._limiter.in_flight != running:
            places = state._limiter.in_flight
            _fail("no permit leaks", (name, "places", places, "running", running))
        limit = state.settings.limits.concurrency
        if limit is not None and running > limit:
            _fail("limits hold", (name, running, limit))

    def mailboxes(self) -> None:
        """Their sizes; dearer than the rest, so once a step."""
        for each in self._system.statistics():
            if each.high_water > 1024:
                _fail("mailboxes stay within their size", each)

    # ---- when something is told

    def heard(self, event: ActorExited | ActorRestarted) -> None:
        """An actor ended or began again."""
        if isinstance(event, ActorExited) and event.reason == "crashed":
            self.crashes += 1
            if self.crashes > self.told_to_crash:
                self._break("nobody crashes who was not told to", event)

    def crashed(self, name: str, error: BaseException) -> None:
        if isinstance(error, BrokenInvariant):
            self._broken = error

    def logged(self, entry: Mapping[str, object]) -> None:
        if entry.get("event") in BUGS:
            self._break("nobody meets a bug of ours", entry)

    def _break(self, name: str, seen: object) -> None:
        # Raised within an actor it would be contained: raised at the end of the turn.
        self._broken = self._broken or BrokenInvariant(f"{name}: {seen}")

    def asked(self, story: Story) -> None:
        self.stories[story.request.request_id] = story
        self.requests += 1

    def piece(self, story: Story, delta: Delta, now: float) -> None:
        if story.ended_at is not None:
            _fail("nothing comes after the end", story)
        if story.cancelled_at is not None and now > story.cancelled_at:
            _fail("no piece after a cancellation", story)
        story.pieces.append(delta.content or "")

    def ended(self, story: Story, outcome: RouteResult | ErrorInfo, now: float) -> None:
        if story.ended_at is not None:
            _fail("every request is answered exactly once", (story, outcome))
        story.ended_at, story.outcome = now, outcome
        answered = isinstance(outcome, RouteResult)
        cancelled = story.cancelled_at
        if answered and cancelled is not None and now > cancelled:
            _fail("no answer after a cancellation", story)
        if now > story.began + story.deadline_s + GRACE_S:
            _fail("no request outlives its deadline", (now - story.began, story))
        self._pieces(story, outcome)
        record = self.records.get(story.request.request_id)
        if record is None:
            if isinstance(outcome, RouteResult) or outcome.kind not in {
                "overloaded",
                "interrupted",
            }:
                _fail("a record for every request", story)
        elif record.outcome != _kind(outcome):
            _fail("a record says what the caller was told", (record, story))

    @staticmethod
    def _pieces(story: Story, outcome: RouteResult | ErrorInfo) -> None:
        request = story.request
        said = "".join(story.pieces)
        if isinstance(outcome, RouteResult):
            if request.stream and said != (outcome.content or ""):
                _fail("the pieces are the answer", (said, outcome))
        elif request.stream_mode == "buffered" and said:
            _fail("no piece without the whole", story)

    def recorded(self, record: RequestRecord) -> None:
        """Told in the router's own task: what is wrong is raised after the turn."""
        if record.request_id in self.records:
            self._break("a record for every request, exactly one", record)
        self.records[record.request_id] = record
        self._costs(record)
        self._calls(record)

    def _costs(self, record: RequestRecord) -> None:
        costs = [attempt.cost_usd for attempt in record.attempts]
        known = sum(cost for cost in costs if cost is not None)
        if record.known_cost_usd != known or (
            record.cost_usd != (None if None in costs else known)
        ):
            self._break("a record's cost is the sum of its attempts'", record)
        for attempt in record.attempts:
            if (attempt.cost_usd is None) != (attempt.cost_source == "unknown"):
                self._break("every call has its cost, or it is unknown", attempt)

    def _calls(self, record: RequestRecord) -> None:
        request = self.stories[record.request_id].request
        made = len(record.attempts)
        self.extra += max(0, made - 1)
        self.hedges += sum(attempt.kind == "hedge" for attempt in record.attempts)
        # A stale connection is forgiven once, and is no attempt.
        if made > self._desk.settings.retry.max_attempts + 1:
            self._break("no request makes more calls than it may", record)
        if request.provider is not None and any(
            attempt.provider != request.provider for attempt in record.attempts
        ):
            self._break("nobody is asked who was not asked for", record)

    def _every_call(self, record: RequestRecord) -> None:
        """What upstreams saw of this request is what is written down."""
        key = record.request_id
        seen = sum(t.seen.pop(key, 0) for t in self._transports.values())
        made = len(record.attempts)
        unsure = sum(a.outcome in {"internal", "cancelled"} for a in record.attempts)
        if not made - unsure <= seen <= made:
            _fail("every call is in a record", (seen, record))

    # ---- at the end

    def quiet(self, now: float, *, stopped: bool) -> None:
        """Nothing is under way any more, or the house has been stopped in the middle."""
        self.turn()
        self.mailboxes()
        untold = [s for s in self.stories.values() if s.ended_at is None]
        if untold:
            _fail("everybody was told", untold)
        open_calls = {n: t.open for n, t in self._transports.items() if t.open}
        busy = {n: len(a._calls) for n, a in self.actors.items() if a._calls}
        inside = {n: k for n, k in self._desk.gate._taken.items() if k}
        inside |= (
            {"waiting": self._desk.gate.waiting} if self._desk.gate.waiting else {}
        )
        runs = {} if self.router is None else self.router._runs
        if stopped:  # what ran in an actor ended with it
            busy, runs = {}, {}
        if open_calls or busy or inside or runs:
            _fail("everything in flight is back to 0", (open_calls, busy, inside, runs))
        if stopped:  # looked at once, at the last
            self._written()
        if self.crashes != self.told_to_crash:
            _fail("who was told to crash did", (self.crashes, self.told_to_crash))
        self._paid(now)
        for actor in self.actors.values():
            self._breakers_open_again(actor, now)

    def _written(self) -> None:
        for record in self.records.values():
            self._every_call(record)
        late = {n: t.seen for n, t in self._transports.items() if t.seen}
        if late:
            _fail("every call is in a record", late)

    def _paid(self, now: float) -> None:
        settings = self._desk.settings
        earned = settings.retry_budget_ratio * self.requests
        earned += settings.retry_budget_min_per_s * (now - self._began)
        stale = sum(t.stale for t in self._transports.values())  # these are forgiven
        if self.extra > _BURST + earned + stale + _ROUNDING:
            _fail("extra calls were paid for", (self.extra, earned))
        if self.hedges > settings.hedge * self.requests + _ROUNDING:
            _fail("hedges were paid for", (self.hedges, self.requests))

    @staticmethod
    def _breakers_open_again(actor: ProviderActor, now: float) -> None:
        for name, model in actor._state._models.items():
            breaker = model.breaker
            lease_s = actor._settings.breaker.permit_lease_s
            latest = max(now + lease_s, breaker.open_until) + 1.0
            if isinf(latest) or not breaker.can_admit(latest):
                _fail("breakers let calls in again", (name, breaker.phase))


def _fail(name: str, seen: object) -> None:
    raise BrokenInvariant(f"{name}: {seen}")


def _kind(outcome: RouteResult | ErrorInfo | None) -> str:
    return outcome.kind if isinstance(outcome, ErrorInfo) else "ok"


def told(stories: Sequence[Story]) -> dict[str, int]:
    """How requests ended, and how often."""
    counts: dict[str, int] = {}
    for story in stories:
        kind = _kind(story.outcome)
        counts[kind] = counts.get(kind, 0) + 1
    return counts
