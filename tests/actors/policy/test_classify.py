"""Which rule an event falls under, and what it makes of it."""

import re

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from actors.messages.actions import EventRule, PostComment
from actors.messages.events import Event
from actors.policy.classify import (
    MAX_TEXT,
    PLACEHOLDERS,
    SURE,
    fill,
    fits,
    plan_for,
    strange_placeholders,
    values_of,
)
from actors.policy.github import read_event
from tests.support.github_payloads import payload

EVENT = Event(
    id="d1",
    source="github",
    name="issues.opened",
    at=1.0,
    repository="octo-org/hello",
    number=7,
    title="It crashes",
    text="on start",
    labels=("bug", "ui"),
    paths=("src/a/b.py", "README.md"),
    sender="mona",
)


@pytest.mark.parametrize(
    ("rule", "fitting"),
    [
        (EventRule(), True),
        (EventRule(events=("issues.*",)), True),
        (EventRule(events=("issues",)), False),
        (EventRule(events=("push", "issues.opened")), True),
        (EventRule(repositories=("octo-org/*",)), True),
        (EventRule(repositories=("octo/*",)), False),
        (EventRule(senders=("mon?",)), True),
        (EventRule(senders=("*[bot]",)), False),
        (EventRule(labels=("docs", "bug")), True),
        (EventRule(labels=("docs",)), False),
        (EventRule(paths=("src/**",)), True),
        (EventRule(paths=("**/*.md",)), True),
        (EventRule(paths=("src/*",)), False),
        (EventRule(paths=("src/**/b.py",)), True),
        (EventRule(paths=("**/*.md",), all_paths=True), False),
        (EventRule(paths=("**",), all_paths=True), True),
        (EventRule(events=("issues.*",), labels=("docs",)), False),
    ],
)
def test_conditions(rule: EventRule, fitting: bool) -> None:
    assert fits(rule, EVENT) is fitting


def test_a_sender_that_is_not_known_fits_no_pattern() -> None:
    assert not fits(EventRule(senders=("*",)), replace(EVENT, sender=None))


def test_no_paths_are_never_all_of_them() -> None:
    rule = EventRule(paths=("**",), all_paths=True)
    assert not fits(rule, replace(EVENT, paths=()))


@given(st.text(max_size=30))
def test_a_pattern_without_wild_cards_is_itself(name: str) -> None:
    plain = name.replace("*", "").replace("?", "")
    assert fits(EventRule(events=(plain,)), replace(EVENT, name=plain))


def test_the_first_rule_that_fits_decides() -> None:
    comment = PostComment()
    rules = (
        EventRule(labels=("docs",), task_type="documentation"),
        EventRule(
            labels=("bug",),
            task_type="triage",
            priority="high",
            providers=("claude", "grok"),
            strategy="cost",
            consensus="majority",
            prompt="What is {title}?",
            max_tokens=99,
            actions=(comment,),
        ),
        EventRule(),
    )
    plan = plan_for(EVENT, rules)

    assert plan is not None
    assert (plan.by, plan.task_type, plan.priority) == ("rule 2", "triage", "high")
    assert (plan.providers, plan.strategy) == (("claude", "grok"), "cost")
    assert (plan.consensus, plan.max_tokens) == ("majority", 99)
    assert (plan.prompt, plan.actions) == ("What is {title}?", (comment,))


def test_a_rule_can_have_an_event_ignored() -> None:
    assert plan_for(EVENT, (EventRule(ignore=True), EventRule())) is None


@pytest.mark.parametrize(
    ("name", "kind", "task_type", "priority"),
    [
        ("push", "push", "code_review", "low"),
        ("push_docs", "push", "documentation", "low"),
        ("pull_request", "pull_request", "code_review", "normal"),
        ("release", "release", "release_notes", "low"),
    ],
)
def test_default_rules(name: str, kind: str, task_type: str, priority: str) -> None:
    event = read_event(kind, "d1", payload(name), 1.0)
    assert event is not None
    plan = plan_for(event, ())

    assert plan is not None
    assert (plan.task_type, plan.priority) == (task_type, priority)
    assert plan.by.startswith("default rule ")
    assert not plan.actions


