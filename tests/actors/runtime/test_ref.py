"""What a ref says about its actor."""

import anyio
import pytest

from actors.errors import GitBridgeError, Overloaded
from actors.runtime import (
    ActorStopped,
    AskTimeout,
    MailboxFull,
    Reply,
    RestartsExceeded,
)
from tests.support.runtime import Boom, Puppet, Stage, answer, root

idle = anyio.wait_all_tasks_blocked


async def test_a_ref_has_the_name_of_its_actor_and_says_whether_it_runs() -> None:
    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        before = (ref.name, ref.running)

    assert before == ("a", True)
    assert (ref.name, ref.running) == ("a", False)


async def test_a_failed_reply_raises_in_the_asker() -> None:
    stage = Stage()
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")
        with pytest.raises(Boom, match="not today"):
            await ref.ask(lambda _, reply: reply.fail(Boom("not today")), timeout_s=1)

        assert await ref.ask(answer("unharmed"), timeout_s=1) == "unharmed"


async def test_many_asks_are_answered_in_any_order() -> None:
    stage = Stage()
    answers: list[object] = []
    async with stage.system() as system:
        ref = system.start(root(stage.child("a"))).ref("a")

        async def ask(number: int) -> None:
            def late(_: Puppet, reply: Reply) -> None:
                system.backend.call_later(100 - number, reply.send, number)

            answers.append(await ref.ask(late, timeout_s=200))

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(ask, number)

    assert answers == list(reversed(range(100)))


@pytest.mark.parametrize(
    "error", [ActorStopped, AskTimeout, MailboxFull, RestartsExceeded]
)
def test_the_runtime_s_errors_are_ours(error: type[GitBridgeError]) -> None:
    assert error.owner == "us"


def test_a_full_mailbox_is_overload() -> None:
    assert issubclass(MailboxFull, Overloaded)
