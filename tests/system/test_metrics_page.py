"""``docs/metrics.md`` names every metric of a real daemon, its type and its labels."""

import re
import subprocess
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import pytest

from daemon.telemetry import PREFIX, Family, Telemetry
from tests.support.documents import ROOT, blocks, simulated_daemon

ROW = re.compile(
    r"^\| `([a-z_]+)` \| ((?:`\w+`(?:, )?)*) ?\| (\w+) \| .+ \|$", re.MULTILINE
)
SERIES = re.compile(r"^([a-z_]+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$")


MEASURED_S = 20.0
LAST = f"{PREFIX}max_descriptors"
"""Of the machine, which is looked at some seconds after the start."""


class Metric(NamedTuple):
    """A metric as the page or the daemon has it."""

    labels: frozenset[str]
    kind: str


def documented() -> dict[str, Metric]:
    text = (ROOT / "docs" / "metrics.md").read_text()
    found = ROW.findall(text)
    page = {
        PREFIX + name: Metric(frozenset(re.findall(r"\w+", labels)), kind)
        for name, labels, kind in found
    }
    assert len(page) == len(found) == text.count("\n| `")
    return page


def said(command: list[str], environ: dict[str, str]) -> str:
    """What a command prints."""
    done = subprocess.run(
        command, env=environ, check=True, capture_output=True, text=True, timeout=20
    )
    return done.stdout


def test_the_page_has_the_labels_of_all_that_is_counted() -> None:
    page = documented()

    for family in vars(Telemetry()).values():
        assert isinstance(family, Family)
        assert page[PREFIX + family.name].labels == set(family.label_names), family.name


@pytest.mark.slow
def test_a_daemon_tells_what_the_page_says_and_nothing_else(tmp_path: Path) -> None:
    (command,) = blocks("docs/metrics.md", "console")
    with simulated_daemon(tmp_path) as environ:
        ask = ["gitbridge", "ask", "--task-type", "review", "--stream", "Hello"]
        said(ask, environ)
        text, limit = "", monotonic() + MEASURED_S
        while LAST not in text and monotonic() < limit:
            text = said(["bash", "-c", command], environ)
    page = documented()
    told = dict(line.split()[2:] for line in text.splitlines() if "# TYPE" in line)

    assert told == {name: metric.kind for name, metric in page.items()}
    for line in text.splitlines():
        if not line.startswith("#"):
            series = SERIES.match(line)
            assert series is not None, line
            labels = set(re.findall(r'(\w+)="', series[2] or "")) - {"le"}
            assert labels == page[series[1]].labels, line
