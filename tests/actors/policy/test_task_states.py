"""What becomes of a task: each step by itself, and any sequence of them."""

import pytest
from hypothesis import given, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from msgspec.structs import replace

from actors.errors import InvalidRequest, NoProvider
from actors.messages.routing import error_info
from actors.messages.tasks import FINAL, ClaimAsk, Ending, Lease, NewTask, Task
from actors.policy import task_states as states

NOW = 1_800_000_000.0
ERROR = error_info(NoProvider("nobody"))


def spec(**given: object) -> NewTask:
    base = NewTask(
        task_id="t",
        kind="request",
        type="triage",
        payload=b"",
        tenant="ann",
        created_at=NOW,
        run_at=NOW + 1.0,
        priority="high",
        max_attempts=2,
        keep_s=60.0,
        user="ann",
        batch_id="b",
        parent_id="p",
        thread_id="h",
    )
    return replace(base, **given)


def ask(now: float = NOW, worker: str = "w") -> ClaimAsk:
    return ClaimAsk(worker=worker, now=now, lease_s=30.0, slots=())


def queued(**given: object) -> Task:
    return states.kept(spec(**given))


def in_work(**given: object) -> Task:
    return states.leased(queued(**given), ask())


def ending(task: Task, state: str, **given: object) -> Ending:
    lease = Lease(task.task_id, task.token)
    base = Ending(lease=lease, now=NOW + 5.0, state="done")
    return replace(base, state=state, **given)


def test_a_task_begins_queued() -> None:
    task = queued()
    assert (task.state, task.run_at, task.updated_at) == ("queued", NOW + 1.0, NOW)
    assert (task.attempts, task.token, task.worker) == (0, 0, None)


def test_a_lease_is_an_attempt_under_a_token_of_its_own() -> None:
    task = states.leased(replace(queued(), progress="before"), ask())
    assert (task.state, task.attempts, task.token) == ("leased", 1, 1)
    assert (task.worker, task.lease_until) == ("w", NOW + 30.0)
    assert (task.started_at, task.progress) == (NOW, None)
    assert states.renewed(task, NOW + 20.0, 30.0).lease_until == NOW + 50.0


def test_only_the_last_lease_of_one_in_work_holds() -> None:
    task = in_work()
    assert states.holds(task, Lease("t", 1))
    assert not states.holds(task, Lease("t", 0))
    assert not states.holds(states.ended(task, ending(task, "done")), Lease("t", 1))


def test_progress_stands_until_there_is_other() -> None:
    task = states.advanced(in_work(), NOW + 1.0, None)
    assert (task.state, task.progress, task.updated_at) == ("running", None, NOW + 1.0)
    task = states.advanced(task, NOW + 2.0, "half")
    assert states.advanced(task, NOW + 3.0, None).progress == "half"


@pytest.mark.parametrize("state", ["done", "failed", "cancelled", "dead"])
def test_an_end_is_kept_with_what_it_came_to(state: str) -> None:
    task = in_work()
    over = states.ended(task, ending(task, state, result=b"r", error=ERROR))
    assert (over.state, over.ended_at, over.lease_until) == (state, NOW + 5.0, None)
    assert over.result == b"r"
    assert over.error == (None if state == "done" else ERROR)
    assert states.remove_at(over) == NOW + 65.0


def test_an_end_without_an_error_keeps_the_one_before() -> None:
    task = replace(in_work(), error=ERROR)
    assert states.ended(task, ending(task, "failed")).error == ERROR
    assert states.ended(task, ending(task, "waiting")).error == ERROR


@pytest.mark.parametrize(("state", "attempts"), [("waiting", 1), ("queued", 0)])
@pytest.mark.parametrize(("run_at", "at"), [(None, NOW + 5.0), (NOW + 9.0, NOW + 9.0)])
def test_another_attempt_is_to_come(
    state: str, attempts: int, run_at: float | None, at: float
) -> None:
    task = in_work()
    later = states.ended(task, ending(task, state, run_at=run_at, error=ERROR))
    assert (later.state, later.attempts, later.run_at) == (state, attempts, at)
    assert (later.worker, later.lease_until, later.error) == (None, None, ERROR)
    assert later.ended_at is None


@pytest.mark.parametrize("state", ["waiting", "queued"])
def test_what_is_to_be_cancelled_is_not_tried_again(state: str) -> None:
    task = states.unwanted(in_work(), NOW)
    assert task.cancel_wanted
    assert states.ended(task, ending(task, state)).state == "cancelled"


def test_a_lease_that_ran_out_is_another_attempt() -> None:
    again = states.lease_over(in_work(), NOW + 40.0)
    assert (again.state, again.run_at) == ("queued", NOW + 30.0)
    assert (again.worker, again.lease_until, again.attempts) == (None, None, 1)
    never = replace(in_work(), lease_until=None)
    assert states.lease_over(never, NOW).run_at == never.run_at


def test_the_last_lease_that_ran_out_is_the_end() -> None:
    dead = states.lease_over(in_work(max_attempts=1), NOW + 40.0)
    assert (dead.state, dead.ended_at, dead.lease_until) == ("dead", NOW + 40.0, None)
    assert dead.error is not None
    assert dead.error.kind == "interrupted"
    assert "None of its 1 attempts" in dead.error.message
    assert " w, " in dead.error.message


def test_a_lease_that_ran_out_on_an_unwanted_one_cancels_it() -> None:
    task = states.unwanted(in_work(max_attempts=1), NOW)
    assert states.lease_over(task, NOW + 40.0).state == "cancelled"


def test_a_deadline_that_passed_fails_it() -> None:
    late = states.expired(queued(), NOW + 3.0)
    assert (late.state, late.ended_at) == ("failed", NOW + 3.0)
    assert late.error is not None
    assert late.error.kind == "deadline_exceeded"


