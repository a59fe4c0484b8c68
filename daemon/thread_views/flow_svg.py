"""How it was decided, as a picture: who asked whom, who agreed, what came of it."""

from collections.abc import Sequence
from typing import NamedTuple

from actors.messages.threads import ThreadEntry
from daemon.cli.render.units import moment
from daemon.thread_views import words
from daemon.thread_views.drawing import (
    BOLD,
    SMALL,
    Drawing,
    Line,
    Tone,
    fitted,
    sentences,
    wrapped,
)
from daemon.thread_views.rounds import (
    Call,
    Round,
    Step,
    calls_of,
    group_of,
    letter,
    steps,
)

WIDTH, MARGIN = 984, 20
ASKER, MEMBER, GROUP, END = (20, 200), (268, 280), (596, 112), (756, 208)
"""The columns: where each begins, and how wide it is."""

MEMBER_HEIGHT, CALL_HEIGHT, NOTE_HEIGHT, GAP = 62, 46, 46, 10
LEAST = 132
BETWEEN = 22
MAX_STEPS, MAX_MEMBERS = 12, 16

_TONES: dict[str, Tone] = {"failed": "bad", "dead": "bad", "cancelled": "warn"}


def flow_svg(entries: Sequence[ThreadEntry], name: str) -> str:
    """The picture of a thread; of a long one its last steps.

    Args:
        entries: Of one thread, in order.
        name: What it is called.
    """
    found = steps(entries)
    shown = found[-MAX_STEPS:]
    drawing = Drawing(WIDTH)
    room = WIDTH - 2 * MARGIN
    drawing.text(
        MARGIN, 34, fitted(f"How it was decided: {name}", room, 19), size=17, bold=True
    )
    drawing.text(MARGIN, 56, _which(len(shown), len(found)), tone="soft")
    y, leaves = 72.0, None
    for step in shown:
        placed = _step(drawing, step, y)
        if leaves is not None:
            drawing.down(ASKER[0] + 24, leaves, placed.enters)
        y, leaves = placed.bottom + BETWEEN, placed.leaves
    y += 6 if shown else 0
    drawing.text(MARGIN, y, _LEGEND, tone="soft", size=SMALL)
    return drawing.document(
        y + 16, f"How it was decided: {name}", sentences([*map(_in_words, shown)])
    )


_LEGEND = (
    "Equal letters are equal answers. Thick: the answer that won or was taken; thin: a"
    " part of it; dashed: another answer; dotted: no answer."
)


def _which(shown: int, all_of_them: int) -> str:
    if not all_of_them:
        return "nothing has been said yet"
    if shown < all_of_them:
        return f"the last {shown} of {all_of_them} steps"
    return "1 step" if shown == 1 else f"{shown} steps"


class _Placed(NamedTuple):
    """Where a step ends, and where the way into and out of it is."""

    bottom: float
    enters: float
    leaves: float


def _around(y: float, height: float, more: float = 0.0) -> _Placed:
    """A round: the way is through whoever asked, in the middle of it."""
    middle = y + height / 2
    return _Placed(y + height + more, middle - LEAST / 2, middle + LEAST / 2)


def _step(drawing: Drawing, step: Step, y: float) -> _Placed:
    """Draw it from ``y`` on."""
    if not isinstance(step, Round):
        return _note(drawing, step, y)
    return _consensus(drawing, step, y) if step.several else _plain(drawing, step, y)


def _note(drawing: Drawing, entry: ThreadEntry, y: float) -> _Placed:
    tone = _TONES.get(
        str(entry.data.get("state") or entry.data.get("outcome")), "plain"
    )
    width = WIDTH - 2 * MARGIN
    drawing.box(MARGIN, y, width, NOTE_HEIGHT, tone=tone)
    head = fitted(words.heading(entry), width - 200, BOLD)
    drawing.text(MARGIN + 12, y + 19, head, bold=True)
    at = moment(entry.at)
    drawing.text(MARGIN + width - 160, y + 19, at, tone="soft", size=SMALL)
    said = " · ".join(filter(None, (words.excerpt(entry), words.facts(entry))))
    drawing.text(
        *(MARGIN + 12, y + 37, fitted(said, width - 24, SMALL)),
        tone="soft" if tone == "plain" else tone,
        size=SMALL,
    )
    return _Placed(y + NOTE_HEIGHT, y, y + NOTE_HEIGHT)


# ---- several were asked


