"""What a provider says it still allows, from the rate-limit headers of its answers.

It counts everybody who uses the key and knows its own limits, so what it says is taken
for the truth: ``remaining`` of ``limit`` now, all of it after ``reset_s`` seconds, in
between in proportion. (That is how OpenAI, Anthropic and Groq refill.) What it cannot
know yet is taken off: whatever was sent after the call that it answers.

Answers cross each other. One to a call that was sent before another that has been heard
of counts only when it allows less. Configured limits hold beside what is learned here,
so where the two contradict each other, the smaller allowance wins.

A provider that does not say when its allowance comes back is not believed here: its
429s say. Providers limit each model apart, so there is one of these for each model.
Times are loop time in seconds.
"""

from actors.messages.provider import Allowance, RateLimits

EPSILON_S = 1e-9
_MINUTE_S = 60.0


class _Bucket:
    """One quantity. ``full_at`` is when all of ``limit`` is there again."""

    __slots__ = ("booked", "full_at", "heard", "limit", "unit_s")

    def __init__(self) -> None:
        self.limit = 0.0  # nothing heard yet
        self.unit_s = 0.0
        self.full_at = 0.0
        self.booked = 0.0  # units, since ever
        self.heard = 0.0  # ``booked`` before the newest call that was answered

    def wait_s(self, units: float, now: float) -> float:
        """Seconds until ``units`` fit, or as many as there ever are."""
        if not self.limit:
            return 0.0
        need_s = min(units, self.limit) * self.unit_s
        wait_s = max(0.0, self.full_at - now) + need_s - self.limit * self.unit_s
        return wait_s if wait_s > EPSILON_S else 0.0

    def free_at(self) -> float:
        """When one unit fits; may lie in the past."""
        return self.full_at + (min(1.0, self.limit) - self.limit) * self.unit_s

    def book(self, units: float, now: float) -> None:
        self.booked += units
        if self.limit:
            self.full_at = max(self.full_at, now) + units * self.unit_s

    def adopt(self, said: Allowance, mark: float, now: float) -> None:
        remaining, reset_s = said.remaining, said.reset_s
        if remaining is None or reset_s is None or remaining < 0.0 or reset_s < 0.0:
            return
        limit = max(said.limit or self.limit, remaining, 1.0)
        unit_s = self._unit_s(limit, limit - remaining, reset_s)
        unseen = max(0.0, self.booked - mark)
        used = min(limit, limit - remaining + unseen)
        full_at = now + used * unit_s
        if mark < self.heard and self._left(now) <= limit - used:
            return
        self.limit, self.unit_s, self.full_at = limit, unit_s, full_at
        self.heard = max(self.heard, mark)

    def _unit_s(self, limit: float, used: float, reset_s: float) -> float:
        if used > 0.0 and reset_s > 0.0:
            return reset_s / used
        return self.unit_s or (reset_s or _MINUTE_S) / limit

    def _left(self, now: float) -> float:
        """Units there now."""
        return self.limit - max(0.0, self.full_at - now) / self.unit_s


class Allowances:
    """One model's allowances of requests and tokens. Every method is O(1)."""

    __slots__ = ("_marks", "_requests", "_tokens")

    def __init__(self) -> None:
        self._requests = _Bucket()
        self._tokens = _Bucket()
        # By call under way: what had been booked when it was sent.
        self._marks: dict[str, tuple[float, float]] = {}

    @property
    def counts_tokens(self) -> bool:
        """Estimates of tokens are of use."""
        return self._tokens.limit > 0.0

    @property
    def blocked_until(self) -> float:
        """Loop time before which not even the smallest call is allowed; or the past."""
        return max(self._requests.free_at(), self._tokens.free_at())

    def would_wait(self, tokens: int, now: float) -> float:
        """Seconds until a call of that many tokens is allowed; 0.0: now."""
        return max(self._requests.wait_s(1.0, now), self._tokens.wait_s(tokens, now))

    def sent(self, call_id: str, tokens: int, now: float) -> None:
        """A call is on its way; it must have ``ended``."""
        self._requests.book(1.0, now)
        self._tokens.book(tokens, now)
        self._marks[call_id] = self._requests.booked, self._tokens.booked

    def withdraw(self, call_id: str, tokens: int, now: float) -> None:
        """That call was not sent after all."""
        if self._marks.pop(call_id, None) is not None:
            self._requests.book(-1.0, now)
            self._tokens.book(-tokens, now)

    def heard(self, call_id: str, limits: RateLimits, now: float) -> None:
        """That call is being answered, with these headers."""
        mark = self._marks.get(call_id)
        if mark is not None:
            self._requests.adopt(limits.requests, mark[0], now)
            self._tokens.adopt(limits.tokens, mark[1], now)

    def ended(self, call_id: str) -> None:
        """That call has."""
        self._marks.pop(call_id, None)
