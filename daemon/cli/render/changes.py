"""What a reload changed, and that a daemon ends, as text."""

from daemon.cli.render.settings import toml_value
from daemon.cli.render.table import Cell, Paint, Row, table
from ipc.control import DrainResult, ReloadResult, SettingChange


def reloaded(result: ReloadResult, paint: Paint) -> str:
    """``gitbridge reload``: what is different now, and what only after a restart."""
    where = result.path or "no file, all defaults"
    if not result.changes and not result.providers:
        return f"reloaded ({where}): nothing has changed"
    lines = [f"reloaded ({where})"]
    if result.changes:
        rows: list[Row] = [_row(each) for each in result.changes]
        lines += ["", table(["key", "before", "now", "from", ""], rows, paint)]
    if result.providers:
        lines.append("")
    for each in result.providers:
        key = f", key from {each.key_source}" if each.key_source else ""
        new = ", with a new key" if each.new_key else ""
        lines.append(f"provider {each.provider} {each.change}{new}{key}")
    if result.restart_needed:
        keys = ", ".join(result.restart_needed)
        lines += ["", paint(f"in effect only after a restart: {keys}", "warn")]
        for change in result.changes:
            if change.restart:
                lines.append(f"  {change.key}: {change.restart}")
    return "\n".join(lines)


def _row(change: SettingChange) -> Row:
    remark = change.note or ("after a restart" if change.restart else "")
    return [
        Cell(change.key, "warn" if change.restart else "bold"),
        toml_value(change.before),
        toml_value(change.after),
        change.origin,
        remark,
    ]


def draining(result: DrainResult) -> str:
    """``gitbridge drain``."""
    if not result.in_flight:
        return "the daemon ends: nothing is in flight"
    count = f"{result.in_flight} request{'' if result.in_flight == 1 else 's'}"
    return f"the daemon ends: {count} in flight, {result.drain_s:g} s to finish"
