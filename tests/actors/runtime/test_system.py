"""The root of the tree."""

import anyio
import pytest

from actors.runtime import (
    ActorStatistics,
    ActorSystem,
    Future,
    SupervisorSpec,
    current_backend,
)
from tests.support.runtime import Boom, Puppet, Stage, crash, ignore, note, root

idle = anyio.wait_all_tasks_blocked


async def test_a_system_is_entered_before_use() -> None:
    with pytest.raises(RuntimeError, match="enter the actor system first"):
        ActorSystem().start(root())


async def test_a_backend_may_be_handed_in() -> None:
    backend = current_backend()
    async with ActorSystem(backend) as system:
        assert system.backend is backend


async def test_several_trees_end_in_reverse_order() -> None:
    stage = Stage()
    async with stage.system() as system:
        system.start(SupervisorSpec(id="one", children=(stage.child("a"),)))
        system.start(SupervisorSpec(id="two", children=(stage.child("b"),)))
        assert system.ref("b").name == "b"
        with pytest.raises(LookupError, match="no actor c"):
            system.ref("c")

    assert stage.log == ["start a", "start b", "stop b", "stop a"]


async def test_statistics_say_what_mailboxes_hold_and_lost() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(root(stage.child("a"), stage.child("b")))
        tree.ref("a").tell(crash)
        await idle()
        tree.ref("a").tell(note("one"))

        assert system.statistics() == (
            ActorStatistics(
                actor="a",
                running=True,
                depth=1,
                high_water=1,
                dropped=0,
                rejected=0,
                restarts=1,
            ),
            ActorStatistics(
                actor="b",
                running=True,
                depth=0,
                high_water=0,
                dropped=0,
                rejected=0,
                restarts=0,
            ),
        )


async def test_a_listener_that_raises_disturbs_nobody() -> None:
    def fail(*_: object) -> None:
        raise Boom

    stage = Stage()
    async with ActorSystem(on_event=fail, on_crash=fail) as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        ref.tell(crash)
        await idle()

        assert ref.running


async def test_nobody_needs_to_listen() -> None:
    stage = Stage()
    async with ActorSystem() as system:
        system.start(root(stage.child("a"))).ref("a").tell(crash)
        await idle()

    assert stage.log.count("start a") == 2


async def test_a_stop_that_is_cancelled_becomes_a_cancel() -> None:
    stage = Stage()

    def linger(puppet: Puppet) -> None:
        puppet.context.spawn(anyio.sleep_forever())

    with anyio.move_on_after(1) as scope:
        async with stage.system() as system:
            ref = system.start(root(stage.child("a", start=linger))).ref("a")
            asked: Future[object] = ref.ask(ignore, timeout_s=60)

    assert scope.cancelled_caught
    assert asked.done()
    assert stage.exits() == [("a", "cancelled"), ("root", "cancelled")]


async def test_a_waiter_for_failure_that_left_is_forgotten() -> None:
    stage = Stage()
    spec = SupervisorSpec(id="root", children=(stage.child("a"),), max_restarts=0)
    async with stage.system() as system:
        tree = system.start(spec)
        with anyio.move_on_after(1):
            await system.failed

        tree.ref("a").tell(crash)
        await idle()

        assert tree.down
