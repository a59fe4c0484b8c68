"""Markdown and Mermaid: what others wrote stays text."""

import re

import pytest
from hypothesis import given, strategies as st

from actors.messages.threads import ThreadEntry
from daemon.thread_views.agreement import agreement
from daemon.thread_views.markdown import (
    agreement_markdown,
    code,
    fenced,
    thread_markdown,
)
from daemon.thread_views.mermaid import MAX_MESSAGES, mermaid
from tests.support.thread_story import (
    EVENT,
    HOSTILE,
    NAMES,
    a_request,
    a_round,
    entry,
    page,
)

FENCE = re.compile(r"^(`{3,})text\n(.*?)\n\1$\n?", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")


def markdown(entries: list[ThreadEntry], *, more: bool = False) -> str:
    found = page(entries)
    assert found.summary is not None
    return thread_markdown(found.summary, entries, more=more)


def our_own(document: str) -> str:
    """Without its code, blocks and spans: what is read as markup."""
    return SPAN.sub("CODE", FENCE.sub("", document))


# Markdown -----------------------------------------------------------------------------


def test_a_document_tells_the_whole_thread() -> None:
    document = markdown(EVENT)

    assert document.startswith("# Thread `t`\n\n- State: done\n- User: `ada`\n")
    assert "- Cost: unknown\n" in document
    assert "## Event: `mona` to `event_router`\n" in document
    assert "```text\nClose the file\n```" in document
    assert "## Verdict: `consensus` to `ada`\n" in document
    assert "`A`" in document
    assert "2025-10-09 08:53:20Z · 1.50 s · $0.00100 · `A` · `answered" in document
    assert "goes on" not in document


def test_what_is_missing_is_said() -> None:
    document = markdown(
        [entry("note", "ada", chars=9), entry("note", "eve")], more=True
    )

    assert "(9 characters, not kept)" in document
    assert document.endswith("The thread goes on: this is its beginning.\n")


LINE = re.compile(
    r"^(#{1,2} (Thread|Event|Question|Note|Ballot|Verdict) ?:? ?CODE( to CODE)?"
    r"|- (State|User|Task type|Began|Cost|Took part|Simulated): [\w :,.CODE-]+"
    r"|[-0-9: Z]+( · [\w .$µ]+)*( · CODE)*|)$"
)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_others_wrote_is_markup(text: str) -> None:
    said = [
        entry("event", text, to=text, text=text, data={"x": text}),
        entry("ballot", text, text=text, data={"state": "failed", "error": text}),
    ]
    for line in our_own(markdown(said)).split("\n"):
        assert LINE.match(line), line


@given(st.text(max_size=80))
def test_inline_code_is_one_span_whatever_is_in_it(text: str) -> None:
    span = code(text)

    assert SPAN.fullmatch(span)
    assert "\n" not in span
    assert our_own(f"a {span} b") == "a CODE b"


@given(st.text(alphabet=st.sampled_from("`~ \n\rab"), max_size=60) | st.text())
def test_nothing_in_a_block_of_code_ends_it(text: str) -> None:
    block = fenced(text)
    fence = block.partition("text\n")[0]

    inside = block.split("\n")[1:-1]
    assert block.split("\n")[-1] == fence
    assert not [line for line in inside if line.strip().startswith(fence)]


def test_a_table_of_who_agreed() -> None:
    names = ("a|b", "c", *NAMES[2:])
    told = [
        *a_round((0, 0), names=names),
        *a_round((0,), request_id="r2", names=names[2:]),
    ]
    document = agreement_markdown(agreement(told), "all | threads")

    assert document.startswith("# Who agreed with whom: `all | threads`\n")
    assert "|  | Member | 1 | 2 | 3 | Won |\n| --- |" in document
    assert "| 1 | `a\\|b` |  | 1/1 | - | 1/1 |\n" in document


# Mermaid ------------------------------------------------------------------------------

TEXT = r"(?:[A-Za-z0-9 .,\-_/()?!']|#\d+;)+"
MERMAID = re.compile(
    rf"^(sequenceDiagram|    title {TEXT}|    participant p\d+ as {TEXT}"
    rf"|    p\d+-?->>p\d+: {TEXT}|    Note over p\d+: {TEXT})$"
)


def assert_valid(diagram: str) -> None:
    """Line by line what Mermaid takes; tried with its own parser on the same texts."""
    *lines, last = diagram.split("\n")
    assert last == ""
    for line in lines:
        assert MERMAID.match(line), line
    known = {line.split()[1] for line in lines if line.startswith("    participant ")}
    used = re.findall(r"\bp\d+\b(?=->>|-->>|: )", diagram)
    assert set(used) <= known


def test_a_diagram_says_who_said_what_to_whom() -> None:
    diagram = mermaid([*EVENT, *a_request("a/m first ok 1.0s")], "plan-b")

    assert_valid(diagram)
    assert diagram.startswith("sequenceDiagram\n    title plan-b\n")
    assert "    participant p0 as mona\n" in diagram
    assert "    p0->>p1: event#58; Close the file\n" in diagram
    assert "-->>p4: ballot A#58; Answer 0.\n" in diagram
    assert "    p4-->>p3: verdict by majority (two of three said so)#58;" in diagram
    assert "-->>p3: answer#58; Because.\n" in diagram


def test_a_long_thread_is_cut_and_an_empty_one_is_valid() -> None:
    assert_valid(mermaid([], "t"))
    said = [entry("note", "ada", data={"error": "x"})] * (MAX_MESSAGES + 3)
    diagram = mermaid(said, "t")
    assert_valid(diagram)
    assert diagram.endswith("    Note over p0: and 3 more\n")
    assert "Note over p0: note#58; x\n" in diagram
    failed = entry("verdict", "c", to="a", data={"message": "nobody is left"})
    assert "by nobody (nobody is left)" in mermaid([failed], "t")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_others_wrote_is_a_statement(text: str) -> None:
    said = [entry("event", text, to=text, text=text), entry("note", text)]
    assert_valid(mermaid(said, text))


@given(st.text(max_size=200), st.text(max_size=40))
def test_any_text_is_valid(text: str, name: str) -> None:
    assert_valid(mermaid([entry("event", name, to=text, text=text)], name))
