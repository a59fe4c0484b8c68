"""Supervisors beyond the lines of the semantics page."""

import anyio
import pytest
import trio
from hypothesis import given, settings, strategies as st
from trio.testing import MockClock

from actors.runtime import (
    ActorRef,
    ActorStopped,
    Future,
    Reply,
    RestartsExceeded,
    SupervisorSpec,
)
from tests.support.runtime import (
    Boom,
    Order,
    Puppet,
    Stage,
    answer,
    crash,
    ignore,
    root,
)

idle = anyio.wait_all_tasks_blocked


def fail(_: Puppet) -> None:
    raise Boom


def slow_to_end(puppet: Puppet, _: Reply) -> None:
    """Have a task that takes a second to unwind."""

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)

    puppet.context.spawn(work())


def nested(stage: Stage) -> SupervisorSpec:
    inner = SupervisorSpec(id="inner", children=(stage.child("b"), stage.child("c")))
    outer = SupervisorSpec(id="outer", children=(inner,))
    return root(stage.child("a"), outer, stage.child("d"))


async def test_refs_and_supervisors_are_found_anywhere_below() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(nested(stage))

        assert tree.ref("c").name == "c"
        assert tree.supervisor("outer").supervisor("inner").name == "inner"
        assert tree.supervisor("inner") is tree.supervisor("outer").children[0]
        assert [cell.name for cell in tree.actors()] == ["a", "b", "c", "d"]
        with pytest.raises(LookupError, match="no actor x below root"):
            tree.ref("x")

        with pytest.raises(LookupError, match="no supervisor x below root"):
            tree.supervisor("x")


async def test_names_are_unique_in_a_system() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(root(stage.child("a")))
        with pytest.raises(ValueError, match="there is a a already"):
            tree.add_child(stage.child("a"))

        spec = SupervisorSpec(id="other", children=(stage.child("a"),))
        with pytest.raises(ValueError, match="there is a a already"):
            system.start(spec)

        system.start(SupervisorSpec(id="other"))


async def test_a_first_start_that_fails_cancels_the_others_and_raises() -> None:
    stage = Stage()
    inner = SupervisorSpec(
        id="inner", children=(stage.child("b"), stage.child("c", start=fail))
    )
    async with stage.system() as system:
        with pytest.raises(Boom):
            system.start(root(stage.child("a"), inner, stage.child("d")))

        await idle()
        assert stage.log == ["start a", "start b", "start c", "stop b", "stop a"]
        assert stage.restarts() == []
        system.start(root(stage.child("a")))  # the names are free again


async def test_a_child_that_fails_to_start_is_not_added() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(root())
        with pytest.raises(Boom):
            tree.add_child(stage.child("a", start=fail))

        await idle()
        assert stage.log == ["start a"]
        assert tree.children == ()
        assert tree.add_child(stage.child("a")).running


async def test_a_supervisor_that_is_down_adds_nothing() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(root())
        await system.stop()
        with pytest.raises(ActorStopped, match="root is not running"):
            tree.add_child(stage.child("a"))
        with pytest.raises(ActorStopped, match="root is not running"):
            tree.add_supervisor(SupervisorSpec(id="late"))


async def test_a_supervisor_whose_child_does_not_start_is_not_added() -> None:
    stage = Stage()
    spec = SupervisorSpec(
        id="late", children=(stage.child("a"), stage.child("b", start=fail))
    )
    async with stage.system() as system:
        tree = system.start(root())
        with pytest.raises(Boom):
            tree.add_supervisor(spec)

        await idle()
        assert stage.log == ["start a", "start b", "stop a"]
        assert tree.children == ()
        assert stage.restarts() == []
        tree.add_supervisor(SupervisorSpec(id="late", children=(stage.child("a"),)))


