"""Log lines for people, from the daemon's output and from journalctl."""

import msgspec
import pytest
from hypothesis import given, strategies as st

from daemon.cli.render.log_lines import (
    Line,
    Wanted,
    document,
    from_journal,
    from_text,
    log_line,
)
from daemon.cli.render.table import colours, no_colours

STAMP = "2026-11-29T00:36:31.250Z"
AT = 1795912591.25


def ours(event: str = "ready", level: str = "info", **fields: object) -> str:
    head = {"timestamp": STAMP, "level": level, "event": event, "service": "gitbridge"}
    return msgspec.json.encode({**head, **fields}).decode()


def shown(text: str) -> str:
    return log_line(from_text(text), no_colours)


def entry(message: object, **fields: object) -> str:
    known = {"MESSAGE": message, "__REALTIME_TIMESTAMP": "1795912591250000"}
    return msgspec.json.encode({**known, **fields}).decode()


# ---- reading the daemon's own output


@pytest.mark.parametrize("prefix", ["", "<4>"])
def test_a_line_of_ours_is_read_with_its_priority_or_without(prefix: str) -> None:
    line = from_text(prefix + ours(level="warning", n=1) + "\n")

    assert (line.at, line.level) == (AT, "warning")
    assert line.fields is not None
    assert line.fields["n"] == 1
    assert line.text.startswith("{")


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):",
        "",
        "{broken",
        '{"no": "event"}',
        '{"event": 7}',
        "[1]",
        "{" + '"a":{' * 5000,
    ],
)
def test_what_is_no_line_of_ours_is_kept_as_it_came(text: str) -> None:
    assert from_text(text) == Line(text=text)


def test_odd_times_and_levels_are_not_believed() -> None:
    odd = '{"event":"x","timestamp":"now","level":"loud"}'
    naive = '{"event":"x","timestamp":"2026-11-29T00:00:00","level":7}'

    assert (from_text(odd).at, from_text(odd).level) == (None, None)
    assert (from_text(naive).at, from_text(naive).level) == (None, None)
    assert from_text('{"event":"x"}', 5.0, "error") == Line(
        text='{"event":"x"}', at=5.0, level="error", fields={"event": "x"}
    )


# ---- reading journalctl


def test_an_entry_of_ours_is_its_message() -> None:
    line = from_journal(entry(ours("ready"), PRIORITY="6", _TRANSPORT="stdout"))

    assert (line.at, line.level) == (AT, "info")
    assert line.fields is not None


@pytest.mark.parametrize(
    ("priority", "transport", "level"),
    [
        ("6", "stdout", None),  # a traceback is not marked
        ("3", "stdout", "error"),
        ("6", "journal", "info"),  # systemd speaks of us
        ("4", "journal", "warning"),
        ("0", "journal", "critical"),
        ("7", "journal", "debug"),
        ("9", "journal", None),
        (6, "journal", None),
        (None, None, None),
    ],
)
def test_other_entries_are_as_grave_as_the_journal_says(
    priority: object, transport: object, level: str | None
) -> None:
    line = from_journal(
        entry("Started gitbridge.", PRIORITY=priority, _TRANSPORT=transport)
    )

    assert line == Line(text="Started gitbridge.", at=AT, level=level)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ([104, 105, 255, 10], "hi\ufffd"),  # bytes that are no text
        (None, "(journalctl does not show this line)"),
        (["one", [50]], "one 2"),  # the field came twice
        ([300], "(journalctl does not show this line)"),
    ],
)
def test_messages_that_are_no_text_are_made_readable(
    message: object, text: str
) -> None:
    assert from_journal(entry(message)).text == text


def test_an_entry_without_a_time_has_none() -> None:
    assert from_journal('{"MESSAGE":"x"}').at is None
    assert from_journal('{"MESSAGE":"x","__REALTIME_TIMESTAMP":"y"}').at is None


@pytest.mark.parametrize("text", ["", "-- No entries --", "[]", "{"])
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no entry"):
        from_journal(text)


# ---- which are wanted


def test_without_wishes_everything_is_wanted() -> None:
    assert Wanted().everything
    assert Wanted().takes(from_text("x"))
    assert not Wanted(level="info").everything


def test_a_level_is_a_floor_and_unmarked_lines_may_be_grave() -> None:
    floor = Wanted(level="warning")
    taken = [
        floor.takes(from_text(ours(level=level)))
        for level in ("debug", "info", "warning", "error", "critical")
    ]

    assert taken == [False, False, True, True, True]
    assert floor.takes(from_text("Traceback"))
    assert not floor.takes(from_text("Started", level="info"))


@pytest.mark.parametrize("field", ["request_id", "decision_id", "task_id"])
def test_a_request_is_found_by_any_of_its_ids(field: str) -> None:
    one = Wanted(request="01A")

    assert one.takes(from_text(ours(**{field: "01A"})))
    assert not one.takes(from_text(ours(**{field: "01AB"})))
    assert not one.takes(from_text("Traceback"))


