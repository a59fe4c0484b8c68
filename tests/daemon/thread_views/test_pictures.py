"""Pictures: valid, escaped, the same each time, and nothing runs over its frame."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings, strategies as st

from actors.messages.threads import ThreadEntry
from daemon.thread_views.agreement import agreement
from daemon.thread_views.agreement_svg import agreement_svg
from daemon.thread_views.drawing import BOLD, SIZE, fitted, width_of, wrapped
from daemon.thread_views.flow_svg import MAX_MEMBERS, MAX_STEPS, flow_svg
from tests.support.thread_story import (
    EVENT,
    HOSTILE,
    NAMES,
    PICTURE,
    a_request,
    a_round,
    entry,
    shown,
)

ROOT = Path(__file__).parents[3]
SVG = "{http://www.w3.org/2000/svg}"
ALLOWED = {"svg", "title", "desc", "style", "rect", "text", "path"}


def read(picture: str) -> ET.Element:
    """As a strict reader of XML reads it; with nothing in it that could do something."""
    root = ET.fromstring(picture)
    tags = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert tags <= ALLOWED
    names = {name for each in root.iter() for name in each.attrib}
    assert not [name for name in names if name.startswith("on") or "href" in name]
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "title desc"
    style = root.findtext(f"{SVG}style") or ""
    assert "prefers-color-scheme:dark" in style
    assert "url(" not in style
    return root


def texts(root: ET.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def described(root: ET.Element) -> str:
    return root.findtext(f"{SVG}desc") or ""


def boxes(root: ET.Element) -> list[tuple[float, float, float, float]]:
    return [
        tuple(float(each.get(name, "0")) for name in ("x", "y", "width", "height"))  # type: ignore[misc]  # four of them
        for each in root.iter(f"{SVG}rect")
    ]


def sized(each: ET.Element) -> float:
    """As wide as it may be drawn."""
    size = float(each.get("font-size", "13"))
    bold = each.get("font-weight") is not None
    return width_of(each.text or "", size * BOLD / SIZE if bold else size)


def assert_laid_out(root: ET.Element) -> None:
    """Everything is inside of the picture, and no text leaves the frame it is in."""
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    frames = boxes(root)
    for x, y, w, h in frames:
        assert 0 <= x <= x + w <= width + 0.1
        assert 0 <= y <= y + h <= height + 0.1
    for each in root.iter(f"{SVG}text"):
        x, y = float(each.get("x", "0")), float(each.get("y", "0"))
        assert 0 < y < height
        if each.get("text-anchor") == "middle":
            x -= sized(each) / 2
        around = [f for f in frames[1:] if f[0] <= x <= f[0] + f[2]]
        inside = [f for f in around if f[1] <= y <= f[1] + f[3]]
        end = min((f[0] + f[2] for f in inside), default=width)
        assert x + sized(each) <= end + 4, each.text


# How it was decided -------------------------------------------------------------------


def test_the_flow_says_who_asked_whom_who_agreed_and_how_it_was_decided() -> None:
    root = read(flow_svg(EVENT, "plan-b"))
    said = texts(root)

    assert said[:2] == ["How it was decided: plan-b", "4 steps"]
    assert "event: mona to event_router" in said
    assert "asks consensus" in said
    assert said.count("A, won · 1.50 s · $0.00100") == 2
    assert "B · 1.50 s · $0.00100" in said
    assert "A  won" in said
    assert "2 ballots" in said
    assert "verdict: majority" in said
    assert "two of three said so" in said
    assert "agreement 0.67, confidence" in said
    assert "action: post_comment to acme/shop#1" in said
    words = described(root)
    assert "question: ada to consensus" in words
    assert f"{NAMES[0]} A, won; {NAMES[1]} A, won; {NAMES[2]} B" in words
    assert_laid_out(root)


@pytest.mark.parametrize("members", range(2, 13))
def test_a_round_of_any_size_is_laid_out(members: int) -> None:
    groups = tuple((None, 0, 0, 1)[n % 4] for n in range(members))
    root = read(flow_svg(a_round(groups), "t"))

    assert_laid_out(root)
    assert [name for name in NAMES[:members] if name not in texts(root)] == []
    frames = boxes(root)[1:]
    for i, one in enumerate(frames):
        for other in frames[i + 1 :]:
            assert not overlap(one, other)


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    x = one[0] < other[0] + other[2] and other[0] < one[0] + one[2]
    y = one[1] < other[1] + other[3] and other[1] < one[1] + one[3]
    return x and y


def test_a_plain_request_shows_its_calls() -> None:
    calls = ("a/m first timeout 60.0s", "b/m failover ok 0.2s")
    root = read(flow_svg(a_request(*calls), "t"))
    said = texts(root)

    assert "timeout · first call · 60.0s" in said
    assert "ok · failover call · 0.2s" in said
    assert "Because." in said
    assert "b/m ok" in described(root)
    assert_laid_out(root)


FAILED = entry(
    "verdict",
    "consensus",
    to="ada",
    request_id="r1",
    state="failed",
    data={"error": "no_provider", "message": "nobody is left"},
)
REFUSED = entry(
    "answer", "router", request_id="r9", state="failed", data={"message": "too dear"}
)


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ([], "nothing has been said yet"),
        (a_round((0,))[:1], "no verdict yet"),
        (a_request()[:1], "no answer yet"),
        ([*a_request()[:2], REFUSED], "too dear"),
        ([*a_round((0, None))[:-1], FAILED], "no verdict: nobody is left"),
        (a_round((0,))[1:], "not kept any more"),
        ([entry("note", "ada", text="hm")], "hm"),
        ([entry("note", "ada", chars=7)], "(7 characters, not kept)"),
        ([entry("note", "ada")], "note: ada"),
        ([entry("ballot", "m", request_id="r")], "no answer"),
        (
            [entry("ballot", "m", request_id="r", data={"state": "answered"})],
            "abstained",
        ),
        ([entry("question", "m", request_id="r")], "asks somebody"),
        (
            [entry("ballot", "m", request_id="r", data={"replaces": "x", "group": 0})],
            "A · in place of x",
        ),
        (
            [entry("task_state", "q", data={"state": "dead", "attempts": 5})],
            "dead, attempts 5",
        ),
    ],
)
def test_whatever_is_missing_is_said(entries: list[ThreadEntry], wanted: str) -> None:
    root = read(flow_svg(entries, "t"))

    assert wanted in texts(root)
    assert_laid_out(root)


def test_an_answer_that_was_written_from_all_of_them_has_no_loser() -> None:
    written = flow_svg(a_round((0, 1), winner=None), "t")
    voted = flow_svg(a_round((0, 1)), "t")

    dashed = 'stroke-dasharray="6 4"'
    assert (written.count(dashed), voted.count(dashed)) == (0, 3)
    assert not [text for text in texts(read(written)) if text.endswith("  won")]
    assert [text for text in texts(read(voted)) if text.endswith("  won")] == ["A  won"]


def test_a_long_thread_shows_its_last_steps_and_says_so() -> None:
    told = [entry("note", f"n{number}") for number in range(MAX_STEPS + 3)]
    said = texts(read(flow_svg(told, "t")))

    assert said[1] == f"the last {MAX_STEPS} of {MAX_STEPS + 3} steps"
    assert "note: n2" not in said
    assert "note: n3" in said


def test_more_members_than_fit_are_counted() -> None:
    root = read(flow_svg(a_round((0,) * (MAX_MEMBERS + 2) + (1,)), "t"))

    assert "and 3 more" in texts(root)
    assert_laid_out(root)


def test_the_picture_on_the_page_is_what_is_drawn() -> None:
    drawn = flow_svg(shown(), "Close the file on every path")

    assert_laid_out(read(drawn))
    assert (ROOT / PICTURE).read_text() == drawn
    assert PICTURE.removeprefix("docs/") in (ROOT / "docs/threads.md").read_text()


# Who agreed ----------------------------------------------------------------------------


def test_the_matrix_says_how_often_each_two_agreed() -> None:
    told = [
        *a_round((0, 0, 1), request_id="a"),
        *a_round((0, 1, 1), winner=1, request_id="b"),
        *a_round((0, None), request_id="c", names=(NAMES[0], NAMES[3])),
    ]
    root = read(agreement_svg(agreement(told), "plan-b"))
    said = texts(root)

    assert said[:2] == [
        "Who agreed with whom: plan-b",
        "3 rounds of consensus, 4 members",
    ]
    assert said.count("50%") == 4
    assert said.count("0%") == 2
    assert said.count("1 of 2") == 4
    assert said.count("-") == 6
    assert "0 / 0  (1 asked)" in said
    assert f"{NAMES[0]} and {NAMES[1]} agreed in 1 of 2" in described(root)
    assert f"{NAMES[0]} and {NAMES[3]} never both answered" in described(root)
    assert_laid_out(root)


@pytest.mark.parametrize("members", [*range(2, 13), 14])
def test_a_matrix_of_any_size_is_laid_out(members: int) -> None:
    names = tuple(f"{name}-{'with-a-very-long-name' * 3}" for name in NAMES)
    told = a_round(tuple(n % 2 for n in range(members)), names=names)
    root = read(agreement_svg(agreement(told), "all threads"))

    assert_laid_out(root)
    note = [text for text in texts(root) if text.endswith("less often are not shown.")]
    assert note == (
        ["2 who answered less often are not shown."] if members > 12 else []
    )


def test_a_matrix_of_nobody() -> None:
    root = read(agreement_svg(agreement([]), "all threads"))

    assert "Nobody has answered in a round of consensus yet." in texts(root)


# What others wrote ----------------------------------------------------------------------


def hostile(text: str) -> list[ThreadEntry]:
    return [
        entry("event", text, to=text, text=text, data={"url": text}),
        *a_round((0, 1, None), names=(text, f"{text}2", f"{text}3")),
        entry("question", text, to=text, text=text, request_id="h"),
        entry(
            "ballot",
            text,
            request_id="h",
            text=text,
            data={"error": text, "state": text},
        ),
        entry(
            "verdict",
            text,
            request_id="h",
            text=text,
            data={"rule": text, "method": text},
        ),
        *a_request(f"{text} first ok 1.0s", text=text),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_others_wrote_is_markup(text: str) -> None:
    for picture in pictures(text):
        assert "<script" not in picture.lower()
        assert_laid_out(read(picture))


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_drawn(text: str) -> None:
    for picture in pictures(text or "-"):
        assert_laid_out(read(picture))
        picture.encode()


def pictures(text: str) -> Iterator[str]:
    told = hostile(text)
    yield flow_svg(told, text)
    yield agreement_svg(agreement(told), text)


def test_the_same_thread_is_the_same_picture() -> None:
    assert list(pictures("x")) == list(pictures("x"))


# Texts ----------------------------------------------------------------------------------


@given(st.text(max_size=80), st.floats(20, 400))
def test_a_fitted_text_fits(text: str, width: float) -> None:
    fit = fitted(text, width)

    assert width_of(fit) <= width + 0.01
    assert "\n" not in fit
    whole = " ".join(text.split())
    assert fit == whole or (fit.endswith("…") and whole.startswith(fit[:-1]))


@given(st.text(max_size=300), st.integers(1, 5))
def test_wrapped_lines_fit_and_begin_the_text(text: str, lines: int) -> None:
    found = wrapped(text, 200, lines)

    assert len(found) <= lines
    assert all(width_of(line) <= 200.01 for line in found)
    if not any("…" in line for line in found):
        assert " ".join(found).split() == text.split()


# Contrast -------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    code = colour.lstrip("#")
    code = "".join(c * 2 for c in code) if len(code) == 3 else code
    parts = [int(code[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(over: str, ground: str, share: float) -> str:
    def parts(colour: str) -> list[int]:
        code = colour.lstrip("#")
        code = "".join(c * 2 for c in code) if len(code) == 3 else code
        return [int(code[n : n + 2], 16) for n in (0, 2, 4)]

    pairs = zip(parts(over), parts(ground), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


@pytest.mark.parametrize("dark", [False, True])
def test_texts_stand_out_in_the_light_and_in_the_dark(dark: bool) -> None:
    style = read(flow_svg([], "t")).findtext(f"{SVG}style") or ""
    light, _, night = style.partition("@media")
    fills = dict(re.findall(r"\.([a-z]+)\{fill:(#[0-9a-f]+)", night if dark else light))
    for tone in ("plain", "soft", "good", "bad", "warn", "link"):
        for ground in ("ground", "box"):
            assert contrast(fills[tone], fills[ground]) >= 4.5, (tone, ground)
    darkest = mixed(fills["heat"], fills["ground"], 0.36)
    assert contrast(fills["plain"], darkest) >= 4.5
