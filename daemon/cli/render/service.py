"""Services as text: what was done, what would be, and how one is."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from daemon.cli.render.table import Paint, Tone, one_line

_PAST = {
    "write": "wrote",
    "make": "made",
    "keep": "kept",
    "remove": "removed",
    "run": "ran",
}


class Deed(Struct, frozen=True):
    """One step of an installation: an action, what it is done to, and a remark."""

    action: str
    what: str
    note: str = ""


class Deeds(Struct, frozen=True, kw_only=True):
    """What ``service install --json`` and ``uninstall --json`` print."""

    scope: str
    dry_run: bool
    steps: Sequence[Deed]
    warnings: Sequence[str]
    hints: Sequence[str]


class UnitState(Struct, frozen=True, kw_only=True):
    """A unit in ``systemctl``'s words; ``problem`` says why it does not run."""

    name: str
    active: str
    sub: str
    enabled: str
    path: str | None
    problem: str | None = None


class ServiceState(Struct, frozen=True, kw_only=True):
    """What ``service status --json`` prints.

    ``answers`` is ``None`` where nobody was asked: a service that is off would be
    started by the question. ``last_words`` are log lines of one that failed.
    """

    scope: str
    service: UnitState
    socket: UnitState
    status: str | None
    pid: int | None
    restarts: int | None
    answers: bool | None
    version: str | None
    reason: str | None
    last_words: Sequence[str] = ()


def deed(each: Deed, *, dry_run: bool) -> str:
    """``wrote /etc/...`` or ``would write /etc/...``."""
    verb = f"would {each.action}" if dry_run else _PAST[each.action]
    return f"{verb} {each.what}" + (f" ({each.note})" if each.note else "")


def files(texts: Mapping[str, str]) -> str:
    """Files under their paths, as ``systemctl cat`` shows them."""
    return "\n".join(f"# {path}\n{text}" for path, text in texts.items())


def state(found: ServiceState, paint: Paint) -> str:
    """``gitbridge service status``."""
    lines = [_unit(found.service, paint), _unit(found.socket, paint)]
    if found.pid is not None:
        restarts = f", restarts {found.restarts}" if found.restarts else ""
        lines.append(f"process {found.pid}{restarts}: {one_line(found.status or '')}")
    if found.answers:
        lines.append(paint(f"the daemon answers: version {found.version}", "good"))
    elif found.reason:
        lines.append(paint(one_line(found.reason), "bad"))
    lines += [f"  {one_line(each)}" for each in found.last_words]
    return "\n".join(lines)


def _unit(unit: UnitState, paint: Paint) -> str:
    tone: Tone = "good" if unit.active == "active" else "bad"
    activity = paint(f"{unit.active} ({unit.sub})" if unit.sub else unit.active, tone)
    path = f", {unit.path}" if unit.path else ""
    problem = f": {one_line(unit.problem)}" if unit.problem else ""
    return f"{unit.name} {activity}, {unit.enabled or 'not enabled'}{path}{problem}"
