import pytest

from actors.policy.compare import source_code
from actors.policy.compare.source_code import canonical_code, code_of

PLAIN = """
def total(values):
    result = 0
    for value in values:
        result += value
    return result
"""
DRESSED = '''
def total(values):
    """Add up."""
    acc = 0  # the sum so far
    for v in values:
        acc += v

    return acc
'''


def same(one: str, other: str) -> bool:
    return canonical_code("python", one) == canonical_code("py", other)


def test_comments_layout_docstrings_and_local_names_do_not_count() -> None:
    assert same(PLAIN, DRESSED)


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace("result = 0", "result = 1"),
        PLAIN.replace("def total", "def add"),
        PLAIN.replace("values", "numbers"),  # callers may name a parameter
        PLAIN.replace("result += value", "result -= value"),
    ],
)
def test_what_the_code_does_and_how_it_is_called_count(other: str) -> None:
    assert not same(PLAIN, other)


def test_names_of_others_are_not_confused_with_own_ones() -> None:
    one = "def f():\n    x = g()\n    return x + y\n"
    other = "def f():\n    y = g()\n    return y + y\n"

    assert not same(one, other)


def test_inner_functions_are_own_names_too() -> None:
    one = (
        "def f(a):\n    def g(b):\n        c = b\n        return c + a\n    return g\n"
    )
    other = one.replace("g", "helper").replace("c", "d")

    assert same(one, other)


def test_global_and_nonlocal_names_are_not_own_ones() -> None:
    one = "def f():\n    global x\n    x = 1\n"
    other = one.replace("x", "y")

    assert not same(one, other)


def test_a_class_and_a_module_may_have_docstrings() -> None:
    one = '"""Module."""\nclass A:\n    """Class."""\n    x = 1\n'
    other = "class A:\n    x = 1\n"

    assert same(one, other)


def test_async_functions_and_only_a_docstring() -> None:
    assert same('async def f():\n    """Nothing."""\n', "async def f():\n    pass\n")


def test_annotations_stay() -> None:
    assert not same("def f(a: int): pass\n", "def f(a: str): pass\n")


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("def f(:", "def  f(:", True),
        ("def f(:", "def g(:", False),
        ("\0", "\0", True),
    ],
)
def test_code_that_does_not_parse_is_compared_as_text(
    one: str, other: str, equal: bool
) -> None:
    assert same(one, other) is equal


def test_other_languages_are_compared_as_text() -> None:
    assert canonical_code("go", "x  :=\n 1") == canonical_code("go", "x := 1")
    assert canonical_code("go", "x") != canonical_code("rust", "x")


def test_code_too_long_to_parse_is_compared_as_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source_code, "MAX_CHARS", 3)

    assert canonical_code("python", "x = 1  # c") == "python:x = 1 # c"


def test_blocks_of_one_language_are_joined() -> None:
    text = "First:\n```python\na = 1\n```\nthen\n```Python\nb = 2\n```"

    assert code_of(text) == ("python", "a = 1\n\nb = 2\n")


@pytest.mark.parametrize("text", ["no code", "```py\na\n```\n```go\nb\n```"])
def test_no_block_or_mixed_blocks_are_no_code(text: str) -> None:
    assert code_of(text) is None


@pytest.mark.parametrize("piece", ["`", "```", "```a ", "``` \n", "```\n`"])
def test_hostile_fences_are_read_in_linear_time(piece: str) -> None:
    code_of(piece * (400_000 // len(piece)))  # quadratic, this would take minutes


@pytest.mark.parametrize("text", ["```", "```python", "```python\nx = 1", "a ``` b"])
def test_a_block_that_does_not_end_is_none(text: str) -> None:
    assert code_of(text) is None


def test_the_inside_of_all_blocks_is_the_code() -> None:
    text = "First ```Python\nx = 1\n``` then ``` python\ny = 2\n``` done ```"

    assert code_of(text) == ("python", "x = 1\n\ny = 2\n")
