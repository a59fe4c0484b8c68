"""Lists of tasks, by walking the narrowest one that has all of them."""

from collections.abc import Awaitable
from typing import Final, Protocol, cast

import msgspec

from actors.errors import InvalidRequest
from actors.messages.tasks import TaskPage, TaskQuery
from daemon.storage.redis.scripts import Script, packaged
from daemon.storage.redis.tasks.replies import found_of
from daemon.storage.redis.tasks.rows import ABOUT, Row

FIND: Final = packaged("task_common", "task_find")
LOOKS: Final = 1000
"""How many tasks one script looks at: it takes some milliseconds."""


class Run(Protocol):
    """Runs a script with these arguments."""

    def __call__(
        self, script: Script, *args: bytes | str | int
    ) -> Awaitable[object]: ...


_encode = msgspec.msgpack.Encoder().encode


class Walk:
    """Finds tasks."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def find(self, query: TaskQuery) -> TaskPage:
        before = _before(query.cursor)
        found: list[Row] = []
        for name in _lists(query):
            found += await self._walk(name, before, query)
        found.sort(reverse=True, key=lambda row: row.seq)
        page = found[: query.limit]
        more = len(found) > query.limit
        return TaskPage(
            tasks=tuple(row.task for row in page),
            cursor=str(page[-1].seq) if page and more else None,
        )

    async def _walk(self, name: str, before: str, query: TaskQuery) -> list[Row]:
        found: list[Row] = []
        tests = _tests(query)
        while True:
            wanted = query.limit + 1 - len(found)
            last, rows = cast(
                "tuple[bytes | None, object]",
                await self._run(FIND, name, before, wanted, LOOKS, tests),
            )
            found += found_of(rows)
            if last is None or len(found) > query.limit:
                return found
            before = last.decode()


def _lists(query: TaskQuery) -> tuple[str, ...]:
    for name, value in (
        ("batch", query.batch_id),
        ("parent", query.parent_id),
        ("user", query.user),
    ):
        if value is not None:
            return (f"{name}:{value}",)
    if query.states:
        return tuple(f"state:{state}" for state in dict.fromkeys(query.states))
    return ("all" if query.tenant is None else f"tenant:{query.tenant}",)


def _tests(query: TaskQuery) -> bytes:
    one = {"tenant": query.tenant, "user": query.user}
    one |= {"batch_id": query.batch_id, "parent_id": query.parent_id}
    several: dict[str, tuple[str, ...]] = {
        "kind": query.kinds,
        "type": query.types,
        "priority": query.priorities,
    }
    place = {name: str(number) for number, name in enumerate(ABOUT, start=1)}
    place["state"] = str(len(ABOUT) + 2)
    several["state"] = query.states
    return _encode(
        {
            "one": {
                place[name]: value for name, value in one.items() if value is not None
            },
            "several": {
                place[name]: dict.fromkeys(values, True)
                for name, values in several.items()
                if values
            },
            "since": query.since,
        }
    )


def _before(cursor: str | None) -> str:
    """Of which place in the order of arrival: the end, at first."""
    if cursor is None:
        return "+inf"
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidRequest(
            "the cursor is not one that a list of tasks gave",
            field="cursor",
            got=cursor[:40],
            wanted="the cursor of the page before",
        )
    return cursor
