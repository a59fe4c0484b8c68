"""What entries say, in few words."""

from actors.messages.threads import Detail, ThreadEntry
from daemon.cli.render.units import decimals, money, seconds
from daemon.thread_views.rounds import Round, group_of, letter

_HIDDEN = frozenset(
    ("becomes", "calls", "id", "members", "state", "words_of", "winner")
)


def heading(entry: ThreadEntry) -> str:
    """Its kind, and who says it to whom."""
    to = f" to {entry.to}" if entry.to else ""
    return f"{entry.kind.replace('_', ' ')}: {entry.who}{to}"


def price(entry: ThreadEntry) -> str:
    """What it took and cost, as far as that is known."""
    parts = [None if entry.latency_s is None else seconds(entry.latency_s)]
    parts.append(None if entry.cost_usd is None else money(entry.cost_usd))
    return " · ".join(part for part in parts if part)


def facts(entry: ThreadEntry) -> str:
    """Whatever else there is to say."""
    said = [
        f"{name.replace('_', ' ')} {_value(value)}"
        for name, value in entry.data.items()
        if name not in _HIDDEN and value not in (None, "", False)
    ]
    state = entry.data.get("state")
    return ", ".join([str(state), *said] if state else said)


def _value(value: Detail) -> str:
    if isinstance(value, bool):
        return "yes"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def vote(ballot: ThreadEntry, winner: object) -> str:
    """Which of the answers, or why none; equal letters are equal answers."""
    group = group_of(ballot)
    if group is not None:
        return f"{letter(group)}, won" if group == winner else letter(group)
    error = ballot.data.get("error")
    state = str(ballot.data.get("state") or "no answer")
    if state == "answered":
        return "abstained"
    return f"{state}: {error}" if error else state


def verdict(told: Round) -> list[str]:
    """How it was decided: the rule, and how sure that is."""
    end = told.end
    if end is None:
        return ["no verdict yet"]
    data = end.data
    if end.state == "failed":
        return [f"no verdict: {data.get('message') or data.get('error')}"]
    parts = [f"agreement {_share(data.get('agreement'))}"]
    parts.append(f"confidence {_share(data.get('confidence'))}")
    if data.get("stopped_early"):
        parts.append("stopped early")
    return [str(data.get("rule") or ""), ", ".join(parts)]


def _share(value: Detail) -> str:
    known = float(value) if isinstance(value, int | float) else None
    return decimals(known, 2) if known is not None else "unknown"


def excerpt(entry: ThreadEntry) -> str:
    """The beginning of what was said, or how long it was where it is not kept."""
    if entry.text is not None:
        return entry.text[:500]
    return f"({entry.chars} characters, not kept)" if entry.chars else ""
