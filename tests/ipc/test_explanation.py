"""What explain is asked and answers."""

import msgspec
import pytest
from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.routing import RequestRecord
from ipc.explanation import ExplainParams, Explanation
from ipc.params import read_params
from tests.support.records import record


def test_explain_takes_either_id_under_any_name() -> None:
    for name in ("decision_id", "request_id", "id"):
        assert read_params(ExplainParams, {name: "x"}).any_id == "x"
    with pytest.raises(InvalidRequest) as caught:
        read_params(ExplainParams, {"all": True})
    assert caught.value.field == "decision_id"


def test_all_is_read_from_a_query_string_too() -> None:
    asked = read_params(ExplainParams, {"id": "x", "all": "true"}, strict=False)

    assert asked.all


def test_an_explanation_is_the_record_and_says_whether_it_was_made_again() -> None:
    found = record(1)
    as_it_is = Explanation.of(found)

    assert (as_it_is.recomputed, as_it_is.not_recomputed) == (False, None)
    assert msgspec.convert(msgspec.to_builtins(as_it_is), RequestRecord) == found


def test_an_explanation_has_the_decision_as_it_was_made_again() -> None:
    found = record(1)
    other = replace(found.decision, candidate_count=9)

    again = Explanation.of(found, other)

    assert again.recomputed
    assert again == Explanation.of(replace(found, decision=other), other)


def test_an_explanation_says_why_it_was_not_made_again() -> None:
    answer = Explanation.of(record(1), not_recomputed="too long ago")

    assert (answer.recomputed, answer.not_recomputed) == (False, "too long ago")
