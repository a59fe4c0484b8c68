"""What is replayed: when requests came, and how long providers took to answer."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

MIN_SHARE = 0.5
"""A provider with fewer usable measurements than this share of its rows is left out."""


class Unreadable(Exception):
    """Raised when a data file is not there or is not what it should be."""


class Arrival(NamedTuple):
    """One request: seconds after the start, prompt and answer in tokens."""

    at_s: float
    prompt_tokens: int
    output_tokens: int


class Latency(NamedTuple):
    """One measured call: seconds to the first token, then seconds per token."""

    ttft_s: float
    per_token_s: float


Latencies = Mapping[str, Sequence[Latency]]
"""Measured calls by provider."""


def read_arrivals(path: Path) -> list[Arrival]:
    """Columns ``t_s``, ``in_tok``, ``out_tok`` (Azure LLM inference trace).

    Raises:
        Unreadable: No such file, a column is missing, or a value is no number.
    """
    return [
        Arrival(
            _number(path, row, "t_s"),
            int(_number(path, row, "in_tok")),
            int(_number(path, row, "out_tok")),
        )
        for row in _rows(path, ("t_s", "in_tok", "out_tok"))
    ]


def read_latencies(path: Path, size: str) -> dict[str, list[Latency]]:
    """Providers' calls of one model size (``llmperf`` leaderboard), without failed ones.

    Time per token is what the whole took after the first token, divided by its tokens:
    the column ``itl_s`` has the time to the first one in it.

    Raises:
        Unreadable: As for arrivals, or no provider has enough usable calls.
    """
    found: dict[str, list[Latency]] = {}
    seen: dict[str, int] = {}
    names = ("provider", "size", "ttft_s", "e2e_s", "out_tok", "error_code")
    for row in _rows(path, names):
        if row["size"] != size:
            continue
        name = row["provider"]
        seen[name] = seen.get(name, 0) + 1
        if row["error_code"]:
            continue
        first = _number(path, row, "ttft_s")
        after = max(0.0, _number(path, row, "e2e_s") - first)
        tokens = max(1.0, _number(path, row, "out_tok"))
        found.setdefault(name, []).append(Latency(first, after / tokens))
    kept = {
        name: calls
        for name, calls in sorted(found.items())
        if len(calls) >= MIN_SHARE * seen[name]
    }
    if not kept:
        raise Unreadable(f"{path}: no provider of size {size} has usable calls")
    return kept


def _rows(path: Path, wanted: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = set(wanted) - set(reader.fieldnames or ())
            if missing:
                raise Unreadable(f"{path}: no column {', '.join(sorted(missing))}")
            rows = list(reader)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error
    if not rows:
        raise Unreadable(f"{path}: no rows")
    return rows


def _number(path: Path, row: Mapping[str, str], name: str) -> float:
    try:
        return float(row[name])
    except (TypeError, ValueError) as error:
        raise Unreadable(f"{path}: {name} is {row[name]!r}, no number") from error
