"""What in the settings of actions opens doors, and is not to be seen: pure.

Nobody says so of a header, a URL or a variable: they are told by their names, and parts
of a URL's path by their looks.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

MASK: Final = "***"
_SHORTEST: Final = 8
"""A shorter one is a word that stands in many a sentence."""
_OPENING: Final = re.compile(
    r"auth|key|secret|token|passw|cookie|sign|hook", re.IGNORECASE
)
_TOKEN_LIKE: Final = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_~.-]{16,}")


def opens(name: str) -> bool:
    """Whether a header or variable of this name is not to be seen."""
    return _OPENING.search(name) is not None


def in_url(url: str) -> Iterator[str]:
    """The password, the values of the query, and parts of the path that look like it."""
    parts = urlsplit(url)
    query = (value for _, value in parse_qsl(parts.query))
    path = filter(_TOKEN_LIKE.fullmatch, parts.path.split("/"))
    for each in (parts.password or "", *query, *path):
        for form in dict.fromkeys((each, unquote(each), quote(each, safe=""))):
            if len(form) >= _SHORTEST:
                yield form


def in_named(values: Mapping[str, str]) -> Iterator[str]:
    """The words in headers or variables that open doors."""
    for name, value in values.items():
        if opens(name):
            yield from (word for word in value.split() if len(word) >= _SHORTEST)


def masked_url(url: str) -> str:
    """The URL, to be seen."""
    for secret in in_url(url):
        url = url.replace(secret, MASK)
    return url


def masked_named(values: Mapping[str, str]) -> dict[str, str]:
    """Headers or variables, to be seen."""
    return {name: MASK if opens(name) else value for name, value in values.items()}
