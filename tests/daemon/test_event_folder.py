"""Events that come as files."""

import os
from pathlib import Path

import pytest

from actors.errors import InvalidRequest, QueueUnavailable
from daemon.event_folder import GROWING_S, MAX_BYTES, EventFolder
from ipc.events import PublishParams, PublishResult


class Desk:
    def __init__(self) -> None:
        self.got: list[PublishParams] = []
        self.away = False
        self.error: Exception | None = None

    async def publish(self, told: PublishParams) -> PublishResult:
        if self.away:
            raise QueueUnavailable("away")
        if self.error is not None:
            raise self.error
        self.got.append(told)
        return PublishResult(id=told.id or "", task_id="T1")


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def folder(tmp_path: Path, desk: Desk) -> EventFolder:
    return EventFolder(tmp_path, desk.publish, lambda: 1000.0)


def put(folder: Path, name: str, data: str | bytes, *, age_s: float = 60.0) -> None:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    os.utime(path, (1000.0 - age_s, 1000.0 - age_s))


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_file())


async def test_files_are_taken_in_order(
    tmp_path: Path, desk: Desk, folder: EventFolder
) -> None:
    put(tmp_path, "2.json", '{"name": "b", "id": "own"}')
    put(tmp_path, "1.json", '{"name": "a", "title": "x"}')

    assert await folder.look() == 2
    assert desk.got == [
        PublishParams(name="a", title="x", id="1.json"),
        PublishParams(name="b", id="own"),
    ]
    assert files(tmp_path) == []
    assert files(tmp_path / "done") == ["1.json", "2.json"]
    assert await folder.look() == 0


async def test_other_files_are_left_alone(
    tmp_path: Path, desk: Desk, folder: EventFolder
) -> None:
    put(tmp_path, ".hidden.json", '{"name": "a"}')
    put(tmp_path, "note.txt", "x")
    (tmp_path / "link.json").symlink_to("/etc/hostname")
    (tmp_path / "folder.json").mkdir()

    assert await folder.look() == 0
    assert desk.got == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "params"),
        ("{}", "name"),
        ('{"name": "a", "other": 1}', '"other" is no param'),
        (b"x" * (MAX_BYTES + 1), "longer than"),
    ],
)
async def test_what_is_no_event_fails_with_a_note(
    tmp_path: Path, desk: Desk, folder: EventFolder, data: str | bytes, why: str
) -> None:
    put(tmp_path, "a.json", data)

    assert await folder.look() == 1
    assert files(tmp_path / "failed") == ["a.json", "a.json.why"]
    assert why in (tmp_path / "failed" / "a.json.why").read_text()
    assert desk.got == []


async def test_one_that_is_being_written_is_waited_for(
    tmp_path: Path, desk: Desk, folder: EventFolder
) -> None:
    put(tmp_path, "a.json", '{"name":', age_s=GROWING_S / 2)
    assert await folder.look() == 0

    put(tmp_path, "a.json", '{"name": "a"}', age_s=0.0)
    assert await folder.look() == 1
    assert [told.name for told in desk.got] == ["a"]


async def test_they_stay_while_nothing_can_be_kept(
    tmp_path: Path, desk: Desk, folder: EventFolder
) -> None:
    put(tmp_path, "a.json", '{"name": "a"}')
    desk.away = True
    assert await folder.look() == 0
    assert files(tmp_path) == ["a.json"]

    desk.away = False
    assert await folder.look() == 1


async def test_a_folder_that_is_not_there(tmp_path: Path, desk: Desk) -> None:
    folder = EventFolder(tmp_path / "none", desk.publish, lambda: 0.0)
    assert await folder.look() == 0


async def test_a_name_that_is_no_utf_8_is_an_id_all_the_same(
    tmp_path: Path, desk: Desk, folder: EventFolder
) -> None:
    put(tmp_path, os.fsdecode(b"\xfe.json"), '{"name": "a"}')
    put(tmp_path, os.fsdecode(b"\xff.json"), "[]")

    assert await folder.look() == 2
    assert [told.id for told in desk.got] == ["\\udcfe.json"]
    assert len(files(tmp_path / "failed")) == 2


async def test_long_names_are_different_ids(
    tmp_path: Path, desk: Desk, folder: EventFolder
) -> None:
    for end in "12":
        put(tmp_path, "a" * 240 + f"{end}.json", '{"name": "a"}')

    assert await folder.look() == 2
    assert [len(told.id or "") for told in desk.got] == [200] * 2
    assert desk.got[0].id != desk.got[1].id


@pytest.mark.parametrize(
    ("error", "why"),
    [(InvalidRequest("a is wrong"), "a is wrong"), (OverflowError("x"), "our bug")],
)
async def test_what_cannot_be_kept_holds_nobody_up(
    tmp_path: Path, desk: Desk, folder: EventFolder, error: Exception, why: str
) -> None:
    put(tmp_path, "a.json", '{"name": "a"}')
    desk.error = error
    assert await folder.look() == 1
    assert why in (tmp_path / "failed" / "a.json.why").read_text()


async def test_one_that_cannot_be_moved_holds_nobody_up(
    tmp_path: Path, desk: Desk, folder: EventFolder
) -> None:
    (tmp_path / "done" / "a.json").mkdir(parents=True)
    for name in "ab":
        put(tmp_path, f"{name}.json", f'{{"name": "{name}"}}')

    assert await folder.look() == 1
    assert files(tmp_path) == ["a.json"]
    assert [told.name for told in desk.got] == ["a", "b"]
