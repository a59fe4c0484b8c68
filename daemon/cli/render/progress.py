"""How a round of consensus goes, a line a notice."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec

from actors.messages.progress import (
    MemberAbsent,
    MemberAnswered,
    MemberAsked,
    MemberFailed,
    RoundBegan,
    RoundDecided,
    RoundFailed,
    RoundStoppedEarly,
    WritingBegan,
)
from daemon.cli.render.table import Paint, one_line
from daemon.cli.render.units import decimals, money, seconds

_SHOWN_CHARS: Final = 60
T = TypeVar("T")


def progress_line(name: str, body: object, paint: Paint) -> str | None:
    """A notice of the topic ``consensus``; ``None`` where there is nothing to say.

    Args:
        name: Which notice.
        body: As it came from the daemon.
        paint: For stderr.

    Raises:
        msgspec.ValidationError: The body is not what its name says.
    """
    line = _LINES.get(name)
    return None if line is None else paint(one_line(line(body)), "dim")


def _of(kind: type[T], line: Callable[[T], str]) -> Callable[[object], str]:
    def read(body: object) -> str:
        return line(body if isinstance(body, kind) else msgspec.convert(body, kind))

    return read


def _began(body: RoundBegan) -> str:
    return (
        f"{body.method}: {len(body.members)} members, at least {body.quorum} must "
        f"answer within {seconds(body.deadline_s)}"
    )


def _asked(body: MemberAsked) -> str:
    instead = f" in place of {body.replaces}" if body.replaces else ""
    return f"{body.member} is asked{instead}"


def _answered(body: MemberAnswered) -> str:
    said = "abstains" if body.rule is None else f"says {_short(body.answer)}"
    read = "" if body.rule is None else f" ({body.kind}, {body.rule})"
    agrees = f", as {', '.join(body.agrees_with)}" if body.agrees_with else ""
    cost = "" if body.cost_usd is None else f", {money(body.cost_usd)}"
    return f"{body.member} {said}{read}{agrees}, {seconds(body.latency_s)}{cost}"


def _short(answer: str | None) -> str:
    if not answer:
        return "-"
    if len(answer) <= _SHOWN_CHARS:
        return answer
    return answer[:_SHOWN_CHARS].rstrip() + "..."


def _failed(body: MemberFailed) -> str:
    return f"{body.member} failed: {body.message}"


def _absent(body: MemberAbsent) -> str:
    return f"{body.member} is not replaced: {body.reason}"


def _stopped(body: RoundStoppedEarly) -> str:
    parts = [f"not waiting for {', '.join(body.cancelled)}"] if body.cancelled else []
    parts += [f"not asking {', '.join(body.not_asked)}"] if body.not_asked else []
    return "enough was said: " + (" and ".join(parts) or "everybody was heard")


def _writing(body: WritingBegan) -> str:
    does = "writes one from all" if body.method == "synthesis" else "judges"
    return f"the answers differ: {body.model} {does}"


def _decided(body: RoundDecided) -> str:
    return (
        f"decided: {body.rule}, agreement {decimals(body.agreement, 2)}, "
        f"confidence {decimals(body.confidence, 2)}"
    )


def _without(body: RoundFailed) -> str:
    return f"no verdict: {body.message}"


_LINES: Final[Mapping[str, Callable[[object], str]]] = {
    "round_began": _of(RoundBegan, _began),
    "member_asked": _of(MemberAsked, _asked),
    "member_answered": _of(MemberAnswered, _answered),
    "member_failed": _of(MemberFailed, _failed),
    "member_absent": _of(MemberAbsent, _absent),
    "round_stopped_early": _of(RoundStoppedEarly, _stopped),
    "writing_began": _of(WritingBegan, _writing),
    "round_decided": _of(RoundDecided, _decided),
    "round_failed": _of(RoundFailed, _without),
}
