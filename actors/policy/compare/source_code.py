"""Source code: the same when it parses to the same tree.

Comments, layout and docstrings do not count, nor do the names of a function's own
variables. Python only: of another language the text is compared, white space folded.
"""

import ast
import re
from collections.abc import Iterator

from typing_extensions import override

_FENCE = "```"
_LANGUAGE = re.compile(r"[ \t]*([\w+#.-]*)")
_SPACE = re.compile(r"\s+")
_PYTHON = frozenset({"", "python", "py", "python3"})
MAX_CHARS = 20_000
"""Longer code is compared as text: a tree of this much takes about 80 ms to make."""


def code_of(text: str) -> tuple[str, str] | None:
    """Language (lower case, may be empty) and code of all fenced blocks of a text.

    ``None`` where there is no block, or where blocks are in several languages.
    """
    blocks = list(_blocks(text))
    if not blocks:
        return None
    languages = {name for name, _ in blocks}
    if len(languages) > 1:
        return None
    return languages.pop(), "\n".join(body for _, body in blocks)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and inside of each fenced block; linear in the length of the text."""
    start = text.find(_FENCE)
    while start >= 0:
        inside = text.find("\n", start) + 1
        end = text.find(_FENCE, inside) if inside else -1
        if end < 0:
            return
        named = _LANGUAGE.match(text, start + len(_FENCE), inside - 1)
        yield (named[1].lower() if named else ""), text[inside:end]
        start = text.find(_FENCE, end + len(_FENCE))


def canonical_code(language: str, code: str) -> str:
    """A text that is the same for code that is the same; see the module."""
    if language in _PYTHON and len(code) <= MAX_CHARS:
        try:
            tree = ast.parse(code)
            return ast.dump(_Renamed().visit(tree))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    name = "python" if language in _PYTHON else language
    return f"{name}:{_SPACE.sub(' ', code).strip()}"


class _Renamed(ast.NodeTransformer):
    """Drops docstrings and numbers each function's own names in order of appearance."""

    def __init__(self) -> None:
        self._names: list[dict[str, str]] = []

    @override
    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Module | ast.ClassDef):
            _drop_docstring(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return self._function(node)
        if isinstance(node, ast.Name):
            return ast.Name(self._renamed(node.id), node.ctx)
        if isinstance(node, ast.arg):
            self.generic_visit(node)
            return ast.arg(self._renamed(node.arg), node.annotation)
        self.generic_visit(node)
        return node

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        _drop_docstring(node)
        outer = {name for names in self._names for name in names}
        own = [name for name in _own_names(node) if name not in outer]
        start = sum(len(names) for names in self._names)
        renamed = {name: f"_{start + n}" for n, name in enumerate(dict.fromkeys(own))}
        if self._names:  # a function within a function is one of the outer's names
            node.name = self._renamed(node.name)
        self._names.append(renamed)
        try:
            self.generic_visit(node)
        finally:
            self._names.pop()
        return node

    def _renamed(self, name: str) -> str:
        for names in reversed(self._names):
            if name in names:
                return names[name]
        return name


def _own_names(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Names bound inside: positional parameters keep theirs, callers may use them."""
    given = {
        argument.arg
        for argument in ast.walk(node.args)
        if isinstance(argument, ast.arg)
    }
    foreign = {
        name
        for inner in ast.walk(node)
        if isinstance(inner, ast.Global | ast.Nonlocal)
        for name in inner.names
    }
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            if inner.id not in given and inner.id not in foreign:
                yield inner.id
        elif inner is not node and isinstance(
            inner, ast.FunctionDef | ast.AsyncFunctionDef
        ):
            yield inner.name


def _drop_docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> None:
    if ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or [ast.Pass()]
