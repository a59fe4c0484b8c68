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
  empty it waits until one is earned, ``max_delay_s`` and the deadline allowing; otherwise
  the request ends with its last error, failover or not.
* A provider that says it should not be asked again is not, by this request.
* A prompt found too long goes only where there is more room (``overflow``); a large one
  that a candidate answers with a second 429 is too large for it.
* Once a delta went to the caller nothing is repeated: it would be told twice.
* Money spent, money that may have been spent, and what the next call is expected to
  cost stay within the request's ``budget_usd`` (``spending``).
* A candidate without a place is passed over for one that has one; when nobody has, the
  request waits in line for the first that does.
* A hedge is a call like every other, only beside one under way: an untried candidate of
  another provider that is well and free now, out of all the budgets above and a share of
  its own. Whichever of the two fails first changes nothing for the other.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from actors.errors import GitBridgeError
from actors.messages.provider import Failure, ModelSnapshot, Outcome
from actors.messages.routing import Target
from actors.policy.endings import Miss, error_of, total_failure
from actors.policy.giving_up import late, nobody_worth_it
from actors.policy.patience import first_token_s
from actors.policy.pool import GoingOn, Pool
from actors.policy.retry_budget import RetryBudget
from actors.policy.retry_rules import (
    BREAKER_FAILURES,
    ENDS,
    NO_SIZE,
    Call,
    GiveUp,
    Queue,
    RetryConfig,
    Size,
    ends_what,
)
from actors.policy.spending import Purse
from actors.policy.waiting import Candidate

__all__ = ["AttemptPlan", "Call", "GiveUp", "Queue", "RetryBudget", "RetryConfig"]

LARGE_PROMPT = 10_000
MAX_LIMITED = 2
"""How often one candidate may answer so large a prompt, in tokens, with a 429."""