def test_what_is_older_is_left_out_where_its_time_is_known() -> None:
    recent = Wanted(since=AT)

    assert recent.takes(from_text(ours()))
    assert not Wanted(since=AT + 1).takes(from_text(ours()))
    assert recent.takes(from_text("Traceback"))


# ---- showing


def test_a_request_is_one_line_of_what_matters() -> None:
    text = ours(
        "request_finished",
        actor="router",
        request_id="01REQ",
        decision_id="01DEC",
        outcome="ok",
        error=None,
        provider="openai",
        model="gpt-4o",
        strategy="cost",
        attempts=2,
        latency_s=1.2345,
        overhead_s=0.0004,
        prompt_tokens=12,
        completion_tokens=0,
        cost_usd=0.000123,
        cost_source="table",
        stream=False,
        door="json",
        simulated=False,
    )

    assert shown(text) == (
        "2026-11-29 00:36:31Z  info      request_finished openai/gpt-4o ok attempts=2"
        " latency=1.23s prompt_tokens=12 completion_tokens=0 cost=$0.000123 01REQ"
    )


def test_a_change_is_shown_as_one() -> None:
    text = ours(
        "breaker_changed",
        "warning",
        provider="grok",
        model="m",
        before="closed",
        after="open",
        reason="3 failures in a row",
    )

    assert shown(text).endswith(
        "warning   breaker_changed grok/m closed → open 3 failures in a row"
    )


def test_a_message_that_begins_with_its_status_says_it_once() -> None:
    text = ours("attempt_failed", failure="auth", status=401, message="401 wrong key")
    other = ours("attempt_failed", failure="connect", status=None, message="refused")

    assert shown(text).endswith("attempt_failed auth 401 wrong key")
    assert shown(other).endswith("attempt_failed connect refused")


def test_advice_and_frames_stand_below() -> None:
    condition = ours(
        "condition_raised", "error", code="spool_unwritable", text="full", advice="Act."
    )
    bug = ours("request_bug", "error", error="ValueError: x", traceback=["a:1 f", "b"])

    assert shown(condition).splitlines()[0].endswith("spool_unwritable full")
    assert shown(condition).splitlines()[1:] == ["    Act."]
    assert shown(bug).splitlines()[1:] == ["    a:1 f", "    b"]


def test_who_says_it_is_shown_where_it_is_somebody() -> None:
    assert shown(ours(actor="provider:grok")).endswith("ready provider:grok")
    assert shown(ours(actor="daemon")).endswith("ready")
    assert shown(ours(actor="router", provider="p")).endswith("ready p")


def test_nonsense_is_shown_as_it_came() -> None:
    text = '{"event":"x","a_s":1e999,"b_usd":1e999,"c_s":true}'

    assert shown(text) == "-         x a_s=1E+999 b_usd=1E+999 c=1.00s"


def test_values_that_are_no_text_are_json_and_switches_only_when_on() -> None:
    text = ours(a=[1, {"b": 2}], on=True, off=False, gone=None, wait_s="soon", n_s=3)

    assert shown(text).endswith('ready a=[1,{"b":2}] on=true wait_s=soon n=3.00s')


def test_a_level_that_is_not_known_is_a_dash() -> None:
    assert log_line(from_text('{"event":"x"}'), no_colours) == "-         x"


def test_other_lines_are_shown_as_they_came_but_drive_no_terminal() -> None:
    assert shown('  File "x.py", line 1') == '  File "x.py", line 1'
    assert shown("a\x1b[2Jb") == "a[2Jb"
    assert log_line(Line(text="Started.", at=AT), no_colours) == (
        "2026-11-29 00:36:31Z  Started."
    )
    assert "\x1b" not in shown(ours("x", text="\x1b[2J", k="\x1b", actor="\x1b"))


def test_colours_mark_what_is_grave() -> None:
    line = log_line(from_text(ours(level="error", request_id="01")), colours)

    assert "\x1b[31merror   \x1b[0m" in line
    assert "\x1b[1mready\x1b[0m" in line
    assert line.endswith("\x1b[2m01\x1b[0m")


def test_programs_get_the_line_itself_or_what_was_said_and_when() -> None:
    assert document(from_text(ours("x", n=1)))["n"] == 1
    assert document(Line(text="Started.", at=AT)) == {
        "timestamp": "2026-11-29 00:36:31Z",
        "raw": "Started.",
    }
    assert document(Line(text="x")) == {"timestamp": None, "raw": "x"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    st.dictionaries(
        st.text() | st.sampled_from(["provider", "level", "cost_usd", "latency_s"]),
        JSON,
        max_size=8,
    )
)
def test_nothing_that_is_logged_breaks_the_rendering(fields: dict[str, object]) -> None:
    try:
        text = msgspec.json.encode({**fields, "event": "x"}).decode()
    except (ValueError, OverflowError):
        return
    line = from_text(text)

    assert "x" in log_line(line, no_colours)
    msgspec.json.encode(document(line))


@given(st.text())
def test_any_text_can_be_shown(text: str) -> None:
    line = from_text(text)

    assert log_line(line, no_colours).isprintable() or "\n" in text or "\t" in text
