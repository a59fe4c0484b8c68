"""``gitbridge strategy`` and ``gitbridge weights``."""

import pytest

from actors.messages.routing import Weights
from ipc.results import StrategyResult
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