class AttemptPlan:
    """The attempts of one request.

    Args:
        config: The rules' numbers.
        ranked: Whom to ask, best first.
        deadline: Loop time by which the request must have ended.
        ordered: The caller gave the order (``priority``).
        forced: The caller named one provider: retries, but no failover.
        known: What was seen of each target when they were ranked.
        size: Of the request, for what a call is expected to cost.
        budget_usd: The most the request may cost.
        purse: What daily budgets have left, where there are any.
        buffered: Deltas are held back until whole, so a broken stream may be repeated.
    """

    __slots__ = (
        "_buffered",
        "_config",
        "_counted",
        "_current",
        "_deadline",
        "_forced",
        "_misses",
        "_ordered",
        "_paid",
        "_pool",
        "_size",
        "_stale_forgiven",
        "_stop",
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
        known: Mapping[Target, ModelSnapshot] | None = None,
        size: Size = NO_SIZE,
        budget_usd: Decimal | None = None,
        purse: Purse | None = None,
        buffered: bool = False,
    ) -> None:
        if forced:
            ranked = [item for item in ranked if item.provider == ranked[0].provider]
        self._pool = Pool(
            config, ranked, known or {}, deadline, size=size, budget_usd=budget_usd
        )
        self._pool.spending.purse = purse
        self._config = config
        self._deadline = deadline
        self._ordered = ordered
        self._forced = forced
        self._size = size
        self._buffered = buffered
        self._current: Candidate | None = None
        self._misses: list[Miss] = []
        self._counted: set[str] = set()  # providers with a failure that counted
        self._stale_forgiven = False
        self._stop: GitBridgeError | None = None  # what a call beside another ended
        self._paid = False  # the extra call now under way is paid for
        self.calls = 0

    def first(self, now: float) -> Call | Queue | GiveUp:
        """Whom to call first, after what wait; or why nobody."""
        if now < self._deadline and self._config.max_attempts > 0:
            allows = self._pool.spending.allows  # nothing else excludes the untried yet
            for candidate in self._pool.candidates:
                if candidate.not_before <= now and allows(candidate.target):
                    return self._call(candidate, 0.0)
        return self._next(now, 0.0) or GiveUp(self._ending(now))

    def after(
        self,
        outcome: Outcome,
        now: float,
        draw: float,
        budget: RetryBudget,
        going_on: GoingOn | None = None,
    ) -> Call | Queue | GiveUp:
        """What to do about the failed ``outcome`` of a call, when no other is under way.

        Args:
            outcome: Must hold a failure, and be of a call this plan named.
            now: Loop time in seconds.
            draw: Uniform in [0, 1), for the back-off.
            budget: The daemon's budget of extra calls.
            going_on: Who may go on with what the caller has, if anything is to.

        Raises:
            ValueError: ``outcome`` is a success, or nothing was called.
        """
        failure, current = self._failed(outcome)
        if self._forgive_stale(outcome, failure, now):
            return Call(current.target, repeat=True, counts=self.counts(current.target))
        self._note(current, outcome, failure, now)
        self._current = current
        stop = self._stops(outcome, failure, current, now) or self._stop
        if stop is not None:
            return GiveUp(stop)
        self._pool.going_on = going_on
        return self._onward(now, draw, budget)

    def no_place(
        self, now: float, draw: float, budget: RetryBudget
    ) -> Call | Queue | GiveUp:
        """What to do instead of the last call named: there is no place for it."""
        if self._current is not None:
            self._pool.no_place(self._current)
        return self._onward(now, draw, budget)

    def granted(
        self, provider: str | None, now: float, draw: float, budget: RetryBudget
    ) -> Call | Queue | GiveUp:
        """Whom to call after waiting in line: a place is free there, or for nobody."""
        candidate = self._pool.no_longer_full(provider)
        call = None if candidate is None else self._call(candidate, 0.0)
        return self._onward(now, draw, budget, call)

    def _onward(
        self, now: float, draw: float, budget: RetryBudget, call: Call | None = None
    ) -> Call | Queue | GiveUp:
        step = call or self._next(now, draw)
        if step is None:
            return GiveUp(self._ending(now))
        if isinstance(step, Queue) or not self.calls or self._pay(budget, now):
            return step
        return self._when_earned(step, now, budget, patient=call is None)

    def _when_earned(
        self, step: Call, now: float, budget: RetryBudget, *, patient: bool
    ) -> Call | GiveUp:
        # Many fail at once when a burst of requests met the same outage: one after the
        # other they are let through as fast as the budget allows. Who holds a place
        # that others wait for does not wait.
        within_s = min(self._config.max_delay_s, self._deadline - now)
        wait_s = budget.reserve(now, within_s) if patient else None
        if wait_s is None:
            return GiveUp(self._all_failed(now))
        self._paid = True
        return replace(step, delay_s=max(step.delay_s, wait_s))

    def _failed(self, outcome: Outcome) -> tuple[Failure, Candidate]:
        candidate = self._pool.find(outcome.provider, outcome.model)
        if outcome.failure is not None and self._current and candidate:
            return outcome.failure, candidate
        raise ValueError("only a failed outcome of a call of this plan has a next")

    def _pay(self, budget: RetryBudget, now: float) -> bool:
        # What was paid for a call that was then refused unasked is not lost.
        self._paid = self._paid or budget.try_take(now)
        return self._paid

    # Two calls at once

    def hedge(
        self,
        now: float,
        budget: RetryBudget,
        share: RetryBudget,
        room: Callable[[str], bool] = lambda _: True,
    ) -> Call | None:
        """Whom to call beside the call under way, paid out of both; ``None``: nobody.

        Args:
            now: Loop time in seconds.
            budget: The daemon's budget of extra calls.
            share: What hedges may take of it.
            room: Whether there is a place at a provider.
        """
        current = self._current
        late = now >= self._deadline
        if current is None or late or self.calls + 1 >= self._config.max_attempts:
            return None
        candidate = self._pool.alternative(current, now, room)
        if candidate is None or share.left(now) < 1.0 or not budget.ample(now):
            return None
        share.try_take(now)
        budget.try_take(now)
        self._pool.overflow.chosen(self._pool.window(candidate))
        target = candidate.target
        return Call(target, counts=self.counts(target), hedge=True)

    def beside(self, outcome: Outcome, now: float) -> None:
        """Note one of two calls that ended without the answer; the other goes on."""
        failure, candidate = self._failed(outcome)
        self._note(candidate, outcome, failure, now)
        if failure.failure != "cancelled":
            self._stop = self._stops(outcome, failure, candidate, now)

    def first_token_s(self, now: float, budget: RetryBudget) -> float | None:
        """How long the call under way may keep a stream waiting for its first token.

        Shorter than its provider's timeout only where somebody else could be asked
        then: untried, well, within all budgets.
        """
        current = self._current
        if current is None or not self._config.adaptive_first_token:
            return None
        seen = self._pool.seen(current)
        limit_s = first_token_s(seen, self._size.prompt_tokens) if seen else None
        if limit_s is None or self.calls + 1 >= self._config.max_attempts:
            return None
        if now + limit_s >= self._deadline or not budget.ample(now):
            return None
        return None if self._pool.alternative(current, now) is None else limit_s

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
        self._pool.spending.settle(outcome, current.target)
        if failure.retry_after_s is not None:
            current.not_before = max(current.not_before, now + failure.retry_after_s)
        if not outcome.called:
            current.refused(failure)
            return
        self.calls += 1
        self._paid = False
        current.tries += 1
        if failure.failure in BREAKER_FAILURES and not failure.neutral:
            self._counted.add(current.target.provider)
        self._note_size(current, failure)
        ends = ends_what(failure, ordered=self._ordered)
        if ends == "provider":
            self._pool.end(current.target.provider)
        current.ended = current.ended or ends != "nothing"

    def _note_size(self, current: Candidate, failure: Failure) -> None:
        if failure.failure == "context_too_long":
            # Too much for a minute (413, 429) says nothing of the window.
            of_window = failure.status not in (413, 429)
            window = self._pool.window(current) if of_window else None
            self._pool.overflow.note(current.target, window)
        elif failure.failure == "rate_limit":
            # Some say no more of a prompt that will always be too large for them.
            current.limited += 1
            large = self._size.prompt_tokens >= LARGE_PROMPT
            current.ended |= large and current.limited >= MAX_LIMITED

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
        return late(self._misses) if now >= self._deadline else None

    # Whom to call next

    def _next(self, now: float, draw: float) -> Call | Queue | None:
        left = self._config.max_attempts - self.calls
        pool, full = self._pool.open()
        if left <= 0 or now >= self._deadline:
            return None
        untried = [item for item in pool if item.tries == 0]
        if self._ordered and (left > 1 or not untried):
            again = self._again_first(pool, now, draw)
            if again is not None:
                return again
        for candidate in untried:
            if candidate.not_before <= now:
                return self._call(candidate, 0.0)
        if not any(item.tries == 0 for item in full):
            chosen = self._pool.waiting.choose(pool, now, draw)
            if chosen is not None:
                return self._call(*chosen)
        return Queue(frozenset(c.target.provider for c in full)) if full else None

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
        delay = self._pool.waiting.delay_s(current, now, draw)
        patient = current.not_before - now > self._config.wait_retry_after_s
        if current.in_a_row >= times or not told_when or patient:
            return None
        return None if now + delay >= self._deadline else self._call(current, delay)

    def _call(self, candidate: Candidate, delay_s: float) -> Call:
        repeat = candidate.tries > 0
        if repeat:
            self._pool.waiting.note_repeat(candidate)
        same = candidate is self._current
        candidate.in_a_row = candidate.in_a_row + 1 if same and repeat else 0
        self._current = candidate
        self._pool.overflow.chosen(self._pool.window(candidate))
        return Call(candidate.target, delay_s, repeat, self.counts(candidate.target))

    # How it ends

    def _ending(self, now: float) -> GitBridgeError:
        if now >= self._deadline:
            return late(self._misses)
        left = self.calls < self._config.max_attempts
        waiting = nobody_worth_it(self._pool, self._misses, now, attempts_left=left)
        return waiting or self._all_failed(now)

    def _all_failed(self, now: float) -> GitBridgeError:
        pauses = [item.not_before - now for item in self._pool.candidates]
        soonest = min((pause for pause in pauses if pause > 0.0), default=None)
        return total_failure(self._misses, soonest, forced=self._forced)
