"""Answers held against JSON AnswerChecks (by ``jsonschema-rs``) and regular expressions.

All keywords of the drafts 4, 6, 7, 2019-09 and 2020-12 (the latest where ``$schema``
names none). A schema comes from strangers, and some can be written that take hours, as
can a regular expression of the configuration: so they are applied by a process of its own, which is killed when it takes too long. Nothing is
fetched for a ``$ref``, and patterns in schemas are matched in linear time (no look-around, no
back-references). The process is started when it is first needed, and kept for a while.
"""

import hashlib
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import msgspec

if TYPE_CHECKING:
    from jsonschema_rs import Validator

T = TypeVar("T")
U = TypeVar("U")

MAX_BYTES: Final = 65_536
"""Of a schema as JSON."""
MAX_DEPTH: Final = 64
LIMIT_S: Final = 2.0
"""For one schema, or one answer."""

_PATTERN_BYTES: Final = 1 << 20
_MEMORY_BYTES: Final = 1 << 30
_SAID: Final = 400
"""How much of what the library says is passed on."""
_REMEMBERED: Final = 1000
_START_S: Final = 20.0
_GRACE_S: Final = 1.0


class AnswerChecks:
    """Whether schemas can be used, and whether answers are as they and patterns want.

    Args:
        limit_s: How long one may take.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._usable: set[bytes] = set()
        self._one = anyio.Lock()

    async def unusable(self, schema: object) -> str | None:
        """Why a schema cannot be used, in words that name the place; else ``None``."""
        data = msgspec.json.encode(schema)
        digest = hashlib.sha256(data).digest()
        if digest in self._usable:
            return None
        found = _too_large(schema, data) or await self._run(_check, data, None)
        if found is None:
            if len(self._usable) >= _REMEMBERED:
                self._usable.clear()
            self._usable.add(digest)
        return found

    async def mismatch(self, schema: object, text: str) -> str | None:
        """What of a text is not as a usable schema wants it, in words.

        Args:
            schema: The JSON Schema.
            text: A JSON value.
        """
        data = msgspec.json.encode(schema)
        found = await self._run(_check, data, text)
        return (
            None if found is None else f"the answer is not as its schema wants: {found}"
        )

    async def lacks(self, pattern: str, text: str) -> str | None:
        """Why a regular expression of Python's is not found in a text, in words."""
        return await self._run(_search, pattern, text)

    async def _run(
        self, work: Callable[[T, U], str | None], what: T, text: U
    ) -> str | None:
        from anyio import to_process  # noqa: PLC0415 - for those who use schemas

        async with self._one:
            for _ in range(2):  # the process may have been ended by somebody else
                try:
                    # Starting it takes longer than the work is allowed to.
                    with anyio.fail_after(_START_S):
                        await to_process.run_sync(_check, b"true", None)
                    with anyio.fail_after(self._limit_s):
                        return await to_process.run_sync(
                            _bounded,
                            *(work, what, text, self._limit_s),
                            cancellable=True,
                        )
                except anyio.BrokenWorkerProcess:
                    continue
                except TimeoutError:
                    return f"it cannot be checked: it takes over {self._limit_s:g} s"
        return "it cannot be checked: it takes too much memory"


def _too_large(schema: object, data: bytes) -> str | None:
    if len(data) > MAX_BYTES:
        return f"it has {len(data)} bytes; at most {MAX_BYTES} are taken"
    level, depth = [schema], 0
    while level:
        level = [inner for each in level for inner in _within(each)]
        depth += 1
        if depth > MAX_DEPTH:
            return f"it is nested more than {MAX_DEPTH} deep"
    return None


def _within(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


# ---- in the process of its own


def _bounded(
    work: Callable[[T, U], str | None], what: T, text: U, limit_s: float
) -> str | None:
    """Ends the process when it takes too long: the daemon may not be there to do it."""
    signal.setitimer(signal.ITIMER_REAL, limit_s + _GRACE_S)
    try:
        return work(what, text)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _search(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return None if found is not None else f"the answer does not match {pattern}"


def _check(schema: bytes, text: str | None) -> str | None:
    """What is wrong with the text, or without one with the schema."""
    from jsonschema_rs import ValidationError  # noqa: PLC0415 - only in that process

    try:
        validator = _compiled(schema)
    except (ValidationError, ValueError) as error:
        return _words(error)
    if text is None:
        return None
    value = msgspec.json.decode(text)
    if validator.is_valid(value):
        return None
    try:
        validator.validate(value)
    except ValidationError as error:
        return _words(error)
    return None


@lru_cache(maxsize=64)
def _compiled(schema: bytes) -> "Validator":
    import jsonschema_rs  # noqa: PLC0415 - only in that process

    _bound_memory()
    return jsonschema_rs.validator_for(
        msgspec.json.decode(schema),
        offline=True,
        mask="the value",
        pattern_options=jsonschema_rs.RegexOptions(
            size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES
        ),
    )


@lru_cache(maxsize=1)
def _bound_memory() -> None:
    import resource  # noqa: PLC0415 - only in that process

    with suppress(OSError, ValueError):  # a unit's own limit holds there
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def _words(error: Exception) -> str:
    path: object = getattr(error, "instance_path", ())
    steps = path if isinstance(path, list) else []
    where = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)
    said = str(getattr(error, "message", error))
    return f"at ${where}: {said}"[:_SAID]
