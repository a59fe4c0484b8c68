"""The table of markers keeps its own rules."""

import pytest

from actors.wire.error_markers import RULES, Rule, by_status


@pytest.mark.parametrize(
    "rule", RULES, ids=lambda rule: f"{rule.failure} {sorted(rule.statuses)}"
)
def test_markers_are_lower_case_and_not_empty(rule: Rule) -> None:
    words = [*rule.codes, *rule.phrases]

    assert words
    assert words == [word.lower() for word in words]
    assert all(len(phrase) > 8 for phrase in rule.phrases)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (0, "server_error"),
        (307, "bad_response"),
        (418, "bad_request"),
        (529, "overloaded"),
    ],
)
def test_a_status_alone_has_a_class(status: int, failure: str) -> None:
    assert by_status(status) == failure
