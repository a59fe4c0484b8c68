"""What next after this outcome: repeat, fail over, or give up.

The only place that decides about a second call; one plan per request. The rules, from
the contract's "Who retries":

* ``max_attempts`` counts every upstream call; ``max_retries`` repeats on one provider.
* Where the strategy ranks, untried candidates come first, then repeats, least tried
  first. Where the caller gave the order, the same candidate is repeated ``same_first``
  times before the next, after server errors, resets and short Retry-Afters; a timeout
  ends it.
* The last attempt is kept for a candidate not yet tried.
* Before repeat n (from 0) wait uniform(0, min(max_delay_s, base_delay_s x 2^n)); never
  when switching. A Retry-After is never undercut, and one over ``wait_retry_after_s``
  is waited for only when nobody else is left, and deadline and ``max_delay_s`` allow.
* Every further upstream call takes one from the daemon's ``RetryBudget``; when that is
  empty the request ends with its last error, failover or not.
* A provider that says it should not be asked again is not, by this request.
* Once a delta went to the caller nothing is repeated: it would be told twice.
"""

from collections.abc import Mapping, Sequence

from actors.errors import DeadlineExceeded, GitBridgeError
from actors.messages.provider import Failure, Outcome
from actors.messages.routing import Target
from actors.policy.endings import Miss, error_of, rate_limited, total_failure
from actors.policy.overflow import Overflow
from actors.policy.retry_budget import RetryBudget
from actors.policy.retry_rules import (
    BREAKER_FAILURES,
    ENDS,
    Call,
    Ends,
    GiveUp,
    RetryConfig,
)
from actors.policy.waiting import Candidate, Waiting

__all__ = ["AttemptPlan", "Call", "GiveUp", "RetryBudget", "RetryConfig"]

_MAX_REFUSALS = 3  # by our own limiter, of one candidate in one request


