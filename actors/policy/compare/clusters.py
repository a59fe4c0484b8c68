"""Answers in, groups of equal answers out, each with the rule that joined it.

What the answers are is decided once for all of them, from what most are: tool calls,
an option's letter, JSON, code, a number or announced words, a short text; what is none
of these is ``text``, and two texts are one answer only when they are the same words. An
answer that is not what the others are stands alone; one that comes to nothing (no
option named, empty) is in no group: it abstains.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from actors.messages.chat import ToolCall
from actors.policy.compare.final_answer import final_answer, last_number
from actors.policy.compare.json_values import Unreadable, canonical, read_json
from actors.policy.compare.lexical import is_short, nearly_same
from actors.policy.compare.normalise import normalise
from actors.policy.compare.quantity import only_quantity, same_quantity
from actors.policy.compare.source_code import canonical_code, code_of
from actors.policy.compare.tool_calls import canonical_calls

AnswerKind = Literal[
    "tool_calls", "option", "json", "code", "number", "words", "short_text", "text"
]


class Answer(Struct, frozen=True):
    """What one member said."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class Reading(Struct, frozen=True):
    """What an answer comes to: ``key`` is compared, ``shown`` is for people."""

    key: str
    shown: str
    rule: str


class Group(Struct, frozen=True):
    """Equal answers, by their places; ``rule`` is what joined them, or ``alone``."""

    members: tuple[int, ...]
    shown: str
    rule: str


class Grouping(Struct, frozen=True):
    """Groups in order of first appearance; ``readings`` is ``None`` for abstentions."""

    kind: AnswerKind
    groups: tuple[Group, ...]
    readings: tuple[Reading | None, ...]


def group_answers(
    answers: Sequence[Answer], options: Mapping[str, str] | None = None
) -> Grouping:
    """Put equal answers together.

    Args:
        answers: Of the members that answered.
        options: The question's lettered options, if it has any.
    """
    kind, readings = _read(answers, options)
    groups: list[tuple[list[int], Reading, str]] = []
    for place, reading in enumerate(readings):
        if reading is None:
            continue
        for members, first, joined in groups:
            rule = _same(kind, first, reading)
            if rule is not None:
                members.append(place)
                groups[_index(groups, members)] = (members, first, joined or rule)
                break
        else:
            groups.append(([place], reading, ""))
    return Grouping(
        kind,
        tuple(
            Group(tuple(members), first.shown, rule or "alone")
            for members, first, rule in groups
        ),
        readings,
    )


def _index(groups: Sequence[tuple[list[int], Reading, str]], members: list[int]) -> int:
    return next(n for n, each in enumerate(groups) if each[0] is members)


# What they are


def _read(
    answers: Sequence[Answer], options: Mapping[str, str] | None
) -> tuple[AnswerKind, tuple[Reading | None, ...]]:
    candidates: list[AnswerKind] = ["tool_calls", "json", "code"]
    if options:
        candidates.insert(1, "option")
    candidates += ["number", "words", "short_text"]
    for kind in candidates:
        readings = tuple(_READERS[kind](answer, options) for answer in answers)
        fitting = sum(reading is not None for reading in readings)
        # A question with options asks for one of them, whatever some make of it.
        if fitting * (4 if kind == "option" else 2) > len(answers):
            return kind, readings
    return "text", tuple(_as_text(answer, options) for answer in answers)


_Reader = Callable[[Answer, Mapping[str, str] | None], Reading | None]


def _as_calls(answer: Answer, _: Mapping[str, str] | None) -> Reading | None:
    if not answer.tool_calls:
        return None
    key = canonical_calls(answer.tool_calls)
    return Reading(key, key, "tool_calls")


def _as_option(answer: Answer, options: Mapping[str, str] | None) -> Reading | None:
    found = final_answer(answer.text, options)
    if found is None or not options or found.text not in options:
        return None
    return Reading(found.text, found.text, found.rule)


def _as_json(answer: Answer, _: Mapping[str, str] | None) -> Reading | None:
    try:
        key = canonical(read_json(answer.text))
    except Unreadable:
        return None
    return Reading(key, key, "json")


def _as_code(answer: Answer, _: Mapping[str, str] | None) -> Reading | None:
    found = code_of(answer.text)
    if found is None:
        return None
    return Reading(canonical_code(*found), found[1].strip(), "code")


def _as_number(answer: Answer, _: Mapping[str, str] | None) -> Reading | None:
    """A number that is the whole answer, is announced, or ends a short one."""
    found = final_answer(answer.text)
    text, rule = (found.text, found.rule) if found else (answer.text.strip(), "whole")
    if only_quantity(text) is not None:
        return Reading(text, text, rule)
    if found is not None or not is_short(normalise(answer.text)):
        return None
    last = last_number(answer.text)
    return None if last is None else Reading(last.text, last.text, last.rule)


def _as_words(answer: Answer, _: Mapping[str, str] | None) -> Reading | None:
    found = final_answer(answer.text)
    return (
        None
        if found is None
        else Reading(normalise(found.text), found.text, found.rule)
    )


def _as_short(answer: Answer, _: Mapping[str, str] | None) -> Reading | None:
    key = normalise(answer.text)
    return Reading(key, answer.text.strip(), "whole") if is_short(key) else None


def _as_text(answer: Answer, _: Mapping[str, str] | None) -> Reading | None:
    key = normalise(answer.text)
    return Reading(key, answer.text.strip(), "whole") if key else None


_READERS: Mapping[AnswerKind, _Reader] = {
    "tool_calls": _as_calls,
    "option": _as_option,
    "json": _as_json,
    "code": _as_code,
    "number": _as_number,
    "words": _as_words,
    "short_text": _as_short,
    "text": _as_text,
}


# When they are the same


def _same(kind: AnswerKind, one: Reading, other: Reading) -> str | None:
    """The rule by which two readings are one answer, or ``None``."""
    if one.key == other.key:
        return "identical" if kind in {"words", "short_text", "text"} else kind
    if kind == "number":
        first, second = only_quantity(one.key), only_quantity(other.key)
        if first is not None and second is not None and same_quantity(first, second):
            return "number"
    if kind in {"words", "short_text"} and nearly_same(one.key, other.key):
        return "lexical"
    return None
