"""The catalogue says enough of everything, and findings fit it."""

import ast
from collections.abc import Iterator
from string import Formatter

import pytest

from actors.policy.condition_catalogue import CATALOGUE
from tests.support.documents import ROOT

ABOUT = {"provider", "model"}
CALLED = {"Finding", "declare"}


def places(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


@pytest.mark.parametrize("code", CATALOGUE)
def test_each_says_what_it_is_and_what_to_do(code: str) -> None:
    kind = CATALOGUE[code]

    assert code.replace("_", "").islower()
    assert kind.title[0].isupper()
    assert not kind.title.endswith(".")
    assert not kind.text.endswith(".")
    assert kind.advice.endswith(".")
    assert places(kind.advice) <= ABOUT
    assert kind.grace_s >= 0
    assert kind.linger_s >= 0


@pytest.mark.parametrize("code", CATALOGUE)
def test_each_is_on_the_page_of_logs(code: str) -> None:
    kind = CATALOGUE[code]
    page = (ROOT / "docs" / "logs.md").read_text()
    ready = "; while it holds, `/ready` says 503" if kind.not_ready else ""
    times = f"{kind.grace_s:g} s, {kind.linger_s:g} s"

    assert f"| `{code}` | {kind.severity} | {kind.title}{ready} | {times} |" in page


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {each.arg: each.value for each in call.keywords if each.arg}


def names_of(call: ast.Call) -> str:
    called = call.func
    return (
        called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    )


def literal(node: ast.expr | None) -> set[str]:
    return {
        each.value
        for each in ast.walk(node or ast.Constant(value=None))
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def in_source() -> Iterator[tuple[str, str, set[str], set[str]]]:
    """Where, the code, the names of its values, and whom it is about."""
    for package in ("actors", "daemon"):
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and names_of(node) in CALLED:
                    yield from described(path.name, node)


def described(
    where: str, call: ast.Call
) -> Iterator[tuple[str, str, set[str], set[str]]]:
    words = keywords(call)
    about = ABOUT & words.keys()
    if names_of(call) == "declare":
        given = words.keys() - ABOUT - {"subject"}
        for code in literal(call.args[0]):
            yield where, code, set(given), about
        return
    values = words.get("values")
    if not literal(words.get("code")):
        return
    assert values is None or isinstance(values, ast.Dict), f"{where}: write them out"
    given = literal_keys(values)
    for code in literal(words.get("code")):
        yield where, code, given, about


def literal_keys(values: ast.Dict | None) -> set[str]:
    if values is None:
        return set()
    return {name for key in values.keys for name in literal(key)}


def test_every_finding_in_the_source_fills_its_text() -> None:
    checked = set()
    for where, code, given, about in in_source():
        wanted = places(CATALOGUE[code].text)
        assert wanted - about == given, (where, code)
        checked.add(code)

    assert len(checked) >= 12
