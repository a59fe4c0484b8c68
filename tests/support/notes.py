"""Whoever takes notes of threads, in memory."""

from collections.abc import Callable, Iterable

from actors.messages.threads import ThreadEntry


class Notes:
    """A ``ThreadRecorder``; ``entries`` are as they were noted, nothing filled in."""

    def __init__(self) -> None:
        self.entries: list[ThreadEntry] = []

    def note(self, *entries: ThreadEntry) -> None:
        self.entries += entries

    def tell(self, make: Callable[[], Iterable[ThreadEntry]]) -> None:
        self.entries += make()

    @property
    def told(self) -> list[tuple[str, str, str | None]]:
        """Kind, who and to whom, of each."""
        return [(each.kind, each.who, each.to) for each in self.entries]
