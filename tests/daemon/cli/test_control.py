"""``gitbridge strategy``, ``weights``, ``reload`` and ``drain``."""

from typing import Any

import msgspec
import pytest

from actors.errors import Mistake
from actors.messages.routing import Weights
from ipc.calls import error_of
from ipc.control import DrainResult, ProviderChange, ReloadResult, SettingChange
from ipc.feedback import FeedbackResult, QualityRow
from ipc.results import ErrorData, StrategyResult
from ipc.rpc import ErrorBody
from tests.support.cli import FakeDaemon, Machine

RESULT = StrategyResult("cost", Weights(), True, strategy_overridden=True)


@pytest.mark.parametrize(
    ("line", "method", "params"),
    [
        ("strategy", "strategy.get", {}),
        ("strategy cost", "strategy.set", {"strategy": "cost"}),
        ("strategy --reset", "strategy.set", {"reset": True}),
        ("weights", "strategy.get", {}),
        ("weights --cost 0 --performance 2", "weights.set",
         {"cost": 0.0, "performance": 2.0}),
        ("weights --availability 1", "weights.set", {"availability": 1.0}),
        ("weights --reset", "weights.set", {"reset": True}),
    ],
)  # fmt: skip
def test_each_asks_its_method(line: str, method: str, params: object) -> None:
    daemon = FakeDaemon({method: RESULT})
    typed = Machine(daemon)

    assert typed.type(*line.split()) == 0
    assert daemon.calls == [(method, params)]
    assert typed.screen.out.startswith("strategy cost")


def test_a_value_and_reset_contradict_each_other() -> None:
    typed = Machine(FakeDaemon())

    assert typed.type("strategy", "cost", "--reset") == 64
    assert "not both" in typed.screen.err


def test_json_shows_the_result() -> None:
    typed = Machine(FakeDaemon({"strategy.get": RESULT}))
    typed.type("strategy", "--json")

    assert typed.screen.document == {
        "strategy": "cost",
        "weights": {"cost": 0.4, "performance": 0.3, "availability": 0.3},
        "overridden": True,
        "strategy_overridden": True,
        "weights_overridden": False,
    }


RELOADED = ReloadResult(
    path="/etc/gitbridge/gitbridge.toml",
    changes=(
        SettingChange(key="routing.max_attempts", before=4, after=7, origin="file"),
        SettingChange(
            key="ledger.sync",
            before="normal",
            after="full",
            origin="file",
            restart="it is opened with it",
        ),
    ),
    providers=(
        ProviderChange(provider="grok", change="added", key_source=".env XAI_API_KEY"),
    ),
    restart_needed=("ledger.sync",),
    key_notes=("the key of openai comes from elsewhere",),
)


def test_reload_shows_what_is_different() -> None:
    typed = Machine(FakeDaemon({"reload": RELOADED}))

    assert typed.type("reload") == 0
    assert "routing.max_attempts" in typed.screen.out
    assert "provider grok added, key from .env XAI_API_KEY" in typed.screen.out
    assert "in effect only after a restart: ledger.sync" in typed.screen.out
    assert "ledger.sync: it is opened with it" in typed.screen.out
    assert "the key of openai comes from elsewhere" in typed.screen.err


def test_reload_as_json_is_the_result() -> None:
    typed = Machine(FakeDaemon({"reload": RELOADED}))

    assert typed.type("reload", "--json") == 0
    document: Any = typed.screen.document
    assert document["restart_needed"] == ["ledger.sync"]
    assert typed.screen.err == ""


def test_a_refused_reload_ends_as_config_check_does() -> None:
    mistake = Mistake("/c.toml", "log.level", '"loud"', "wanted one of these")
    refused = ErrorBody(
        -32000,
        "the configuration has a mistake",
        ErrorData(kind="invalid_request", mistakes=(mistake,)),
    )
    typed = Machine(FakeDaemon({"reload": error_of(refused)}))

    assert typed.type("reload", "--json") == 78
    document: Any = typed.screen.document
    assert document["error"] == {
        "kind": "bad_config",
        "message": "the configuration has a mistake",
        "problems": [
            {
                "file": "/c.toml",
                "key": "log.level",
                "got": '"loud"',
                "text": "wanted one of these",
                "origin": None,
            }
        ],
    }


@pytest.mark.parametrize(
    ("in_flight", "said"),
    [
        (0, "nothing is in flight"),
        (1, "1 request in flight, 30 s to finish"),
        (2, "2 requests in flight"),
    ],
)
def test_drain_says_how_long_it_may_take(in_flight: int, said: str) -> None:
    result = DrainResult(in_flight=in_flight, drain_s=30.0)
    typed = Machine(FakeDaemon({"drain": result}))

    assert typed.type("drain") == 0
    assert said in typed.screen.out


def test_drain_waits_for_the_end_where_it_is_told_to() -> None:
    result = DrainResult(in_flight=2, drain_s=30.0)
    for words, waited in ((("drain",), False), (("drain", "--wait"), True)):
        daemon = FakeDaemon({"drain": result})

        assert Machine(daemon).type(*words) == 0
        assert daemon.waited is waited


def test_drain_as_json_is_the_result() -> None:
    typed = Machine(FakeDaemon({"drain": DrainResult(in_flight=2, drain_s=5.0)}))

    assert typed.type("drain", "--json") == 0
    assert typed.screen.document == {"in_flight": 2, "drain_s": 5.0}


# Feedback ----------------------------------------------------------------------------

FEEDBACK = FeedbackResult(
    decision_id="d1",
    score=0.25,
    replaced=0.9,
    quality=tuple(
        QualityRow(
            provider=name, model="gpt-4o", task_type="review", quality=0.5, labels=1
        )
        for name in ("openai", "azure")
    ),
)


def test_feedback_says_what_was_written_down_and_what_it_makes_of_the_model() -> None:
    daemon = FakeDaemon({"feedback": FEEDBACK})
    typed = Machine(daemon)

    assert typed.type("feedback", "d1", "0.25") == 0
    assert daemon.calls == [("feedback", {"decision_id": "d1", "score": 0.25})]
    assert typed.screen.out.splitlines() == [
        "d1: 0.25 in place of 0.9",
        "openai/gpt-4o for review: quality 0.500 by 1 label",
        "azure/gpt-4o for review: quality 0.500 by 1 label",
    ]


def test_feedback_hands_on_task_type_and_comment() -> None:
    daemon = FakeDaemon({"feedback": FEEDBACK})
    line = (
        "feedback",
        "d1",
        "1",
        "--task-type",
        "docs",
        "--comment",
        "so so",
        "--json",
    )
    typed = Machine(daemon)

    assert typed.type(*line) == 0
    assert daemon.calls == [
        (
            "feedback",
            {
                "decision_id": "d1",
                "score": 1.0,
                "task_type": "docs",
                "comment": "so so",
            },
        )
    ]
    assert typed.screen.document == msgspec.json.decode(msgspec.json.encode(FEEDBACK))


def test_a_score_is_a_number() -> None:
    assert Machine(FakeDaemon()).type("feedback", "d1", "good") == 64