class AttemptPlan:
    """The attempts of one request.

    Args:
        config: The rules' numbers.
        ranked: Whom to ask, best first.
        deadline: Loop time by which the request must have ended.
        ordered: The caller gave the order (``priority``).
        forced: The caller named one provider: retries, but no failover.
        windows: Context window of each target in tokens, ``None`` when unknown.
        ready_at: Loop time before which a target's limiter admits nothing.
        buffered: Deltas are held back until whole, so a broken stream may be repeated.
    """

    __slots__ = (
        "_buffered",
        "_candidates",
        "_config",
        "_counted",
        "_current",
        "_deadline",
        "_forced",
        "_misses",
        "_ordered",
        "_overflow",
        "_stale_forgiven",
        "_waiting",
        "_windows",
        "calls",
    )

    def __init__(
        self,
        config: RetryConfig,
        ranked: Sequence[Target],
        *,
        deadline: float,
        ordered: bool = False,
        forced: bool = False,
        windows: Mapping[Target, int | None] | None = None,
        ready_at: Mapping[Target, float] | None = None,
        buffered: bool = False,
    ) -> None:
        ready = ready_at or {}
        if forced:
            ranked = [item for item in ranked if item.provider == ranked[0].provider]
        self._candidates = [
            Candidate(target, rank, ready.get(target, 0.0))
            for rank, target in enumerate(dict.fromkeys(ranked))
        ]
        self._config = config
        self._deadline = deadline
        self._ordered = ordered
        self._forced = forced
        self._windows = windows or {}
        self._buffered = buffered
        self._current: Candidate | None = None
        self._misses: list[Miss] = []
        self._waiting = Waiting(config, deadline)
        self._counted: set[str] = set()  # providers with a failure that counted
        self._overflow = Overflow()
        self._stale_forgiven = False
        self.calls = 0

    def first(self, now: float) -> Call | GiveUp:
        """Whom to call first, after what wait; or why nobody."""
        if now < self._deadline and self._config.max_attempts > 0:
            for candidate in self._candidates:  # no rule excludes who was not tried
                if candidate.not_before <= now:
                    return self._call(candidate, 0.0)
        return self._next(now, 0.0) or GiveUp(self._ending(now))

    def after(
        self, outcome: Outcome, now: float, draw: float, budget: RetryBudget
    ) -> Call | GiveUp:
        """What to do about the failed ``outcome`` of the last call this plan named.

        Args:
            outcome: Must hold a failure.
            now: Loop time in seconds.
            draw: Uniform in [0, 1), for the back-off.
            budget: The daemon's budget of extra calls.

        Raises:
            ValueError: ``outcome`` is a success, or nothing was called.
        """
        failure, current = outcome.failure, self._current
        if failure is None or current is None:
            raise ValueError("only a failed outcome of a call of this plan has a next")
        if self._forgive_stale(outcome, failure, now):
            return Call(current.target, repeat=True, counts=self.counts(current.target))
        self._note(current, outcome, failure, now)
        stop = self._stops(outcome, failure, current, now)
        if stop is not None:
            return GiveUp(stop)
        following = self._next(now, draw)
        if following is None:
            return GiveUp(self._ending(now))
        if self.calls and not budget.try_take(now):
            return GiveUp(self._all_failed(now))
        return following

    def counts(self, target: Target) -> bool:
        """Whether a failure may add to the provider's consecutive failures."""
        return target.provider not in self._counted

    # What an outcome changes

    def _forgive_stale(self, outcome: Outcome, failure: Failure, now: float) -> bool:
        # A kept-alive connection that had been closed: nothing reached the provider,
        # so a fresh one is neither an attempt nor a retry. Once per request.
        forgiven = self._stale_forgiven or now >= self._deadline
        stale = failure.neutral and failure.failure == "connect" and outcome.called
        if forgiven or not stale:
            return False
        self._stale_forgiven = True
        return True

    def _note(
        self, current: Candidate, outcome: Outcome, failure: Failure, now: float
    ) -> None:
        self._misses.append(Miss(current.target, failure, outcome.called))
        if failure.retry_after_s is not None:
            current.not_before = max(current.not_before, now + failure.retry_after_s)
        if not outcome.called:
            self._note_refusal(current, failure)
            return
        self.calls += 1
        current.tries += 1
        if failure.failure in BREAKER_FAILURES and not failure.neutral:
            self._counted.add(current.target.provider)
        if failure.failure == "context_too_long":
            self._overflow.note(current.target, self._windows.get(current.target))
        ends = self._ends(failure)
        if ends == "provider":
            for candidate in self._candidates:
                if candidate.target.provider == current.target.provider:
                    candidate.ended = True
        current.ended = current.ended or ends != "nothing"

    def _ends(self, failure: Failure) -> Ends:
        if failure.failure == "timeout" and not self._ordered:
            ends: Ends = "nothing"  # where we rank, a repeat comes last anyway
        else:
            ends = ENDS[failure.failure]
        refused = ends == "nothing" and failure.should_retry is False
        return "candidate" if refused else ends

    @staticmethod
    def _note_refusal(current: Candidate, failure: Failure) -> None:
        # Our limiter says when to come back; an open breaker ends the candidate.
        current.refusals += 1
        waitable = failure.failure == "rate_limit" and failure.retry_after_s is not None
        current.ended = not waitable or current.refusals >= _MAX_REFUSALS

    def _stops(
        self, outcome: Outcome, failure: Failure, current: Candidate, now: float
    ) -> GitBridgeError | None:
        kind = failure.failure
        told = outcome.emitted and not self._buffered
        # What a dialect cannot carry at all (not called) another one may.
        at_fault = ENDS[kind] == "request" and (outcome.called or kind == "cancelled")
        if kind == "content_filtered" and self._config.content_filter_fallback:
            at_fault = False
        if told or at_fault:
            return error_of(failure, current.target.provider)
        return self._late() if now >= self._deadline else None

    # Whom to call next

    def _next(self, now: float, draw: float) -> Call | None:
        self._waiting.too_long = None
        left = self._config.max_attempts - self.calls
        if left <= 0 or now >= self._deadline:
            return None
        pool = [item for item in self._candidates if self._may(item)]
        untried = [item for item in pool if item.tries == 0]
        if self._ordered and (left > 1 or not untried):
            again = self._again_first(pool, now, draw)
            if again is not None:
                return again
        for candidate in untried:
            if candidate.not_before <= now:
                return self._call(candidate, 0.0)
        chosen = self._waiting.choose(pool, now, draw)
        return None if chosen is None else self._call(*chosen)

    def _may(self, candidate: Candidate) -> bool:
        if candidate.ended:
            return False
        repeats = self._waiting.repeats_of(candidate)
        if candidate.tries and repeats >= self._config.max_retries:
            return False
        window = self._windows.get(candidate.target)
        return self._overflow.fits(candidate.target, window)

    def _again_first(
        self, pool: Sequence[Candidate], now: float, draw: float
    ) -> Call | None:
        current = self._current
        if current is None or not current.tries or current not in pool:
            return None
        setting = self._config.same_first
        times = 1 if setting == "auto" else setting
        last = self._misses[-1].failure
        told_when = last.failure != "rate_limit" or last.retry_after_s is not None
        delay = self._waiting.delay_s(current, now, draw)
        patient = current.not_before - now > self._config.wait_retry_after_s
        if current.in_a_row >= times or not told_when or patient:
            return None
        return None if now + delay >= self._deadline else self._call(current, delay)

    def _call(self, candidate: Candidate, delay_s: float) -> Call:
        repeat = candidate.tries > 0
        if repeat:
            self._waiting.note_repeat(candidate)
        same = candidate is self._current
        candidate.in_a_row = candidate.in_a_row + 1 if same and repeat else 0
        self._current = candidate
        self._overflow.chosen(self._windows.get(candidate.target))
        return Call(candidate.target, delay_s, repeat, self.counts(candidate.target))

    # How it ends

    def _ending(self, now: float) -> GitBridgeError:
        if now >= self._deadline:
            return self._late()
        waiting = self._waiting.too_long
        if waiting is not None:
            return self._not_waited_for(waiting, now)
        return self._all_failed(now)

    def _all_failed(self, now: float) -> GitBridgeError:
        pauses = [item.not_before - now for item in self._candidates]
        soonest = min((pause for pause in pauses if pause > 0.0), default=None)
        return total_failure(self._misses, soonest, forced=self._forced)

    def _not_waited_for(self, waiting: Candidate, now: float) -> GitBridgeError:
        pause, provider = waiting.not_before - now, waiting.target.provider
        own = [miss for miss in self._misses if miss.target == waiting.target]
        if not own or own[-1].failure.failure == "rate_limit":
            return rate_limited(pause, provider)
        error = error_of(own[-1].failure, provider)
        error.retry_after_s = pause
        return error

    def _late(self) -> GitBridgeError:
        last = f": {self._misses[-1].failure.message}" if self._misses else ""
        return DeadlineExceeded(f"the deadline passed before an answer was whole{last}")
