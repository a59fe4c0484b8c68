"""Fields that providers get as they came: right ones pass, wrong ones are named."""

import pytest

from actors.errors import InvalidRequest
from ipc.passed_on import passed_on


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frequency_penalty", -2),
        ("logit_bias", {"50256": -100, "11": 0.5}),
        ("logprobs", False),
        ("metadata", {"job": "7"}),
        ("modalities", ["text"]),
        ("prediction", {"type": "content", "content": "x"}),
        ("presence_penalty", 1.5),
        ("prompt_cache_key", "k"),
        ("safety_identifier", "s"),
        ("service_tier", "flex"),
        ("store", True),
        ("top_logprobs", 0),
        ("verbosity", "low"),
        ("web_search_options", {}),
        ("nobody_knows", [1, {"a": None}]),
    ],
)
def test_what_is_right_is_passed_on_as_it_is(field: str, value: object) -> None:
    assert passed_on(value, field) is value


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("frequency_penalty", "x", None),
        ("frequency_penalty", 2.1, None),
        ("logit_bias", [], None),
        ("logit_bias", {"1": "x"}, "logit_bias.1"),
        ("logit_bias", {"1": 101}, "logit_bias.1"),
        ("logprobs", 1, None),
        ("metadata", "x", None),
        ("modalities", "text", None),
        ("modalities", [5], "modalities[0]"),
        ("prediction", "x", None),
        ("presence_penalty", -3, None),
        ("prompt_cache_key", 5, None),
        ("safety_identifier", {}, None),
        ("service_tier", True, None),
        ("store", "true", None),
        ("top_logprobs", -1, None),
        ("top_logprobs", "2", None),
        ("verbosity", 1, None),
        ("web_search_options", True, None),
        ("nobody_knows", {"a": float("nan")}, None),
    ],
)
def test_what_is_wrong_is_named_and_asks_nobody(
    field: str, value: object, named: str | None
) -> None:
    with pytest.raises(InvalidRequest, match=r"got .+, wanted") as caught:
        passed_on(value, field)

    assert caught.value.field == (named or field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("audio", {"voice": "alloy"}),
        ("logprobs", True),
        ("modalities", ["text", "audio"]),
        ("top_logprobs", 2),
    ],
)
def test_what_would_be_lost_on_the_way_back_is_refused(
    field: str, value: object
) -> None:
    with pytest.raises(InvalidRequest, match="not supported yet") as caught:
        passed_on(value, field)

    assert str(caught.value.field).startswith(field)
