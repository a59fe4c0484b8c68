"""A thread, or who agreed with whom, as Markdown (CommonMark).

What others wrote stands in code, inline or in a fence that is longer than any in it:
nothing in there is markup, a link, a mention or HTML.
"""

import re
from collections.abc import Sequence
from typing import Final

from actors.messages.threads import ThreadEntry, ThreadSummary
from daemon.cli.render.units import UNKNOWN, moment, money
from daemon.thread_views import words
from daemon.thread_views.agreement import Agreement

_TICKS: Final = re.compile("`+")


def thread_markdown(
    summary: ThreadSummary, entries: Sequence[ThreadEntry], *, more: bool
) -> str:
    """The document; ``more``: the thread goes on after these entries."""
    facts = (
        ("State", summary.state),
        ("User", None if summary.user is None else code(summary.user)),
        ("Task type", None if summary.task_type is None else code(summary.task_type)),
        ("Began", moment(summary.started_at)),
        (
            "Cost",
            money(summary.cost_usd) if summary.cost_usd is not None else "unknown",
        ),
        ("Took part", ", ".join(map(code, summary.who))),
        ("Simulated", "yes" if summary.simulated else None),
    )
    parts = [f"# Thread {code(summary.thread_id)}"]
    parts.append("\n".join(f"- {name}: {value}" for name, value in facts if value))
    for entry in entries:
        parts += _entry(entry)
    if more:
        parts.append("The thread goes on: this is its beginning.")
    return "\n\n".join(parts) + "\n"


def _entry(entry: ThreadEntry) -> list[str]:
    to = f" to {code(entry.to)}" if entry.to else ""
    kind = entry.kind.replace("_", " ").capitalize()
    parts = [f"## {kind}: {code(entry.who)}{to}"]
    said = [moment(entry.at), words.price(entry)]
    if entry.kind == "ballot":
        said.append(code(words.vote(entry, None)))
    facts = words.facts(entry)
    said += [code(facts)] if facts else []
    parts.append(" · ".join(filter(None, said)))
    if entry.text is not None:
        parts.append(fenced(entry.text))
    elif entry.chars:
        parts.append(f"({entry.chars} characters, not kept)")
    return parts


def agreement_markdown(shown: Agreement, about: str) -> str:
    """The same as the picture, as a table."""
    head = ["", "Member", *(str(n + 1) for n in range(len(shown.members))), "Won"]
    rows = [head, ["---"] * len(head)]
    for place, member in enumerate(shown.members):
        pairs = [
            UNKNOWN if each.share is None else f"{each.same}/{each.both}"
            for each in shown.pairs[place]
        ]
        pairs[place] = ""
        name = code(member.name).replace("|", "\\|")
        won = f"{member.won}/{member.answered}"
        rows.append([str(place + 1), name, *pairs, won])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    said = (
        f"Over {shown.rounds} rounds of consensus: in how many of the rounds that both"
        " answered they said the same."
    )
    return f"# Who agreed with whom: {code(about)}\n\n{said}\n\n{table}\n"


def code(text: str) -> str:
    """As inline code: one line, whatever is in it."""
    line = " ".join(_plain(text).split()) or "-"
    ticks = "`" * (_longest(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def fenced(text: str) -> str:
    """As a block of code that nothing in it ends."""
    fence = "`" * max(3, _longest(text) + 1)
    lines = "\n".join(_plain(line) for line in text.splitlines())
    return f"{fence}text\n{lines}\n{fence}"


def _longest(text: str) -> int:
    return max((len(run) for run in _TICKS.findall(text)), default=0)


def _plain(text: str) -> str:
    """Without what is no text: control characters, and marks that turn its direction."""
    return "".join(
        each if each.isprintable() or each == "\t" else "\ufffd" for each in text
    )
