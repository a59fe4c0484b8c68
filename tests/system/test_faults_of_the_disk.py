"""The state folder fails us: requests are answered, it is said, and all recovers."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from daemon.simulator import ProviderSpec, simulate
from tests.support.conditions import (
    ask,
    is_ready,
    until_cleared,
    until_raised,
)
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
    prepared_daemon,
)
from tests.support.waiting import eventually
from tests.support.wire_client import WireClient, wire_client

OPENAI = ProviderSpec(name="openai", kind="openai")
NOBODY = 65534
DISK = "16m"

pytestmark = [pytest.mark.slow]


async def history(client: WireClient) -> set[str]:
    """Decisions that the ledger knows."""
    page = (await client.call("history", {"limit": 500})).result
    entries = cast("list[dict[str, str]]", page["entries"])
    return {each["decision_id"] for each in entries}


async def decision(client: WireClient) -> str:
    """The decision of a request that was answered."""
    return str((await ask(client))["decision_id"])


# ---- full


@contextmanager
def small_disk(at: Path) -> Iterator[None]:
    """A file system of its own at this folder."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    at.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", str(at)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 65536)
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)
    return filler


@asynccontextmanager
async def daemon_on_a_small_disk(
    folder: Path, *, full: bool = False
) -> AsyncIterator[DaemonProcess]:
    with small_disk(folder / "state"):
        async with simulate([OPENAI]) as providers:
            with prepared_daemon(folder, configuration(providers)) as daemon:
                if full:
                    fill(daemon.state)
                await daemon.start()
                yield daemon


async def test_a_full_disk_costs_records_and_nothing_else(tmp_path: Path) -> None:
    async with (
        daemon_on_a_small_disk(tmp_path) as daemon,
        wire_client(daemon.socket) as client,
    ):
        before = await decision(client)
        assert before in await history(client)
        assert await is_ready(daemon.socket)
        filler = fill(daemon.state)
        lost = [await decision(client) for _ in range(3)]
        text = await until_raised(client, "spool_unwritable")
        room = await until_raised(client, "disk_nearly_full")
        ready_meanwhile = await is_ready(daemon.socket)
        filler.unlink()
        after = await decision(client)
        await until_cleared(client, "spool_unwritable", "disk_nearly_full")
        await until_cleared(client, "ledger_behind", "ledger_unavailable")
        known = await history(client)
        ready_again = await is_ready(daemon.socket)
        code = await daemon.stop()

        assert "No space left" in text or "could be written" in text
        assert str(daemon.state) in room
        assert (ready_meanwhile, ready_again) == (False, True)
        assert {before, after} <= known
        unwritten = {x["request_id"] for x in daemon.logs("record_not_written")}
        assert len(unwritten) == len(set(lost) - known)  # each one that is lost is said
        raised = {x["code"] for x in daemon.logs("condition_raised")}
        cleared = {x["code"] for x in daemon.logs("condition_cleared")}
        assert {"spool_unwritable", "disk_nearly_full"} <= raised & cleared
        assert code == 0
        assert daemon.errors() == ""


async def test_it_starts_on_a_full_disk_and_recovers_by_itself(tmp_path: Path) -> None:
    async with (
        daemon_on_a_small_disk(tmp_path, full=True) as daemon,
        wire_client(daemon.socket) as client,
    ):
        await ask(client)
        held = await until_raised(client, "spool_unwritable")
        (daemon.state / "filler").unlink()
        after = await decision(client)
        await until_cleared(client, "spool_unwritable", "ledger_unavailable")

        async def known() -> bool:
            return after in await history(client)

        await eventually(known, 40.0)
        assert held
        assert await daemon.stop() == 0
        assert daemon.errors() == ""


# ---- read-only


@asynccontextmanager
async def unprivileged_daemon(folder: Path) -> AsyncIterator[DaemonProcess]:
    """One that file modes hold for; it is not started yet."""
    async with simulate([OPENAI]) as providers:
        with prepared_daemon(folder, configuration(providers)) as daemon:
            daemon.state.mkdir(mode=0o700)
            if os.geteuid() == 0:
                daemon.wrapper = give_away(folder, daemon.state)
            yield daemon


