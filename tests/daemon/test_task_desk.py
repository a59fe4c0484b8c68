"""The methods about tasks, on a store in memory."""

import msgspec
import pytest

from actors.errors import InvalidRequest
from actors.messages.routing import RouteRequest
from actors.messages.tasks import (
    Ending,
    Lease,
    NewTask,
    Submitted,
    Task,
    TaskPage,
    TaskQuery,
    TaskState,
)
from actors.messages.work import RequestOutcome, RequestWork
from daemon.config import QueueConfig, TaskTypeConfig
from daemon.ids import id_maker
from daemon.task_desk import TaskDesk
from ipc.methods import METHODS, Peer
from ipc.params import read_params
from ipc.tasks import (
    TaskListResult,
    TasksResult,
    TaskSubmitResult,
    TaskView,
    TaskWaitResult,
)
from tests.support.fake_service import route_result
from tests.support.memory_tasks import MemoryTasks

NOW = 1_800_000_000.0
ANN = Peer(door="json", user="ann")
BOB = Peer(door="json", user="bob")
ROOT = Peer(door="json", user="root", tier="admin")
CONFIG = QueueConfig(types={"triage": TaskTypeConfig(concurrency=2, required=("a",))})


class Queue:
    """The store, as the queue's handle offers it."""

    def __init__(self) -> None:
        self.store = MemoryTasks()

    async def submit(self, tasks: list[NewTask]) -> tuple[Submitted, ...]:
        return await self.store.submit(tasks)

    async def get(self, task_id: str) -> Task | None:
        return await self.store.get(task_id)

    async def find(self, query: TaskQuery) -> TaskPage:
        return await self.store.find(query)

    async def cancel(self, task_id: str) -> Task | None:
        return await self.store.cancel(task_id, NOW)

    async def retry(self, task_id: str) -> Task | None:
        return await self.store.retry(task_id, NOW)

    async def wait(self, task_ids: list[str], timeout_s: float) -> bool:
        return all(self.store.tasks[each].ended_at is not None for each in task_ids)


async def unusable(schema: object) -> str | None:
    return "at $: no" if schema == {"$ref": "x"} else None


def find(request: RouteRequest) -> None:
    if request.provider == "opneai":
        raise InvalidRequest("there is no provider 'opneai'", field="provider")


class Desk:
    def __init__(self) -> None:
        self.queue = Queue()
        desk = TaskDesk(
            lambda: self.queue,  # type: ignore[arg-type, return-value]  # lists only
            lambda: CONFIG,
            unusable=unusable,
            find=find,
            new_id=id_maker(lambda: NOW),
            utc=lambda: NOW,
        )
        self.answers = desk.answers()

    async def call(self, method: str, peer: Peer = ANN, **params: object) -> object:
        name = f"tasks.{method}"
        read = read_params(METHODS[name].params, params)
        return await self.answers[name](read, peer)

    async def submit(self, peer: Peer = ANN, **params: object) -> TaskSubmitResult:
        found = await self.call("submit", peer, **{"prompt": "hi", **params})
        assert isinstance(found, TaskSubmitResult)
        return found

    async def batch(self, peer: Peer = ANN, **params: object) -> TaskSubmitResult:
        found = await self.call("submit", peer, **params)
        assert isinstance(found, TaskSubmitResult)
        return found

    def spec(self, kept: TaskSubmitResult) -> NewTask:
        return self.queue.store.tasks[kept.task_id].spec

    def work(self, kept: TaskSubmitResult) -> RequestWork:
        return msgspec.msgpack.decode(self.spec(kept).payload, type=RequestWork)


async def test_a_task_is_kept_with_what_was_asked() -> None:
    desk = Desk()
    kept = await desk.submit(
        task_type="triage",
        priority="high",
        delay_s=10,
        max_attempts=2,
        deadline=NOW + 60,
    )
    spec, work = desk.spec(kept), desk.work(kept)
    assert (spec.type, spec.lane, spec.priority) == ("triage", "triage", "high")
    assert (spec.run_at, spec.deadline_at) == (NOW + 10, NOW + 60)
    assert (spec.max_attempts, spec.user, spec.tenant) == (2, "ann", "ann")
    assert work.request.chat.messages[0].content == "hi"
    assert work.check.required == ("a",)


async def test_a_forced_provider_is_a_lane() -> None:
    desk = Desk()
    assert desk.spec(await desk.submit(provider="grok")).lane == "@grok"
    assert desk.spec(await desk.submit()).lane == ""


