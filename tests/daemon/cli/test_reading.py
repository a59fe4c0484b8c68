"""The commands that only read: what they ask, and that they render what comes."""

import pytest

from actors.messages.routing import Weights
from ipc.explanation import Explanation
from ipc.listing import ModelRow, ModelsResult
from ipc.results import (
    HistoryResult,
    MetricsResult,
    ProvidersResult,
    StatusResult,
    UsageResult,
)
from tests.support.cli import FakeDaemon, Machine
from tests.support.records import record

ANSWERS: dict[str, object] = {
    "status": StatusResult(
        version="0.1.0",
        pid=1,
        started_at=0.0,
        uptime_s=1.0,
        ready=True,
        strategy="hybrid",
        weights=Weights(),
        in_flight=0,
        providers=(),
    ),
    "providers": ProvidersResult(()),
    "models": ModelsResult((ModelRow(name="auto", kind="auto"),)),
    "metrics": MetricsResult(
        requests=0,
        failures=0,
        prompt_tokens=0,
        completion_tokens=0,
        cost_usd=None,
        unpriced_calls=0,
        providers=(),
    ),
    "history": HistoryResult(()),
    "explain": Explanation.of(record(1)),
    "usage": UsageResult("provider", None, ()),
}


@pytest.mark.parametrize(
    ("line", "params", "shown"),
    [
        ("status", {}, "gitbridge 0.1.0, pid 1, ready"),
        ("providers", {}, "no providers"),
        ("models", {}, "auto names: auto"),
        ("metrics", {}, "provider"),
        ("history", {"limit": 20}, "no requests yet"),
        ("history --limit 3", {"limit": 3}, "no requests yet"),
        ("explain d1", {"id": "d1"}, "request r1"),
        ("explain d1 --all", {"id": "d1", "all": True}, "request r1"),
        ("usage", {"by": "provider"}, "no usage so far"),
        ("usage --since 7d --by user", {"since": "7d", "by": "user"}, "no usage"),
    ],
)
def test_each_asks_its_method_and_renders_the_result(
    line: str, params: object, shown: str
) -> None:
    daemon = FakeDaemon(ANSWERS)
    typed = Machine(daemon)

    assert typed.type(*line.split()) == 0
    assert daemon.calls == [(line.split(maxsplit=1)[0], params)]
    assert typed.screen.out.startswith(shown)
    assert daemon.closed


@pytest.mark.parametrize(
    "name", ["status", "providers", "models", "metrics", "history", "usage"]
)
def test_json_is_one_document_and_nothing_else(name: str) -> None:
    typed = Machine(FakeDaemon(ANSWERS))

    assert typed.type(name, "--json") == 0
    assert isinstance(typed.screen.document, dict)
    assert typed.screen.out.count("\n") == 1


def test_plain_mappings_are_understood_too() -> None:
    typed = Machine(FakeDaemon({"history": {"entries": [], "newer": 1}}))

    assert typed.type("history") == 0