@pytest.mark.parametrize("taken", ["late", "b"])
async def test_an_added_supervisor_with_a_taken_name_claims_nothing(taken: str) -> None:
    stage = Stage()
    spec = SupervisorSpec(id="late", children=(stage.child("a"), stage.child("b")))
    async with stage.system() as system:
        tree = system.start(root(stage.child(taken)))
        with pytest.raises(ValueError, match=f"there is a {taken} already"):
            tree.add_supervisor(spec)

        await tree.remove_child(taken)
        assert tree.add_supervisor(spec).ref("a").running


async def test_an_added_supervisor_that_gives_up_is_started_again() -> None:
    stage = Stage()
    inner = SupervisorSpec(id="late", children=(stage.child("b"),), max_restarts=0)
    async with stage.system() as system:
        tree = system.start(root(stage.child("a")))
        ref = tree.add_supervisor(inner).ref("b")
        ref.tell(crash)
        await idle()

        assert stage.restarts() == ["late"]
        assert ref.running


async def test_a_whole_supervisor_is_removed_with_its_names() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(nested(stage))
        with pytest.raises(LookupError, match="root has no child inner"):
            await tree.remove_child("inner")

        await tree.remove_child("outer")

        assert stage.log[4:] == ["stop c", "stop b"]
        assert tree.add_child(stage.child("b")).running


async def test_a_removed_child_is_not_restarted_whatever_it_does() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(root(stage.child("a")))
        ref = tree.ref("a")
        ref.tell(slow_to_end)
        await idle()
        ref.tell(crash)
        await idle()
        await tree.remove_child("a")
        await anyio.sleep(60)

        assert stage.log == ["start a", "stop a"]


async def test_a_temporary_child_frees_its_name_when_it_ends() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(root(stage.child("a", restart="temporary")))
        tree.ref("a").tell(crash)
        await idle()

        assert tree.children == ()
        assert tree.add_child(stage.child("a")).running


async def test_a_crash_elsewhere_does_not_wait_for_a_slow_end() -> None:
    stage = Stage()
    async with stage.system() as system:
        tree = system.start(root(stage.child("a"), stage.child("b")))
        tree.ref("a").tell(slow_to_end)
        await idle()
        tree.ref("a").tell(crash)
        tree.ref("b").tell(crash)
        await idle()

        assert stage.restarts() == ["b"]


async def test_two_crashes_under_rest_for_one_are_repaired_together() -> None:
    stage = Stage()
    spec = SupervisorSpec(
        id="root",
        strategy="rest_for_one",
        children=tuple(stage.child(name) for name in "abc"),
        max_restarts=1,
    )
    async with stage.system() as system:
        tree = system.start(spec)
        tree.ref("a").tell(crash)
        tree.ref("c").tell(crash)
        await idle()

        assert stage.log[3:] == [
            *("stop a", "stop c", "stop b"),
            *("start a", "start b", "start c"),
        ]


async def test_rest_for_one_leaves_alone_what_had_ended_for_good() -> None:
    stage = Stage()
    children = (stage.child("a"), stage.child("b", restart="transient"))
    spec = SupervisorSpec(id="root", strategy="rest_for_one", children=children)
    async with stage.system() as system:
        tree = system.start(spec)
        tree.ref("b").tell(lambda puppet, _: puppet.context.stop())
        await idle()
        tree.ref("a").tell(crash)
        await idle()

        assert stage.log.count("start b") == 1


async def test_a_failed_restart_under_rest_for_one_is_tried_again_in_order() -> None:
    stage = Stage()

    def fail_once(_: Puppet) -> None:
        if stage.log.count("start a") == 2:
            raise Boom

    children = (stage.child("a", start=fail_once), stage.child("b"))
    spec = SupervisorSpec(id="root", strategy="rest_for_one", children=children)
    async with stage.system() as system:
        tree = system.start(spec)
        tree.ref("a").tell(crash)
        await idle()

        assert stage.log[2:] == ["stop a", "stop b", "start a", "start a", "start b"]


