"""The daemon imports nothing it does not need, and stays of a sane size.

The goals (60 MB, 600 ms) are for ``benchmarks/footprint.py``: figures of time and memory
depend on the machine. What is asserted here would only break by a blunder.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon_process import process_environment
from tests.support.footprint import QUESTIONS, measure

SANE_BYTES = 120 << 20
SANE_READY_S = 5.0

NOT_BEFORE_READY = {
    "rich.console": "structlog takes it for tracebacks on a terminal: 60 ms, 5 MB",
    "genai_prices": "0.3 s and 11 MB: a child compiles its table",
    "aiohttp.web": "1.5 MB that no door needs: ``ipc.http.web`` has what they do",
    "aiohttp.web_server": "40 ms: the doors are opened after READY",
    "daemon.simulator": "pretend providers are for those who ask for them",
    "ipc.client": "the daemon serves; it does not call itself",
    "actors.actions": "actions are for those who have events",
    "actors.event_router": "likewise, and for those who use tasks",
    "daemon.event_folder": "for those who have one",
    "daemon.thread_entries": "threads are for those who name one",
    "daemon.thread_tasks": "likewise",
    "daemon.thread_export": "likewise",
    "daemon.thread_views": "likewise",
    "daemon.storage.threads": "likewise",
    "daemon.rounds": "for those who ask about rounds of consensus",
    "actors.consensus": "for those who ask for one",
    "rapidfuzz": "likewise",
    "daemon.storage.redis": "for those who have a Redis",
    "redis": "likewise",
    "daemon.whatif": "for those who ask what would have been",
    "statistics": "likewise; 0.3 MB with what it imports",
    "importlib.resources": "0.4 MB with zipfile: files beside a module have paths",
    "zipfile": "likewise",
    "jsonschema_rs": "a child applies schemas",
    "multiprocessing": "nobody needs it",
    "unittest": "nobody needs it",
    "trio": "the tests' backend",
    "hypothesis": "the tests'",
}
"""Modules that starting must not import, and why."""


@pytest.mark.slow
def test_starting_imports_nothing_that_is_not_needed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "daemon", "serve", "--check"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=process_environment(tmp_path),
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert "daemon.app" in imported
    assert imported & NOT_BEFORE_READY.keys() == set()


@pytest.mark.slow
async def test_a_thousand_priced_requests_leave_it_of_a_sane_size(
    tmp_path: Path,
) -> None:
    found = await measure(tmp_path, starts=1, settle_s=0.5)

    # A busy machine may let one time out, and nobody knows what that one cost.
    assert found.priced >= 0.98 * QUESTIONS
    assert found.after.proportional <= found.after.resident <= SANE_BYTES
    assert found.ready_s <= SANE_READY_S
