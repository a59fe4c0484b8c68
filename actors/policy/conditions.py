"""From what is found wrong now to what an operator is told, and when. Pure.

Every part of the daemon that can find something wrong is asked again and again what it
finds now. A ``Board`` makes conditions of the answers: since when each holds, whether
long enough to be told, and whether one that is gone stays away.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from actors.messages.lifecycle import Condition, Finding
from actors.policy.condition_catalogue import CATALOGUE, Kind

MAX_TEXT = 1000
"""Characters of a text: errors of others may be long."""

_RANK = {"error": 0, "warning": 1, "info": 2}

_Key = tuple[str, str | None, str | None, str]


class Raised(Struct, frozen=True):
    """Event: a condition is told from now on."""

    condition: Condition


class Cleared(Struct, frozen=True):
    """Event: a condition is over, and was so for its linger time. It held so long."""

    condition: Condition
    lasted_s: float


class _Entry:
    """One condition: since when it holds, since when it does not, whether it was told."""

    __slots__ = ("began", "condition", "gone", "kind", "told")

    def __init__(self, kind: Kind, condition: Condition, began: float) -> None:
        self.kind = kind
        self.condition = condition
        self.began = began
        self.gone: float | None = None
        self.told = False


class Board:
    """What holds now. ``now`` is any clock that never jumps, in seconds."""

    def __init__(self, catalogue: Mapping[str, Kind] = CATALOGUE) -> None:
        self._catalogue = catalogue
        self._entries: dict[_Key, _Entry] = {}

    def update(
        self, findings: Iterable[Finding], now: float, at: float
    ) -> list[Raised | Cleared]:
        """Take everything that is found now; what was found before and is not, is gone.

        Args:
            findings: Of all parts.
            now: The time; no earlier than the last one.
            at: UTC epoch seconds, for ``since``.

        Returns:
            What is to be told anew.

        Raises:
            KeyError: A finding's code is not in the catalogue, or it lacks a value.
        """
        found = {_key(each): each for each in findings}
        for key, finding in found.items():
            self._found(key, finding, now, at)
        news: list[Raised | Cleared] = []
        for key, entry in tuple(self._entries.items()):
            if key in found:
                if not entry.told and now - entry.began >= entry.kind.grace_s:
                    entry.told = True
                    news.append(Raised(entry.condition))
            elif not entry.told:
                del self._entries[key]
            elif self._over(entry, now):
                del self._entries[key]
                gone = now if entry.gone is None else entry.gone
                news.append(Cleared(entry.condition, gone - entry.began))
        return news

    def conditions(self) -> tuple[Condition, ...]:
        """Those that hold and are told, the worst first, then the oldest."""
        holding = [
            entry.condition
            for entry in self._entries.values()
            if entry.told and entry.gone is None
        ]
        return tuple(sorted(holding, key=lambda c: (_RANK[c.severity], c.since)))

    def _found(self, key: _Key, finding: Finding, now: float, at: float) -> None:
        kind = self._catalogue[finding.code]
        entry = self._entries.get(key)
        if entry is None:
            condition = _condition(kind, finding, at)
            self._entries[key] = _Entry(kind, condition, now)
            return
        entry.gone = None
        text = _text(kind, finding)
        if text != entry.condition.text:
            entry.condition = replace(entry.condition, text=text)

    @staticmethod
    def _over(entry: _Entry, now: float) -> bool:
        if entry.gone is None:
            entry.gone = now
        return now - entry.gone >= entry.kind.linger_s


class Troubles:
    """What one part of the daemon finds, kept until it says otherwise."""

    def __init__(self) -> None:
        self._found: dict[_Key, Finding] = {}

    def declare(
        self,
        code: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        subject: str = "",
        **values: object,
    ) -> None:
        """It holds, with these values from now on."""
        finding = Finding(
            code=code, values=values, provider=provider, model=model, subject=subject
        )
        self._found[_key(finding)] = finding

    def withdraw(
        self,
        code: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        subject: str = "",
    ) -> None:
        """It does not hold any more; nothing, where it did not."""
        self._found.pop((code, provider, model, subject), None)

    def findings(self) -> tuple[Finding, ...]:
        """Everything that was declared and not withdrawn."""
        return tuple(self._found.values())


def blocking(
    conditions: Sequence[Condition], catalogue: Mapping[str, Kind] = CATALOGUE
) -> tuple[str, ...]:
    """Codes of those because of which the daemon is not ready."""
    return tuple(each.code for each in conditions if catalogue[each.code].not_ready)


def _key(finding: Finding) -> _Key:
    return finding.code, finding.provider, finding.model, finding.subject


def _condition(kind: Kind, finding: Finding, at: float) -> Condition:
    return Condition(
        code=finding.code,
        severity=kind.severity,
        title=kind.title,
        text=_text(kind, finding),
        since=at,
        advice=_filled(kind.advice, finding),
        provider=finding.provider,
        model=finding.model,
    )


def _text(kind: Kind, finding: Finding) -> str:
    return _filled(kind.text, finding)


def _filled(template: str, finding: Finding) -> str:
    places = {"provider": finding.provider, "model": finding.model, **finding.values}
    text = template.format_map(places)
    if not text.isascii():  # a path may hold what is no character
        text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
