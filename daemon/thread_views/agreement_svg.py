"""Who agreed with whom, as a picture: a row and a column for each member."""

from daemon.thread_views.agreement import Agreement, Member, Pair
from daemon.thread_views.drawing import SMALL, Drawing, fitted, sentences

ROW, COLUMN, NAMES, MARGIN = 42, 62, 300, 24
TALLY = 150
TOP = 84
WORDS = 620
"""No narrower, for the words above and below."""


def agreement_svg(shown: Agreement, about: str) -> str:
    """The picture.

    Args:
        shown: What was counted.
        about: What it was counted over, as a heading.
    """
    count = len(shown.members)
    drawing = Drawing(max(WORDS, 2 * MARGIN + NAMES + COLUMN * count + TALLY))
    room = drawing.width - 2 * MARGIN
    drawing.text(
        MARGIN,
        34,
        fitted(f"Who agreed with whom: {about}", room, 19),
        size=17,
        bold=True,
    )
    drawing.text(MARGIN, 56, _over(shown), tone="soft")
    for place, member in enumerate(shown.members):
        _head(drawing, place)
        _row(drawing, place, member, shown.pairs[place])
    bottom = TOP + ROW * count + (ROW if count else 0)
    if count:
        _tally_head(drawing, count)
    for number, line in enumerate(_legend(shown)):
        drawing.text(MARGIN, bottom + 18 * number, line, tone="soft", size=SMALL)
    height = bottom + 18 * len(_legend(shown)) + 6
    return drawing.document(height, f"Who agreed with whom: {about}", _in_words(shown))


def _over(shown: Agreement) -> str:
    rounds = "round" if shown.rounds == 1 else "rounds"
    members = "member" if len(shown.members) == 1 else "members"
    return f"{shown.rounds} {rounds} of consensus, {len(shown.members)} {members}"


def _left(place: int) -> float:
    return MARGIN + NAMES + COLUMN * place


def _head(drawing: Drawing, place: int) -> None:
    x = _left(place) + COLUMN / 2
    drawing.text(x, TOP + 12, str(place + 1), bold=True, middle=True)


def _tally_head(drawing: Drawing, count: int) -> None:
    drawing.text(_left(count) + 16, TOP + 12, "won / answered", tone="soft", size=SMALL)


def _row(drawing: Drawing, place: int, member: Member, pairs: tuple[Pair, ...]) -> None:
    y = TOP + 20 + ROW * place
    drawing.text(MARGIN, y + 26, str(place + 1), bold=True)
    drawing.text(MARGIN + 26, y + 26, fitted(member.name, NAMES - 36))
    for other, pair in enumerate(pairs):
        x = _left(other)
        if other == place:
            drawing.text(x + COLUMN / 2, y + 26, "·", tone="soft", middle=True)
            continue
        _pair(drawing, x, y, pair)
    tally = f"{member.won} / {member.answered}"
    if member.answered < member.asked:
        tally += f"  ({member.asked} asked)"
    drawing.text(_left(len(pairs)) + 16, y + 26, tally)


def _pair(drawing: Drawing, x: float, y: float, pair: Pair) -> None:
    middle = x + COLUMN / 2
    if pair.share is None:
        drawing.text(middle, y + 26, "-", tone="soft", middle=True)
        return
    drawing.cell(x + 1, y + 1, COLUMN - 2, ROW - 2, pair.share)
    drawing.text(middle, y + 19, f"{pair.share:.0%}", bold=True, middle=True)
    told = f"{pair.same} of {pair.both}"
    drawing.text(middle, y + 34, told, size=SMALL, middle=True)


def _legend(shown: Agreement) -> list[str]:
    if not shown.members:
        return ["Nobody has answered in a round of consensus yet."]
    lines = [
        "A field says in how many of the rounds that both answered they said the same;",
        "the darker (in the dark: the lighter), the more often. -: never both answered.",
    ]
    if shown.left_out:
        lines.append(f"{shown.left_out} who answered less often are not shown.")
    return lines


def _in_words(shown: Agreement) -> str:
    said = [_over(shown)]
    for place, member in enumerate(shown.members):
        said.append(f"{member.name} won {member.won} of {member.answered} answered")
        for other in range(place + 1, len(shown.members)):
            pair = shown.pairs[place][other]
            name = shown.members[other].name
            said.append(
                f"{member.name} and {name} agreed in {pair.same} of {pair.both}"
                if pair.both
                else f"{member.name} and {name} never both answered"
            )
    return sentences(said)
