"""What the actors tell, as log lines."""

from pathlib import Path

from structlog.testing import capture_logs

from actors.messages.routing import RequestRecord
from daemon.events import EventTeller
from daemon.health_log import HealthLog
from daemon.notices import Notices
from daemon.telemetry import Telemetry
from tests.support.records import attempt, record
from tests.support.small_house import MemorySpool


def told(tmp_path: Path, finished: RequestRecord) -> dict[str, object]:
    """The one line about a request."""
    teller = EventTeller(
        Telemetry(), HealthLog(tmp_path), MemorySpool(), Notices(lambda: 0.0)
    )
    with capture_logs() as lines:
        teller.request_finished(finished)

    assert [line["event"] for line in lines] == ["request_finished"]
    return dict(lines[0])


def test_a_request_is_one_line_with_all_that_matters(tmp_path: Path) -> None:
    line = told(tmp_path, record(1))

    assert {key: line[key] for key in ("request_id", "decision_id", "log_level")} == {
        "request_id": "r1",
        "decision_id": "d1",
        "log_level": "info",
    }
    assert (line["provider"], line["model"], line["attempts"]) == (
        *("openai", "gpt-4o"),
        1,
    )
    assert (line["prompt_tokens"], line["completion_tokens"]) == (10, 20)
    assert {"latency_s", "overhead_s", "cost_usd", "cost_source"} <= line.keys()


def test_a_request_that_failed_names_whom_it_failed_with(tmp_path: Path) -> None:
    calls = (
        attempt("a1", provider="grok", model="grok-3-mini", outcome="timeout"),
        attempt("a2", provider="claude", model="sonnet", outcome="server_error"),
    )
    line = told(tmp_path, record(1, attempts=calls, outcome="provider_error"))

    assert (line["provider"], line["model"]) == ("claude", "sonnet")
    assert line["log_level"] == "warning"


def test_a_request_that_nobody_was_asked_for_names_nobody(tmp_path: Path) -> None:
    line = told(tmp_path, record(1, attempts=(), outcome="no_provider"))

    assert (line["provider"], line["model"], line["attempts"]) == (None, None, 0)
