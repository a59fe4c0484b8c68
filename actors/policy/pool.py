"""Whom a request may still call, and the order of those that are free.

Holds what speaks against a candidate: what it was found to be unable to (``overflow``),
what it costs (``spending``), how often it was called and how long it wants to be left
alone (``waiting``).
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Target
from actors.policy.measures import expected_cost
from actors.policy.overflow import Overflow
from actors.policy.retry_rules import RetryConfig, Size
from actors.policy.spending import Spending
from actors.policy.waiting import Candidate, Waiting

GoingOn = Callable[[Target], int | None]
"""How well a model goes on with an answer, 0 best; ``None``: it is not to."""


def fittest(pool: Sequence[Candidate], going_on: GoingOn) -> list[Candidate]:
    """Those who go on best with an answer that broke, in their order."""
    fits = [(going_on(item.target), item) for item in pool]
    best = min((fit for fit, _ in fits if fit is not None), default=None)
    return [item for fit, item in fits if fit is not None and fit == best]


class Pool:
    """The candidates of one request.

    Attributes:
        candidates: Best first.
        going_on: Set when what is called next goes on with an answer that broke.
        too_dear: The first of those that ``may`` last refused for their price alone.
    """

    __slots__ = (
        "_config",
        "_known",
        "candidates",
        "going_on",
        "overflow",
        "spending",
        "too_dear",
        "waiting",
    )

    def __init__(
        self,
        config: RetryConfig,
        ranked: Sequence[Target],
        known: Mapping[Target, ModelSnapshot],
        deadline: float,
        *,
        size: Size,
        budget_usd: Decimal | None,
    ) -> None:
        self._config = config
        self._known = known
        self.candidates = [
            Candidate(target, rank, known[target].blocked_until)
            if target in known
            else Candidate(target, rank, 0.0)
            for rank, target in enumerate(dict.fromkeys(ranked))
        ]
        self.waiting = Waiting(config, deadline)
        self.overflow = Overflow()
        # Not a method of its own: the pool would hold itself, and only the garbage
        # collector, which runs seldom, would end what a thousand requests left.
        self.spending = Spending(budget_usd, partial(_expected_cost, known, size))
        self.too_dear: Candidate | None = None
        self.going_on: GoingOn | None = None

    def find(self, provider: str, model: str) -> Candidate | None:
        for candidate in self.candidates:
            target = candidate.target
            if target.provider == provider and target.model == model:
                return candidate
        return None

    def open(self) -> tuple[list[Candidate], list[Candidate]]:
        """Who may still be called, now or later, and who if there were a place there."""
        self.waiting.too_long = self.too_dear = None
        able = [item for item in self.candidates if self.may(item)]
        free = [item for item in able if not item.full]
        full = [item for item in able if item.full]
        return self._fittest(free), self._fittest(full)

    def _fittest(self, pool: list[Candidate]) -> list[Candidate]:
        return pool if self.going_on is None else fittest(pool, self.going_on)

    def may(self, candidate: Candidate, beside: Target | None = None) -> bool:
        """Nothing in this request speaks against calling it.

        ``beside`` is the target of a call under way, which costs money too.
        """
        if candidate.ended:
            return False
        repeats = self.waiting.repeats_of(candidate)
        if candidate.tries and repeats >= self._config.max_retries:
            return False
        if not self.overflow.fits(candidate.target, self.window(candidate)):
            return False
        if self.spending.allows(candidate.target, beside=beside):
            return True
        self.too_dear = self.too_dear or candidate
        return False

    def alternative(
        self,
        current: Candidate,
        now: float,
        room: Callable[[str], bool] = lambda _: True,
    ) -> Candidate | None:
        """The best of another provider that is untried, well and free now."""
        for candidate in self.candidates:
            if (
                candidate.target.provider != current.target.provider
                and candidate.tries == 0
                and candidate.not_before <= now
                and self._well(candidate)
                and room(candidate.target.provider)
                and self.may(candidate, beside=current.target)
            ):
                return candidate
        return None

    def no_place(self, candidate: Candidate) -> None:
        """The call that was named is not made: all places there are taken."""
        candidate.full = True
        if candidate.tries:
            self.waiting.forget_repeat(candidate)

    def no_longer_full(self, provider: str | None) -> Candidate | None:
        """Look at all of them again, and at who is to be called at ``provider`` first."""
        _, full = self.open()
        for candidate in self.candidates:
            candidate.full = False
        at_hand = (item for item in full if item.target.provider == provider)
        return next(at_hand, None)

    def seen(self, candidate: Candidate) -> ModelSnapshot | None:
        """How it looked when it was ranked."""
        return self._known.get(candidate.target)

    def window(self, candidate: Candidate) -> int | None:
        """Its context window in tokens, ``None`` when unknown."""
        seen = self.seen(candidate)
        return None if seen is None else seen.context_window

    def end(self, provider: str) -> None:
        """Call nobody of that provider any more."""
        for candidate in self.candidates:
            if candidate.target.provider == provider:
                candidate.ended = True

    def _well(self, candidate: Candidate) -> bool:
        seen = self.seen(candidate)
        if seen is None:
            return True
        in_doubt = seen.auth_refused or seen.healthy is False
        return seen.breaker == "closed" and not in_doubt


def _expected_cost(
    known: Mapping[Target, ModelSnapshot], size: Size, target: Target
) -> Decimal | None:
    seen = known.get(target)
    if seen is None:
        return None
    return expected_cost(seen, size.prompt_tokens, size.output_tokens)
