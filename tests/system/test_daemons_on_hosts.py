"""Three daemons on hosts of their own work on the tasks of one Redis; one is cut off."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from typing_extensions import override

from actors.errors import GitBridgeError
from ipc.client import Client
from tests.support.daemon_process import DaemonProcess, assert_well, prepared_daemon
from tests.support.net_spaces import HUB, NetSpaces, net_spaces
from tests.support.redis_server import RedisServer, wanted_program
from tests.support.waiting import eventually, until

if TYPE_CHECKING:
    from ipc.tasks import TaskSubmitResult, TaskWaitResult

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TASKS = 90
LEASE_S = 2.0
SLOW = """\
import sys, urllib.request
body = b'{"latency": {"median_s": 0.25}}'
for url in sys.argv[1:]:
    request = urllib.request.Request(url + "/behaviour", body, method="POST")
    urllib.request.urlopen(request, timeout=5).read()
"""


class HubServer(RedisServer):
    """A server on the host of the switch, for all to reach."""

    spaces: NetSpaces

    @override
    def _command(self) -> list[str]:
        return [*self.spaces.inside(HUB), *super()._command()]


@pytest.fixture
def spaces() -> Iterator[NetSpaces]:
    with net_spaces(3) as made:
        yield made


@pytest.fixture
def server(tmp_path: Path, spaces: NetSpaces) -> Iterator[HubServer]:
    program = wanted_program()
    open_to_all = ("--bind", "0.0.0.0", "--protected-mode", "no")
    made = HubServer(tmp_path / "redis", open_to_all, program=program)
    made.spaces = spaces
    made.start()
    yield made
    made.kill()


@pytest.fixture
async def daemons(
    tmp_path: Path, spaces: NetSpaces, server: HubServer
) -> AsyncIterator[list[DaemonProcess]]:
    """On hosts 2, 3 and 4, each with pretend providers of its own, slow ones."""
    url = f"redis://{spaces.hub_address}:{server.port}"
    with ExitStack() as stack:
        found = []
        for host in (2, 3, 4):
            place = tmp_path / f"h{host}"
            place.mkdir()
            config = (
                f'[server]\nname = "host{host}"\n[queue]\nbackend = "redis"\n'
                f'url = "{url}"\nlease_s = {LEASE_S}\nconcurrency = 3\n'
            )
            daemon = stack.enter_context(prepared_daemon(place, config))
            daemon.prefix = spaces.inside(host)
            daemon.flags = ["--simulate"]
            await daemon.start()
            slow_down(daemon)
            found.append(daemon)
        yield found


def slow_down(daemon: DaemonProcess) -> None:
    urls = [str(line["control_url"]) for line in daemon.logs("simulating")]
    command = [*daemon.prefix, sys.executable, "-c", SLOW, *urls]
    subprocess.run(command, check=True, timeout=20)


async def submitted(daemon: DaemonProcess, number: int) -> list[str]:
    async with Client([daemon.socket]) as client:
        tasks = [{"prompt": f"question {n}"} for n in range(number)]
        kept = cast(
            "TaskSubmitResult", await client.call("tasks.submit", {"tasks": tasks})
        )
        return [task.task_id for task in kept.tasks]


def ended(daemons: list[DaemonProcess]) -> Counter[object]:
    """How often the end of which task was kept, by whomever."""
    return Counter(
        line["task_id"]
        for daemon in daemons
        for line in daemon.logs("task_attempt_ended")
        if line["state"] == "done"
    )


async def seen_by(daemon: DaemonProcess) -> set[str]:
    """The other daemons that are alive, as that one sees them."""
    async with Client([daemon.socket]) as client:
        return {peer.name for peer in (await client.status()).peers if peer.alive}


async def test_one_is_cut_off_and_comes_back_and_no_task_is_lost_or_ended_twice(
    spaces: NetSpaces, daemons: list[DaemonProcess]
) -> None:
    one, two, three = daemons

    async def complete() -> bool:
        return await seen_by(one) == {"host3", "host4"}

    await eventually(complete)
    task_ids = await submitted(one, TASKS)
    await until(lambda: len(three.logs("task_attempt_ended")) >= 3, 30.0)
    spaces.cut(4)

    await three.wait_for_log("redis_away")
    async with Client([three.socket]) as client:
        began = time.monotonic()
        assert (await client.route("Hi.")).content
        assert time.monotonic() - began < 1.5  # the pretended latency and little else
        began = time.monotonic()
        with pytest.raises(GitBridgeError, match="Redis"):
            await client.call("tasks.submit", {"prompt": "hi"})
        assert time.monotonic() - began < 0.5

    async def missed() -> bool:
        return await seen_by(one) == {"host3"} and await seen_by(three) == set()

    await eventually(missed)
    others = [one, two]
    before_cut = len(ended([three]))
    await until(lambda: len(ended(others)) >= TASKS - before_cut, 60.0)
    spaces.heal(4)

    await three.wait_for_log("redis_back")
    await eventually(complete)
    again = await submitted(three, 9)
    await until(lambda: set(ended(daemons)) >= {*task_ids, *again}, 30.0)
    async with Client([two.socket]) as client:
        params = {"task_ids": [*task_ids, *again], "timeout_s": 10}
        waited = cast("TaskWaitResult", await client.call("tasks.wait", params))
        assert {task.state for task in waited.tasks} == {"done"}
    assert max(ended(daemons).values()) == 1
    assert all(ended([daemon]) for daemon in daemons)
    for daemon in others:
        assert_well(daemon)
