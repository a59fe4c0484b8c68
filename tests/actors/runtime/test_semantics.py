"""Each line of the semantics page (the package's docstring), in virtual time."""

import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

import anyio
import anyio.lowlevel
import pytest

import actors.runtime
from actors.messages.lifecycle import ActorRestarted
from actors.runtime import (
    ActorRef,
    ActorStopped,
    AskTimeout,
    ChildSpec,
    Future,
    MailboxFull,
    Reply,
    RestartsExceeded,
    SupervisorSpec,
)
from actors.runtime.cell import BATCH, UNWIND_S
from actors.runtime.mailbox import Overflow
from tests.support.runtime import (
    Boom,
    Order,
    Puppet,
    Stage,
    answer,
    crash,
    ignore,
    note,
    root,
)

F = TypeVar("F", bound=Callable[..., object])

DAY_S = 86_400.0
idle = anyio.wait_all_tasks_blocked

stated: set[str] = set()


def states(line: str) -> Callable[[F], F]:
    """Say which line of the page a test is about."""
    stated.add(line)
    return lambda test: test


def spawning(work: Callable[[], object]) -> Order:
    """An order to spawn a coroutine made by ``work``."""

    def order(puppet: Puppet, _: Reply) -> None:
        puppet.context.spawn(work())  # type: ignore[arg-type]  # a coroutine

    return order


def ask(ref: ActorRef[Order], order: Order) -> Future[object]:
    """Ask, with a minute's patience."""
    return ref.ask(order, timeout_s=60)


def test_every_line_of_the_page_has_a_test() -> None:
    page = actors.runtime.__doc__ or ""
    lines = re.findall(r"^- \*?\*?(\w[\w ]*?)\*\*", page, re.MULTILINE)

    assert len(lines) > 20
    assert stated == set(lines)


# Messages


@states("Order")
async def test_messages_of_one_sender_are_handled_in_the_order_sent() -> None:
    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        for number in range(200):
            ref.tell(note(f"{number}"))

        assert stage.log == ["start a"]  # not inside tell
        await ref.ask(answer(None), timeout_s=1)

    assert stage.log[1:-1] == [f"{number}" for number in range(200)]


@states("Order")
async def test_a_handler_runs_to_its_end_before_the_next_message() -> None:
    stage = Stage()

    def tell_itself(puppet: Puppet, _: Reply) -> None:
        puppet.log.append("begin")
        puppet.context.ref.tell(note("inner"))
        puppet.log.append("end")

    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        ref.tell(tell_itself)
        ref.tell(note("outer"))
        await idle()

    assert stage.log[1:-1] == ["begin", "end", "outer", "inner"]


@states("Fairness")
async def test_a_flooded_actor_gives_others_a_turn() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(root(stage.child("a"), stage.child("b")))
        for _ in range(BATCH + 10):
            tree.ref("a").tell(note("a"))

        tree.ref("b").tell(note("b"))
        await idle()

    assert stage.log[2:].index("b") == BATCH


def narrow(stage: Stage, overflow: Overflow) -> ChildSpec:
    return ChildSpec(
        id="a", factory=lambda: Puppet(stage.log), mailbox=2, overflow=overflow
    )


@states("Overflow")
@pytest.mark.parametrize(
    ("overflow", "rejected", "dropped"), [("reject", 2, 0), ("drop_newest", 0, 2)]
)
async def test_a_full_mailbox_refuses(
    overflow: Overflow, rejected: int, dropped: int
) -> None:
    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(narrow(stage, overflow))).ref("a")

        assert ref.tell(note("first"))
        assert ref.tell(note("second"))
        assert not ref.tell(note("third"))
        with pytest.raises(MailboxFull, match="a has 2 messages waiting"):
            await ask(ref, answer(4))

        await idle()
        statistics = system.statistics()[0]
        assert (statistics.rejected, statistics.dropped) == (rejected, dropped)
        assert ref.tell(note("later"))

    assert stage.log[1:-1] == ["first", "second", "later"]


