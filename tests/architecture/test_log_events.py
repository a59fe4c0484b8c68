"""``docs/logs.md`` lists every event that the code logs, with its fields, and no other."""

import ast
import re
from collections.abc import Iterator

import pytest

from daemon.request_line import RequestLine
from tests.support.documents import ROOT

LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
LOGGERS = {"log", "_log"}
CALLED = {"tell", "log"}  # a level that was chosen before
EXCEPTION = {"error", "traceback"}  # what the pipeline makes of ``exc_info``
NOT_LOGGED = {"log_lines_dropped"}  # written by the pipeline itself
HEAD = {"timestamp", "level", "event", "service"}
EVERY_LINE = {"actor"}  # in the table of fields at the top
ROW = re.compile(r"^\| (`[a-z_`, ]+`) \| [a-z, ;]+ \| (.*) \|$", re.MULTILINE)
NAME = re.compile(r"`([a-z_]+)`")


def is_logging(call: ast.Call) -> bool:
    called = call.func
    if isinstance(called, ast.Name):
        return called.id in CALLED and bool(call.keywords)
    if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
        return False
    return called.value.id in LOGGERS and called.attr in LEVELS


def names_in(event: ast.expr) -> list[str]:
    """The one name, or both of a choice."""
    texts = [n.value for n in ast.walk(event) if isinstance(n, ast.Constant)]
    return [text for text in texts if isinstance(text, str)]


def fields_of(call: ast.Call) -> set[str]:
    fields = {word.arg for word in call.keywords if word.arg is not None}
    if isinstance(call.func, ast.Attribute) and call.func.attr == "exception":
        fields |= EXCEPTION
    return (fields - {"exc_info"}) | (EXCEPTION if "exc_info" in fields else set())


def logged() -> Iterator[tuple[str, set[str]]]:
    """Every event in the source, with the fields of that line."""
    for package in ("actors", "ipc", "daemon"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and node.args and is_logging(node):
                    for name in names_in(node.args[0]):
                        yield name, fields_of(node)
    yield "request_finished", set(RequestLine.__struct_fields__) - HEAD


def documented() -> dict[str, set[str]]:
    text = (ROOT / "docs" / "logs.md").read_text()
    text = text.partition("## Process")[2].partition("## Conditions")[0]
    return {
        event: set(NAME.findall(fields))
        for events, fields in ROW.findall(text)
        for event in NAME.findall(events)
    }


@pytest.mark.slow
def test_every_event_is_on_the_page_and_every_event_there_exists() -> None:
    assert {name for name, _ in logged()} | NOT_LOGGED == set(documented())


@pytest.mark.slow
def test_every_field_of_an_event_is_on_the_page() -> None:
    page = documented()
    missing = {
        name: unsaid
        for name, fields in logged()
        if (unsaid := fields - page.get(name, set()) - EVERY_LINE)
    }

    assert missing == {}
