"""Which candidates may still be asked after a prompt was found too long.

A window known to be larger may do, an unknown one is worth one try, and the same prompt
is never sent twice to the same model.
"""

from actors.messages.routing import Target


class Overflow:
    """Who may still be asked after somebody found the prompt too long."""

    __slots__ = ("_floor", "_models", "_unknown_left")

    def __init__(self) -> None:
        self._models: set[str] = set()
        self._floor = 0  # the largest window known to be too small
        self._unknown_left = 1

    def note(self, target: Target, window: int | None) -> None:
        self._models.add(target.model)
        self._floor = max(self._floor, window or 0)

    def fits(self, target: Target, window: int | None) -> bool:
        """A larger known window may do; an unknown one is worth one try."""
        if not self._models:
            return True
        if target.model in self._models:
            return False
        return self._unknown_left > 0 if window is None else window > self._floor

    def chosen(self, window: int | None) -> None:
        if self._models and window is None:
            self._unknown_left -= 1