@states("Overflow")
async def test_drop_oldest_gives_up_the_oldest_message() -> None:
    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(narrow(stage, "drop_oldest"))).ref("a")
        lost = ask(ref, answer(1))
        assert ref.tell(note("second"))
        assert ref.tell(note("third"))
        assert ref.tell(note("fourth"))

        with pytest.raises(MailboxFull, match="oldest"):
            await lost

        assert system.statistics()[0].dropped == 2

    assert stage.log[1:-1] == ["third", "fourth"]


@states("Depth")
async def test_a_ref_tells_how_many_messages_wait() -> None:
    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        for _ in range(3):
            ref.tell(note("message"))

        assert ref.depth == 3
        assert system.statistics()[0].depth == 3
        await idle()
        assert ref.depth == 0
        assert system.statistics()[0].high_water == 3


@states("Context")
async def test_context_variables_do_not_travel_with_messages() -> None:
    stage = Stage()
    variable: ContextVar[str] = ContextVar("variable", default="none")
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        variable.set("the sender's")

        def read(_: Puppet, reply: Reply) -> None:
            reply.send(variable.get())

        assert await ref.ask(read, timeout_s=1) == "none"


# Asks


@states("Timeout")
async def test_an_ask_times_out_and_its_message_is_handled_all_the_same() -> None:
    stage = Stage()

    def slow(puppet: Puppet, reply: Reply) -> None:
        async def work() -> None:
            await anyio.sleep(10)
            puppet.log.append(f"wanted: {reply.wanted}")
            reply.send("late")

        puppet.context.spawn(work())

    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        start = system.backend.now()
        with pytest.raises(AskTimeout, match="a has not answered within 3 s"):
            await ref.ask(slow, timeout_s=3)

        assert system.backend.now() - start == pytest.approx(3)
        await anyio.sleep(20)

    assert stage.log[1:-1] == ["wanted: False"]


@states("Cancelled ask")
async def test_cancelling_an_ask_makes_its_answer_unwanted() -> None:
    stage = Stage()
    kept: list[Reply] = []
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        with anyio.move_on_after(1):
            await ref.ask(lambda _, reply: kept.append(reply), timeout_s=60)

        assert not kept[0].wanted
        kept[0].send("too late")
        assert await ref.ask(answer("fine"), timeout_s=1) == "fine"

    assert stage.exits()[0] == ("a", "stopped")


@states("Answered once")
async def test_answering_an_ask_twice_raises() -> None:
    stage = Stage()
    kept: list[Reply] = []
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        asked = ask(ref, lambda _, reply: kept.append(reply))
        await idle()
        assert kept[0].wanted
        kept[0].send("once")

        with pytest.raises(RuntimeError, match="sent already"):
            kept[0].fail(Boom())

        assert await asked == "once"


@states("Answered once")
async def test_a_tell_wants_no_answer() -> None:
    stage = Stage()

    def reply_anyway(puppet: Puppet, reply: Reply) -> None:
        puppet.log.append(f"wanted: {reply.wanted}")
        reply.send("one")
        reply.fail(Boom())

    async with stage.system() as system:
        system.start(root(stage.child("a"))).ref("a").tell(reply_anyway)

    assert stage.log[1:-1] == ["wanted: False"]


# Tasks and timers


@states("Tasks")
async def test_tasks_end_before_the_next_life_begins() -> None:
    stage = Stage()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(2)
                stage.log.append("unwound")

    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        ref.tell(spawning(work))
        await idle()
        ref.tell(crash)
        await anyio.sleep(1.9)
        assert stage.log == ["start a"]
        await anyio.sleep(0.2)
        assert stage.log == ["start a", "unwound", "stop a", "start a"]


@states("Tasks")
async def test_a_task_that_does_not_end_is_left_behind_and_named() -> None:
    stage = Stage()

    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(UNWIND_S + 60)

        stage.log.append("stubborn ended")

    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        ref.tell(spawning(stubborn))
        await idle()
        ref.tell(crash)
        await anyio.sleep(UNWIND_S + 0.1)

        assert ref.running
        assert stage.events[0].error == "Boom: told to; left behind: stubborn"
        await anyio.sleep(100)  # its late end touches nobody
        assert ref.running

    assert stage.exits()[1:] == [("a", "stopped"), ("root", "stopped")]


