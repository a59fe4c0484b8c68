"""Who may listen where: permissions, stale files, second daemons, passed descriptors."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipc.sockets import (
    LONGEST_PATH_BYTES,
    AddressTaken,
    ListenError,
    PassedDescriptor,
    SecondDaemon,
    adopt,
    answers,
    bind_tcp,
    create,
    passed_descriptors,
    take_lock,
)
from tests.support.door import short_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    made = short_folder()
    yield made
    for path in made.iterdir():
        path.unlink()
    made.rmdir()


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_the_mode_is_exact_whatever_the_umask(
    folder: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        listening = create(folder / "s", mode=mode)
    finally:
        os.umask(before)

    assert stat.S_IMODE((folder / "s").stat().st_mode) == mode
    listening.close()


def test_nobody_can_connect_before_it_listens(folder: Path) -> None:
    listening = create(folder / "s")

    assert not answers(str(folder / "s"))
    listening.sock.listen()
    assert answers(str(folder / "s"))
    listening.close()


def test_closing_removes_the_file_and_lets_the_next_daemon_in(folder: Path) -> None:
    create(folder / "s").close()
    assert not (folder / "s").exists()

    again = create(folder / "s")

    assert not again.adopted
    again.close()
    again.close()


def test_a_second_daemon_is_kept_out_by_the_lock(folder: Path) -> None:
    first = create(folder / "s")

    with pytest.raises(SecondDaemon, match=rf"second daemon.*process {os.getpid()}"):
        create(folder / "s")

    assert (folder / "s").exists()
    first.close()


def test_a_stale_file_is_replaced(folder: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(folder / "s"))
    dead.close()

    create(folder / "s").close()


def test_somebody_who_answers_without_a_lock_is_left_alone(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder / "s"))
        other.listen()

        with pytest.raises(SecondDaemon, match="it answers on"):
            create(folder / "s")

        assert (folder / "s").exists()


def test_a_full_backlog_counts_as_somebody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipc.sockets._PROBE_S", 0.01)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder / "s"))
        other.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(str(folder / "s"))

        assert answers(str(folder / "s"))
        for client in waiting:
            client.close()


def test_what_is_no_socket_is_not_removed(folder: Path) -> None:
    (folder / "s").write_text("precious")

    with pytest.raises(ListenError, match="is no socket"):
        create(folder / "s")

    assert (folder / "s").read_text() == "precious"


def test_a_failed_attempt_gives_the_lock_back(folder: Path) -> None:
    (folder / "s").write_text("precious")
    with pytest.raises(ListenError):
        create(folder / "s")
    (folder / "s").unlink()

    create(folder / "s").close()


def test_a_path_that_is_too_long_is_told_with_its_length(folder: Path) -> None:
    path = folder / ("x" * LONGEST_PATH_BYTES)

    with pytest.raises(ListenError, match=f"{len(str(path))} bytes, at most 107"):
        create(path)


def test_the_longest_path_is_possible(folder: Path) -> None:
    path = folder / ("x" * (LONGEST_PATH_BYTES - len(str(folder)) - 1))

    create(path).close()


def test_a_missing_folder_is_told(folder: Path) -> None:
    with pytest.raises(ListenError, match="none is no folder"):
        create(folder / "none" / "s")


def test_a_socket_that_cannot_be_bound_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.chmod", refuse)

    with pytest.raises(ListenError, match="cannot make the socket"):
        create(folder / "s")


def test_a_file_that_is_no_longer_ours_is_left_alone(folder: Path) -> None:
    ours = create(folder / "s")
    (folder / "s").unlink()
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(folder / "s"))

        ours.close()

        assert (folder / "s").exists()


def test_a_file_with_the_number_of_ours_is_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = create(folder / "s")
    number = (folder / "s").stat().st_ino
    (folder / "s").unlink()
    (folder / "s").write_text("precious")  # often gets the number that became free
    real = os.lstat

    def same(path: str) -> os.stat_result:
        found = list(real(path))
        found[stat.ST_INO] = number
        return os.stat_result(found)

    monkeypatch.setattr("os.lstat", same)
    assert ours.lost
    ours.close()
    monkeypatch.undo()

    assert (folder / "s").read_text() == "precious"


def test_the_mode_may_change_later_and_is_that_of_a_restored_file(folder: Path) -> None:
    ours = create(folder / "s", mode=0o660)
    ours.set_mode(0o600)
    assert stat.S_IMODE((folder / "s").stat().st_mode) == 0o600
    (folder / "s").unlink()

    ours.set_mode(0o666)
    assert not (folder / "s").exists()
    ours.restore()

    assert stat.S_IMODE((folder / "s").stat().st_mode) == 0o666
    ours.close()


def test_the_mode_of_an_adopted_socket_is_not_ours_to_change(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as systemd:
        systemd.bind(str(folder / "s"))
        systemd.listen()
        before = (folder / "s").stat().st_mode
        adopted = adopt(os.dup(systemd.fileno()))

        adopted.set_mode(0o600)

        assert (folder / "s").stat().st_mode == before
        adopted.close()


def test_a_socket_whose_file_was_removed_is_restored(folder: Path) -> None:
    ours = create(folder / "s", mode=0o600)
    (folder / "s").unlink()
    assert ours.lost

    ours.restore()
    ours.sock.listen()

    assert stat.S_IMODE((folder / "s").stat().st_mode) == 0o600
    assert answers(str(folder / "s"))
    ours.close()
    assert not (folder / "s").exists()


def test_a_socket_is_not_restored_over_what_somebody_else_put_there(
    folder: Path,
) -> None:
    ours = create(folder / "s")
    (folder / "s").unlink()
    (folder / "s").write_text("precious")

    with pytest.raises(ListenError, match="not removed"):
        ours.restore()
    assert ours.lost

    ours.close()
    assert (folder / "s").read_text() == "precious"


def test_a_withdrawn_socket_refuses_at_once_and_still_keeps_a_second_daemon_out(
    folder: Path,
) -> None:
    ours = create(folder / "s")
    ours.sock.listen()

    ours.withdraw()

    assert not ours.lost
    assert not (folder / "s").exists()
    with pytest.raises(SecondDaemon):
        create(folder / "s")
    ours.close()
    create(folder / "s").close()


def test_closing_survives_a_file_that_is_gone(folder: Path) -> None:
    ours = create(folder / "s")
    (folder / "s").unlink()

    ours.close()


def test_a_lock_is_released_once(folder: Path) -> None:
    lock = take_lock(folder / "l", "the state")
    lock.release()
    lock.release()

    take_lock(folder / "l", "the state").release()


def test_a_lock_says_what_it_is_on(folder: Path) -> None:
    lock = take_lock(folder / "l", "the state folder")
    os.truncate(folder / "l", 0)

    with pytest.raises(
        SecondDaemon, match=r"runs already: .* lock on the state folder"
    ):
        take_lock(folder / "l", "the state folder")
    lock.release()


def test_an_adopted_socket_is_never_removed(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as systemd:
        systemd.bind(str(folder / "s"))
        systemd.listen()

        listening = adopt(os.dup(systemd.fileno()))

        assert listening.adopted
        assert listening.path == str(folder / "s")
        assert not listening.sock.get_inheritable()
        listening.close()
        assert answers(str(folder / "s"))


def test_an_adopted_socket_stays_where_it_is_until_the_end(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(folder / "s"))
        theirs.listen()
        adopted = adopt(os.dup(theirs.fileno()))

        adopted.withdraw()

        assert not adopted.lost
        assert adopted.sock.fileno() >= 0
        assert answers(str(folder / "s"))
        adopted.close()


def test_only_a_listening_unix_socket_is_adopted(folder: Path) -> None:
    file = os.open(folder / "f", os.O_CREAT | os.O_RDWR)
    with pytest.raises(ListenError, match="is no socket"):
        adopt(file)
    os.close(file)

    with (
        socket.socket(socket.AF_UNIX) as idle,
        socket.socket(socket.AF_INET) as internet,
    ):
        internet.bind(("127.0.0.1", 0))
        internet.listen()
        for wrong in (idle, internet):
            with pytest.raises(ListenError, match="no listening Unix socket"):
                adopt(wrong.fileno())


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ()),
        ({"LISTEN_FDS": "1"}, ()),
        ({"LISTEN_FDS": "1", "LISTEN_PID": "8"}, ()),
        ({"LISTEN_FDS": "x", "LISTEN_PID": "7"}, ()),
        ({"LISTEN_FDS": "-2", "LISTEN_PID": "7"}, ()),
        ({"LISTEN_FDS": "1", "LISTEN_PID": "7"}, (PassedDescriptor(3, "unknown"),)),
        (
            {"LISTEN_FDS": "2", "LISTEN_PID": "7", "LISTEN_FDNAMES": "a:b"},
            (PassedDescriptor(3, "a"), PassedDescriptor(4, "b")),
        ),
        (
            {"LISTEN_FDS": "2", "LISTEN_PID": "7", "LISTEN_FDNAMES": ":b"},
            (PassedDescriptor(3, "unknown"), PassedDescriptor(4, "b")),
        ),
    ],
)
def test_passed_descriptors(
    environ: dict[str, str], expected: tuple[PassedDescriptor, ...]
) -> None:
    assert passed_descriptors(environ, 7) == expected


def test_a_tcp_address_in_use_is_told() -> None:
    taken = bind_tcp("127.0.0.1", 0)
    taken.listen()
    port = taken.getsockname()[1]

    with pytest.raises(AddressTaken, match=f"cannot listen on 127.0.0.1:{port}"):
        bind_tcp("127.0.0.1", port)
    taken.close()
