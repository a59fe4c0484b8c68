"""The ``.env`` file: a small strict reader, nothing is expanded or executed."""

from collections.abc import Callable


def parse_dotenv(
    text: str, wanted: Callable[[str], bool]
) -> tuple[dict[str, str], list[int]]:
    """``NAME=value`` lines -> the wanted ones, and the numbers of lines that are none.

    ``export`` before the name, comments and blank lines are fine. A value may be quoted
    (``"`` or ``'``, nothing is expanded); unquoted it ends at `` #``. The last of a
    name wins, as in a shell.
    """
    values: dict[str, str] = {}
    skipped: list[int] = []
    for number, raw in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, rest = line.partition("=")
        name = name.strip()
        value = _dotenv_value(rest.strip())
        if not equals or not name.isidentifier() or value is None:
            skipped.append(number)
        elif wanted(name):
            values[name] = value
    return values, skipped


def _dotenv_value(rest: str) -> str | None:
    quote = rest[:1]
    if quote not in {'"', "'"}:
        return "" if quote == "#" else rest.partition(" #")[0].strip()
    value, closing, after = rest[1:].partition(quote)
    after = after.strip()
    return value if closing and (not after or after.startswith("#")) else None