@states("Timers")
async def test_a_timer_fits_into_a_full_mailbox() -> None:
    stage = Stage()

    def flood(puppet: Puppet, _: Reply) -> None:
        puppet.context.backend.call_later(1, fill, puppet)
        puppet.context.call_later(1, note("timer"))

    def fill(puppet: Puppet) -> None:
        while puppet.context.ref.tell(note("filler")):
            pass

    async with stage.system() as system:
        ref = system.start(root(narrow(stage, "reject"))).ref("a")
        ref.tell(flood)
        await anyio.sleep(2)

    assert stage.log[1:-1] == ["filler", "filler", "timer"]


@states("Timers")
async def test_a_timer_never_reaches_a_later_life() -> None:
    stage = Stage()

    def remind(puppet: Puppet, _: Reply) -> None:
        puppet.context.call_later(5, note("reminder of the first life"))

    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        ref.tell(remind)
        ref.tell(crash)
        await anyio.sleep(10)
        assert ref.running

    assert stage.log == ["start a", "stop a", "start a", "stop a"]


# Crash


def failing_start(lives: list[str]) -> Callable[[Puppet], None]:
    """An ``on_start`` that fails in the second life only."""

    def start(puppet: Puppet) -> None:
        lives.append(puppet.context.name)
        if len(lives) == 2:
            raise Boom

    return start


async def raise_boom() -> None:
    await anyio.lowlevel.checkpoint()
    msg = "in a task"
    raise Boom(msg)


@states("Containment")
async def test_a_crash_ends_that_actor_and_nobody_else() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(
            root(
                stage.child("a"),
                stage.child("b", start=failing_start([])),
                stage.child("c"),
            )
        )
        pending = ask(tree.ref("c"), ignore)
        tree.ref("a").tell(crash)  # in handle
        tree.ref("b").tell(spawning(raise_boom))  # in a task, then in on_start
        await anyio.sleep(1)

        assert stage.restarts() == ["a", "b"]
        assert stage.log.count("start b") == 3
        assert not pending.done()
        assert await tree.ref("b").ask(answer("well"), timeout_s=1) == "well"
        with anyio.move_on_after(1):
            await pending

    assert [name for name, _ in stage.crashes] == ["a", "b", "b"]
    assert stage.log.count("start c") == 1


@states("Containment")
async def test_an_error_in_on_stop_ends_nothing() -> None:
    stage = Stage()

    def fail(_: Puppet) -> None:
        msg = "while stopping"
        raise Boom(msg)

    async with stage.system() as system:
        system.start(root(stage.child("a", stop=fail), stage.child("b", stop=fail)))

    assert stage.exits() == [("b", "stopped"), ("a", "stopped"), ("root", "stopped")]
    assert stage.events[0].error == "on_stop: Boom: while stopping"


@states("Failing fast")
async def test_pending_and_queued_asks_fail_at_once_when_the_actor_crashes() -> None:
    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        start = system.backend.now()
        asks = [
            ask(ref, ignore),
            ask(ref, crash),
            ask(ref, answer("never handled")),
        ]
        ref.tell(note("never handled"))
        for asked in asks:
            with pytest.raises(ActorStopped, match="a crashed \\(Boom: told to\\)"):
                await asked

        assert system.backend.now() == start

    assert "never handled" not in stage.log


@states("Down")
async def test_an_actor_that_is_down_refuses() -> None:
    stage = Stage()

    async def slow_end() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1)

    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        ref.tell(spawning(slow_end))
        await idle()
        ref.tell(crash)
        await idle()

        assert not ref.tell(note("into the void"))
        with pytest.raises(ActorStopped, match="a is not running"):
            await ask(ref, answer(1))

    assert not ref.tell(note("after the end"))


@states("Refs")
async def test_a_ref_reaches_the_next_life() -> None:
    stage = Stage()

    def count(puppet: Puppet, reply: Reply) -> None:
        puppet.count += 1
        reply.send(puppet.count)

    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        assert await ref.ask(count, timeout_s=1) == 1
        assert await ref.ask(count, timeout_s=1) == 2
        ref.tell(crash)
        await idle()
        assert await ref.ask(count, timeout_s=1) == 1


# Stop and cancel