def give_away(folder: Path, state: Path) -> tuple[str, ...]:
    """Let somebody without rights have these; the words that make a command theirs."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed, and root may write everywhere")
    for path in (folder, state):
        os.chown(path, NOBODY, NOBODY)
    for parent in folder.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o011)  # pytest's own folders: others look in
    who = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return ("setpriv", *who)


async def test_a_state_folder_that_is_read_only_at_start_is_refused(
    tmp_path: Path,
) -> None:
    async with unprivileged_daemon(tmp_path) as daemon:
        daemon.state.chmod(0o500)
        daemon.spawn()
        code = await daemon.ended()

        assert code == 78
        assert daemon.errors() == (
            f"gitbridge: the state folder {daemon.state} cannot be used: we may not"
            " write there; give this one its own with --state-dir or"
            " $GITBRIDGE_STATE_DIR\n"
        )


async def test_a_state_folder_that_becomes_read_only_stops_nobody(
    tmp_path: Path,
) -> None:
    async with unprivileged_daemon(tmp_path) as daemon:
        await daemon.start()
        async with wire_client(daemon.socket) as client:
            before = await decision(client)
            assert before in await history(client)
            closed(daemon.state, 0o500)
            for _ in range(3):
                await ask(client)
            text = await until_raised(client, "spool_unwritable")
            assert before in await history(client)  # what was known still is
            closed(daemon.state, 0o700)
            after = await decision(client)
            await until_cleared(client, "spool_unwritable")
            assert {before, after} <= await history(client)
        code = await daemon.stop()

        assert "Permission denied" in text
        assert code == 0
        assert daemon.errors() == ""


def closed(state: Path, mode: int) -> None:
    """The state folder and those in it, with this mode."""
    for folder in (state, state / "spool", state / "logs"):
        folder.chmod(mode)


# ---- the database


async def test_a_database_that_somebody_else_locks_delays_records_and_nobody(
    tmp_path: Path,
) -> None:
    async with (
        simulate([OPENAI]) as providers,
        daemon_process(tmp_path, configuration(providers)) as daemon,
    ):
        async with wire_client(daemon.socket) as client:
            before = await decision(client)
            assert before in await history(client)
            with locked(daemon.state / "gitbridge.db"):
                meanwhile = [await decision(client) for _ in range(5)]
                text = await until_raised(client, "ledger_behind")
                assert before in await history(client)
                ready = await is_ready(daemon.socket)
            await until_cleared(client, "ledger_behind")
            known = await history(client)
        assert await daemon.stop() == 0
        assert_well(daemon)

    assert "locked" in text
    assert ready  # its records are safe in the spool
    assert {before, *meanwhile} <= known


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """As another program, say a backup, might hold it."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


@pytest.mark.parametrize("damage", ["nonsense", "torn"])
async def test_a_damaged_database_is_set_aside_and_said(
    tmp_path: Path, damage: str
) -> None:
    async with simulate([OPENAI]) as providers:
        async with daemon_process(tmp_path, configuration(providers)) as daemon:
            async with wire_client(daemon.socket) as client:
                await history_of(client, 20)
            await daemon.stop()
            path = daemon.state / "gitbridge.db"
            harm(path, damage)
            harmed = path.read_bytes()
            await daemon.start()
            async with wire_client(daemon.socket) as client:
                text = await until_raised(client, "database_corrupt")
                after = await decision(client)
                known = await history(client)
            assert await daemon.stop() == 0

        aside = daemon.state / "gitbridge.db.corrupt-1"
        assert str(aside) in text
        assert aside.read_bytes() == harmed  # nothing of it is lost
        assert after in known
        raised = [x["code"] for x in daemon.logs("condition_raised")]
        assert raised.count("database_corrupt") == 1


async def history_of(client: WireClient, count: int) -> None:
    """Have so many requests in the ledger."""
    asked = {await decision(client) for _ in range(count)}
    assert asked <= await history(client)


def harm(path: Path, damage: str) -> None:
    """What a disk does to a database."""
    data = path.read_bytes()
    if damage == "nonsense":
        path.write_bytes(b"nonsense" * 1000)
    else:  # the pages are there, and hold what never was in them
        path.write_bytes(data[:100] + bytes(len(data) - 100))
