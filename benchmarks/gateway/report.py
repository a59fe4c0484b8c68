"""The table that ``make bench`` prints and the README quotes."""

from dataclasses import dataclass, field
from statistics import median

from msgspec import Struct

from benchmarks.gateway.contenders import Contender
from benchmarks.gateway.load import LoadResult


class Sample(Struct, frozen=True):
    """One measurement; CPU microseconds per request."""

    result: LoadResult
    cpu_us: float


@dataclass(slots=True)
class Row:
    """Everything measured of one contender."""

    contender: Contender
    ready_ms: float | None = None
    idle_mb: float | None = None
    rss_mb: float | None = None
    after: int | None = None
    busy: list[Sample] = field(default_factory=list)
    one: list[Sample] = field(default_factory=list)
    streams: list[Sample] = field(default_factory=list)
    held: list[Sample] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.contender.name

    def cpu_us(self, samples: list[Sample]) -> float | None:
        """The best round's: other programs only ever make it worse."""
        if self.contender.cmd is None or not samples:
            return None
        return min(sample.cpu_us for sample in samples)


UPSTREAM_EVENTS = 21
"""20 chunks and ``[DONE]``, as ``mock.c`` sends them."""

COLUMNS = (
    "contender",
    "CPU µs/request",
    "ratio",
    "requests/s",
    "one at a time: added p50 µs",
    "streams: CPU µs",
    "first chunk p50 ms",
    "256 held: p50 ms",
    "p99 ms",
    "CPU µs",
    "ready ms",
    "MB idle",
    "MB after",
)


NOTE = """\
64 requests in flight on one core unless said otherwise, the mock answers at once; CPU: the
best round's; ratio: to the bare server with the same door in the same round (other
gateways: to ours with HTTP), the median of the rounds; added: median of one request at a
time less that of asking the mock itself; streams of {events} upstream events, 32 at a
time; 256 held: in flight at an upstream that takes 50 ms; MB (resident) idle and after
{requests:,} requests, or as many as it could answer in two minutes. Of {cores} cores, one
is the server's and one the load's."""


def table(rows: list[Row], *, requests: int, cores: int) -> str:
    """Markdown."""
    lines = [
        "| " + " | ".join(COLUMNS) + " |",
        "|---" + "|---:" * (len(COLUMNS) - 1) + "|",
        *("| " + " | ".join(_cells(row, rows, requests)) + " |" for row in rows),
        "",
        NOTE.format(events=UPSTREAM_EVENTS, requests=requests, cores=cores),
    ]
    return "\n".join(lines)


def missed(rows: list[Row]) -> list[str]:
    """A sentence for each goal that is not reached."""
    found = []
    for row in rows:
        it, ratio = row.contender, _ratio(row, rows)
        if ratio is None:
            continue
        if it.at_most is not None and ratio > it.at_most:
            found.append(_sentence(row, ratio, f"at most {it.at_most:g}"))
        if it.at_least is not None and ratio < it.at_least:
            found.append(_sentence(row, ratio, f"at least {it.at_least:g}"))
    return found


def _sentence(row: Row, ratio: float, goal: str) -> str:
    base = row.contender.baseline
    return f"{row.name} costs {ratio:.2f} times {base}; the goal is {goal}"


def _cells(row: Row, rows: list[Row], requests: int) -> list[str]:
    direct = next((r for r in rows if r.contender.cmd is None), None)
    floor = _p50(direct.one) if direct else None
    one = _p50(row.one)
    added = None if floor is None or one is None or row is direct else one - floor
    first = min(
        (s.result.ttfc_us.p50 for s in row.streams if s.result.ttfc_us), default=None
    )
    return [
        row.name,
        _shown(row.cpu_us(row.busy)),
        _shown_ratio(row, rows),
        _shown(max((s.result.rps for s in row.busy), default=None)),
        _shown(added),
        _shown(row.cpu_us(row.streams)),
        _shown(first, 1e-3, 1),
        _shown(_p50(row.held), 1e-3, 1),
        _shown(min((s.result.lat_us.p99 for s in row.held), default=None), 1e-3, 1),
        _shown(row.cpu_us(row.held)),
        _shown(row.ready_ms),
        _shown(row.idle_mb),
        _shown_memory(row, requests),
    ]


def _ratio(row: Row, rows: list[Row]) -> float | None:
    """CPU per request as a multiple of the baseline's: the middle of all rounds.

    A quiet moment that only one of them met makes its best, but no ratio.
    """
    base = next((r for r in rows if r.name == row.contender.baseline), None)
    if base is None:
        return None
    rounds = zip(row.busy, base.busy, strict=True)
    each = [ours.cpu_us / theirs.cpu_us for ours, theirs in rounds if theirs.cpu_us]
    return median(each) if each else None


def _shown_ratio(row: Row, rows: list[Row]) -> str:
    it, ratio = row.contender, _ratio(row, rows)
    if ratio is None:
        return "-"
    goal = f" (goal {it.at_most:g})" if it.at_most is not None else ""
    goal = f" (goal {it.at_least:g})" if it.at_least is not None else goal
    return f"{ratio:.2f}{goal}"


def _shown_memory(row: Row, requests: int) -> str:
    """The resident megabytes, and after how many requests where those are fewer."""
    fewer = row.after is not None and row.after < requests
    return _shown(row.rss_mb) + (f" ({row.after:,})" if fewer else "")


def _p50(samples: list[Sample]) -> float | None:
    if not samples:
        return None
    return min(sample.result.lat_us.p50 for sample in samples)


def _shown(value: float | None, unit: float = 1.0, digits: int = 0) -> str:
    return "-" if value is None else f"{value * unit:,.{digits}f}"