@states("Stop")
async def test_stop_handles_what_is_queued_and_answers_what_was_asked() -> None:
    stage = Stage()

    def slow(puppet: Puppet, reply: Reply) -> None:
        async def work() -> None:
            await anyio.sleep(2)
            puppet.context.ref.tell(lambda _, __: reply.send("in the end"))

        puppet.context.spawn(work())

    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        ref.tell(spawning(anyio.sleep_forever))
        asked = ask(ref, slow)
        ref.tell(note("queued"))
        start = system.backend.now()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(system.stop)
            await anyio.sleep(1)
            assert not ref.tell(note("refused"))
            assert await asked == "in the end"

        assert system.backend.now() - start == pytest.approx(2)

    assert stage.log == ["start a", "queued", "stop a"]


@states("Stop")
async def test_stop_cancels_after_shutdown_s() -> None:
    stage = Stage()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stage.log.append("cancelled")

    async with stage.system() as system:
        ref = system.start(root(stage.child("a", shutdown_s=3))).ref("a")
        ref.tell(spawning(work))
        asked = ask(ref, ignore)
        start = system.backend.now()
        await system.stop()

        assert system.backend.now() - start == pytest.approx(3)
        with pytest.raises(ActorStopped, match="a was stopped"):
            await asked

    assert stage.log == ["start a", "cancelled", "stop a"]


@states("Stop")
async def test_stop_does_not_wait_for_an_ask_nobody_waits_for() -> None:
    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        start = system.backend.now()
        async with anyio.create_task_group() as tasks:
            with anyio.move_on_after(1):
                asked = ask(ref, ignore)
                tasks.start_soon(system.stop)
                await asked

        assert system.backend.now() - start == pytest.approx(1)


@states("Cancel")
async def test_cancel_handles_nothing_more_and_waits_for_nobody() -> None:
    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(stage.child("a", shutdown_s=0))).ref("a")
        pending = ask(ref, ignore)
        await idle()
        ref.tell(spawning(anyio.sleep_forever))
        queued = ask(ref, note("never handled"))
        start = system.backend.now()
        await system.stop()

        assert system.backend.now() == start
        for asked in (pending, queued):
            with pytest.raises(ActorStopped, match="a was cancelled"):
                await asked

    assert stage.log == ["start a", "stop a"]
    assert stage.exits()[0] == ("a", "cancelled")


@states("on_stop")
async def test_on_stop_is_the_last_act_of_each_life_that_started() -> None:
    stage = Stage()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stage.log.append("task ended")

    def fail_first(puppet: Puppet) -> None:
        if stage.log.count("start b") == 2:
            raise Boom

        puppet.context.spawn(work())

    async with stage.system() as system:
        ref = system.start(root(stage.child("b", start=fail_first))).ref("b")
        await idle()
        ref.tell(crash)
        await idle()

    assert stage.log == [
        *("start b", "task ended", "stop b"),
        "start b",  # fails: no on_stop
        *("start b", "task ended", "stop b"),
    ]


@states("Start and stop order")
async def test_children_start_left_to_right_and_end_right_to_left() -> None:
    stage = Stage()

    def linger(puppet: Puppet) -> None:
        async def work() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(1)

        puppet.context.spawn(work())

    inner = SupervisorSpec(
        id="inner", children=(stage.child("b"), stage.child("c", start=linger))
    )
    async with stage.system() as system:
        system.start(root(stage.child("a"), inner, stage.child("d")))
        await idle()

    assert stage.log == [
        *("start a", "start b", "start c", "start d"),
        *("stop d", "stop c", "stop b", "stop a"),
    ]


@states("Leaving")
async def test_leaving_the_block_stops_and_breaking_out_cancels() -> None:
    gentle, hurried, broken = Stage(), Stage(), Stage()
    async with gentle.system() as system:
        system.start(root(gentle.child("a"))).ref("a").tell(note("handled"))

    with anyio.CancelScope() as scope:
        async with hurried.system() as system:
            system.start(root(hurried.child("a"))).ref("a").tell(note("handled"))
            scope.cancel()
            await anyio.sleep_forever()

    async def break_out() -> None:
        async with broken.system() as system:
            system.start(root(broken.child("a"))).ref("a").tell(note("handled"))
            raise Boom

    with pytest.raises(Boom):
        await break_out()

    assert gentle.log == ["start a", "handled", "stop a"]
    assert gentle.exits()[0] == ("a", "stopped")
    assert broken.log == ["start a", "stop a"]
    assert hurried.exits()[0] == broken.exits()[0] == ("a", "cancelled")


