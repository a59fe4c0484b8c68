"""What a provider's models list says, and which models count as the provider's own."""

import re
from collections.abc import Sequence

from actors.messages.chat import ModelInfo
from actors.provider.settings import ProviderSettings

MAX_FOUND = 64
"""Of so many listed models a breaker and metrics are kept unasked. Local servers list a
handful; the other names of a longer list can be asked for all the same."""

_NO_CHAT = re.compile(r"embed|rerank", re.IGNORECASE)


class Listing:
    """The last list that came. A provider that is away has not changed its models.

    Attributes:
        default: What to ask for when nobody says; ``None`` while no model is known.
        own: The configured models and, with ``discover``, those found.
    """

    __slots__ = ("_came", "_rows", "_settings", "default", "own")

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._came = False
        self._rows: dict[str, ModelInfo] = {}
        self.own = settings.models
        self.default = settings.default_model

    @property
    def served(self) -> tuple[str, ...]:
        """Every name of the list, in its order."""
        return tuple(self._rows)

    def take(self, rows: Sequence[ModelInfo]) -> None:
        """A list came: what is not in it any more has vanished."""
        self._came = True
        self._rows = {row.id: row for row in rows}
        if not self._settings.discover:
            return
        found = tuple(self._rows)[:MAX_FOUND]
        self.own = tuple(dict.fromkeys((*self._settings.models, *found)))
        if self._settings.default_model is None and self.default not in self._rows:
            self.default = _first_to_chat(self.served)

    def keeps(self, name: str) -> bool:
        """Whether a model that nobody is asking now is still to be known."""
        return not (self._settings.discover and self._came) or name in self.own

    def window(self, name: str) -> int | None:
        """The context window in tokens: as configured or known, else as listed."""
        known = self._settings.context_windows.get(name)
        row = self._rows.get(name)
        if known is not None or row is None:
            return known
        return self._settings.found_window or row.context_window


def _first_to_chat(names: Sequence[str]) -> str | None:
    """The first one; one that only embeds, to go by its name, if there is no other."""
    return next((n for n in names if not _NO_CHAT.search(n)), next(iter(names), None))
