"""Where things are, in the documented order."""

from pathlib import Path

import pytest

from daemon.paths import (
    client_sockets,
    config_file,
    configured_socket,
    provider_folders,
    server_socket,
    state_folder,
)
from ipc import places


@pytest.fixture(autouse=True)
def no_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine's own /etc and /run are none of these tests' business."""
    monkeypatch.setattr(places, "SYSTEM_CONFIG", tmp_path / "etc/gitbridge.toml")
    monkeypatch.setattr(places, "RUN_FOLDER", tmp_path / "missing/run")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_the_configuration_is_looked_for_in_order(tmp_path: Path) -> None:
    flag = touch(tmp_path / "flag.toml")
    named = touch(tmp_path / "named.toml")
    unit = touch(tmp_path / "unit/gitbridge.toml")
    system = touch(tmp_path / "etc/gitbridge.toml")
    user = touch(tmp_path / "home/.config/gitbridge/gitbridge.toml")
    environ = {
        "GITBRIDGE_CONFIG": str(named),
        "CONFIGURATION_DIRECTORY": f"{tmp_path}/none:{unit.parent}",
        "HOME": str(tmp_path / "home"),
    }

    assert config_file(str(flag), environ) == flag
    assert config_file(None, environ) == named
    del environ["GITBRIDGE_CONFIG"]
    assert config_file(None, environ) == unit
    del environ["CONFIGURATION_DIRECTORY"]
    assert config_file(None, environ) == system
    system.unlink()
    assert config_file(None, environ) == user
    user.unlink()
    assert config_file(None, environ) is None


def test_provider_files_are_beside_the_configuration_and_the_systems(
    tmp_path: Path,
) -> None:
    system = tmp_path / "etc/providers.d"
    environ = {"CONFIGURATION_DIRECTORY": "/unit", "HOME": "/h"}

    assert provider_folders(Path("/a/b.toml"), environ) == [
        Path("/a/providers.d"),
        system,
    ]
    assert provider_folders(tmp_path / "etc/gitbridge.toml", environ) == [system]
    assert provider_folders(None, environ) == [
        Path("/unit/providers.d"),
        system,
        Path("/h/.config/gitbridge/providers.d"),
    ]


def test_the_state_folder_is_looked_for_in_order(tmp_path: Path) -> None:
    environ = {
        "GITBRIDGE_STATE_DIR": "/a",
        "STATE_DIRECTORY": "/b:/c",
        "HOME": "/h",
    }

    assert state_folder("/flag", environ) == Path("/flag")
    assert state_folder(None, environ) == Path("/a")
    del environ["GITBRIDGE_STATE_DIR"]
    assert state_folder(None, environ) == Path("/b")
    del environ["STATE_DIRECTORY"]
    assert state_folder(None, environ) == Path("/h/.local/state/gitbridge")


def test_relative_names_are_made_absolute() -> None:
    assert state_folder("here", {}) == Path.cwd() / "here"
    assert server_socket("s", {}, None, Path("/x")) == Path.cwd() / "s"


def test_a_named_socket_is_taken_in_order(tmp_path: Path) -> None:
    environ = {"GITBRIDGE_SOCKET": "/env.sock"}

    assert server_socket("/f.sock", environ, "/c.sock", tmp_path) == Path("/f.sock")
    assert server_socket(None, environ, "/c.sock", tmp_path) == Path("/env.sock")
    assert server_socket(None, {}, "/c.sock", tmp_path) == Path("/c.sock")
    assert client_sockets("/f.sock", environ, None, tmp_path) == [Path("/f.sock")]
    assert client_sockets(None, {}, "/c.sock", tmp_path) == [Path("/c.sock")]


def test_the_server_takes_the_first_folder_it_can_write(tmp_path: Path) -> None:
    state = tmp_path / "state"
    runtime = {"XDG_RUNTIME_DIR": str(tmp_path)}

    assert server_socket(None, {}, None, state) == state / "gitbridge.sock"
    assert server_socket(None, runtime, None, state) == (
        tmp_path / "gitbridge/gitbridge.sock"
    )
    (tmp_path / "missing").mkdir()
    assert server_socket(None, runtime, None, state) == (
        tmp_path / "missing/run/gitbridge.sock"
    )


def test_a_state_folder_to_be_made_later_is_the_last_resort(tmp_path: Path) -> None:
    state = tmp_path / "not/yet/there"
    assert server_socket(None, {}, None, state) == state / "gitbridge.sock"


def test_clients_try_the_same_places(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": "/run/user/1"}

    assert client_sockets(None, environ, None, Path("/state")) == [
        tmp_path / "missing/run/gitbridge.sock",
        Path("/run/user/1/gitbridge/gitbridge.sock"),
        Path("/state/gitbridge.sock"),
    ]


@pytest.mark.parametrize(
    ("text", "socket"),
    [
        ('[server]\nsocket = "/s"', "/s"),
        ("[server]\nsocket = 3", None),
        ("server = 3", None),
        ("", None),
        ("[server", None),
    ],
)
def test_clients_read_no_more_than_the_socket(
    text: str, socket: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)

    assert configured_socket(str(path), {}) == socket


def test_without_a_configuration_no_socket_is_configured(tmp_path: Path) -> None:
    assert configured_socket(None, {"HOME": str(tmp_path)}) is None


def test_a_place_that_may_not_be_looked_at_has_no_configuration() -> None:
    assert config_file(None, {"HOME": "/" + "x" * 5000}) is None
