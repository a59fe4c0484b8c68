"""What the tasks' scripts answer, taken apart."""

from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from msgspec.structs import replace

from actors.messages.routing import PRIORITIES
from actors.messages.tasks import LaneDepth, QueueStats, TaskKind
from daemon.storage.redis.tasks.rows import Fields, Row, row_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Committed(NamedTuple):
    """``task_commit.lua``'s answer.

    ``there``: those of the new ones that are kept already, by their places, from 0.
    ``misfit``: the places of two new ones that cannot both be kept. ``same``: for each
    new one the place of the earlier one that it is, if it is.
    """

    outcome: Literal["changed", "there", "misfit", "kept"]
    there: tuple[tuple[int, Row], ...] = ()
    misfit: tuple[int, int] = (0, 0)
    same: tuple[int | None, ...] = ()


def committed(reply: object) -> Committed:
    outcome, *rest = cast("Sequence[object]", reply)
    match outcome:
        case b"changed":
            return Committed("changed")
        case b"there":
            found = cast("Iterable[tuple[int, Fields]]", rest[0])
            pairs = ((at - 1, row_of(fields)) for at, fields in found)
            return Committed(
                "there", tuple((at, row) for at, row in pairs if row is not None)
            )
        case b"misfit":
            second, first = cast("tuple[int, int]", rest)
            return Committed("misfit", misfit=(second - 1, first - 1))
        case _:
            kept = cast("Iterable[int]", rest[0])
            same = tuple(None if at > 0 else -at - 1 for at in kept)
            return Committed("kept", same=same)


def rows_of(reply: object) -> list[Row | None]:
    return [row_of(fields) for fields in cast("Iterable[Fields]", reply)]


def found_of(reply: object) -> list[Row]:
    return [row for row in rows_of(reply) if row is not None]


def stats_of(reply: object, now: float) -> QueueStats:
    """``task_stats.lua``'s answer."""
    counted, ages = cast("tuple[Sequence[bytes], Sequence[bytes]]", reply)
    oldest = dict(zip(ages[::2], ages[1::2], strict=True))
    depths: dict[tuple[int, str, str], LaneDepth] = {}
    for field, tasks in zip(counted[::2], counted[1::2], strict=True):
        part, _, group = field.partition(b"|")
        number, kind, type_ = group.decode().split(":", 2)
        key = (int(number), kind, type_)
        depth = depths.get(key) or LaneDepth(
            priority=PRIORITIES[int(number)],
            type=type_,
            kind=cast("TaskKind", kind),
        )
        depth = replace(depth, **{part.decode(): int(tasks)})
        if group in oldest:
            depth = replace(depth, oldest_s=now - float(oldest[group]))
        depths[key] = depth
    return QueueStats(tuple(depths[key] for key in sorted(depths)))