def test_unwanted_ones_end_or_are_asked_to_or_stay() -> None:
    assert states.unwanted(queued(), NOW).state == "cancelled"
    asked = states.unwanted(in_work(), NOW + 1.0)
    assert (asked.state, asked.cancel_wanted) == ("leased", True)
    assert states.unwanted(asked, NOW + 2.0) is asked
    over = states.cancelled(asked, NOW + 2.0)
    assert states.unwanted(over, NOW + 3.0) is over


def test_a_retried_one_begins_anew_but_for_its_token() -> None:
    task = states.unwanted(states.advanced(in_work(), NOW, "half"), NOW)
    over = states.ended(task, ending(task, "failed", result=b"r", error=ERROR))
    again = states.retried(over, NOW + 9.0)
    fresh = replace(states.kept(spec()), run_at=NOW + 9.0, updated_at=NOW + 9.0)
    assert replace(again, token=0, error=None) == fresh
    assert (again.token, again.error) == (1, ERROR)


def test_nothing_is_removed_before_its_end() -> None:
    assert states.remove_at(queued()) is None
    assert states.remove_at(replace(queued(), state="done")) is None


@pytest.mark.parametrize("error", [None, ERROR])
def test_listeners_are_told_whose_and_how_far(error: object) -> None:
    task = replace(states.advanced(in_work(), NOW + 1.0, "half"), error=error)
    told = states.change_of(task)
    assert (told.task_id, told.state, told.at) == ("t", "running", NOW + 1.0)
    assert (told.user, told.batch_id, told.parent_id) == ("ann", "b", "p")
    assert (told.thread_id, told.worker, told.progress) == ("h", "w", "half")
    assert told.error_kind == (None if error is None else "no_provider")


@given(
    st.floats(0, 1e6),
    st.lists(st.sampled_from((0.5, 1.0, 4.0)), min_size=1, max_size=50),
)
def test_a_tenants_tags_rise_and_never_lag(start: float, weights: list[float]) -> None:
    tag = 0.0
    for weight in weights:
        following = states.fair_tag(start, tag, weight)
        assert following > tag
        assert following >= start + 1.0 / weight
        tag = following


def test_the_same_thing_again_is_the_task_that_is_there() -> None:
    there = queued(key="k", digest=b"d")
    found = states.same(there, spec(task_id="other", key="k", digest=b"d"))
    assert found.existing
    assert found.task is there


@pytest.mark.parametrize(
    ("new", "field"),
    [
        ({"key": "k", "digest": b"other"}, "idempotency_key"),
        ({"key": None, "digest": b"other"}, "task_id"),
        ({"key": "other", "digest": b"other"}, "task_id"),
        ({"key": "k", "digest": b"d", "tenant": "bob"}, "task_id"),
    ],
)
def test_something_else_is_refused(new: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        states.same(queued(key="k", digest=b"d"), spec(**new))
    assert refused.value.field == field


class Life(RuleBasedStateMachine):
    """Whatever happens, asked as stores ask it: an end is an end, tokens fence."""

    leases = Bundle("leases")

    @initialize(most=st.integers(1, 3))
    def begin(self, most: int) -> None:
        self.task = queued(max_attempts=most)
        self.seen: list[Task] = [self.task]
        self.now = NOW
        self.given = 0
        self.retries = 0

    def put(self, task: Task) -> None:
        self.now += 1.0
        self.seen.append(task)
        self.task = task

    @precondition(lambda self: self.task.state in states.IN_QUEUE)
    @rule(target=leases)
    def lease(self) -> Lease:
        self.put(states.leased(self.task, ask(self.now)))
        self.given += 1
        assert self.task.token == self.given  # never one twice, retries or not
        return Lease("t", self.task.token)

    @rule(lease=leases, state=st.sampled_from((*sorted(FINAL), "waiting", "queued")))
    def end(self, lease: Lease, state: str) -> None:
        if not states.holds(self.task, lease):
            return
        assert lease.token == self.given  # nobody but the last
        told = Ending(lease=lease, now=self.now, state="done")
        self.put(states.ended(self.task, replace(told, state=state)))

    @rule(lease=leases)
    def advance(self, lease: Lease) -> None:
        if states.holds(self.task, lease):
            self.put(states.advanced(self.task, self.now, None))

    @precondition(lambda self: self.task.state in states.IN_WORK)
    @rule()
    def run_out(self) -> None:
        self.put(states.lease_over(self.task, self.now))

    @precondition(lambda self: self.task.state in states.IN_QUEUE)
    @rule()
    def expire(self) -> None:
        self.put(states.expired(self.task, self.now))

    @rule()
    def unwant(self) -> None:
        self.put(states.unwanted(self.task, self.now))

    @precondition(lambda self: self.task.state in states.RETRIED)
    @rule()
    def retry(self) -> None:
        self.retries += 1
        self.put(states.retried(self.task, self.now))

    @invariant()
    def an_end_is_an_end(self) -> None:
        left = sum(
            before.state in FINAL and after.state != before.state
            for before, after in zip(self.seen, self.seen[1:], strict=False)
        )
        assert left == self.retries
        assert not any(
            before.state == "done" and after != before
            for before, after in zip(self.seen, self.seen[1:], strict=False)
        )

    @invariant()
    def what_is_kept_makes_sense(self) -> None:
        task = self.task
        assert (task.ended_at is not None) is (task.state in FINAL)
        assert (task.lease_until is not None) is (task.state in states.IN_WORK)
        assert task.attempts >= 0
        assert task.state in states.IN_WORK | FINAL or task.worker is None
        assert not (task.cancel_wanted and task.state in states.IN_QUEUE)


TestLife = Life.TestCase