def _consensus(drawing: Drawing, told: Round, y: float) -> _Placed:
    silent = len(told.ballots) + 1  # after every group
    ordered = sorted(
        told.ballots,
        key=lambda each: silent if (group := group_of(each)) is None else group,
    )
    ballots = ordered[:MAX_MEMBERS]
    rows = MEMBER_HEIGHT + GAP
    height = max(LEAST, rows * len(ballots) - GAP)
    middle = y + height / 2
    top = middle - (rows * len(ballots) - GAP) / 2
    centres = [top + rows * n + MEMBER_HEIGHT / 2 for n in range(len(ballots))]
    _asker(drawing, told, middle)
    for ballot, centre in zip(ballots, centres, strict=True):
        answered = group_of(ballot) is not None
        line: Line = "thin" if answered else "dotted"
        drawing.arrow(ASKER[0] + ASKER[1], middle, MEMBER[0], centre, line)
        _ballot(drawing, ballot, centre, told.winner)
    _groups(drawing, told, ballots, centres, middle)
    _verdict(drawing, told, middle)
    left_out = len(told.ballots) - len(ballots)
    if left_out:
        more = f"and {left_out} more"
        drawing.text(MEMBER[0], y + height + 16, more, tone="soft", size=SMALL)
    return _around(y, height, 18 if left_out else 0)


def _asker(drawing: Drawing, told: Round, middle: float) -> None:
    x, width = ASKER
    y = middle - LEAST / 2
    drawing.box(x, y, width, LEAST)
    question = told.question
    if question is None:
        drawing.text(x + 12, y + 22, "a question", bold=True)
        drawing.text(x + 12, y + 40, "not kept any more", tone="soft", size=SMALL)
        return
    room = width - 24
    drawing.text(x + 12, y + 22, fitted(question.who, room, BOLD), bold=True)
    asks = fitted(f"asks {question.to or 'somebody'}", room, SMALL)
    drawing.text(x + 12, y + 39, asks, tone="soft", size=SMALL)
    drawing.text(x + 12, y + 54, moment(question.at), tone="soft", size=SMALL)
    for number, line in enumerate(wrapped(words.excerpt(question), room, 4, SMALL)):
        drawing.text(x + 12, y + 74 + 15 * number, line, size=SMALL)


def _ballot(
    drawing: Drawing, ballot: ThreadEntry, centre: float, winner: object
) -> None:
    x, width = MEMBER
    y = centre - MEMBER_HEIGHT / 2
    group = group_of(ballot)
    won = group is not None and group == winner
    tone: Tone = "good" if won else "plain"
    line: Line = "thick" if won else "thin"
    if group is None:
        tone, line = "warn", "dotted"
    drawing.box(x, y, width, MEMBER_HEIGHT, tone=tone, line=line)
    room = width - 24
    drawing.text(x + 12, y + 19, fitted(ballot.who, room, BOLD), bold=True)
    replaced = ballot.data.get("replaces")
    stood_in = f"in place of {replaced}" if replaced else ""
    parts = (words.vote(ballot, winner), words.price(ballot), stood_in)
    drawing.text(
        *(x + 12, y + 36, fitted(" · ".join(filter(None, parts)), room, SMALL)),
        tone=tone,
        size=SMALL,
    )
    said = fitted(words.excerpt(ballot), room, SMALL)
    drawing.text(x + 12, y + 52, said, tone="soft", size=SMALL)


def _groups(
    drawing: Drawing,
    told: Round,
    ballots: Sequence[ThreadEntry],
    centres: Sequence[float],
    middle: float,
) -> None:
    x, width = GROUP
    for number, _ in told.groups():
        of_it = [
            centre
            for ballot, centre in zip(ballots, centres, strict=True)
            if group_of(ballot) == number
        ]
        if not of_it:
            continue
        centre = sum(of_it) / len(of_it)
        won = number == told.winner
        line = _line(told, number)
        for each in of_it:
            drawing.arrow(MEMBER[0] + MEMBER[1], each, x, centre, line)
        tone: Tone = "good" if won else "plain"
        drawing.box(x, centre - 24, width, 48, tone=tone, line=line)
        head = f"{letter(number)}  won" if won else letter(number)
        drawing.text(x + 12, centre - 4, head, tone=tone, bold=True)
        ballot = "ballot" if len(of_it) == 1 else "ballots"
        drawing.text(
            x + 12, centre + 13, f"{len(of_it)} {ballot}", tone="soft", size=SMALL
        )
        drawing.arrow(x + width, centre, END[0], middle, line)