# Supervision


@states("Restart")
async def test_restart_policies() -> None:
    stage = Stage()

    def stop(puppet: Puppet, _: Reply) -> None:
        puppet.context.stop()

    async with stage.system() as system:
        tree = system.start(
            root(
                stage.child("p"),
                stage.child("tr", restart="transient"),
                stage.child("tr2", restart="transient"),
                stage.child("te", restart="temporary"),
            )
        )
        start = system.backend.now()
        tree.ref("p").tell(stop)
        tree.ref("tr").tell(crash)
        tree.ref("tr2").tell(stop)
        tree.ref("te").tell(crash)
        await idle()

        assert sorted(stage.restarts()) == ["p", "tr"]
        assert [s.actor for s in system.statistics() if s.running] == ["p", "tr"]
        assert system.backend.now() == start  # at once


@states("one_for_one")
async def test_one_for_one_restarts_that_child_alone() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(root(*(stage.child(name) for name in "abc")))
        tree.ref("b").tell(crash)
        await idle()

        assert stage.log == ["start a", "start b", "start c", "stop b", "start b"]


@states("rest_for_one")
async def test_rest_for_one_restarts_the_children_after_it_too() -> None:
    stage = Stage()
    spec = SupervisorSpec(
        id="root",
        strategy="rest_for_one",
        children=tuple(stage.child(name) for name in "abcd"),
    )
    async with stage.system() as system:
        tree = system.start(spec)
        tree.ref("d").tell(note("never handled"))
        tree.ref("c").tell(spawning(anyio.sleep_forever))
        await idle()
        tree.ref("b").tell(crash)
        await idle()

        assert stage.log[4:] == [
            "never handled",
            *("stop b", "stop d", "stop c"),
            *("start b", "start c", "start d"),
        ]

    assert stage.exits()[:3] == [
        ("b", "crashed"),
        ("d", "cancelled"),
        ("c", "cancelled"),
    ]


@states("Intensity")
async def test_a_sixth_restart_within_thirty_seconds_is_too_many() -> None:
    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        failed = system.failed
        for restarts in range(1, 6):
            ref.tell(crash)
            await anyio.sleep(5)
            assert stage.log.count("start a") == restarts + 1

        ref.tell(crash)
        with pytest.raises(RestartsExceeded, match="more than 5 restarts within 30 s"):
            await failed


@states("Intensity")
async def test_a_failed_start_counts_as_a_restart() -> None:
    stage = Stage()

    def fail_later(_: Puppet) -> None:
        if stage.log.count("start a") > 1:
            raise Boom

    async with stage.system() as system:
        ref = system.start(root(stage.child("a", start=fail_later))).ref("a")
        failed = system.failed
        ref.tell(crash)
        with pytest.raises(RestartsExceeded):
            await failed

    assert stage.log.count("start a") == 1 + 5


