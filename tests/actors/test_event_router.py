"""An event becomes a request, and its answer actions."""

from collections.abc import Callable
from decimal import Decimal
from itertools import count

import msgspec
import pytest
from msgspec.structs import replace

from actors.errors import InternalError, NotPermitted
from actors.event_router import EventRouter, EventSettings, Followed
from actors.messages.actions import (
    ActionWork,
    CallUrl,
    EventDone,
    EventRule,
    PostComment,
)
from actors.messages.chat import Usage
from actors.messages.consensus import ConsensusAsk, ConsensusInfo
from actors.messages.events import Event
from actors.messages.routing import RouteResult
from actors.messages.tasks import NewTask, Performed, Task
from actors.messages.work import RequestOutcome, RequestWork
from actors.policy.github import read_event
from tests.support.github_payloads import payload

NOW = 1_760_000_000.0
RULES = (
    EventRule(
        events=("pull_request.*",),
        task_type="code_review",
        priority="high",
        providers=("claude", "grok"),
        consensus="majority",
        prompt="Look at {title}: {text}",
        max_tokens=500,
        actions=(PostComment(), CallUrl(url="https://hooks.example.org")),
    ),
    EventRule(events=("release.*",), providers=("openai",), strategy="cost"),
)


def router(rules: tuple[EventRule, ...] = RULES) -> EventRouter:
    ids = count(1)
    return EventRouter(
        EventSettings(rules=rules), lambda: f"ID{next(ids)}", lambda: NOW
    )


def event(kind: str) -> Event:
    read = read_event(kind, "d-1", payload(kind), NOW)
    assert read is not None
    return read


def kept(spec: NewTask) -> Task:
    return Task(spec=spec, state="running", run_at=NOW, updated_at=NOW, attempts=1)


def task_of(events: EventRouter, what: Event) -> Task:
    plan = events.plan(what)
    assert plan is not None
    return kept(events.task(what, plan, "ada"))


async def asked(kind: str) -> tuple[Task, NewTask, RequestWork]:
    events = router()
    task = task_of(events, event(kind))
    performed = await events.perform(task, lambda _: None)
    (spec,) = performed.follow_ups
    return task, spec, msgspec.msgpack.decode(spec.payload, type=RequestWork)


def test_an_event_is_one_task() -> None:
    task = task_of(router(), event("pull_request")).spec

    assert (task.kind, task.type, task.priority) == (
        "event",
        "pull_request.opened",
        "high",
    )
    assert (task.key, task.tenant) == ("github:d-1", "ada")
    assert (task.user, task.title) == ("ada", "Close the file on every path")


async def test_it_becomes_a_request() -> None:
    task, spec, work = await asked("pull_request")

    assert (spec.kind, spec.type, spec.priority) == ("request", "code_review", "high")
    assert (spec.parent_id, spec.tenant) == (task.task_id, "ada")
    request = work.request
    assert request.chat.messages[0].content == (
        "Look at Close the file on every path: The handle leaked when parsing failed."
    )
    assert request.consensus == ConsensusAsk(
        method="majority", members=("claude", "grok")
    )
    assert (request.provider, request.chat.max_tokens) == (None, 500)
    assert request.metadata == {"event": "pull_request.opened", "event_id": "d-1"}


async def test_one_provider_is_asked_alone() -> None:
    _, _, work = await asked("release")

    assert work.request.provider == "openai"
    assert work.request.strategy == "cost"
    assert work.request.consensus is None
    assert work.actions == ()


async def test_what_is_told_about_it() -> None:
    events = router()
    told: list[str] = []
    performed = await events.perform(
        task_of(events, event("pull_request")), told.append
    )
    done = msgspec.msgpack.decode(performed.result, type=EventDone)

    assert done == EventDone(
        outcome="asked",
        plan_by="rule 1",
        task_type="code_review",
        request_id=performed.follow_ups[0].task_id,
    )
    assert told == ["code_review"]


async def test_rules_may_have_changed_meanwhile() -> None:
    events = router()
    task = task_of(events, event("release"))
    events.settings = EventSettings(rules=(EventRule(ignore=True),))
    performed = await events.perform(task, lambda _: None)

    assert performed.follow_ups == ()
    done = msgspec.msgpack.decode(performed.result, type=EventDone)
    assert done.outcome == "ignored"


async def test_a_payload_that_is_none() -> None:
    task = task_of(router(), event("release"))
    spoiled = kept(msgspec.structs.replace(task.spec, payload=b"\xc1"))
    with pytest.raises(InternalError):
        await router().perform(spoiled, lambda _: None)


class Asked:
    """A performer of requests that has the answer ready."""

    def __init__(self, content: str | None, info: ConsensusInfo | None) -> None:
        self._result = RouteResult(
            request_id="R1",
            content=content,
            finish_reason="stop",
            provider="claude",
            model="m",
            usage=Usage(),
            cost_usd=Decimal(0),
            cost_source="unknown",
            latency_s=1.0,
            overhead_s=0.0,
            decision_id="D1",
            attempts=(),
            consensus=info,
        )

    async def perform(self, task: Task, tell: Callable[[str], None]) -> Performed:
        outcome = RequestOutcome(result=self._result)
        return Performed(result=msgspec.msgpack.encode(outcome))


INFO = ConsensusInfo(
    method="majority",
    kind="text",
    rule="majority",
    agreement=1.0,
    confidence=None,
    winner=0,
    groups=(("claude", "grok"),),
    ballots=(),
)


async def test_actions_follow_the_answer() -> None:
    _, spec, _ = await asked("pull_request")
    ids = count(1)
    followed = Followed(Asked("Fine.", INFO), lambda: f"A{next(ids)}", lambda: NOW)
    performed = await followed.perform(kept(spec), lambda _: None)

    comment, call = performed.follow_ups
    assert [(t.kind, t.type, t.task_id) for t in performed.follow_ups] == [
        ("action", "post_comment", "A1"),
        ("action", "call_url", "A2"),
    ]
    assert comment.parent_id == call.parent_id == spec.task_id
    work = msgspec.msgpack.decode(comment.payload, type=ActionWork)
    assert work.action == PostComment()
    assert work.event == event("pull_request")
    assert (work.answer.content, work.answer.agreement) == ("Fine.", 1.0)
    assert (work.answer.decision_id, work.task_type) == ("D1", "code_review")


async def test_nothing_follows_where_nothing_is_to() -> None:
    _, spec, _ = await asked("release")
    followed = Followed(Asked(None, None), lambda: "A", lambda: NOW)
    performed = await followed.perform(kept(spec), lambda _: None)

    assert performed.follow_ups == ()


@pytest.mark.parametrize(
    ("user", "repository", "tenant"),
    [
        ("ada", "octo-org/hello", "ada"),
        (None, "octo-org/hello", "octo-org/hello"),
        (None, None, "events"),
    ],
)
def test_whose_share_an_event_takes(
    user: str | None, repository: str | None, tenant: str
) -> None:
    """A caller's own, whatever they say that it is about; its id is theirs, too."""
    events = router()
    what = replace(event("pull_request"), repository=repository)
    plan = events.plan(what)
    assert plan is not None
    assert events.task(what, plan, user).tenant == tenant


async def test_a_submitted_task_has_no_actions_of_its_own() -> None:
    _, spec, _ = await asked("pull_request")
    own = msgspec.structs.replace(spec, parent_id=None)
    followed = Followed(Asked("Fine.", None), lambda: "A", lambda: NOW)
    with pytest.raises(NotPermitted):
        await followed.perform(kept(own), lambda _: None)