def _line(told: Round, group: int) -> Line:
    """Of an answer that was written from all of them each is a part."""
    if group == told.winner:
        return "thick"
    written = told.winner is None and told.end is not None and told.end.state == "done"
    return "thin" if written else "dashed"


def _verdict(drawing: Drawing, told: Round, middle: float) -> None:
    end = told.end
    failed = end is not None and end.state == "failed"
    tone: Tone = "bad" if failed else "good" if end is not None else "plain"
    x, y, room = END[0] + 12, middle - LEAST / 2, END[1] - 24
    drawing.box(END[0], y, END[1], LEAST, tone=tone, line="thick")
    method = end.data.get("method") if end is not None else None
    head = f"verdict: {method}" if method else "verdict"
    drawing.text(x, y + 20, fitted(head, room, BOLD), bold=True)
    lines = [
        line for part in words.verdict(told) for line in wrapped(part, room, 2, SMALL)
    ]
    lines += [words.price(end)] if end is not None else []
    for number, line in enumerate(filter(None, lines)):
        drawing.text(x, y + 37 + 15 * number, line, tone="soft", size=SMALL)
    if end is not None:
        below = y + 37 + 15 * len(list(filter(None, lines))) + 2
        left = int((y + LEAST - 8 - below) // 15) + 1
        for number, line in enumerate(wrapped(words.excerpt(end), room, left, SMALL)):
            drawing.text(x, below + 15 * number, line, size=SMALL)


# ---- one was asked


def _plain(drawing: Drawing, told: Round, y: float) -> _Placed:
    calls = calls_of(told.decisions)[-MAX_MEMBERS:]
    rows = CALL_HEIGHT + GAP
    height = max(LEAST, rows * len(calls) - GAP)
    middle = y + height / 2
    _asker(drawing, told, middle)
    if not calls:
        drawing.arrow(ASKER[0] + ASKER[1], middle, END[0], middle, "dotted")
    top = middle - (rows * len(calls) - GAP) / 2
    for number, call in enumerate(calls):
        centre = top + rows * number + CALL_HEIGHT / 2
        line: Line = "thick" if call.outcome == "ok" else "dotted"
        drawing.arrow(ASKER[0] + ASKER[1], middle, MEMBER[0], centre, line)
        _call(drawing, call, centre, line)
        if call.outcome == "ok":
            drawing.arrow(MEMBER[0] + MEMBER[1], centre, END[0], middle, line)
    _answer(drawing, told, middle)
    return _around(y, height)


def _call(drawing: Drawing, call: Call, centre: float, line: Line) -> None:
    x, width = MEMBER
    y = centre - CALL_HEIGHT / 2
    tone: Tone = "good" if call.outcome == "ok" else "warn"
    drawing.box(x, y, width, CALL_HEIGHT, tone=tone, line=line)
    drawing.text(x + 12, y + 19, fitted(call.name, width - 24, BOLD), bold=True)
    said = f"{call.outcome} · {call.kind} call · {call.took}"
    drawing.text(x + 12, y + 36, fitted(said, width - 24, SMALL), tone=tone, size=SMALL)


def _answer(drawing: Drawing, told: Round, middle: float) -> None:
    x, y, room = END[0] + 12, middle - LEAST / 2, END[1] - 24
    end = told.end
    if end is None:
        drawing.box(END[0], y, END[1], LEAST)
        drawing.text(x, y + 20, "no answer yet", tone="soft")
        return
    failed = end.state == "failed"
    tone: Tone = "bad" if failed else "good"
    drawing.box(END[0], y, END[1], LEAST, tone=tone, line="thick")
    head = "no answer" if failed else end.who
    drawing.text(x, y + 20, fitted(head, room, BOLD), bold=True)
    drawing.text(x, y + 37, words.price(end), tone="soft", size=SMALL)
    said = str(end.data.get("message") or "") if failed else words.excerpt(end)
    for number, line in enumerate(wrapped(said, room, 5, SMALL)):
        drawing.text(x, y + 57 + 15 * number, line, size=SMALL)


# ---- in words


def _in_words(step: Step) -> str:
    if not isinstance(step, Round):
        return words.heading(step)
    asked = "" if step.question is None else words.heading(step.question)
    said = [f"{each.who} {words.vote(each, step.winner)}" for each in step.ballots]
    said += [f"{each.name} {each.outcome}" for each in _calls(step)]
    end = "no answer yet" if step.end is None else words.heading(step.end)
    how = words.verdict(step) if step.several else []
    return "; ".join(filter(None, [asked, *said, end, *how]))


def _calls(step: Round) -> list[Call]:
    return [] if step.several else calls_of(step.decisions)
