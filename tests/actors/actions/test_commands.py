"""Commands of the allow-list, run for real: processes know no virtual time."""

import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

from actors.actions import commands
from actors.actions.commands import MAX_OUTPUT, run_command
from actors.errors import ActionFailed, DeadlineExceeded, InvalidRequest
from actors.messages.actions import ActionDone, CommandRule
from tests.support.waiting import until


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def python(
    code: str, *, env: dict[str, str] | None = None, timeout_s: float = 20.0
) -> dict[str, CommandRule]:
    argv = (sys.executable, "-I", "-S", "-c", code)
    return {"it": CommandRule(argv=argv, env=env or {}, timeout_s=timeout_s)}


async def test_the_answer_is_on_stdin() -> None:
    rules = python("import sys; print(sys.stdin.read().upper())")
    done = await run_command("it", rules, "fine, é $(id)", "T1")

    assert done == ActionDone(
        do="run_command", target="it", status=0, detail="FINE, É $(ID)"
    )


async def test_the_environment_is_what_was_declared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-commands")
    rules = python("import os; print(sorted(os.environ.items()))", env={"A": "b"})
    done = await run_command("it", rules, "", "T1")

    assert "sk-not" not in done.detail
    assert "('A', 'b')" in done.detail
    assert "('GITBRIDGE_TASK_ID', 'T1')" in done.detail
    assert "PATH" not in done.detail


async def test_what_is_not_on_the_list_is_not_run() -> None:
    with pytest.raises(InvalidRequest, match="not on the list") as caught:
        await run_command("rm", python(""), "", "T1")

    assert caught.value.wanted == "one of it"


async def test_what_is_not_there_cannot_be_started() -> None:
    rules = {"it": CommandRule(argv=("/does/not/exist",))}
    with pytest.raises(InvalidRequest, match="cannot be started"):
        await run_command("it", rules, "", "T1")


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        ("print('bad'); raise SystemExit(3)", InvalidRequest, "ended with 3: bad"),
        ("raise SystemExit(75)", ActionFailed, "ended with 75: it said nothing"),
        (
            "import os; os.kill(os.getpid(), 9)",
            ActionFailed,
            "killed by signal 9",
        ),
    ],
)
async def test_how_it_fails(code: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        await run_command("it", python(code), "x", "T1")


async def test_what_it_prints_is_bounded() -> None:
    rules = python("import sys; sys.stdout.write('x' * 5_000_000)")
    done = await run_command("it", rules, "", "T1")

    assert len(done.detail) == MAX_OUTPUT


async def test_it_need_not_read_what_it_is_given() -> None:
    done = await run_command("it", python("print(1)"), "x" * 2_000_000, "T1")
    assert done.detail == "1"


FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
open(sys.stdin.read(), "w").write(str(child.pid))
time.sleep(600)
"""


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


ESCAPING = FAMILY.replace(
    'time.sleep(600)"])', 'time.sleep(600)"], start_new_session=True)'
)
assert ESCAPING != FAMILY


@pytest.mark.parametrize("code", [FAMILY, ESCAPING])
async def test_one_that_takes_too_long_is_killed_with_its_children(
    tmp_path: Path, code: str
) -> None:
    note = tmp_path / "pid"
    with pytest.raises(DeadlineExceeded, match="over 1"):
        await run_command("it", python(code, timeout_s=1.5), str(note), "T1")

    pid = int(note.read_text())
    await until(lambda: gone(pid))


async def test_one_that_leaves_a_session_behind_has_ended_all_the_same(
    tmp_path: Path,
) -> None:
    """Though that holds its output open."""
    note = tmp_path / "pid"
    code = ESCAPING.removesuffix("time.sleep(600)\n")
    done = await run_command("it", python(code), str(note), "T1")

    assert done.status == 0
    assert gone(int(note.read_text()))


async def test_a_cancelled_one_is_killed_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    async with anyio.create_task_group() as group:
        group.start_soon(run_command, "it", python(FAMILY), str(note), "T1")
        await until(lambda: note.exists() and bool(note.read_text()))
        group.cancel_scope.cancel()

    pid = int(note.read_text())
    assert os.getpid() != pid
    await until(lambda: gone(pid))


async def test_what_an_earlier_attempt_left_running_is_ended_first(
    tmp_path: Path,
) -> None:
    """Also what it started in a session of its own."""
    note = tmp_path / "pid"
    orphan = await anyio.open_process(
        [sys.executable, "-S", "-c", ESCAPING],
        env={"GITBRIDGE_TASK_ID": "T1"},
        start_new_session=True,
    )
    bystander = await anyio.open_process(
        [sys.executable, "-S", "-c", "import time; time.sleep(600)"],
        env={"GITBRIDGE_TASK_ID": "T11"},
    )
    async with orphan, bystander:
        assert orphan.stdin is not None
        await orphan.stdin.send(str(note).encode())
        await orphan.stdin.aclose()
        await until(lambda: note.exists() and bool(note.read_text()))
        done = await run_command("it", python("print(1)"), "", "T1")

        assert done.detail == "1"
        assert gone(orphan.pid)
        assert gone(int(note.read_text()))
        assert not gone(bystander.pid)
        bystander.kill()


async def test_an_earlier_attempt_that_cannot_be_ended_is_not_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = await anyio.open_process(
        [sys.executable, "-S", "-c", "import time; time.sleep(600)"],
        env={"GITBRIDGE_TASK_ID": "T1"},
    )
    async with left:
        await until(lambda: _task_of(left.pid) == "T1")
        monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
        monkeypatch.setattr(commands, "ORPHANS_S", 0.2)
        with pytest.raises(ActionFailed, match="still runs"):
            await run_command("it", python("print(1)"), "", "T1")
        left.kill()


def _task_of(pid: int) -> str:
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    found = (each for each in variables if each.startswith("GITBRIDGE_TASK_ID="))
    return next(found, "").partition("=")[2]
