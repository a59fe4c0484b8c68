"""``logs/<provider>_usage.jsonl``: one line an attempt, exactly once."""

import errno
import os

import pytest

from actors.messages.chat import Usage
from daemon.storage import usage_log
from daemon.storage.spool import Spool
from daemon.storage.store import Store
from daemon.storage.usage_log import UsageLog, file_name
from tests.support.records import START, attempt, record
from tests.support.stored import Stored

READ_ONLY = OSError(errno.EROFS, "Read-only file system")


async def restart(stored: Stored) -> Stored:
    """The next process."""
    await stored.store.close()
    spool = Spool(stored.folder / "spool")
    stored.spool, stored.store = spool, Store(stored.folder, spool)
    return stored


async def test_a_line_says_what_the_seeds_asked_for(stored: Stored) -> None:
    await stored.fold(record(0))

    assert stored.log().read_bytes() == (
        b'{"timestamp":"2025-10-09T08:53:20.500Z","provider":"openai",'
        b'"model":"gpt-4o","prompt_tokens":10,"completion_tokens":20,'
        b'"total_tokens":30,"cost":0.000125,"cost_source":"table",'
        b'"metadata":{"prompt_length":44,"request_id":"r0","decision_id":"d0",'
        b'"task_type":"code_review","outcome":"ok","simulated":true}}\n'
    )


async def test_each_provider_has_its_own_file(stored: Stored) -> None:
    calls = (
        attempt("a", outcome="timeout", usage=Usage(5, None), cost=None),
        attempt("b", provider="grok", model="grok-3-mini"),
    )
    await stored.fold(record(1, attempts=calls))
    (failed,) = stored.lines("openai")

    assert (failed["cost"], failed["total_tokens"]) == (None, None)
    assert failed["prompt_tokens"] == 5
    assert stored.logged("grok") == ["r1"]


async def test_attempts_that_used_nothing_have_no_line(stored: Stored) -> None:
    calls = (
        attempt("a", outcome="connect", usage=Usage(), cost="0"),
        attempt("b", outcome="connect", usage=Usage(), cost=None),
        attempt("c", usage=Usage(), cost="0.1"),
        attempt("d", usage=Usage(total_tokens=7), cost=None),
    )
    await stored.fold(record(1, attempts=calls))

    assert [line["total_tokens"] for line in stored.lines()] == [None, 7]


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "openai_usage.jsonl"),
        ("../../etc/passwd", "______etc_passwd_usage.jsonl"),
        ("my provider\0", "my_provider__usage.jsonl"),
        ("", "__usage.jsonl"),
        ("x" * 300, "x" * 100 + "_usage.jsonl"),
    ],
    ids=["plain", "path", "nul", "empty", "long"],
)
def test_names_cannot_leave_the_folder(provider: str, name: str) -> None:
    assert file_name(provider) == name


async def test_times_that_cannot_be_are_written_as_the_epoch(stored: Stored) -> None:
    await stored.fold(record(1, attempts=(attempt("a", at=1e300),)))

    assert stored.lines()[0]["timestamp"] == "1970-01-01T00:00:00.000Z"


async def test_many_attempts_come_in_groups(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_log, "_GROUP", 3)
    await stored.fold(*(record(number) for number in range(10)))

    assert stored.logged() == [f"r{number}" for number in range(10)]


