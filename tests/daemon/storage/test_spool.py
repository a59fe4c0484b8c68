"""The spool: what was appended is there, whatever happened in between."""

import errno
import fcntl
import os
import resource
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from actors.messages.routing import RequestRecord
from daemon.storage.batches import Batch, Entry, Place, read_batch, set_aside
from daemon.storage.records import encode_record, frame
from daemon.storage.spool import Spool
from tests.support.records import record

RECORD = len(encode_record(record(1)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    made = Spool(folder)
    yield made
    made.close()


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    """Make this process's files end at a size: a short write, then EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def batches(spool: Spool, limit: int = 100) -> Iterator[Batch]:
    """Fold everything."""
    spool.roll()
    while (place := spool.next_place()) is not None:
        batch = read_batch(place, limit)
        if batch is None:
            spool.skip(place)
            continue
        yield batch
        spool.done(batch)


def folded(spool: Spool, limit: int = 100) -> list[str]:
    return ids(entry for batch in batches(spool, limit) for entry in batch.entries)


def ids(entries: Iterable[Entry]) -> list[str]:
    return [each.request_id for each in requests(entries)]


def requests(entries: Iterable[Entry]) -> list[RequestRecord]:
    return [e.record for e in entries if isinstance(e.record, RequestRecord)]


def segments(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.spool"))


def test_records_come_back_in_order_and_their_segment_goes(
    spool: Spool, folder: Path
) -> None:
    for number in range(10):
        spool.append(record(number))

    assert folded(spool, limit=3) == [f"r{number}" for number in range(10)]
    assert segments(folder) == []
    assert spool.pending_bytes == 0


def test_a_record_is_in_the_file_when_append_returns(
    spool: Spool, folder: Path
) -> None:
    spool.append(record(1))

    assert (folder / segments(folder)[0]).read_bytes() == encode_record(record(1))


def test_a_new_process_finds_what_the_last_one_left(spool: Spool, folder: Path) -> None:
    spool.append(record(1))
    spool.close()
    second = Spool(folder)
    second.append(record(2))

    assert len(segments(folder)) == 2
    assert folded(second) == ["r1", "r2"]


def test_what_is_not_done_is_read_again_by_the_next_process(
    spool: Spool, folder: Path
) -> None:
    for number in range(4):
        spool.append(record(number))
    spool.roll()
    place = spool.next_place()
    assert place is not None
    batch = read_batch(place, 2)
    assert batch is not None
    spool.done(batch)

    assert folded(Spool(folder)) == ["r0", "r1", "r2", "r3"]
    assert folded(spool) == []  # somebody else was faster


def test_segments_end_at_their_size(folder: Path) -> None:
    spool = Spool(folder, segment_bytes=2 * RECORD)
    for number in range(5):
        spool.append(record(number))

    assert len(segments(folder)) == 3
    assert folded(spool) == ["r0", "r1", "r2", "r3", "r4"]


def test_sync_writes_the_same(folder: Path) -> None:
    spool = Spool(folder, sync=True)
    spool.append(record(1))

    assert folded(spool) == ["r1"]


def test_a_failing_sync_is_told_and_ends_the_segment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(folder, sync=True)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output"):
            spool.append(record(1))
    spool.append(record(2))

    assert len(segments(folder)) == 2
    assert folded(spool) == ["r1", "r2"]


def test_a_short_write_is_taken_back_and_the_next_append_works(
    spool: Spool, folder: Path, file_size_limit: Callable[[int], None]
) -> None:
    spool.append(record(1))
    file_size_limit(RECORD + 10)
    with pytest.raises(OSError, match="only 10 of"):
        spool.append(record(2))
    file_size_limit(resource.RLIM_INFINITY)
    spool.append(record(3))

    assert (folder / segments(folder)[0]).stat().st_size == RECORD
    assert folded(spool) == ["r1", "r3"]


def test_a_short_write_that_cannot_be_taken_back_is_a_torn_tail(
    spool: Spool,
    folder: Path,
    file_size_limit: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    spool.append(record(1))
    file_size_limit(RECORD + 10)
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", fail)
        with pytest.raises(OSError, match="only 10 of"):
            spool.append(record(2))
    file_size_limit(resource.RLIM_INFINITY)
    spool.append(record(3))
    found = list(batches(spool))

    assert ids(e for b in found for e in b.entries) == ["r1", "r3"]
    assert sum(batch.damaged for batch in found) == 0


def test_a_write_that_fails_is_told_once_and_its_end_too(
    folder: Path, file_size_limit: Callable[[int], None]
) -> None:
    told: list[str | None] = []
    spool = Spool(
        folder, on_trouble=lambda error: told.append(error.strerror if error else None)
    )
    spool.append(record(0))
    file_size_limit(0)
    for number in range(3):
        with pytest.raises(OSError, match="File too large"):
            spool.append(record(number))
    file_size_limit(resource.RLIM_INFINITY)
    spool.append(record(9))
    spool.append(record(10))

    assert told == ["File too large", None]
    assert spool.failed == 3
    assert folded(spool) == ["r0", "r9", "r10"]


def test_a_folder_that_cannot_be_used_is_told_and_used_when_it_can(
    folder: Path,
) -> None:
    folder.write_text("in the way")
    spool = Spool(folder)
    with pytest.raises(OSError, match="exists"):
        spool.append(record(1))
    folder.unlink()
    spool.append(record(2))

    assert folded(spool) == ["r2"]


def test_a_spool_that_nobody_folds_stays_bounded(folder: Path) -> None:
    spool = Spool(folder, max_bytes=3 * RECORD, segment_bytes=RECORD)
    for number in range(3):
        spool.append(record(number))
    with pytest.raises(OSError, match="not folded yet"):
        spool.append(record(3))

    assert folded(spool) == ["r0", "r1", "r2"]
    spool.append(record(4))


def test_old_bytes_count_against_the_bound_after_a_restart(
    spool: Spool, folder: Path
) -> None:
    spool.append(record(1))
    spool.close()

    assert Spool(folder).pending_bytes == RECORD


def test_another_process_leaves_the_live_segment_alone(
    spool: Spool, folder: Path
) -> None:
    spool.append(record(1))
    other = Spool(folder)

    assert folded(other) == []
    other.append(record(2))  # does not collide with the first one's number
    assert folded(spool) == ["r1"]
    assert folded(other) == ["r2"]


def test_a_segment_that_somebody_locked_or_removed_first_is_not_used(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [BlockingIOError]
    lock = fcntl.flock

    def flock(fd: int, operation: int) -> None:
        if refusals:
            raise refusals.pop()
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    spool.append(record(1))

    assert folded(spool) == ["r1"]


def test_damage_in_the_middle_is_counted_and_set_aside(
    spool: Spool, folder: Path
) -> None:
    for number in range(3):
        spool.append(record(number))
    spool.close()
    path = folder / segments(folder)[0]
    data = bytearray(path.read_bytes())
    data[RECORD + 20] ^= 0xFF
    path.write_bytes(data)
    second = Spool(folder)
    found = list(batches(second))

    assert ids(e for b in found for e in b.entries) == ["r0", "r2"]
    assert sum(batch.damaged for batch in found) == 1
    (aside,) = (folder / "damaged").iterdir()
    assert aside.read_bytes() == data[RECORD : 2 * RECORD]


def test_a_record_of_another_shape_is_set_aside(spool: Spool, folder: Path) -> None:
    spool.append(record(1))
    spool.close()
    with (folder / segments(folder)[0]).open("ab") as file:
        file.write(frame(b"\x81\xa1a\x01"))
    found = list(batches(Spool(folder)))

    assert [len(batch.entries) for batch in found] == [1]
    assert sum(batch.damaged for batch in found) == 1


def test_a_torn_tail_is_no_damage(spool: Spool, folder: Path) -> None:
    spool.append(record(1))
    spool.close()
    with (folder / segments(folder)[0]).open("ab") as file:
        file.write(encode_record(record(2))[:-5])
    found = list(batches(Spool(folder)))

    assert [len(batch.entries) for batch in found] == [1]
    assert sum(batch.damaged for batch in found) == 0


def test_a_segment_that_is_gone_is_damage_and_holds_up_nothing(
    spool: Spool, folder: Path
) -> None:
    spool.append(record(1))
    spool.roll()
    (folder / segments(folder)[0]).unlink()
    spool.append(record(2))
    found = list(batches(spool))

    assert [batch.damaged for batch in found] == [1, 0]
    assert len(found[1].entries) == 1


def test_pieces_that_were_set_aside_stay_bounded(folder: Path) -> None:
    folder.mkdir()
    piece = bytes(20 << 20)
    for number in range(4):
        set_aside(folder / "1.spool", number, piece)
        os.utime(folder / "damaged" / f"1-{number}.bin", (number, number))

    assert sorted(p.name for p in (folder / "damaged").iterdir()) == [
        "1-1.bin",
        "1-2.bin",
        "1-3.bin",
    ]


def test_empty_segments_and_foreign_files_are_no_trouble(folder: Path) -> None:
    folder.mkdir()
    (folder / "0000000000000007.spool").touch()
    (folder / "notes.spool").write_text("mine")
    spool = Spool(folder)
    spool.append(record(1))

    assert folded(spool) == ["r1"]
    assert segments(folder) == ["notes.spool"]


def test_done_forgets_only_the_segment_that_was_read(spool: Spool) -> None:
    spool.append(record(1))
    spool.roll()
    spool.done(Batch(Place(Path("other"), 0), (), 0, last=True))

    assert folded(spool) == ["r1"]


def test_what_is_remembered_is_what_is_on_disk(spool: Spool) -> None:
    for number in range(5):
        spool.append(record(number))
    spool.roll()
    place = spool.next_place()
    assert place is not None
    remembered = read_batch(place, 3)
    read = read_batch(Place(place.path, place.offset), 3)

    assert place.entries is not None
    assert remembered is not None
    assert read is not None
    assert (remembered.entries, remembered.end) == (read.entries, read.end)
    spool.done(remembered)
    following = spool.next_place()
    assert following is not None
    rest = read_batch(following, 3)
    assert rest is not None
    assert ids(rest.entries) == ["r3", "r4"]
    assert rest.last


def test_a_record_written_approximately_is_read_back(spool: Spool) -> None:
    spool.append(record(1))
    spool.append(record(2, user="half \ud800 of a pair"))
    spool.roll()
    place = spool.next_place()
    assert place is not None
    batch = read_batch(place, 10)

    assert place.entries is None
    assert batch is not None
    assert [each.user for each in requests(batch.entries)] == [
        "ada",
        "half ? of a pair",
    ]


def test_no_more_is_remembered_than_is_good(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.storage.spool.REMEMBERED", 2)
    remembered: list[bool] = []
    for count in (2, 3):
        for number in range(count):
            spool.append(record(number))
        spool.roll()
        place = spool.next_place()
        assert place is not None
        remembered.append(place.entries is not None)
        batch = read_batch(place, 10)
        assert batch is not None
        spool.done(batch)

    assert remembered == [True, False]


def test_what_waits_behind_others_is_not_remembered(spool: Spool) -> None:
    for number in range(2):
        spool.append(record(number))
        spool.roll()
    first = spool.next_place()
    assert first is not None
    batch = read_batch(first, 10)
    assert batch is not None
    spool.done(batch)
    second = spool.next_place()

    assert first.entries is not None
    assert second is not None
    assert second.entries is None


def test_after_a_failed_sync_the_segment_is_read_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record may well be in there, though nobody was promised that."""

    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    spool = Spool(folder, sync=True)
    spool.append(record(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(OSError, match="Input/output"):
            spool.append(record(2))

    assert folded(spool) == ["r1", "r2"]
