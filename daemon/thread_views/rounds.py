"""The steps of a thread: what was asked and answered, and what was done beside it."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from actors.messages.threads import ThreadEntry

_IN_ROUNDS = frozenset(("question", "decision", "ballot", "answer", "verdict"))
_TOLD_STATES = frozenset(("waiting", "failed", "dead", "cancelled"))


class Round(Struct):
    """One question and what came of it; one of consensus has ballots.

    ``end`` is the answer or the verdict, ``None`` while there is none.
    """

    question: ThreadEntry | None = None
    decisions: list[ThreadEntry] = field(default_factory=list)
    ballots: list[ThreadEntry] = field(default_factory=list)
    end: ThreadEntry | None = None

    @property
    def winner(self) -> object:
        """The number of the group of answers that won, if one did."""
        return None if self.end is None else self.end.data.get("winner")

    @property
    def several(self) -> bool:
        """Whether several were asked."""
        verdict = self.end is not None and self.end.kind == "verdict"
        asked = self.question is not None and self.question.to == "consensus"
        return bool(self.ballots) or verdict or asked

    def groups(self) -> list[tuple[int, list[ThreadEntry]]]:
        """The ballots by equal answers, in the order of the groups' numbers."""
        found: dict[int, list[ThreadEntry]] = {}
        for ballot in self.ballots:
            number = group_of(ballot)
            if number is not None:
                found.setdefault(number, []).append(ballot)
        return sorted(found.items())


Step = Round | ThreadEntry


def steps(entries: Iterable[ThreadEntry]) -> list[Step]:
    """Rounds, and the other entries that say more than rounds do, in order."""
    found: list[Step] = []
    rounds: dict[str, Round] = {}
    for entry in entries:
        if entry.kind in _IN_ROUNDS and entry.request_id is not None:
            if entry.request_id not in rounds:
                rounds[entry.request_id] = Round()
                found.append(rounds[entry.request_id])
            _add(rounds[entry.request_id], entry)
        elif entry.kind != "task_state" or entry.data.get("state") in _TOLD_STATES:
            found.append(entry)
    return found


def rounds_of(entries: Iterable[ThreadEntry]) -> list[Round]:
    """Those in which somebody has answered with a ballot."""
    found = steps(entries)
    return [each for each in found if isinstance(each, Round) and each.ballots]


def _add(into: Round, entry: ThreadEntry) -> None:
    match entry.kind:
        case "question":
            into.question = entry
        case "decision":
            into.decisions.append(entry)
        case "ballot":
            into.ballots.append(entry)
        case _:
            into.end = entry


def group_of(ballot: ThreadEntry) -> int | None:
    """The number of its group of equal answers; ``None`` for who gave none."""
    number = ballot.data.get("group")
    return number if isinstance(number, int) else None


def letter(group: int) -> str:
    """A, B ... Z, A1, B1 ...: how a group is called."""
    name = chr(ord("A") + group % 26)
    return name if group < 26 else f"{name}{group // 26}"


class Call(Struct, frozen=True):
    """One call of a plain request, as its decision tells it."""

    name: str
    kind: str
    outcome: str
    took: str


def calls_of(decisions: Sequence[ThreadEntry]) -> list[Call]:
    """Every call that these came to, in order."""
    told = [str(each.data.get("calls") or "") for each in decisions]
    parts = [part.rsplit(" ", 3) for text in told for part in text.split("; ")]
    return [Call(*part) for part in parts if len(part) == 4]
