"""What ``reload`` and ``drain`` answer."""

from typing import Literal

from msgspec import Struct


class SettingChange(Struct, frozen=True, kw_only=True):
    """One key of the configuration whose value in effect has changed.

    ``before`` and ``after`` are ``null`` where the key is not set; what is secret is
    ``***`` in both. ``origin`` is where the new value comes from (``file``, a variable, a
    flag, ``default``). ``restart`` says why the new value does not hold before the
    daemon is started again; ``null``: it holds now. ``note``: what else should be known.
    """

    key: str
    before: object
    after: object
    origin: str
    restart: str | None = None
    note: str | None = None


ProviderFate = Literal["added", "changed", "removed", "failed"]


class ProviderChange(Struct, frozen=True, kw_only=True):
    """A provider that came, went, or is another than before.

    ``key_source`` is where its key was found; ``new_key`` says that it is another one.
    ``failed``: it could not be started, by a bug of ours that the log tells of.
    """

    provider: str
    change: ProviderFate
    key_source: str | None = None
    new_key: bool = False


class ReloadResult(Struct, frozen=True, kw_only=True):
    """What a reload changed; all of it at once, or the reload is an error.

    ``restart_needed`` are the keys among ``changes`` that hold after a restart only.
    ``key_notes`` are sentences about keys that a reload cannot pick up where they are.
    """

    path: str | None
    changes: tuple[SettingChange, ...]
    providers: tuple[ProviderChange, ...]
    restart_needed: tuple[str, ...] = ()
    key_notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class DrainResult(Struct, frozen=True, kw_only=True):
    """The daemon takes no more requests and ends: at once when nothing is in flight.

    ``in_flight`` requests have ``drain_s`` seconds to finish.
    """

    in_flight: int
    drain_s: float
