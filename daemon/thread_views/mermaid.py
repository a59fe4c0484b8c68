"""A thread as a sequence diagram in Mermaid's language.

Names and texts are anybody's: all but ASCII's letters, digits and what means nothing to
Mermaid stands as ``#code;``, which it shows as the character and reads as nothing else.
"""

from collections.abc import Sequence
from typing import Final

from actors.messages.threads import EntryKind, ThreadEntry
from daemon.thread_views import words

MAX_MESSAGES: Final = 200
TEXT_CHARS: Final = 80
NAME_CHARS: Final = 60
_NOBODY: Final = "thread"
_HARMLESS: Final = frozenset(" .,-_/()?!'")
_BACK: Final[frozenset[EntryKind]] = frozenset(("ballot", "answer", "verdict"))


def mermaid(entries: Sequence[ThreadEntry], name: str) -> str:
    """The diagram: who says what to whom, in order; of a long thread its beginning."""
    shown = entries[:MAX_MESSAGES]
    people = _people(shown)
    lines = ["sequenceDiagram", f"    title {_encoded(name, NAME_CHARS)}"]
    lines += [
        f"    participant p{number} as {_encoded(who, NAME_CHARS)}"
        for who, number in people.items()
    ]
    lines += [f"    {_message(each, people)}" for each in shown]
    if len(shown) < len(entries):
        left = len(entries) - len(shown)
        lines.append(f"    Note over p0: {_encoded(f'and {left} more', TEXT_CHARS)}")
    return "\n".join(lines) + "\n"


def _people(entries: Sequence[ThreadEntry]) -> dict[str, int]:
    names = [_NOBODY] if not entries else []
    for entry in entries:
        names += [entry.who, entry.to] if entry.to else [entry.who]
    return {who: number for number, who in enumerate(dict.fromkeys(names))}


def _message(entry: ThreadEntry, people: dict[str, int]) -> str:
    said = _encoded(_said(entry), TEXT_CHARS)
    who = f"p{people[entry.who]}"
    if not entry.to:
        return f"Note over {who}: {said}"
    arrow = "-->>" if entry.kind in _BACK else "->>"
    return f"{who}{arrow}p{people[entry.to]}: {said}"


def _said(entry: ThreadEntry) -> str:
    kind = entry.kind.replace("_", " ")
    data = entry.data
    match entry.kind:
        case "ballot":
            return f"{kind} {words.vote(entry, None)}: {words.excerpt(entry)}"
        case "verdict":
            how = data.get("rule") or data.get("message") or data.get("error") or ""
            return f"{kind} by {data.get('method') or 'nobody'} ({how}): {words.excerpt(entry)}"
        case "decision" | "task_state" | "action":
            return f"{kind}: {words.facts(entry)}"
        case _:
            error = data.get("message") or data.get("error") or ""
            return f"{kind}: {words.excerpt(entry) or error}"


def _encoded(text: str, limit: int) -> str:
    line = " ".join(text[: 4 * limit].split())
    cut = line if len(line) <= limit else f"{line[: limit - 3]}..."
    return "".join(map(_safe, cut)).strip() or "#45;"


def _safe(each: str) -> str:
    if each in _HARMLESS or (each.isascii() and each.isalnum()):
        return each
    # Control characters and halves of pairs have no code that may be shown.
    known = each.isprintable() and not 0xD800 <= ord(each) <= 0xDFFF
    return f"#{ord(each)};" if known else "#65533;"