async def test_consensus_and_schemas_are_taken_along() -> None:
    desk = Desk()
    kept = await desk.submit(consensus={"members": ["a", "b"], "method": "majority"})
    ask = desk.work(kept).request.consensus
    assert ask is not None
    assert ask.members == ("a", "b")
    plain = desk.work(await desk.submit(consensus=True)).request.consensus
    assert plain is not None
    schema = {"type": "object"}
    shape: dict[str, object] = {"type": "json_schema"}
    shape["json_schema"] = {"name": "n", "schema": schema}
    kept = await desk.submit(response_format=shape)
    assert desk.work(kept).check.schema == schema
    shape["json_schema"] = {"name": "n", "schema": {"$ref": "x"}}
    kept = await desk.submit(response_format=shape)
    assert desk.work(kept).check.schema is None


async def test_the_same_key_is_the_same_task() -> None:
    desk = Desk()
    first = await desk.submit(idempotency_key="k")
    again = await desk.submit(idempotency_key="k")
    assert again.task_id == first.task_id
    assert [each.existing for each in again.tasks] == [True]
    with pytest.raises(InvalidRequest):
        await desk.submit(idempotency_key="k", prompt="something else")
    assert (await desk.submit(BOB, idempotency_key="k")).task_id != first.task_id


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"stream": True}, "stream"),
        ({"run_at": NOW, "delay_s": 1}, "delay_s"),
        ({"run_at": "soon"}, "run_at"),
        ({"run_at": "1h"}, "run_at"),
        ({"deadline": NOW - 1}, "deadline"),
        ({"check": {"schema": {"$ref": "x"}}}, "check.schema"),
        ({"check": {"schema": {"const": float("nan")}}}, "check.schema"),
        ({"check": {"schema": {"const": b"x"}}}, "check.schema"),
        ({"check": {"schema": {"const": msgspec.msgpack.Ext(5, b"")}}}, "check.schema"),
        ({"check": {"required": ["x"] * 201}}, "check.required"),
        ({"consensus": {"method": "dice"}}, "method"),
        ({"consensus": 1}, "consensus"),
        ({"idempotency_key": 5}, "idempotency_key"),
        ({"tasks": [{"prompt": "x"}]}, "tasks"),
    ],
)
async def test_what_is_wrong_is_refused(params: dict[str, object], field: str) -> None:
    desk = Desk()
    with pytest.raises(InvalidRequest) as refused:
        await desk.submit(ANN, **params)
    assert refused.value.field == field
    assert desk.queue.store.tasks == {}


async def test_numbers_that_cannot_be_kept_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="64 bits"):
        await Desk().submit(metadata={"a": 2**64})


async def test_the_same_key_is_the_same_batch() -> None:
    desk = Desk()
    two = [{"prompt": "one"}, {"prompt": "two"}]
    first = await desk.batch(tasks=two, idempotency_key="k")
    again = await desk.batch(tasks=two, idempotency_key="k")
    assert (again.batch_id, again.task_id) == (first.batch_id, first.task_id)
    assert [each.existing for each in first.tasks] == [False, False]
    assert [each.existing for each in again.tasks] == [True, True]
    assert (await desk.batch(BOB, tasks=two, idempotency_key="k")).batch_id != (
        first.batch_id
    )
    for other in (two[:1], [*two, {"prompt": "three"}], two[::-1]):
        with pytest.raises(InvalidRequest) as refused:
            await desk.batch(tasks=other, idempotency_key="k")
        assert refused.value.field == "idempotency_key"
    assert len(desk.queue.store.tasks) == 4


async def test_a_batch_has_one_key_or_its_tasks_have() -> None:
    desk = Desk()
    keyed = [{"prompt": "one"}, {"prompt": "two", "idempotency_key": "a"}]
    with pytest.raises(InvalidRequest) as refused:
        await desk.batch(tasks=keyed, idempotency_key="k")
    assert refused.value.field == "tasks[1].idempotency_key"
    assert len((await desk.batch(tasks=keyed)).tasks) == 2


async def test_a_batch_is_kept_wholly_or_not_at_all() -> None:
    desk = Desk()
    with pytest.raises(InvalidRequest) as refused:
        await desk.call("submit", tasks=[{"prompt": "a"}, {"prompt": ""}])
    assert refused.value.field == "tasks[1].prompt"
    assert desk.queue.store.tasks == {}
    kept = await desk.call("submit", tasks=[{"prompt": "a"}, {"prompt": "b"}])
    assert isinstance(kept, TaskSubmitResult)
    assert len(kept.tasks) == 2
    cancelled = await desk.call("cancel", batch_id=kept.batch_id)
    assert isinstance(cancelled, TasksResult)
    assert {each.state for each in cancelled.tasks} == {"cancelled"}
    waited = await desk.call("wait", batch_id=kept.batch_id)
    assert isinstance(waited, TaskWaitResult)
    assert waited.done
    retried = await desk.call("retry", task_id=kept.task_id)
    assert isinstance(retried, TasksResult)
    assert retried.tasks[0].state == "queued"


