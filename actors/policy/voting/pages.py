"""The newest labelled rounds, in pages: a label writes a page or two and not them all.

Pages are numbered for ever; a new one takes the slot of the oldest, whose rounds are
dropped with it. What is written is therefore always what is known.
"""

from collections.abc import Iterable, Mapping
from itertools import chain

import msgspec
from msgspec import Struct

from actors.policy.voting.likelihood import Round

PAGE_ROUNDS = 50
"""20 to 60 kB, of 3 to 12 members; all pages together are some 0.7 to 2.4 MB."""

SLOTS = 40


class Page(Struct, frozen=True):
    """Rounds by the decision they were, the oldest label first."""

    number: int
    rounds: dict[str, Round]


class Pages:
    """From 1,951 to 2,000 rounds once there are as many, the newest labels last."""

    def __init__(self, pages: Iterable[Page] = ()) -> None:
        self._pages = sorted(pages, key=lambda page: page.number)
        self._changed: set[int] = set()

    @classmethod
    def read(cls, slots: Iterable[bytes | None]) -> "Pages":
        """From what ``changes`` gave; slots that cannot be read are as empty."""
        pages = (_page(each) for each in slots if each is not None)
        return cls(page for page in pages if page is not None)

    def __len__(self) -> int:
        return sum(len(page.rounds) for page in self._pages)

    def rounds(self) -> tuple[Round, ...]:
        return tuple(chain.from_iterable(page.rounds.values() for page in self._pages))

    def put(self, decision_id: str, labelled: Round) -> None:
        """A round's label, in place of an earlier one of it."""
        for page in self._pages:
            if page.rounds.pop(decision_id, None) is not None:
                self._changed.add(page.number)
        last = self._open()
        last.rounds[decision_id] = labelled
        self._changed.add(last.number)

    def _open(self) -> Page:
        """The newest page, or another after it if it is full."""
        if self._pages and len(self._pages[-1].rounds) < PAGE_ROUNDS:
            return self._pages[-1]
        number = self._pages[-1].number + 1 if self._pages else 0
        kept = [page for page in self._pages if page.number > number - SLOTS]
        self._pages = [*kept, Page(number, {})]
        return self._pages[-1]

    def changes(self) -> Mapping[int, bytes]:
        """The pages that changed since this was last asked, by their slots."""
        changed, self._changed = self._changed, set()
        return {
            page.number % SLOTS: msgspec.msgpack.encode(page)
            for page in self._pages
            if page.number in changed
        }


def _page(kept: bytes) -> Page | None:
    try:
        return msgspec.msgpack.decode(kept, type=Page)
    except msgspec.DecodeError:
        return None
