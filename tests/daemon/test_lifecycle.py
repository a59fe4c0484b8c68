"""One daemon a state folder; two signals to stop."""

import os
import pty
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from daemon.exits import ConfigError
from daemon.lifecycle import LOCK_NAME, AlreadyRunning, StateLock, watch_signals


class FakeLoop:
    """Keeps signal handlers as an event loop does, and never calls them by itself."""

    def __init__(self) -> None:
        self.handlers: dict[int, Callable[[], None]] = {}

    def add(self, number: int, handler: Callable[[], None]) -> None:
        self.handlers[number] = handler


def test_a_second_daemon_is_kept_out_with_a_sentence(tmp_path: Path) -> None:
    first, second = StateLock(tmp_path), StateLock(tmp_path)
    first.acquire()
    with pytest.raises(AlreadyRunning, match=str(os.getpid())) as caught:
        second.acquire()

    assert caught.value.exit_code == 75
    assert "--state-dir" in str(caught.value)
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_the_state_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    lock = StateLock(folder)
    lock.acquire()

    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / LOCK_NAME).read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_state_folder_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        StateLock(tmp_path / "file/state").acquire()


def test_a_lock_file_that_cannot_be_opened_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).mkdir()
    with pytest.raises(ConfigError, match="lock file"):
        StateLock(tmp_path).acquire()


def test_a_state_folder_that_cannot_be_written_is_a_config_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the lock file of an earlier run could still be opened."""
    asked: list[int] = []

    def access(_path: object, mode: int) -> bool:  # root may write everywhere
        asked.append(mode)
        return False

    monkeypatch.setattr(os, "access", access)
    with pytest.raises(ConfigError, match="we may not write there; give this one"):
        StateLock(tmp_path).acquire()

    assert asked == [os.W_OK | os.X_OK]


class Wishes:
    """What the signals made of themselves."""

    def __init__(self) -> None:
        self.said: list[str] = []
        loop = FakeLoop()
        self.signals = watch_signals(
            loop.add,
            lambda: self.said.append("drain"),
            lambda: self.said.append("now"),
            lambda: self.said.append("reload"),
        )
        self.handlers = loop.handlers


def test_the_first_signal_drains_and_the_second_stops_now() -> None:
    wishes = Wishes()

    assert set(wishes.handlers) == {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    wishes.handlers[signal.SIGTERM]()
    assert wishes.said == ["drain"]
    wishes.handlers[signal.SIGINT]()
    assert wishes.said == ["drain", "now"]
    assert wishes.signals.received == 2


def test_a_hangup_reloads_each_time() -> None:
    wishes = Wishes()
    for _ in range(3):
        wishes.handlers[signal.SIGHUP]()

    assert wishes.said == ["reload"] * 3
    assert wishes.signals.received == 0


def on_a_terminal_that_closes(act: Callable[[], list[str]]) -> tuple[list[str], int]:
    """What ``act`` says in a process whose terminal is closed while it runs.

    Also the number of the signal that ended it, 0 for none.
    """
    reader, writer = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        os.close(reader)
        os.write(writer, msgspec.json.encode(act()))
        os._exit(0)
    os.close(writer)
    os.read(terminal, 1)  # it is ready
    os.close(terminal)
    said = msgspec.json.decode(os.read(reader, 4096) or b"[]", type=list[str])
    os.close(reader)
    return said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def wishes_after_a_hangup() -> list[str]:
    wishes = Wishes()
    received = False

    def on_hangup(*_: object) -> None:
        nonlocal received
        received = True

    signal.signal(signal.SIGHUP, on_hangup)
    os.write(1, b".")
    for _ in range(500):
        if received:
            break
        signal.sigtimedwait([], 0.01)
    wishes.handlers[signal.SIGHUP]()
    return wishes.said


def under_nohup() -> list[str]:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return wishes_after_a_hangup()


def test_a_terminal_that_is_closed_drains() -> None:
    assert on_a_terminal_that_closes(wishes_after_a_hangup) == (["drain"], 0)


def test_a_closed_terminal_does_not_stop_what_nohup_protects() -> None:
    assert on_a_terminal_that_closes(under_nohup) == (["reload"], 0)