@pytest.mark.parametrize(
    ("state", "unchanged"),
    [
        ("queued", {"retry"}),
        ("waiting", {"retry"}),
        ("leased", {"retry"}),
        ("running", {"retry"}),
        ("done", {"retry", "cancel"}),
        ("failed", {"cancel"}),
        ("cancelled", {"cancel"}),
        ("dead", {"cancel"}),
    ],
)
async def test_what_is_not_changed_is_told(
    state: TaskState, unchanged: set[str]
) -> None:
    for action in ("retry", "cancel"):
        desk = Desk()
        kept = await desk.submit()
        tasks = desk.queue.store.tasks
        before = msgspec.structs.replace(tasks[kept.task_id], state=state)
        tasks[kept.task_id] = before
        result = await desk.call(action, task_id=kept.task_id)
        assert isinstance(result, TasksResult)
        stayed = tasks[kept.task_id] == before
        assert stayed == bool(result.unchanged) == (action in unchanged)


async def test_users_see_their_own_and_administrators_all() -> None:
    desk = Desk()
    kept = await desk.submit()
    for method in ("get", "cancel", "wait"):
        with pytest.raises(InvalidRequest, match="there is no task"):
            await desk.call(method, BOB, task_id=kept.task_id)
    found = await desk.call("get", ROOT, task_id=kept.task_id)
    assert isinstance(found, TaskView)
    for peer, count in ((ANN, 1), (BOB, 0), (ROOT, 1)):
        page = await desk.call("list", peer)
        assert isinstance(page, TaskListResult)
        assert len(page.tasks) == count


async def test_the_result_is_that_of_route() -> None:
    desk = Desk()
    kept = await desk.submit()
    store = desk.queue.store
    task = store.tasks[kept.task_id]
    store.tasks[kept.task_id] = msgspec.structs.replace(task, state="running", token=1)
    outcome = RequestOutcome(result=route_result("well"), refused=("grok: empty",))
    ending = Ending(
        lease=Lease(kept.task_id, 1),
        now=NOW,
        state="done",
        result=msgspec.msgpack.encode(outcome),
    )
    assert await store.finish(ending)
    found = await desk.call("get", task_id=kept.task_id)
    document = msgspec.to_builtins(found)
    assert document["result"]["content"] == "well"
    assert document["refused"] == ("grok: empty",)
    assert document["error"] is None


async def test_a_task_without_a_title_is_called_by_how_its_prompt_begins() -> None:
    desk = Desk()
    assert desk.spec(await desk.submit(title="mine")).title == "mine"
    long = "Summarise\n\tthe  plan " + "x" * 100
    title = desk.spec(await desk.submit(prompt=long)).title
    assert title.startswith("Summarise the plan xxx")
    assert len(title) <= 80
    parts = [{"role": "user", "content": [{"type": "text", "text": "seen"}]}]
    talk = [{"role": "user", "content": "old"}, {"role": "assistant", "content": "x"}]
    asked = [*talk, {"role": "user", "content": "new"}]
    spec = desk.spec(await desk.submit(prompt=None, messages=asked))
    assert spec.title == "new"
    assert desk.spec(await desk.submit(prompt=None, messages=parts)).title == ""


@pytest.mark.parametrize(
    ("method", "params", "said"),
    [
        ("wait", {}, "wanted one of task_id, task_ids, batch_id"),
        ("wait", {"task_ids": ["a"], "batch_id": "b"}, "batch_id: got"),
        ("cancel", {}, "wanted one of task_id, batch_id"),
        ("retry", {"task_id": "a", "batch_id": "b"}, "only one of task_id, batch_id"),
    ],
)
async def test_one_task_or_one_batch_is_named(
    method: str, params: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said):
        await Desk().call(method, ANN, **params)


async def test_a_name_that_nobody_has_is_refused_and_nothing_is_kept() -> None:
    desk = Desk()
    with pytest.raises(InvalidRequest, match="no provider 'opneai'"):
        await desk.submit(provider="opneai")
    with pytest.raises(InvalidRequest, match=r"tasks\[1\]: there is no provider"):
        await desk.batch(tasks=[{"prompt": "a"}, {"prompt": "b", "provider": "opneai"}])
    assert desk.queue.store.tasks == {}


async def test_the_members_of_a_consensus_are_found_when_it_begins() -> None:
    desk = Desk()
    kept = await desk.submit(consensus={"members": ["opneai", "grok"]})
    assert desk.work(kept).request.consensus is not None
