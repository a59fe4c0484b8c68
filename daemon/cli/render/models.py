"""What can be asked for, as text."""

from collections.abc import Sequence

from daemon.cli.render.table import Cell, Paint, Row, one_line, table
from daemon.cli.render.units import UNKNOWN, count, money
from ipc.listing import ModelRow, ModelsResult

_LONG = ("abilities",)
_NAMES = ("provider/model",)
_SPARE = ("prices by", "max out", "cached/1M", "retires", "abilities", "window")


def models(result: ModelsResult, paint: Paint) -> str:
    """``gitbridge models``: the names, then a table of every model."""
    parts = [
        _line("auto names", [r.name for r in result.models if r.kind == "auto"], paint),
        *(_alias(row, paint) for row in result.models if row.kind == "alias"),
    ]
    rows = [row for row in result.models if row.kind == "model"]
    return "\n\n".join(["\n".join(parts), _table(rows, paint)])


def _line(label: str, names: Sequence[str], paint: Paint) -> str:
    return f"{paint(label + ':', 'dim')} {one_line(', '.join(names))}"


def _alias(row: ModelRow, paint: Paint) -> str:
    strategy = f" ({row.strategy})" if row.strategy else ""
    return _line(f"alias {one_line(row.name)}{strategy}", row.candidates, paint)


def _table(rows: Sequence[ModelRow], paint: Paint) -> str:
    if not rows:
        return "no models"
    numbers = ("in/1M", "cached/1M", "out/1M", "window", "max out")
    headers = ["provider/model", *numbers, "prices by", "abilities", "retires"]
    return table(
        headers,
        [_cells(row) for row in rows],
        paint,
        right=numbers,
        long=_LONG,
        names=_NAMES,
        spare=_SPARE,
    )


def _cells(row: ModelRow) -> Row:
    default = " *" if row.default else ""
    simulated = " (simulated)" if row.simulated else ""
    return [
        row.name + default + simulated,
        money(row.input_price),
        money(row.cached_input_price),
        money(row.output_price),
        count(row.context_window),
        count(row.max_output_tokens),
        Cell(row.price_source, "dim"),
        abilities(row),
        Cell(row.retires_at, "warn") if row.retires_at else UNKNOWN,
    ]


def abilities(row: ModelRow) -> str:
    """What it can do, in words; a dash where nothing is known."""
    known = {
        "tools": row.tools,
        "embeddings": row.embeddings,
        "vision": row.vision,
        "json": row.json_schema,
        "reasoning": row.reasoning,
    }
    if all(able is None for able in known.values()):
        return UNKNOWN
    return " ".join(name for name, able in known.items() if able) or "none"
