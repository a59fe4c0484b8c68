"""Files are written below their folder, whole, and nowhere else."""

import resource
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from actors.actions.files import path_below, write_below
from actors.errors import ActionFailed, InvalidRequest


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def test_a_path_from_a_template() -> None:
    values = {"repository": "octo-org/hello", "number": "7"}
    parts = path_below("reviews/{repository}/{number}.md", values)

    assert parts == ("reviews", "octo-org_hello", "7.md")


@pytest.mark.parametrize(
    "template", ["", "/etc/passwd", "a//b", "../a", "a/../../b", "a/.", "a/", "a\0b"]
)
def test_paths_that_lead_elsewhere(template: str) -> None:
    with pytest.raises(InvalidRequest, match="does not stay below"):
        path_below(template, {})


@given(st.text(max_size=300))
def test_what_is_filled_in_stays_in_its_segment(value: str) -> None:
    try:
        parts = path_below("a/{title}", {"title": value})
    except InvalidRequest:
        return
    assert len(parts) == 2
    assert "/" not in parts[1]
    assert parts[1] not in {"", ".", ".."}


def test_folders_are_made_and_files_replaced(tmp_path: Path) -> None:
    write_below(str(tmp_path), ("a", "b", "c.md"), b"first", "T1")
    path = write_below(str(tmp_path), ("a", "b", "c.md"), b"second", "T1")

    assert path == str(tmp_path / "a" / "b" / "c.md")
    assert Path(path).read_bytes() == b"second"
    assert names(tmp_path / "a" / "b") == ["c.md"]


def test_what_an_attempt_left_behind_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".T1.part").write_bytes(b"half")
    write_below(str(tmp_path), ("c.md",), b"whole", "T1")

    assert names(tmp_path) == ["c.md"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    (inside / "folder").symlink_to(outside)
    (inside / "file").symlink_to(outside / "kept")

    with pytest.raises((InvalidRequest, ActionFailed)):
        write_below(str(inside), ("folder", "x"), b"new", "T1")
    write_below(str(inside), ("file",), b"new", "T1")

    assert names(outside) == ["kept"]
    assert (outside / "kept").read_bytes() == b"kept"
    assert (inside / "file").read_bytes() == b"new"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="No such file"):
        write_below(str(tmp_path / "none"), ("x",), b"", "T1")


def test_a_disk_that_takes_no_more_may_be_better_later(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(ActionFailed) as caught:
            write_below(str(tmp_path), ("x",), b"more than ten bytes", "T1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert caught.value.retryable
    assert names(tmp_path) == []


def test_a_name_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(InvalidRequest):
        write_below(str(tmp_path), ("x",), b"", "T1")
    assert names(tmp_path) == ["x"]