@pytest.mark.parametrize(
    ("labels", "task_type"),
    [(("security",), "security"), (("bug",), "bug"), (("docs",), None)],
)
def test_default_rules_for_issues(
    labels: tuple[str, ...], task_type: str | None
) -> None:
    plan = plan_for(replace(EVENT, labels=labels), ())
    assert (plan.task_type if plan else None) == task_type


def test_the_classifier_is_asked_where_rules_are_silent() -> None:
    asked: list[str] = []

    def guess(text: str) -> tuple[str, float]:
        asked.append(text)
        return "security", 0.8

    plan = plan_for(replace(EVENT, labels=()), (), guess)

    assert plan is not None
    assert (plan.by, plan.task_type, plan.priority, plan.score) == (
        "classifier",
        "security",
        "high",
        0.8,
    )
    assert asked == ["It crashes\non start"]


@pytest.mark.parametrize(
    ("score", "by", "task_type"),
    [
        (SURE, "classifier", "security"),
        (SURE - 1e-9, "classifier, unsure", "general"),
    ],
)
def test_an_unsure_guess_is_not_taken(score: float, by: str, task_type: str) -> None:
    plan = plan_for(replace(EVENT, labels=()), (), lambda _: ("security", score))

    assert plan is not None
    assert (plan.by, plan.task_type, plan.score) == (by, task_type, score)
    assert plan.priority == ("high" if by == "classifier" else "normal")
    assert plan.prompt.startswith("Say in" if by != "classifier" else "Assess")


def test_the_classifier_is_not_asked_about_everything() -> None:
    def guess(_text: str) -> tuple[str, float]:
        raise AssertionError

    closed = replace(EVENT, name="issues.closed")
    assert plan_for(closed, (), guess) is None
    assert plan_for(closed, ()) is None


def test_values_are_put_in_once() -> None:
    event = replace(EVENT, title="{text}", number=None)
    values = values_of(event, "bug")

    assert fill("{title} #{number}! {unknown} {}", values) == "{text} #! {unknown} {}"
    assert values.keys() == PLACEHOLDERS


def test_what_a_template_may_name() -> None:
    assert strange_placeholders("{title} {answer} {x} {x}") == ["answer", "x"]
    assert strange_placeholders("{answer}", {"answer"}) == []


def test_many_paths_are_cut() -> None:
    event = replace(
        EVENT, paths=tuple(f"{number}-{'x' * 4000}" for number in range(99))
    )

    assert len(values_of(event, "bug")["paths"]) == MAX_TEXT


def tried_everywhere(glob: str) -> re.Pattern[str]:
    """What a glob says, without regard to how long it takes."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    wild = re.compile(r"((?<![^/])\*\*/|\*\*|\*|\?)")
    parts = (words.get(part, re.escape(part)) for part in wild.split(glob))
    return re.compile("".join(parts), re.DOTALL)


@settings(max_examples=1000)
@given(
    st.lists(st.sampled_from(("**/", "**", "*", "?", "a", "b", "/")), max_size=8),
    st.text("ab/", max_size=12),
)
def test_globs_match_what_they_say(glob: list[str], path: str) -> None:
    pattern = "".join(glob)
    rule = EventRule(paths=(pattern,))
    wanted = tried_everywhere(pattern).fullmatch(path) is not None
    assert fits(rule, replace(EVENT, paths=(path,))) is wanted


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", ["a/b/" * 2000, "a/" * 4000, "/" * 8000, "a" * 8000])
def test_no_path_takes_a_rule_long(path: str) -> None:
    """It would keep everybody waiting: a path is written by whoever may push."""
    globs = ("**/a/**/b/**/*.py", "**a**b**c", "a*a*a*a*c/**", "**/*a*b*c")
    event = replace(EVENT, paths=tuple(f"{path}{end}" for end in range(20)))
    assert not fits(EventRule(paths=globs), event)