async def test_a_stop_overtakes_a_repair() -> None:
    stage = Stage()
    children = (stage.child("a"), stage.child("b"))
    spec = SupervisorSpec(id="root", strategy="rest_for_one", children=children)
    async with stage.system() as system:
        tree = system.start(spec)
        tree.ref("b").tell(slow_to_end)
        await idle()
        tree.ref("a").tell(crash)
        await idle()
        await system.stop()

        assert stage.log[2:] == ["stop a", "stop b"]
        assert stage.restarts() == []


async def test_escalation_goes_up_to_the_root() -> None:
    stage = Stage()

    def fail_later(_: Puppet) -> None:
        if stage.log.count("start a") > 1:
            raise Boom

    inner = SupervisorSpec(id="inner", children=(stage.child("a", start=fail_later),))
    async with stage.system() as system:
        tree = system.start(root(inner, stage.child("b")))
        failed = system.failed
        tree.ref("a").tell(crash)
        with pytest.raises(RestartsExceeded, match="root gives up"):
            await failed

    assert stage.exits()[-2:] == [("b", "cancelled"), ("root", "crashed")]


# Any mixture of misfortunes

NAMES = ("a", "b", "c", "d")
ACTS = (
    *("crash", "ask", "answer", "task", "slow", "stop", "nap"),
    *("add", "graft", "remove"),
)
acts = st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(NAMES)), max_size=25)


class Mishaps:
    """Does to a tree what a list of acts says, and keeps what was asked."""

    def __init__(self, stage: Stage, tree_root: SupervisorSpec) -> None:
        self.stage = stage
        self.spec = tree_root
        self.asked: list[Future[object]] = []

    async def run(self, plan: list[tuple[str, str]]) -> None:
        async with self.stage.system() as system:
            tree = system.start(self.spec)
            refs = {name: tree.ref(name) for name in NAMES}
            _ = system.failed
            for act, name in plan:
                if act == "nap":
                    await anyio.sleep(0.7)
                elif act == "add" and not tree.down:
                    tree.add_child(self.stage.child(f"{name}{len(self.stage.log)}"))
                elif act == "graft" and not tree.down:
                    fresh = f"{name}{len(self.stage.log)}"
                    child = self.stage.child(f"{fresh}.x")
                    tree.add_supervisor(SupervisorSpec(id=fresh, children=(child,)))
                elif act == "remove":
                    if name in {child.name for child in tree.children}:
                        await tree.remove_child(name)
                else:
                    self.send(act, refs[name])

    def send(self, act: str, ref: ActorRef[Order]) -> None:
        if act in {"ask", "answer"}:
            if ref.running:
                order = ignore if act == "ask" else answer(True)
                self.asked.append(ref.ask(order, timeout_s=60))
        else:
            ref.tell(ORDERS[act])


ORDERS: dict[str, Order] = {
    "crash": crash,
    "task": lambda puppet, _: puppet.context.spawn(anyio.sleep_forever()),
    "slow": slow_to_end,
    "stop": lambda puppet, _: puppet.context.stop(),
}


@settings(max_examples=60, deadline=None)
@given(plan=acts)
def test_whatever_happens_lives_are_whole_and_asks_are_settled(
    plan: list[tuple[str, str]],
) -> None:
    stage = Stage()
    inner = SupervisorSpec(
        id="inner",
        strategy="rest_for_one",
        children=(stage.child("b"), stage.child("c", restart="transient")),
        max_restarts=2,
    )
    spec = root(stage.child("a"), inner, stage.child("d", shutdown_s=0.5))
    mishaps = Mishaps(stage, spec)
    trio.run(mishaps.run, plan, clock=MockClock(autojump_threshold=0))

    assert all(future.done() for future in mishaps.asked)
    for name in {line.split()[1] for line in stage.log}:
        lives = [line for line in stage.log if line.split()[1] == name]
        assert lives == [f"start {name}", f"stop {name}"] * (len(lives) // 2)
