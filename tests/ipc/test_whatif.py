"""The params of ``whatif`` become other rules, or an error that names the param."""

import pytest

from actors.errors import InvalidRequest
from actors.messages.routing import Weights
from actors.messages.whatif import Change
from ipc.params import read_params
from ipc.whatif import WhatIfParams


def change(**params: object) -> Change:
    return read_params(WhatIfParams, params).change()


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"strategy": "cost-optimized"}, Change(strategy="cost")),
        (
            {"cost": 3, "availability": 1},
            Change(strategy="hybrid", weights=Weights(0.75, 0.0, 0.25)),
        ),
        (
            {"strategy": "hybrid", "performance": 2},
            Change(strategy="hybrid", weights=Weights(0.0, 1.0, 0.0)),
        ),
    ],
)
def test_a_strategy_or_weights_are_other_rules(
    params: dict[str, object], wanted: Change
) -> None:
    assert change(**params) == wanted


@pytest.mark.parametrize(
    ("field", "params"),
    [
        ("strategy", {}),
        ("strategy", {"strategy": "dice"}),
        ("strategy", {"since": "7d"}),
        ("cost", {"cost": 0, "performance": 0}),
        ("cost", {"cost": -1}),
        ("strategy", {"strategy": "cost", "cost": 1}),
        ("limit", {"strategy": "cost", "limit": 0}),
        ("weights", {"strategy": "cost", "weights": {}}),
    ],
)
def test_what_is_wrong_is_named(field: str, params: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        change(**params)

    assert caught.value.field == field
