"""``docs/logs.md`` as data: every event with its levels and fields.

Whatever a real daemon logs in a test is held against it.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from tests.support.documents import ROOT

ALL_LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})
EVERY_LINE = frozenset({"timestamp", "level", "event", "service", "actor", "truncated"})
"""In the text at the top of the page."""

_ROW = re.compile(
    r"^\| `([a-z_]+)` \| ([a-z, ]+) \| ((?:`[a-z_]+`(?:, )?)*) ?\| (.*)\|$",
    re.MULTILINE,
)
_NAME = re.compile(r"`([a-z_]+)`")


class Event(NamedTuple):
    """What the page says of an event."""

    levels: frozenset[str]
    fields: frozenset[str]


@cache
def documented() -> Mapping[str, Event]:
    """Every event of the page."""
    text = (ROOT / "docs" / "logs.md").read_text()
    text = text.partition("## Process")[2].partition("## Conditions")[0]
    return {
        event: Event(_levels(levels), frozenset(_NAME.findall(fields)))
        for event, levels, fields, _ in _ROW.findall(text)
    }


def _levels(text: str) -> frozenset[str]:
    return ALL_LEVELS if text == "as said" else frozenset(text.split(", "))


def assert_on_the_page(lines: Iterable[Mapping[str, object]]) -> None:
    """Every line's event, level and fields are what the page says."""
    page = documented()
    for line in lines:
        event = page.get(str(line["event"]))
        assert event is not None, f"docs/logs.md does not know {line}"
        assert line["level"] in event.levels, f"docs/logs.md has other levels: {line}"
        unsaid = line.keys() - event.fields - EVERY_LINE
        assert not unsaid, f"docs/logs.md does not list {sorted(unsaid)}: {line}"
