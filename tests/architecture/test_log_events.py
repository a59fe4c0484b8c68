"""``docs/logs.md`` lists every event that the code logs, with its levels and fields.

And nothing else. What the source says is held against the page here; what real daemons
log, wherever tests start one.
"""

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from daemon.request_line import RequestLine
from tests.support.documents import ROOT
from tests.support.log_page import (
    ALL_LEVELS,
    EVERY_LINE,
    assert_on_the_page,
    documented,
)

METHODS = ALL_LEVELS | {"exception"}
LOGGERS = {"log", "_log"}
CALLED = {"tell", "log"}  # a level that was chosen before
EXCEPTION = {"error", "traceback"}  # what the pipeline makes of ``exc_info``

Parents = Sequence[ast.AST]


class Logged(NamedTuple):
    """One place in the source that logs an event."""

    event: str
    levels: frozenset[str]
    fields: frozenset[str]


def is_logging(call: ast.Call) -> bool:
    called = call.func
    if isinstance(called, ast.Name):
        return called.id in CALLED and bool(call.keywords)
    return level_of(called) is not None


def level_of(node: ast.AST) -> str | None:
    """The level of ``log.warning`` and its like."""
    if not isinstance(node, ast.Attribute) or node.attr not in METHODS:
        return None
    whose = node.value
    name = whose.id if isinstance(whose, ast.Name) else getattr(whose, "attr", "")
    if name not in LOGGERS:
        return None
    return "error" if node.attr == "exception" else node.attr


def names_in(event: ast.expr) -> list[str]:
    """The one name, or both of a choice."""
    texts = [n.value for n in ast.walk(event) if isinstance(n, ast.Constant)]
    return [text for text in texts if isinstance(text, str)]


def fields_of(call: ast.Call) -> frozenset[str]:
    fields = {word.arg for word in call.keywords if word.arg is not None}
    if isinstance(call.func, ast.Attribute) and call.func.attr == "exception":
        fields |= EXCEPTION
    more = EXCEPTION if "exc_info" in fields else set()
    return frozenset((fields - {"exc_info"}) | more)


def levels_of(call: ast.Call, function: ast.AST) -> frozenset[str]:
    """The level, or those among which the function chooses one before."""
    level = level_of(call.func)
    if level is not None:
        return frozenset({level})
    calls = {id(n.func) for n in ast.walk(function) if isinstance(n, ast.Call)}
    chosen = [level_of(n) for n in ast.walk(function) if id(n) not in calls]
    return frozenset(each for each in chosen if each) or ALL_LEVELS


def in_tree(tree: ast.Module) -> Iterator[Logged]:
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and node.args and is_logging(node):
                for name in names_in(node.args[0]):
                    yield Logged(name, levels_of(node, function), fields_of(node))


def logged() -> Iterator[Logged]:
    """Every event in the source, and what the pipeline itself writes."""
    for package in ("actors", "ipc", "daemon"):
        for path in (ROOT / package).rglob("*.py"):
            yield from in_tree(ast.parse(path.read_text()))
    line = frozenset(RequestLine.__struct_fields__)
    yield Logged("request_finished", frozenset({"info", "warning"}), line)
    yield Logged("log_lines_dropped", frozenset({"warning"}), frozenset({"count"}))


@pytest.fixture(scope="module")
def source() -> dict[str, Logged]:
    """Everything that is logged of each event, wherever."""
    found: dict[str, Logged] = {}
    for each in logged():
        name, levels, fields = each
        if name in found:
            levels, fields = levels | found[name].levels, fields | found[name].fields
        found[name] = Logged(name, levels, fields - EVERY_LINE)
    return found


@pytest.mark.slow
def test_every_event_is_on_the_page_and_every_event_there_exists(
    source: dict[str, Logged],
) -> None:
    assert set(source) == set(documented())


@pytest.mark.slow
def test_every_field_of_an_event_is_on_the_page_and_no_other(
    source: dict[str, Logged],
) -> None:
    page = {name: set(event.fields) for name, event in documented().items()}

    assert {name: set(each.fields) for name, each in source.items()} == page


@pytest.mark.slow
def test_the_levels_are_those_of_the_page(source: dict[str, Logged]) -> None:
    page = {name: set(event.levels) for name, event in documented().items()}

    assert {name: set(each.levels) for name, each in source.items()} == page


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"event": "unheard_of"}, "does not know"),
        ({"level": "error"}, "other levels"),
        ({"odd": 1}, r"does not list \['odd'\]"),
    ],
)
def test_a_line_that_is_not_as_the_page_says_is_noticed(
    change: dict[str, object], said: str
) -> None:
    line = {"event": "prices_loaded", "level": "info", "models": 3, "actor": "daemon"}
    assert_on_the_page([line])

    with pytest.raises(AssertionError, match=said):
        assert_on_the_page([line, {**line, **change}])
