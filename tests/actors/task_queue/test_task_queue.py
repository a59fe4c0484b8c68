"""The queue at work, in virtual time, on a store in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import msgspec
import pytest
from typing_extensions import override

from actors.errors import (
    GitBridgeError,
    InvalidRequest,
    NoProvider,
    ProviderServerError,
    QueueUnavailable,
)
from actors.messages.routing import EndSink, RouteRequest, error_info
from actors.messages.tasks import (
    ClaimAsk,
    NewTask,
    Performed,
    Performer,
    Task,
    TaskQuery,
)
from actors.messages.work import Check, RequestOutcome, RequestWork
from actors.runtime import ActorSystem, ChildSpec, SupervisorSpec
from actors.task_queue import (
    Desk,
    QueueSettings,
    QueueTools,
    RequestPerformer,
    TaskQueueActor,
    TaskQueueHandle,
)
from tests.support.fake_service import route_result
from tests.support.memory_tasks import MemoryTasks
from tests.support.small_house import EPOCH, request


def utc() -> float:
    return EPOCH + anyio.current_time()


@dataclass
class Laborer:
    """A performer that does as it is told; ``takes_s`` each."""

    takes_s: float = 0.0
    errors: list[GitBridgeError | Exception] = field(default_factory=list)
    began: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    at_once: int = 0
    most: int = 0

    async def perform(self, task: Task, tell: Callable[[str], None]) -> Performed:
        self.began.append(task.task_id)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        tell("at it")
        try:
            await anyio.sleep(self.takes_s)
            if self.errors:
                raise self.errors.pop(0)
        except anyio.get_cancelled_exc_class():
            self.cut.append(task.task_id)
            raise
        finally:
            self.at_once -= 1
        return Performed(result=b"\xc0")


@dataclass
class Place:
    store: MemoryTasks
    handle: TaskQueueHandle
    desk: Desk

    def state(self, task_id: str) -> str:
        return self.store.tasks[task_id].state


def task(task_id: str, **given: object) -> NewTask:
    fields: dict[str, object] = {
        "task_id": task_id,
        "kind": "action",
        "type": "t",
        "payload": b"",
        "tenant": "me",
        "created_at": utc(),
        "run_at": utc(),
    }
    return NewTask(**(fields | given))  # type: ignore[arg-type]  # a test's own words


@asynccontextmanager
async def place(
    performer: Performer,
    settings: QueueSettings | None = None,
    store: MemoryTasks | None = None,
) -> AsyncIterator[Place]:
    store = store or MemoryTasks()
    tools = QueueTools(
        store=store,
        performers={"action": performer, "request": performer},
        worker="w1",
        utc=utc,
        draw=lambda: 0.0,
    )
    desk = Desk(settings or QueueSettings(), tools)
    async with ActorSystem() as system:
        child = ChildSpec(id="task_queue", factory=lambda: TaskQueueActor(desk))
        system.start(SupervisorSpec(id="queueing", children=(child,)))
        yield Place(store, TaskQueueHandle(system.ref("task_queue"), store, utc), desk)


class Faulty(MemoryTasks):
    """``bugs`` claims fail as only a bug makes them fail."""

    def __init__(self) -> None:
        super().__init__()
        self.bugs = 0
        self.looked = 0

    @override
    async def claim(self, ask: ClaimAsk) -> tuple[Task, ...]:
        if self.bugs:
            self.bugs -= 1
            raise RuntimeError("a bug in the store")
        return await super().claim(ask)

    @override
    async def get(self, task_id: str) -> Task | None:
        self.looked += 1
        return await super().get(task_id)


@pytest.mark.parametrize(("most", "state"), [(5, "done"), (1, "dead")])
async def test_a_crash_of_the_queue_gives_back_what_was_in_work(
    most: int, state: str
) -> None:
    worker, store = Laborer(takes_s=5.0), Faulty()
    async with place(worker, QueueSettings(lease_s=3600.0), store) as it:
        await it.handle.submit([task("a", max_attempts=most)])
        await anyio.sleep(1.0)
        store.bugs = 1
        await it.handle.submit([task("b")])
        assert await it.handle.wait(["a", "b"], 60.0)
        assert it.state("a") == state
        assert it.store.tasks["a"].attempts == min(most, 2)
        assert worker.cut == ["a"]
        assert it.desk.held == {}
        assert it.desk.working == 0


async def test_a_crash_while_the_store_is_away_gives_back_once_it_is_there() -> None:
    worker, store = Laborer(takes_s=5.0), Faulty()
    async with place(worker, QueueSettings(lease_s=3600.0), store) as it:
        await it.handle.submit([task("a")])
        await anyio.sleep(1.0)
        store.bugs = 1
        await it.handle.submit([task("b")])
        store.away = True
        await anyio.sleep(20.0)
        assert it.state("a") == "running"
        store.away = False
        assert await it.handle.wait(["a", "b"], 60.0)
        assert it.state("a") == "done"


async def test_waiting_for_a_batch_reads_each_task_a_few_times_only() -> None:
    worker, store = Laborer(takes_s=1.0), Faulty()
    names = [f"t{number}" for number in range(400)]
    async with place(worker, QueueSettings(concurrency=8), store) as it:
        await it.handle.submit([task(each) for each in names])
        assert await it.handle.wait(names, 600.0)
    assert len(names) <= store.looked <= 4 * len(names)


async def test_a_task_that_ends_unheard_is_seen_all_the_same() -> None:
    async with place(Laborer(takes_s=3600.0)) as it:
        names = [f"t{number}" for number in range(120)]
        await it.handle.submit([task(each, run_at=utc() + 9e9) for each in names])
        ended: list[bool] = []

        async def wait() -> None:
            ended.append(await it.handle.wait(names, 60.0))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(1.0)
            for each in names:  # by another daemon, whose news is lost
                kept = it.store.tasks[each]
                it.store.tasks[each] = msgspec.structs.replace(kept, state="done")
        assert ended == [True]


async def test_a_task_is_worked_at_once() -> None:
    async with place(Laborer()) as it:
        await it.handle.submit([task("a")])
        began = anyio.current_time()
        assert await it.handle.wait(["a"], 60.0)
        assert anyio.current_time() - began < 0.01
        assert it.state("a") == "done"


async def test_no_attempt_begins_before_its_time() -> None:
    worker = Laborer()
    async with place(worker) as it:
        await it.handle.submit([task("a", run_at=utc() + 100.0)])
        assert not await it.handle.wait(["a"], 99.0)
        assert worker.began == []
        assert await it.handle.wait(["a"], 1.5)


async def test_places_and_lanes_are_limited() -> None:
    worker = Laborer(takes_s=1.0)
    settings = QueueSettings(concurrency=4, lanes={"narrow": 2})
    async with place(worker, settings) as it:
        began = anyio.current_time()
        names = [f"n{i}" for i in range(8)]
        await it.handle.submit([task(name, lane="narrow") for name in names])
        assert await it.handle.wait(names, 100.0)
        assert worker.most == 2
        assert 4.0 <= anyio.current_time() - began < 9.0
        await it.handle.submit([task(f"w{i}") for i in range(12)])
        assert await it.handle.wait([f"w{i}" for i in range(12)], 100.0)
        assert worker.most == 4


async def test_a_failed_attempt_is_made_again_and_says_why() -> None:
    worker = Laborer(errors=[ProviderServerError("no", retry_after_s=40.0)])
    async with place(worker) as it:
        await it.handle.submit([task("a")])
        await anyio.sleep(1.0)
        assert it.state("a") == "waiting"
        error = it.store.tasks["a"].error
        assert error is not None
        assert error.message == "no"
        assert not await it.handle.wait(["a"], 38.0)
        assert await it.handle.wait(["a"], 2.0)
        assert it.store.tasks["a"].attempts == 2


async def test_enough_attempts_are_enough() -> None:
    worker = Laborer(errors=[ProviderServerError("no")] * 9)
    async with place(worker) as it:
        await it.handle.submit([task("a", max_attempts=3)])
        assert await it.handle.wait(["a"], 600.0)
        assert it.state("a") == "dead"
        assert len(worker.began) == 3
        worker.errors.clear()
        await it.handle.retry("a")
        assert await it.handle.wait(["a"], 60.0)
        assert it.state("a") == "done"


async def test_an_outage_of_all_providers_uses_up_no_attempts() -> None:
    worker = Laborer(errors=[NoProvider("nobody")] * 50)
    async with place(worker) as it:
        await it.handle.submit([task("a", max_attempts=2)])
        assert await it.handle.wait(["a"], 600.0)
        assert it.state("a") == "done"
        assert it.store.tasks["a"].attempts == 1


@pytest.mark.parametrize("error", [InvalidRequest("wrong"), ValueError("bug")])
async def test_what_would_not_help_is_not_tried_again(error: Exception) -> None:
    worker = Laborer(errors=[error])
    async with place(worker) as it:
        await it.handle.submit([task("a"), task("b")])
        assert await it.handle.wait(["a", "b"], 60.0)
        assert sorted([it.state("a"), it.state("b")]) == ["done", "failed"]


async def test_cancel_stops_the_work_at_once() -> None:
    worker = Laborer(takes_s=1000.0)
    async with place(worker) as it:
        await it.handle.submit([task("a")])
        await anyio.sleep(1.0)
        began = anyio.current_time()
        await it.handle.cancel("a")
        assert await it.handle.wait(["a"], 60.0)
        assert anyio.current_time() - began < 0.01
        assert it.state("a") == "cancelled"
        assert worker.cut == ["a"]


async def test_a_cancel_from_elsewhere_is_heard_at_once_where_it_is_told() -> None:
    worker = Laborer(takes_s=1000.0)
    async with place(worker) as it:
        await it.handle.submit([task("a")])
        await anyio.sleep(1.0)
        await it.store.cancel("a", utc())
        assert await it.handle.wait(["a"], 0.1)
        assert it.state("a") == "cancelled"


async def test_a_cancel_nobody_told_of_is_heard_with_the_next_renewal() -> None:
    worker = Laborer(takes_s=1000.0)
    async with place(worker) as it:
        await it.handle.submit([task("a")])
        await anyio.sleep(1.0)
        unwanted = msgspec.structs.replace(it.store.tasks["a"], cancel_wanted=True)
        it.store.tasks["a"] = unwanted
        assert not await it.handle.wait(["a"], 5.0)
        assert await it.handle.wait(["a"], 6.0)
        assert it.state("a") == "cancelled"


async def test_leases_are_renewed_while_work_runs() -> None:
    worker = Laborer(takes_s=500.0)
    async with place(worker, QueueSettings(lease_s=9.0)) as it:
        await it.handle.submit([task("a")])
        assert await it.handle.wait(["a"], 501.0)
        assert worker.began == ["a"]
        assert it.store.tasks["a"].progress == "at it"


async def test_a_lost_lease_ends_the_work_and_changes_nothing() -> None:
    worker = Laborer(takes_s=500.0)
    async with place(worker) as it:
        await it.handle.submit([task("a")])
        await anyio.sleep(1.0)
        taken = msgspec.structs.replace(it.store.tasks["a"], token=99, worker="w2")
        it.store.tasks["a"] = taken
        await anyio.sleep(11.0)
        assert worker.cut == ["a"]
        assert it.store.endings == []


async def test_an_orphan_is_resumed_when_its_lease_runs_out() -> None:
    worker = Laborer()
    store = MemoryTasks()
    async with place(Laborer(takes_s=1e6), store=store) as it:
        await it.handle.submit([task("a")])
        await anyio.sleep(1.0)
    left = store.tasks["a"].lease_until
    assert left is not None
    async with place(worker, store=store) as it:
        assert await it.handle.wait(["a"], left - utc() + 1.0)
        assert store.tasks["a"].attempts == 2


async def test_giving_back_leaves_the_work_to_others_with_its_attempt() -> None:
    worker = Laborer(takes_s=500.0)
    async with place(worker) as it:
        await it.handle.submit([task("a")])
        await anyio.sleep(1.0)
        await it.handle.give_back()
        assert it.state("a") == "queued"
        assert it.store.tasks["a"].attempts == 0
        await anyio.sleep(100.0)
        assert worker.began == ["a"]


async def test_a_store_that_is_away_is_waited_for() -> None:
    worker = Laborer(takes_s=1.0)
    async with place(worker) as it:
        await it.handle.submit([task("a")])
        await anyio.sleep(0.5)
        it.store.away = True
        await anyio.sleep(5.0)
        assert it.desk.findings()[0].code == "queue_unavailable"
        it.store.away = False
        assert await it.handle.wait(["a"], 30.0)
        await anyio.sleep(20.0)
        assert it.desk.findings() == ()
        assert worker.began == ["a"]


async def test_a_store_that_keeps_nothing_is_told_of_at_once() -> None:
    async with place(Laborer()) as it:
        await anyio.sleep(1.0)
        it.store.away = True
        with pytest.raises(QueueUnavailable):
            await it.handle.submit([task("a")])
        await anyio.sleep(0.1)
        assert it.desk.findings()[0].code == "queue_unavailable"


async def test_a_kind_that_nobody_performs_waits() -> None:
    worker = Laborer()
    async with place(worker) as it:
        await it.handle.submit([task("a", kind="event")])
        await anyio.sleep(65.0)
        assert it.state("a") == "queued"
        assert it.store.tasks["a"].attempts == 0
        it.desk.tools.performers["event"] = worker
        assert await it.handle.wait(["a"], 11.0)


# ---- requests


class Answers:
    """A router that gives these answers (content, provider) in turn."""

    def __init__(self, *answers: tuple[str, str]) -> None:
        self.answers = list(answers)
        self.asked: list[RouteRequest] = []
        self.cancelled = 0

    def route(self, asked: RouteRequest, *_: object) -> "Answers":
        self.asked.append(asked)
        return self

    def begin(self, on_end: EndSink) -> None:
        if not self.answers:
            self.on_end = on_end
            return
        content, provider = self.answers.pop(0)
        if content == "error":
            on_end(error_info(InvalidRequest("refused")))
        else:
            result = route_result(content)
            on_end(msgspec.structs.replace(result, provider=provider))

    def cancel(self, *, interrupted: bool = False) -> None:
        self.cancelled += 1
        self.on_end(error_info(InvalidRequest("cancelled")))


class Lists:
    """An ``AnswerCheck`` of one schema, lists, and of patterns that are words."""

    async def lacks(self, pattern: str, text: str) -> str | None:
        return None if pattern in text else f"the answer does not match {pattern}"

    async def mismatch(self, schema: object, text: str) -> str | None:
        assert schema == {"type": "array"}
        return None if text.startswith("[") else 'at $: {} is not of type "array"'


def performing(router: Answers) -> RequestPerformer:
    return RequestPerformer(
        router, lambda _: ("openai", "grok"), Lists(), lambda: "id", utc
    )


def asking(task_id: str, check: Check | None = None, **given: object) -> NewTask:
    work = RequestWork(request=request(), check=check or Check())
    payload = msgspec.msgpack.encode(work)
    return task(task_id, kind="request", payload=payload, **given)


async def test_the_answer_is_kept() -> None:
    router = Answers(("hello", "openai"))
    async with place(performing(router)) as it:
        await it.handle.submit([asking("a", priority="low", deadline_at=utc() + 50.0)])
        assert await it.handle.wait(["a"], 10.0)
        kept = it.store.tasks["a"].result
        assert kept is not None
        outcome = msgspec.msgpack.decode(kept, type=RequestOutcome)
        assert outcome.result.content == "hello"
        (asked,) = router.asked
        assert asked.durable
        assert asked.priority == "low"
        assert asked.deadline_s == pytest.approx(50.0, abs=0.1)
        assert asked.metadata["task_id"] == "a"


async def test_a_bad_answer_is_repaired_then_asked_for_elsewhere() -> None:
    router = Answers(("no", "openai"), ("no", "openai"), ('{"a": 1}', "grok"))
    async with place(performing(router)) as it:
        await it.handle.submit([asking("a", Check(required=("a",)))])
        assert await it.handle.wait(["a"], 10.0)
        assert it.state("a") == "done"
        assert [each.provider for each in router.asked] == [None, "openai", "grok"]
        assert len(router.asked[1].chat.messages) == 3
        assert len(router.asked[2].chat.messages) == 1


async def test_an_answer_that_its_schema_does_not_hold_is_repaired() -> None:
    router = Answers(("{}", "openai"), ("```\n[1]\n```", "openai"))
    async with place(performing(router)) as it:
        await it.handle.submit([asking("a", Check(schema={"type": "array"}))])
        assert await it.handle.wait(["a"], 10.0)
        assert it.state("a") == "done"
        told = router.asked[1].chat.messages[-1].content
        assert isinstance(told, str)
        assert 'at $: {} is not of type "array"' in told


async def test_an_answer_without_its_pattern_is_repaired() -> None:
    router = Answers(("wrong", "openai"), ("the word", "openai"))
    async with place(performing(router)) as it:
        await it.handle.submit([asking("a", Check(pattern="word"))])
        assert await it.handle.wait(["a"], 10.0)
        assert it.state("a") == "done"
        assert "does not match word" in str(router.asked[1].chat.messages[-1].content)


async def test_when_no_answer_will_do_it_has_failed() -> None:
    router = Answers(("no", "openai"), ("no", "openai"), ("no", "grok"))
    async with place(performing(router)) as it:
        await it.handle.submit([asking("a", Check(required=("a",)))])
        assert await it.handle.wait(["a"], 10.0)
        assert it.state("a") == "failed"
        error = it.store.tasks["a"].error
        assert error is not None
        assert "not JSON" in error.message


async def test_the_routers_error_is_the_tasks() -> None:
    async with place(performing(Answers(("error", "")))) as it:
        await it.handle.submit([asking("a")])
        assert await it.handle.wait(["a"], 10.0)
        error = it.store.tasks["a"].error
        assert error is not None
        assert error.message == "refused"


async def test_cancelling_reaches_the_upstream_call() -> None:
    router = Answers()
    async with place(performing(router)) as it:
        await it.handle.submit([asking("a", batch_id="b")])
        await anyio.sleep(1.0)
        await it.handle.cancel("a")
        assert await it.handle.wait(["a"], 10.0)
        assert router.cancelled == 1
        assert it.state("a") == "cancelled"
        page = await it.handle.find(TaskQuery(batch_id="b"))
        assert len(page.tasks) == 1
