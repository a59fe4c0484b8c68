"""Lua that runs inside the server: read, decide and write in one round trip."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha1
from importlib.resources import files


@dataclass(frozen=True)
class Script:
    """One script.

    Attributes:
        name: For messages.
        text: Lua 5.1; names every key it touches in ``KEYS``, all of one slot.
    """

    name: str
    text: str

    @cached_property
    def sha(self) -> str:
        """What the server calls it once it has seen it."""
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def packaged(*names: str) -> Script:
    """The files ``lua/NAME.lua``, one after the other, called by the last name."""
    folder = files("daemon.storage.redis") / "lua"
    texts = [(folder / f"{name}.lua").read_text("utf-8") for name in names]
    return Script(names[-1], "\n".join(texts))
