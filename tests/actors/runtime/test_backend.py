"""One suite that every backend has to pass: asyncio with uvloop, and trio."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar

import anyio
import pytest
from trio.testing import MockClock

from actors.runtime import (
    ActorStopped,
    ActorSystem,
    AskTimeout,
    Backend,
    Future,
    RestartsExceeded,
    SupervisorSpec,
    TaskHandle,
    TimerHandle,
    current_backend,
)
from tests.support.runtime import Puppet, Stage, answer, crash, ignore, root

TICK_S = 0.001


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    if request.param == "asyncio":
        return ("asyncio", {"use_uvloop": True})

    return ("trio", {"clock": MockClock(autojump_threshold=0)})


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with current_backend() as running:
        yield running


async def turns(backend: Backend, count: int = 5) -> None:
    """Let the loop turn a few times."""
    for _ in range(count):
        turn: Future[None] = backend.future()
        backend.call_soon(turn.set_result, None)
        await turn


async def after(backend: Backend, delay_s: float) -> None:
    later: Future[None] = backend.future()
    backend.call_later(delay_s, later.set_result, None)
    await later


# Futures


async def test_a_future_gives_its_result_to_the_waiter(backend: Backend) -> None:
    future: Future[str] = backend.future()
    backend.call_soon(future.set_result, "here")

    assert not future.done()
    assert await future == "here"
    assert future.done()
    assert not future.cancelled()


async def test_a_future_raises_its_exception_in_the_waiter(backend: Backend) -> None:
    future: Future[str] = backend.future()
    backend.call_soon(future.set_exception, KeyError("gone"))

    with pytest.raises(KeyError, match="gone"):
        await future


async def test_a_future_that_is_done_needs_no_waiting(backend: Backend) -> None:
    future: Future[str] = backend.future()
    future.set_result("here")

    assert await future == "here"


async def test_a_future_is_settled_once(backend: Backend) -> None:
    future: Future[str] = backend.future()
    future.set_result("first")

    with pytest.raises(Exception):  # noqa: B017, PT011 - each loop has its own class
        future.set_result("second")

    assert await future == "first"


async def test_done_callbacks_come_from_the_loop(backend: Backend) -> None:
    future: Future[str] = backend.future()
    heard: list[str] = []
    future.add_done_callback(lambda done: heard.append(f"before {done.done()}"))
    future.set_result("here")
    future.add_done_callback(lambda done: heard.append(f"after {done.done()}"))

    assert heard == []
    await turns(backend)
    assert heard == ["before True", "after True"]


async def test_cancelling_the_waiter_cancels_the_future(backend: Backend) -> None:
    future: Future[str] = backend.future()
    heard: list[bool] = []
    future.add_done_callback(lambda done: heard.append(done.cancelled()))

    with anyio.move_on_after(TICK_S) as scope:
        await future

    await turns(backend)
    assert scope.cancelled_caught
    assert future.done()
    assert heard == [True]


# Callbacks and timers


async def test_callbacks_run_in_order_and_never_at_once(backend: Backend) -> None:
    heard: list[int] = []
    for number in range(5):
        backend.call_soon(heard.append, number)

    assert heard == []
    await turns(backend)
    assert heard == [0, 1, 2, 3, 4]


async def test_a_callback_scheduled_by_a_callback_comes_a_turn_later(
    backend: Backend,
) -> None:
    heard: list[str] = []

    def first() -> None:
        backend.call_soon(heard.append, "second")
        heard.append("first")

    backend.call_soon(first)
    backend.call_soon(heard.append, "beside")
    await turns(backend)

    assert heard == ["first", "beside", "second"]


async def test_timers_fire_by_deadline_and_not_before(backend: Backend) -> None:
    start = backend.now()
    heard: list[str] = []
    backend.call_later(4 * TICK_S, heard.append, "late")
    backend.call_later(2 * TICK_S, heard.append, "early")
    await after(backend, 6 * TICK_S)

    assert heard == ["early", "late"]
    assert backend.now() - start >= 6 * TICK_S - 0.0011  # uvloop counts milliseconds


async def test_a_cancelled_timer_never_fires(backend: Backend) -> None:
    heard: list[str] = []
    timer = backend.call_later(TICK_S, heard.append, "fired")
    timer.cancel()
    timer.cancel()
    await after(backend, 3 * TICK_S)

    assert heard == []


async def test_a_timer_cancelled_in_the_turn_it_is_due_never_fires(
    backend: Backend,
) -> None:
    heard: list[str] = []
    due: list[TimerHandle] = []

    def cancel() -> None:
        due[0].cancel()

    backend.call_later(TICK_S, cancel)
    due.append(backend.call_later(TICK_S, heard.append, "fired"))
    await after(backend, 3 * TICK_S)

    assert heard == []


async def test_the_clock_never_goes_back(backend: Backend) -> None:
    times = [backend.now() for _ in range(100)]

    assert times == sorted(times)


async def test_context_variables_do_not_travel_with_callbacks(backend: Backend) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")
    heard: list[str] = []
    variable.set("the caller's")
    backend.call_soon(lambda: heard.append(variable.get()))
    backend.call_later(TICK_S, lambda: heard.append(variable.get()))
    await after(backend, 2 * TICK_S)

    assert heard == ["none", "none"]


# Tasks


async def test_a_task_runs_to_its_end_and_is_done(backend: Backend) -> None:
    heard: list[str] = []
    over: Future[TaskHandle] = backend.future()

    async def work() -> None:
        await turns(backend)
        heard.append("worked")

    task = backend.spawn(work(), name="work", on_done=over.set_result)

    assert heard == []
    assert not task.done()
    assert await over is task
    assert task.done()
    assert heard == ["worked"]


async def test_an_error_in_a_task_is_told_before_its_end(backend: Backend) -> None:
    heard: list[str] = []
    over: Future[None] = backend.future()

    async def work() -> None:
        msg = "broken"
        raise ValueError(msg)

    def done(_: TaskHandle) -> None:
        heard.append("done")
        over.set_result(None)

    backend.spawn(
        work(), name="work", on_error=lambda e: heard.append(str(e)), on_done=done
    )
    await over

    assert heard == ["broken", "done"]


async def test_a_cancelled_task_unwinds_and_is_no_error(backend: Backend) -> None:
    heard: list[str] = []
    over: Future[TaskHandle] = backend.future()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            heard.append("unwound")

    task = backend.spawn(
        work(),
        name="work",
        on_error=lambda e: heard.append(repr(e)),
        on_done=over.set_result,
    )
    await turns(backend)
    task.cancel()

    assert await over is task
    assert task.done()
    assert heard == ["unwound"]


async def test_a_task_cancelled_before_its_start_never_starts(backend: Backend) -> None:
    heard: list[str] = []
    over: Future[TaskHandle] = backend.future()

    async def work() -> None:
        heard.append("started")

    task = backend.spawn(work(), name="work", on_done=over.set_result)
    task.cancel()
    await over

    assert heard == []


async def test_a_cancelled_surrounding_scope_does_not_reach_a_task(
    backend: Backend,
) -> None:
    heard: list[str] = []

    async def work() -> None:
        await after(backend, 3 * TICK_S)
        heard.append("worked")

    with anyio.CancelScope() as scope:
        backend.spawn(work(), name="work")
        scope.cancel()
        await anyio.lowlevel.checkpoint()

    await after(backend, 6 * TICK_S)

    assert heard == ["worked"]


async def test_leaving_the_backend_cancels_what_still_runs() -> None:
    heard: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            heard.append("unwound")

    async with current_backend() as backend:
        backend.spawn(work(), name="work")
        await turns(backend)

    await anyio.lowlevel.checkpoint()
    assert heard == ["unwound"]


async def broken() -> None:
    msg = "nobody listens"
    raise ValueError(msg)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_on_asyncio_an_unheard_error_goes_to_the_loop_s_handler() -> None:
    heard: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context["message"]))
    async with current_backend() as backend:
        backend.spawn(broken(), name="broken")
        await turns(backend)

    assert heard == ["unsupervised task"]


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
async def test_on_trio_an_unheard_error_ends_the_block() -> None:
    async def run() -> None:
        async with current_backend() as backend:
            backend.spawn(broken(), name="broken")
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await run()

    assert caught.group_contains(ValueError, match="nobody listens")


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
async def test_trio_futures_have_one_waiter(backend: Backend) -> None:
    future: Future[str] = backend.future()

    async def wait() -> None:
        await future

    waiting = backend.spawn(wait(), name="wait")
    await turns(backend)
    with pytest.raises(RuntimeError, match="one waiter"):
        await future

    waiting.cancel()
    await turns(backend)
    with pytest.raises(RuntimeError, match="waiter was cancelled"):
        await future


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
async def test_a_trio_backend_is_entered_before_it_runs_tasks() -> None:
    with pytest.raises(RuntimeError, match="enter the backend first"):
        current_backend().spawn(broken(), name="broken")


# The whole machine, in short


async def test_ask_crash_restart_and_stop_are_alike() -> None:
    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"), stage.child("b"))).ref("a")

        assert await ref.ask(answer(1), timeout_s=1) == 1
        with pytest.raises(ActorStopped):
            await ref.ask(crash, timeout_s=1)

        await after(system.backend, TICK_S)
        assert await ref.ask(answer(2), timeout_s=1) == 2
        with pytest.raises(AskTimeout):
            await ref.ask(ignore, timeout_s=TICK_S)

    assert stage.log == [
        "start a",
        "start b",
        "stop a",
        "start a",
        "stop b",
        "stop a",
    ]
    assert stage.exits() == [
        ("a", "crashed"),
        ("b", "stopped"),
        ("a", "stopped"),
        ("root", "stopped"),
    ]


async def test_cancelling_the_block_cancels_the_actors() -> None:
    stage = Stage()

    def work(puppet: Puppet) -> None:
        puppet.context.spawn(anyio.sleep_forever())

    with anyio.move_on_after(TICK_S):
        async with stage.system() as system:
            system.start(root(stage.child("a", start=work), stage.child("b")))
            await anyio.sleep_forever()

    assert stage.log == ["start a", "start b", "stop b", "stop a"]
    assert stage.exits() == [
        ("b", "cancelled"),
        ("a", "cancelled"),
        ("root", "cancelled"),
    ]


async def test_an_exception_leaves_the_block_unchanged() -> None:
    stage = Stage()

    async def fail() -> None:
        async with stage.system() as system:
            system.start(root(stage.child("a")))
            msg = "mine"
            raise LookupError(msg)

    with pytest.raises(LookupError, match="mine"):
        await fail()

    assert stage.exits() == [("a", "cancelled"), ("root", "cancelled")]


async def test_giving_up_at_the_root_fails_the_system() -> None:
    stage = Stage()
    async with stage.system() as system:
        spec = SupervisorSpec(id="root", children=(stage.child("a"),), max_restarts=0)
        ref = system.start(spec).ref("a")
        failed = system.failed
        ref.tell(crash)

        with pytest.raises(RestartsExceeded, match="root gives up"):
            await failed


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_the_running_loop_selects_the_backend() -> None:
    async with ActorSystem() as system:
        assert type(system.backend).__name__ == "AsyncioBackend"


def test_without_a_running_loop_there_is_no_backend() -> None:
    with pytest.raises(RuntimeError, match="Not currently running"):
        current_backend()
