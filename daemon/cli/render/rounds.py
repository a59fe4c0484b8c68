"""What rounds of consensus came to, as text."""

from actors.messages.rounds import RoundsReport, RoundsRow
from daemon.cli.render.table import Paint, Row, one_line, table
from daemon.cli.render.units import UNKNOWN, count, money, share

_NUMBERS = ("right", "of", "share", "of all, at least", "at most", "cost a round")
_NAMES = ("who was right when they differed",)
_SPARE = ("cost a round", "at most", "of all, at least")


def rounds(report: RoundsReport, paint: Paint) -> str:
    """``gitbridge consensus report``: a part for each task type."""
    if not report.rows:
        return f"no round of consensus among {count(report.requests)} requests"
    return "\n\n".join(_part(row, paint) for row in report.rows)


def _part(row: RoundsRow, paint: Paint) -> str:
    name = one_line(row.task_type) if row.task_type else "without a task type"
    pretended = " (simulated)" if row.simulated else ""
    head = (
        f"{paint(name, 'bold')}{pretended}: {_plural(row.rounds, 'round')}, answers "
        f"differed in {row.disagreed}, {row.labelled} verdicts have feedback"
    )
    lines = [head]
    if row.accuracy is not None:
        lines.append(f"right in {share(row.accuracy)} of those{_bought(row)}")
    if row.usd is not None:
        more = (
            "" if row.extra_usd is None else f", {money(row.extra_usd)} more than alone"
        )
        lines.append(f"a round cost {money(row.usd)}{more}")
    lines += [f"not known: {each}" for each in row.unknown]
    rows: list[Row] = [
        [
            member.member,
            count(member.right),
            count(member.known),
            _share(member.share),
            _share(member.at_least),
            _share(member.at_most),
            money(member.usd),
        ]
        for member in row.members
    ]
    headers = ("who was right when they differed", *_NUMBERS)
    return (
        "\n".join(lines)
        + "\n\n"
        + table(headers, rows, paint, right=_NUMBERS, names=_NAMES, spare=_SPARE)
    )


def _bought(row: RoundsRow) -> str:
    if row.best_single is None or row.bought_at_least is None:
        return ""
    least, most = row.bought_at_least, row.bought_at_most
    points = f"{100 * least:+.1f}"
    if most is not None and most != least:
        points += f" to {100 * most:+.1f}"
    return f", {points} points beside {row.best_single} alone"


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else share(value)


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
