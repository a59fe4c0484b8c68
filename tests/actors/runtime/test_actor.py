"""What an actor's context gives it."""

import anyio
import pytest

from actors.runtime import Actor, ActorStopped, ChildSpec, Reply
from tests.support.runtime import Puppet, Stage, answer, crash, note, root

idle = anyio.wait_all_tasks_blocked


async def test_an_actor_without_hooks_only_handles() -> None:
    class Silent(Actor[str]):
        """Leaves every hook as it is."""

    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(ChildSpec(id="silent", factory=Silent))).ref("silent")
        ref.tell("anything")
        await idle()

    assert stage.exits()[0] == ("silent", "crashed")
    assert isinstance(stage.crashes[0][1], NotImplementedError)


async def test_a_context_knows_its_name_time_and_tasks() -> None:
    stage = Stage()
    heard: list[object] = []

    def look(puppet: Puppet, _: Reply) -> None:
        context = puppet.context
        context.spawn(anyio.sleep(1), name="nap")
        heard.extend((context.name, context.ref.name, context.busy))
        heard.append(context.now() == context.backend.now())

    async with stage.system() as system:
        system.start(root(stage.child("a"))).ref("a").tell(look)
        await idle()

    assert heard == ["a", "a", ("nap",), True]


async def test_a_finished_task_is_forgotten() -> None:
    stage = Stage()
    puppets: list[Puppet] = []

    def nap(puppet: Puppet) -> None:
        puppets.append(puppet)
        puppet.context.spawn(anyio.sleep(1))

    async with stage.system() as system:
        system.start(root(stage.child("a", start=nap)))
        await anyio.sleep(2)

        assert puppets[0].context.busy == ()


async def test_a_context_that_is_over_starts_nothing() -> None:
    stage = Stage()
    puppets: list[Puppet] = []
    async with stage.system() as system:
        ref = system.start(root(stage.child("a", start=puppets.append))).ref("a")
        ref.tell(crash)
        await idle()
        first, second = (puppet.context for puppet in puppets)

        with pytest.raises(ActorStopped, match="a is over and starts no sleep"):
            first.spawn(anyio.sleep(1))

        first.call_later(1, note("from the dead")).cancel()
        first.call_later(1, note("from the dead"))
        first.stop()
        await anyio.sleep(2)
        assert second.ref.running

    assert "from the dead" not in stage.log


async def test_a_cancelled_timer_sends_nothing() -> None:
    stage = Stage()

    def remind(puppet: Puppet, _: Reply) -> None:
        puppet.context.call_later(1, note("kept"))
        puppet.context.call_later(1, note("cancelled")).cancel()

    async with stage.system() as system:
        system.start(root(stage.child("a"))).ref("a").tell(remind)
        await anyio.sleep(2)

    assert stage.log[1:-1] == ["kept"]


async def test_an_actor_that_stops_itself_finishes_its_work_first() -> None:
    stage = Stage()

    def stop(puppet: Puppet, reply: Reply) -> None:
        puppet.context.stop()
        puppet.context.stop()
        puppet.context.ref.tell(note("told itself"))
        reply.send("stopping")

    async with stage.system() as system:
        spec = stage.child("a", restart="transient")
        ref = system.start(root(spec)).ref("a")
        assert await ref.ask(stop, timeout_s=1) == "stopping"
        await idle()

        assert stage.log == ["start a", "told itself", "stop a"]
        assert not ref.running


async def test_a_crash_while_stopping_is_a_crash() -> None:
    stage = Stage()

    def stop(puppet: Puppet, _: Reply) -> None:
        puppet.context.stop()
        puppet.context.ref.tell(crash)

    async with stage.system() as system:
        spec = stage.child("a", restart="transient")
        ref = system.start(root(spec)).ref("a")
        ref.tell(stop)
        await idle()

        assert await ref.ask(answer("restarted"), timeout_s=1) == "restarted"

    assert stage.exits()[0] == ("a", "crashed")
