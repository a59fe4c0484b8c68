"""How one line looks: redacted, short, flat, and with its priority."""

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from daemon.log_lines import (
    MAX_LINE_BYTES,
    ConsoleRenderer,
    JsonRenderer,
    encode_line,
)
from daemon.redaction import Redactor

HEAD = {"timestamp": "2025-11-25T12:00:00.123Z", "level": "warning", "event": "x"}


def as_json(*, journal: bool = False, **fields: object) -> bytes:
    render = JsonRenderer(Redactor(["secret-key"]), journal=journal)
    return render(None, "", {**HEAD, **fields})


def for_people(*, colours: bool = False, journal: bool = False, **given: object) -> str:
    render = ConsoleRenderer(Redactor(["secret-key"]), colours=colours, journal=journal)
    return render(None, "", {**HEAD, "actor": "router", **given}).decode()


def test_json_is_the_event_masked_and_ended() -> None:
    line = as_json(text="a secret-key b", n=1)

    assert line.endswith(b'"text":"a *** b","n":1}\n')


@pytest.mark.parametrize(
    ("level", "prefix"),
    [("debug", "<7>"), ("info", "<6>"), ("warning", "<4>"), ("error", "<3>")],
)
def test_on_a_journal_a_line_of_any_form_begins_with_its_priority(
    level: str, prefix: str
) -> None:
    assert as_json(journal=True, level=level).decode().startswith(f"{prefix}{{")
    assert for_people(journal=True, level=level).startswith(f"{prefix}12:00:00.123 ")


def test_an_odd_level_has_no_priority() -> None:
    assert as_json(journal=True, level="loud").startswith(b"{")
    assert for_people(journal=True, level="loud").startswith("12:00:00.123 loud ")


def test_a_line_for_people_is_masked_flat_and_coloured_only_when_grave() -> None:
    plain = for_people(text="secret-key\n\x1b[2J", n=[1])

    assert plain == "12:00:00.123 warning  router: x text=***\\n\\x1b[2J n=[1]\n"
    assert "\x1b[33mwarning \x1b[0m" in for_people(colours=True)
    assert "\x1b[31merror   \x1b[0m" in for_people(colours=True, level="error")
    assert "\x1b" not in for_people(colours=True, level="info")


def test_a_long_line_for_people_is_cut_between_characters() -> None:
    line = for_people(text="é" * MAX_LINE_BYTES)

    assert len(line.encode()) <= MAX_LINE_BYTES + 1
    assert line.endswith("é...\n")


def test_long_texts_and_lists_are_cut_before_whole_fields_are() -> None:
    line = msgspec.json.decode(
        encode_line({**HEAD, "text": "x" * 99_999, "rows": ["y"] * 9999, "n": 7}),
        type=dict[str, object],
    )

    assert line["truncated"] is True
    assert line["n"] == 7
    assert str(line["text"]).endswith("…")
    assert str(line["rows"]).startswith('{"value":["y"')


def test_what_has_too_many_fields_keeps_its_head() -> None:
    fields: dict[str, object] = {f"field-{n}": "x" * 100 for n in range(1000)}
    line = msgspec.json.decode(encode_line({**HEAD, **fields}), type=dict[str, object])

    assert line == {**HEAD, "truncated": True}


@given(
    st.dictionaries(
        st.text(max_size=40),
        st.one_of(
            st.text(max_size=30_000),
            st.lists(st.text(max_size=3000)),
            st.integers(),
            st.binary(max_size=50),
        ),
        max_size=20,
    )
)
@settings(max_examples=50, deadline=None)
def test_no_line_is_ever_too_long_or_broken(event: dict[str, object]) -> None:
    line = encode_line({"event": "x", "level": "info", **event})

    assert len(line) <= MAX_LINE_BYTES
    assert b"\n" not in line
    msgspec.json.decode(line)