@pytest.mark.slow
@states("Intensity")
async def test_seven_days_of_crashing_children() -> None:
    """Three children crash every few minutes for a week: nobody gives up."""
    stage = Stage()
    periods = {"a": 301, "b": 367, "c": 421}

    def doomed(period: float) -> Callable[[Puppet], None]:
        def start(puppet: Puppet) -> None:
            puppet.context.spawn(anyio.sleep_forever())
            puppet.context.call_later(period, crash)

        return start

    spec = SupervisorSpec(
        id="root",
        children=tuple(
            stage.child(name, start=doomed(period)) for name, period in periods.items()
        ),
    )
    async with stage.system() as system:
        tree = system.start(spec)
        steady = tree.add_child(stage.child("steady"))
        answers = 0
        for _ in range(7 * 24):
            await anyio.sleep(3600)
            answers += bool(await steady.ask(answer(True), timeout_s=1))

        assert answers == 7 * 24
        assert all(s.running for s in system.statistics())

    for name, period in periods.items():
        assert stage.restarts().count(name) == int(7 * DAY_S // period)


@states("Intensity")
async def test_seven_days_of_crash_storms_are_escalated_and_survived() -> None:
    """Once an hour a child crashes until its supervisor gives up."""
    stage = Stage()
    inner = SupervisorSpec(id="inner", children=(stage.child("a"), stage.child("b")))
    async with stage.system() as system:
        tree = system.start(root(inner, stage.child("c")))
        ref = tree.ref("a")
        for _ in range(7 * 24):
            for _ in range(6):
                ref.tell(crash)
                await idle()

            assert await ref.ask(answer("back"), timeout_s=1) == "back"
            await anyio.sleep(3600)

    assert stage.exits().count(("inner", "crashed")) == 7 * 24
    assert stage.restarts().count("inner") == 7 * 24
    assert stage.log.count("start c") == 1


@states("Escalation")
async def test_a_supervisor_that_gives_up_is_restarted_with_all_its_children() -> None:
    stage = Stage()
    inner = SupervisorSpec(
        id="inner", children=(stage.child("a"), stage.child("b")), max_restarts=1
    )
    async with stage.system() as system:
        tree = system.start(root(inner, stage.child("c")))
        ref, added = tree.ref("a"), tree.supervisor("inner").add_child(stage.child("x"))
        ref.tell(crash)
        await idle()
        stage.log.clear()
        ref.tell(crash)
        await idle()

        assert stage.log == [
            *("stop a", "stop x", "stop b"),
            *("start a", "start b", "start x"),
        ]
        assert stage.exits()[-1] == ("inner", "crashed")
        assert added.running
        ref.tell(crash)  # the history is empty again
        await idle()
        assert ref.running

    assert stage.log.count("stop c") == 1


@states("Escalation")
async def test_at_the_root_giving_up_fails_the_system() -> None:
    stage = Stage()
    spec = SupervisorSpec(id="root", children=(stage.child("a"),), max_restarts=0)

    async def ignore_the_failure() -> None:
        async with stage.system() as system:
            system.start(spec).ref("a").tell(crash)
            await anyio.sleep(60)

    with pytest.raises(RestartsExceeded, match="the last for a: Boom") as caught:
        await ignore_the_failure()

    assert isinstance(caught.value.__cause__, Boom)

    async with stage.system() as system:  # whoever looks is told, and only there
        system.start(spec).ref("a").tell(crash)
        with pytest.raises(RestartsExceeded):
            await system.failed
        with pytest.raises(RestartsExceeded):
            await system.failed


@states("Run time")
async def test_children_are_added_and_removed_while_it_runs() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(root(stage.child("a")))
        ref = tree.add_child(stage.child("b"))
        assert await ref.ask(answer("here"), timeout_s=1) == "here"
        ref.tell(note("queued"))
        await tree.remove_child("b")

        assert stage.log == ["start a", "start b", "queued", "stop b"]
        assert not ref.tell(note("gone"))
        with pytest.raises(LookupError, match="no actor b"):
            tree.ref("b")

        assert tree.add_child(stage.child("b")).running


@states("Run time")
async def test_supervisors_are_added_and_removed_with_their_children() -> None:
    stage = Stage()
    spec = SupervisorSpec(id="late", children=(stage.child("b"), stage.child("c")))
    async with stage.system() as system:
        tree = system.start(root(stage.child("a")))
        late = tree.add_supervisor(spec)
        late.ref("b").tell(crash)
        await idle()
        assert stage.log == ["start a", "start b", "start c", "stop b", "start b"]
        await tree.remove_child("late")

        assert stage.log[5:] == ["stop c", "stop b"]
        assert [cell.name for cell in tree.actors()] == ["a"]
        assert tree.add_supervisor(spec).ref("c").running


@states("Events")
async def test_ends_and_restarts_are_told_when_they_are_complete() -> None:
    stage = Stage()

    async def unwind_slowly() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1)

    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        ref.tell(spawning(unwind_slowly))
        await idle()
        ref.tell(crash)
        await idle()
        assert stage.events == []
        await anyio.sleep(1.1)

        assert stage.exits() == [("a", "crashed")]
        assert stage.events[1] == ActorRestarted(
            actor="a", restarts=1, error="Boom: told to"
        )
