"""The effective configuration and where each value came from, as text."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
from msgspec import Struct

from daemon.cli.render.table import Cell, Paint, Row, table


class Setting(Struct, frozen=True):
    """One value in effect. ``origin`` is ``default``, ``file``, a variable, a flag."""

    key: str
    value: object
    origin: str


class KeySource(Struct, frozen=True):
    """Where a provider's key was found; ``None`` without one."""

    provider: str
    source: str | None


def settings(values: Sequence[Setting], keys: Sequence[KeySource], paint: Paint) -> str:
    """``gitbridge config show``; defaults are dim."""
    rows: list[Row] = [
        [
            Cell(each.key, "dim" if each.origin == "default" else "bold"),
            toml_value(each.value),
            Cell(each.origin, "dim" if each.origin == "default" else "plain"),
        ]
        for each in values
    ]
    rows += [
        [f"key of {each.provider}", "***" if each.source else "-", each.source or "-"]
        for each in keys
    ]
    return table(["key", "value", "from"], rows, paint)


def toml_value(value: object) -> str:
    """As TOML would write it; nothing is a dash."""
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(each) for each in value) + "]"
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {toml_value(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return msgspec.json.encode(value).decode()
