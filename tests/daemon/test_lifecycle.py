"""One daemon a state folder; two signals to stop."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

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
    with pytest.raises(ConfigError, match="cannot be made"):
        StateLock(tmp_path / "file/state").acquire()


def test_a_lock_file_that_cannot_be_opened_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).mkdir()
    with pytest.raises(ConfigError, match="lock file"):
        StateLock(tmp_path).acquire()


def test_the_first_signal_drains_and_the_second_stops_now() -> None:
    loop = FakeLoop()
    handlers = loop.handlers
    said: list[str] = []
    signals = watch_signals(
        loop.add, lambda: said.append("drain"), lambda: said.append("now")
    )

    assert set(handlers) == {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    handlers[signal.SIGTERM]()
    assert said == ["drain"]
    handlers[signal.SIGINT]()
    assert said == ["drain", "now"]
    assert signals.received == 2


def test_a_closed_terminal_does_not_stop_what_nohup_protects() -> None:
    loop = FakeLoop()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        watch_signals(loop.add, lambda: None, lambda: None)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert set(loop.handlers) == {signal.SIGTERM, signal.SIGINT}
