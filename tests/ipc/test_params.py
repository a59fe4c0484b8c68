"""Params become their Struct, or an error that says what was wrong with them."""

from typing import Annotated

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from actors.errors import InvalidRequest
from ipc.methods import (
    METHODS,
    CancelParams,
    HealthCheckParams,
    HistoryParams,
    NoParams,
    StrategySetParams,
    UsageParams,
    WeightsSetParams,
)
from ipc.params import read_params
from ipc.route import RouteParams


def refused(kind: type[msgspec.Struct], document: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read_params(kind, document)
    return caught.value


def test_params_may_be_left_out_where_none_is_needed() -> None:
    assert read_params(NoParams, None) == NoParams()
    assert read_params(HistoryParams, {}) == HistoryParams()
    assert read_params(HistoryParams, {"limit": 5}).limit == 5


def test_numbers_are_read_from_a_query_string() -> None:
    assert read_params(HistoryParams, {"limit": "5"}, strict=False).limit == 5
    assert refused(HistoryParams, {"limit": "5"}).wanted == "an integer"


def test_an_unknown_param_is_named_with_the_nearest() -> None:
    error = refused(RouteParams, {"promt": "x"})

    assert error.field == "promt"
    assert error.got == '"x"'
    assert "did you mean prompt?" in error.message
    assert (error.wanted or "").startswith("one of prompt, messages")


def test_an_unknown_param_of_a_method_without_any() -> None:
    assert refused(NoParams, {"x": 1}).wanted == "no params"


@pytest.mark.parametrize("document", [[1], "x", 3, {1: 2}], ids=repr)
def test_params_are_an_object(document: object) -> None:
    error = refused(NoParams, document)

    assert error.field == "params"
    assert error.wanted == "an object of params by name"


def test_a_missing_param_is_named() -> None:
    error = refused(CancelParams, {})

    assert error.field == "id"
    assert error.got == "nothing"


@pytest.mark.parametrize(
    ("kind", "document", "field", "got", "wanted"),
    [
        (HistoryParams, {"limit": 0}, "limit", "0", "an integer of at least 1"),
        (HistoryParams, {"cursor": 5}, "cursor", "5", "a string or null"),
        (UsageParams, {"by": "day"}, "by", '"day"', "one of provider, model, "),
        (UsageParams, {"by": 1}, "by", "1", "a string"),
        (UsageParams, {"since": []}, "since", "an array of 0", "a number or a string"),
        (WeightsSetParams, {"cost": -1}, "cost", "-1", "a number of at least 0"),
        (
            *(HealthCheckParams, {"retries": 11}, "retries", "11"),
            "an integer of at most 10",
        ),
        (RouteParams, {"stream": 1}, "stream", "1", "true or false or null"),
        (CancelParams, {"id": 1.5}, "id", "1.5", "an integer or a string or null"),
    ],
)
def test_a_wrong_param_is_named_with_its_value(
    kind: type[msgspec.Struct],
    document: object,
    field: str,
    got: str,
    wanted: str,
) -> None:
    error = refused(kind, document)

    assert (error.field, error.got) == (field, got)
    assert (error.wanted or "").startswith(wanted)


def test_strategies_are_read_in_any_spelling() -> None:
    assert read_params(
        StrategySetParams, {"strategy": "cost_optimized"}
    ) == StrategySetParams("cost")
    assert read_params(StrategySetParams, {"reset": True}).strategy is None


@pytest.mark.parametrize(
    "document", [{}, {"strategy": "cost", "reset": True}, {"strategy": "x"}], ids=repr
)
def test_a_strategy_is_set_or_reset(document: object) -> None:
    assert refused(StrategySetParams, document).field == "strategy"


def test_some_weights_are_set_or_all_reset() -> None:
    assert read_params(WeightsSetParams, {"cost": 1}).performance is None
    assert read_params(WeightsSetParams, {"reset": True}).reset
    assert refused(WeightsSetParams, {}).field == "cost"
    assert refused(WeightsSetParams, {"cost": 1, "reset": True}).field == "cost"


@pytest.mark.slow
@given(
    st.sampled_from(list(METHODS)),
    st.dictionaries(
        st.sampled_from(["id", "limit", "since", "by", "cost", "prompt", "nope"])
        | st.text(max_size=3),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    ),
    st.booleans(),
)
@settings(max_examples=300)
def test_whatever_comes_is_read_or_refused(
    method: str, document: dict[str, object], strict: bool
) -> None:
    kind = METHODS[method].params

    try:
        params = read_params(kind, document, strict=strict)
    except InvalidRequest:
        return

    assert isinstance(params, kind)


class Shapes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=3)] = "x"
    items: Annotated[list[str], msgspec.Meta(max_length=2)] = []
    some: dict[str, list[int]] = {}
    above: Annotated[float, msgspec.Meta(gt=0.5, lt=2)] = 1.0
    many: Annotated[int, msgspec.Meta(multiple_of=4)] = 4


@pytest.mark.parametrize(
    ("document", "field", "got", "wanted"),
    [
        ({"name": ""}, "name", '""', "a string that is not empty"),
        ({"name": "four"}, "name", '"four"', "a string of at most 3 characters"),
        ({"items": "x"}, "items", '"x"', "an array"),
        ({"items": ["a"] * 3}, "items", "an array of 3", "an array of at most 2 items"),
        ({"items": ["a", 1]}, "items[1]", "1", "a string"),
        ({"some": 5}, "some", "5", "an object"),
        ({"above": 0}, "above", "0", "a number above 0.5"),
        ({"above": 2}, "above", "2", "a number below 2"),
        ({"many": 5}, "many", "5", "an integer"),
    ],
)
def test_what_is_wanted_is_said_in_words(
    document: object, field: str, got: str, wanted: str
) -> None:
    error = refused(Shapes, document)

    assert (error.field, error.got, error.wanted) == (field, got, wanted)
