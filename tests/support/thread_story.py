"""Entries of threads as daemons note them, for what is made of them."""

from decimal import Decimal
from pathlib import Path

from msgspec import convert
from msgspec.structs import replace

from actors.messages.threads import StoredEntry, ThreadEntry, ThreadPage, ThreadSummary
from daemon.thread_views.flow_svg import flow_svg

NAMES = tuple(f"provider{n}/model-{n}" for n in range(20))
AT = 1_760_000_000.0


def entry(kind: str, who: str, **more: object) -> ThreadEntry:
    fields = {"thread_id": "t", "kind": kind, "who": who, "at": AT, **more}
    return convert(fields, ThreadEntry)


def a_round(
    groups: tuple[int | None, ...],
    winner: int | None = 0,
    request_id: str = "r1",
    names: tuple[str, ...] = NAMES,
) -> list[ThreadEntry]:
    """A round of consensus: each member's group, ``None`` for who failed."""
    both = {"to": "consensus", "request_id": request_id}
    ballots = [
        entry("ballot", name, data={"state": "failed", "error": "timeout"}, **both)
        if group is None
        else entry(
            *("ballot", name),
            text=f"Answer {group}.",
            data={"state": "answered", "group": group},
            latency_s=1.5,
            cost_usd=Decimal("0.001"),
            **both,
        )
        for name, group in zip(names, groups, strict=False)
    ]
    verdict = entry(
        *("verdict", "consensus"),
        to="ada",
        request_id=request_id,
        text="Answer 0.",
        state="done",
        latency_s=2.0,
        cost_usd=Decimal("0.002"),
        data={
            "method": "majority",
            "rule": "two of three said so",
            "agreement": 0.667,
            "confidence": None,
            "winner": winner,
            "stopped_early": True,
        },
    )
    return [entry("question", "ada", text="Is it so?", **both), *ballots, verdict]


def a_request(*calls: str, text: str = "Because.") -> list[ThreadEntry]:
    """A plain request; each call as ``<provider>/<model> <kind> <outcome> <time>``."""
    both = {"request_id": "r9"}
    return [
        entry("question", "ada", to="auto", text="Why?", **both),
        entry("decision", "router", to="b/m", data={"calls": "; ".join(calls)}, **both),
        entry("answer", "b/m", to="ada", text=text, state="done", **both),
    ]


EVENT = [
    entry("event", "mona", to="event_router", text="Close the file", state="open"),
    entry("decision", "event_router", to="task_queue", data={"reason": "rule 1"}),
    *a_round((0, 0, 1)),
    entry("action", "post_comment", to="acme/shop#1", data={"status": 201}),
    entry("task_state", "here:1", data={"state": "running"}),
]


def page(
    entries: list[ThreadEntry], name: str = "t", *, more: bool = False
) -> ThreadPage:
    summary = ThreadSummary(
        cursor="1",
        thread_id=name,
        user="ada",
        title="Is it so?",
        task_type="review",
        state="done",
        started_at=AT,
        last_at=AT,
        entries=len(entries),
        who=tuple(dict.fromkeys(each.who for each in entries)),
        cost_usd=None,
        simulated=True,
    )
    stored = tuple(StoredEntry(n, each) for n, each in enumerate(entries, start=1))
    return ThreadPage(summary, stored, more)


HOSTILE = (
    "<script>alert(1)</script>",
    "]]><svg/onload=alert(1)>",
    "&lt;b&gt; \" ' `",
    "```\n# Not a heading\n```",
    "`````` ~~~",
    "end; participant p0 as eve",
    "%%{init: {}}%%\n  p0->>p1: injected",
    "#35;#quot;",
    "\x00\x1b[31m\x7f\u202e\ud800\ufffe",
    "[x](javascript:alert(1)) ![](http://x) <http://x> @everyone www.x.com",
    "| a | b |\n|---|---|",
    "- item\n1. item\n> quote\n    code\n***\n<!-- x -->",
    "\u4e2d\u6587\u6f22\u5b57 \U0001f600 e\u0301 " + "W" * 300,
    "$$x^2$$ :::note wrap: x",
    "\r\r`\r",
    " ",
)


PICTURE = "docs/how-it-was-decided.svg"
"""What ``docs/threads.md`` shows: ``python -m tests.support.thread_story`` draws it."""


def shown() -> list[ThreadEntry]:
    """A pull request, three models and the comment that two of them agreed on."""
    members = ("openai/gpt-4o", "grok/grok-3-mini", "claude/claude-sonnet-5-5")
    said = (
        "Yes: the handle leaks when parsing fails.",
        "No, the caller closes it.",
        "Yes. Close it in a with block.",
    )
    told = a_round((0, 1, 0), names=members)
    words = dict(zip(members, said, strict=True))
    asked = "Review: Close the file on every path. Does a handle leak?"
    texts = {"question": asked, "verdict": said[0], **words}
    return [
        entry(
            *("event", "mona"),
            to="event_router",
            text="Close the file on every path",
            data={"name": "pull_request.opened", "repository": "acme/shop"},
        ),
        entry(
            *("decision", "event_router"),
            to="task_queue",
            data={"reason": "rule 1"},
            task_type="code_review",
        ),
        *(
            replace(each, text=texts.get(each.who, texts.get(each.kind)))
            for each in told
        ),
        entry(
            *("action", "post_comment"),
            to="acme/shop#12",
            data={"outcome": "ok", "status": 201},
        ),
    ]


if __name__ == "__main__":
    Path(PICTURE).write_text(flow_svg(shown(), "Close the file on every path"))