async def test_lines_that_a_crash_left_unrecorded_are_written_once(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored.fold(record(1))
    remember = UsageLog._remember

    async def crash(self: UsageLog, marks: object, last: int | None) -> None:
        raise READ_ONLY

    with monkeypatch.context() as patch:
        patch.setattr(UsageLog, "_remember", crash)
        await stored.fold(record(2))
    assert stored.logged() == ["r1", "r2"]
    assert remember is UsageLog._remember
    await (await restart(stored)).fold(record(3))

    assert stored.logged() == ["r1", "r2", "r3"]


async def test_a_crash_in_the_first_export_leaves_no_double(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is known to the database before its first line is written."""
    calls: list[int | None] = []
    remember = UsageLog._remember

    async def crash(self: UsageLog, marks: object, last: int | None) -> None:
        calls.append(last)
        if last is not None:
            raise READ_ONLY
        await remember(self, marks, last)  # type: ignore[arg-type]  # as it came

    with monkeypatch.context() as patch:
        patch.setattr(UsageLog, "_remember", crash)
        await stored.fold(record(1))
    assert calls == [None, 1]
    await (await restart(stored)).fold()

    assert stored.logged() == ["r1"]


async def test_a_torn_line_is_cut_off_at_the_next_start(stored: Stored) -> None:
    await stored.fold(record(1))
    await stored.store.close()
    with stored.log().open("ab") as file:
        file.write(b'{"timestamp":"2025-')
    await (await restart(stored)).fold(record(2))

    assert stored.logged() == ["r1", "r2"]


async def test_a_file_that_was_rotated_away_is_begun_anew(stored: Stored) -> None:
    await stored.fold(record(1))
    stored.log().rename(stored.log().with_suffix(".1"))
    await stored.fold(record(2))
    stored.log().rename(stored.log().with_suffix(".2"))
    await (await restart(stored)).fold(record(3))

    assert stored.logged() == ["r3"]
    assert stored.log().with_suffix(".2").read_bytes().count(b"\n") == 1


async def test_a_file_that_was_copied_and_truncated_goes_on(stored: Stored) -> None:
    await stored.fold(record(1), record(2))
    os.truncate(stored.log(), 0)
    await stored.fold(record(3))

    assert stored.logged() == ["r3"]


async def test_a_foreign_file_in_its_place_is_appended_to(stored: Stored) -> None:
    await stored.fold(record(1))
    old = stored.log().read_bytes()
    stored.log().unlink()
    stored.log().with_suffix(".other").write_bytes(old * 3 + b'{"mine": 1}')
    stored.log().with_suffix(".other").rename(stored.log())
    await (await restart(stored)).fold(record(2))

    assert stored.log().read_bytes().startswith(old * 3 + b'{"mine": 1}\n')
    assert b'"r2"' in stored.log().read_bytes().splitlines()[-1]


async def test_lines_somebody_added_while_we_ran_are_kept(stored: Stored) -> None:
    await stored.fold(record(1))
    with stored.log().open("ab") as file:
        file.write(b'{"mine":1,"metadata":{"request_id":"x"}}\n')
    await stored.fold(record(2))

    assert stored.logged() == ["r1", "x", "r2"]


@pytest.mark.parametrize("step", ["fsync", "write"])
async def test_a_full_disk_leaves_no_half_line_and_loses_none(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await stored.fold(record(1))
    before = stored.log().read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if step == "fsync":
            patch.setattr(stored.store._usage_log, "_sync", True)
            patch.setattr(os, "fdatasync", full)
        else:
            patch.setattr(usage_log, "_extend", full)
        stored.spool.append(record(2))
        folded = await stored.store.fold(10, {})
    assert folded.export_error is not None
    assert "No space" in folded.export_error
    assert stored.log().read_bytes() == before
    await stored.fold()

    assert stored.logged() == ["r1", "r2"]


async def test_a_file_that_changes_under_the_export_is_tried_again(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored.fold(record(1))
    prepare = UsageLog._prepare

    def rotated_meanwhile(self: UsageLog, *arguments: object) -> object:
        marks = prepare(self, *arguments)  # type: ignore[arg-type]  # as they came
        stored.log().unlink()
        return marks

    with monkeypatch.context() as patch:
        patch.setattr(UsageLog, "_prepare", rotated_meanwhile)
        stored.spool.append(record(2))
        assert (await stored.store.fold(10, {})).export_error is not None
    await stored.fold(record(3))

    assert stored.logged() == ["r2", "r3"]


async def test_a_folder_that_cannot_be_made_is_told_and_made_later(
    stored: Stored,
) -> None:
    (stored.folder / "logs").write_text("in the way")
    stored.spool.append(record(1, at=START))
    folded = await stored.store.fold(10, {})
    (stored.folder / "logs").unlink()

    assert folded.export_error is not None
    assert await stored.all_ids() == ["r1"]
    await stored.fold(record(2))
    assert stored.logged() == ["r1", "r2"]


async def test_the_sync_setting_reaches_the_disk(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fdatasync = os.fdatasync

    def watch(fd: int) -> None:
        synced.append(fd)
        fdatasync(fd)

    monkeypatch.setattr(os, "fdatasync", watch)
    store = Store(stored.folder, stored.spool, sync=True)
    stored.spool.append(record(1))
    await store.fold(10, {})
    await store.close()

    assert len(synced) == 1
