"""What other rules would have meant, as text."""

from collections.abc import Callable

from actors.messages.whatif import Estimate, WhatIf
from daemon.cli.render.status import weights
from daemon.cli.render.table import Paint, Row, table
from daemon.cli.render.units import UNKNOWN, money, seconds, share


def whatif(result: WhatIf, paint: Paint) -> str:
    """``gitbridge whatif``: figures with their intervals, moves, assumptions."""
    change = result.change
    rules = f"strategy {paint(change.strategy or 'as it was', 'bold')}"
    if change.weights is not None:
        rules += f" ({weights(change.weights)})"
    if not result.requests:
        return f"{rules}: no requests are recorded for that time"
    moved = result.changed / result.replayed if result.replayed else None
    replayed = f"{result.replayed} of {result.requests} requests replayed"
    part = "" if moved is None else f" ({share(moved)})"
    elsewhere = f"{result.changed}{part} would have gone elsewhere first"
    lines = [f"{rules}: {replayed}, {elsewhere}"]
    lines += [f"  left out: {n} where {why}" for why, n in result.left_out.items()]
    parts = ["\n".join(lines)]
    if result.replayed:
        parts.append(_figures(result, paint))
    if result.moves:
        rows: list[Row] = [[m.before, m.after, str(m.requests)] for m in result.moves]
        head = ("went to", "would have gone to", "requests")
        parts.append(table(head, rows, paint, right=("requests",), names=head[:2]))
    if result.total_cost_difference_usd is not None:
        total = result.total_cost_difference_usd
        word = "saved" if total < 0 else "paid more"
        sum_of_all = f"{money(abs(total))} {word}" if total else "the same cost"
        parts.append(f"over all of them: {sum_of_all}")
    said = [f"  - {each}" for each in result.assumptions]
    parts.append("\n".join([paint("assuming that", "dim"), *said]))
    return "\n\n".join(parts)


def _figures(result: WhatIf, paint: Paint) -> str:
    rows: list[Row] = [
        _row("cost", result.cost_usd, _dollars),
        _row("latency", result.latency_s, _seconds),
        _row("answered at first try", result.first_try, share),
    ]
    numbers = ("recorded", "estimated", "difference", "95 % interval", "requests")
    return table(
        ("mean a request", *numbers),
        rows,
        paint,
        right=numbers,
        spare=("requests", "estimated", "recorded"),
    )


def _row(name: str, each: Estimate, shown: Callable[[float], str]) -> Row:
    def cell(value: float | None) -> str:
        return UNKNOWN if value is None else shown(value)

    interval = UNKNOWN
    if each.low is not None and each.high is not None:
        interval = f"{_signed(each.low, shown)} to {_signed(each.high, shown)}"
    difference = UNKNOWN
    if each.difference is not None:
        difference = _signed(each.difference, shown)
    return [
        name,
        cell(each.recorded),
        cell(each.estimated),
        difference,
        interval,
        str(each.requests),
    ]


def _signed(value: float, shown: Callable[[float], str]) -> str:
    if value == 0.0:
        return "0"
    return f"{'-' if value < 0 else '+'}{shown(abs(value))}"


def _dollars(value: float) -> str:
    return f"${value:.6f}"


def _seconds(value: float) -> str:
    return seconds(value)
