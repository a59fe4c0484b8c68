"""What other daemons' breakers are good for: reasons to look, never to decide.

When somebody's breaker of a provider opens and ours is closed, or closes again while
ours is open, the provider is asked for its health by ourselves, at once rather than at
the next turn. What we find counts, what was said does not: a daemon with a broken
network of its own can make others look, and nothing else.

Only news is a reason, once from each daemon, and no provider is looked at more often
than every ``QUIET_S`` for it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from actors.messages.peers import Beat
from actors.messages.provider import BreakerPhase

QUIET_S: Final = 10.0
MAX_PEERS: Final = 64

Model = tuple[str, str]
"""A provider and one of its models."""


class Rumours:
    """What was said by whom, and when we last looked. ``now`` never jumps."""

    def __init__(self) -> None:
        self._said: dict[str, frozenset[Model]] = {}
        self._looked: dict[str, float] = {}

    def hear(
        self, beats: Sequence[Beat], own: Mapping[Model, BreakerPhase], now: float
    ) -> tuple[str, ...]:
        """The providers to look at now.

        Args:
            beats: The newest of every other daemon that is alive.
            own: Our breakers; nobody else's models are of interest.
            now: Seconds.
        """
        said = {
            beat.id: frozenset((each.provider, each.model) for each in beat.open)
            for beat in beats[:MAX_PEERS]
        }
        reasons: dict[str, None] = {}
        for peer, opened in said.items():
            before = self._said.get(peer, frozenset())
            news = [(each, "closed") for each in sorted(opened - before)]
            news += [(each, "open") for each in sorted(before - opened)]
            for model, ours in news:
                if own.get(model) == ours:
                    reasons[model[0]] = None
        self._said = said
        return tuple(name for name in reasons if self._due(name, now))

    def _due(self, provider: str, now: float) -> bool:
        last = self._looked.get(provider)
        if last is not None and now - last < QUIET_S:
            return False
        self._looked[provider] = now
        return True
