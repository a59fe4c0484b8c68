"""What time alone changes, each the oldest first and so many at once."""

from actors.messages.tasks import Swept, Task
from actors.policy import task_states
from daemon.storage.tasks.table import TaskTable


def wake(table: TaskTable, now: float, limit: int) -> None:
    """Put what was scheduled, or waited for a retry, where it is claimed from."""
    sql = "WHERE wake_at <= ? ORDER BY wake_at, seq LIMIT ?"
    for row in table.rows(sql, now, limit):
        table.put(row, row.task, ready=True)


def end_leases(table: TaskTable, now: float, limit: int) -> list[Task]:
    """See to what nobody came back from."""
    sql = "WHERE lease_until <= ? ORDER BY lease_until, seq LIMIT ?"
    return [
        table.put(row, task_states.lease_over(row.task, now), ready=True)
        for row in table.rows(sql, now, limit)
    ]


def sweep(table: TaskTable, now: float, limit: int) -> Swept:
    ended = end_leases(table, now, limit)
    expired = expire(table, now, limit - len(ended))
    removed = _remove(table, now, limit - len(ended) - len(expired))
    _forget(table)
    return Swept(
        resumed=tuple(task for task in ended if task.state == "queued"),
        dead=tuple(task for task in ended if task.state == "dead"),
        expired=tuple(expired),
        removed=removed,
        more=len(ended) + len(expired) + removed >= limit,
    )


def expire(table: TaskTable, now: float, limit: int) -> list[Task]:
    """End what waited for an attempt until after its deadline."""
    sql = "WHERE expire_at <= ? ORDER BY expire_at, seq LIMIT ?"
    return [
        table.put(row, task_states.expired(row.task, now))
        for row in table.rows(sql, now, limit)
    ]


def _remove(table: TaskTable, now: float, limit: int) -> int:
    found = table.rows(
        "WHERE remove_at <= ? ORDER BY remove_at, seq LIMIT ?", now, limit
    )
    for row in found:
        table.remove(row)
    return len(found)


def _forget(table: TaskTable) -> None:
    """Shares that virtual time has overtaken say nothing, nor do counts of none."""
    table.connection.execute(
        "DELETE FROM shares WHERE tag <= (SELECT virtual_time.tag FROM virtual_time"
        " WHERE virtual_time.priority = shares.priority)"
    )
    table.connection.execute("DELETE FROM depths WHERE tasks = 0")
