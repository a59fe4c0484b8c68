"""A second answer, joined to the text that the caller has already.

Two ways, and each is checked:

* ``Restart``: the answer begins anew. Its beginning must be what was sent, letter for
  letter, and is skipped; any difference ends it.
* ``Continuation``: the answer was asked to go on from what was sent, without the white
  space at its end (servers refuse it, and models say it again). It may begin with that
  white space, or, where the server repeats the beginning, with all that was sent, or
  with its last words: each is skipped. One that begins like what was sent and then says
  something else has begun anew: that ends it.

A continuation is held back until it is long enough to tell, 64 characters. Repeats by
chance are shorter than 16 characters of a beginning and 48 of an end, or of few different
ones (a line of dashes), or of something that was sent several times already (a refrain).
"""

from typing import Protocol

DECIDING_CHARS = 64
MIN_REPEAT_CHARS = 16
MIN_DIFFERENT_CHARS = 8
MIN_OVERLAP_CHARS = 48
"""Text that repeats itself may well do so where it was cut; hardly for so long."""


class DivergedError(Exception):
    """Raised when an answer does not go on from what was sent."""


class Splice(Protocol):
    """What of a second answer is new. Feed it in order, any chunking."""

    def feed(self, text: str) -> str:
        """Take the next piece; what of it, and of what was held back, is new.

        Raises:
            DivergedError: It does not match what was sent.
        """

    def finish(self) -> str:
        """The answer is whole: what was still held back; raises as ``feed`` does."""


class Restart:
    """See the module. ``sent`` is all that the caller has."""

    __slots__ = ("_at", "_sent")

    def __init__(self, sent: str) -> None:
        self._sent = sent
        self._at = 0

    def feed(self, text: str) -> str:
        if self._at == len(self._sent):
            return text
        known = self._sent[self._at : self._at + len(text)]
        if not text.startswith(known):
            raise DivergedError("the answer differs from what was already sent")
        self._at += len(known)
        return text[len(known) :]

    def finish(self) -> str:
        if self._at < len(self._sent):
            raise DivergedError("the answer is shorter than what was already sent")
        return ""


class Continuation:
    """See the module. ``echoed``: the server repeats the beginning it was given."""

    __slots__ = ("_echoed", "_held", "_rest", "_sent", "_space_left")

    def __init__(self, sent: str, *, echoed: bool) -> None:
        self._sent = sent.rstrip()
        self._space_left = len(sent) - len(self._sent)
        self._echoed = echoed
        self._held: str | None = ""
        self._rest = Restart("")

    def feed(self, text: str) -> str:
        if self._held is None:
            return self._spaced(self._rest.feed(text))
        self._held += text
        if len(self._held) < DECIDING_CHARS:
            return ""
        return self._decide(self._held)

    def finish(self) -> str:
        said = "" if self._held is None else self._decide(self._held)
        self._rest.finish()
        return said

    def _decide(self, held: str) -> str:
        self._held = None
        shared = _shared(held, self._sent)
        anew = _telling(self._sent, held[:shared])
        if shared in (len(held), len(self._sent)):  # nothing says that it is no repeat
            if anew or (self._echoed and shared):
                self._rest = Restart(self._sent)
        elif anew:
            raise DivergedError("the answer began anew, with other words")
        else:
            held = held[_overlap(self._sent, held) :]
        return self._spaced(self._rest.feed(held))

    def _spaced(self, text: str) -> str:
        """Without the white space that the caller has already."""
        if self._space_left and text:
            kept = text.lstrip()
            skipped = min(self._space_left, len(text) - len(kept))
            self._space_left = 0 if kept else self._space_left - skipped
            return text[skipped:]
        return text


def _shared(one: str, two: str) -> int:
    """How many characters both begin with."""
    most = min(len(one), len(two))
    for at in range(most):
        if one[at] != two[at]:
            return at
    return most


def _overlap(sent: str, held: str) -> int:
    """How much of what is held is the end of what was sent once more."""
    for length in range(min(len(sent), len(held)), MIN_OVERLAP_CHARS - 1, -1):
        if sent.endswith(held[:length]) and _telling(sent, held[:length]):
            return length
    return 0


def _telling(sent: str, repeat: str) -> bool:
    """A part of what was sent, once more, is no chance.

    It is where that part is long, and not one that was sent several times already.
    """
    if len(repeat) < MIN_REPEAT_CHARS or len(set(repeat)) < MIN_DIFFERENT_CHARS:
        return False
    probe = repeat[:MIN_REPEAT_CHARS]
    return sent.find(probe) == sent.rfind(probe)
