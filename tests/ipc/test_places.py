"""Where both ends look for things, in the documented order."""

import os
from pathlib import Path

import pytest

from ipc import places
from ipc.places import default_sockets, found_config, home, socket_in


@pytest.fixture(autouse=True)
def no_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine's own /etc is none of these tests' business."""
    monkeypatch.setattr(places, "SYSTEM_CONFIG", tmp_path / "etc/gitbridge.toml")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"GITBRIDGE_SOCKET": "/a/b", "HOME": "/h"}, ["/a/b"]),
        (
            {"HOME": "/h"},
            [
                "/run/gitbridge/gitbridge.sock",
                "/h/.local/state/gitbridge/gitbridge.sock",
            ],
        ),
        (
            {"XDG_RUNTIME_DIR": "/run/user/7", "STATE_DIRECTORY": "/s:/t"},
            [
                "/run/gitbridge/gitbridge.sock",
                "/run/user/7/gitbridge/gitbridge.sock",
                "/s/gitbridge.sock",
            ],
        ),
        (
            {"GITBRIDGE_STATE_DIR": "/g", "STATE_DIRECTORY": "/s"},
            ["/run/gitbridge/gitbridge.sock", "/g/gitbridge.sock"],
        ),
    ],
)
def test_where_a_daemon_may_listen(
    environ: dict[str, str], expected: list[str]
) -> None:
    assert default_sockets(environ) == [Path(path) for path in expected]


def configure(path: Path, socket: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'[server]\nsocket = "{socket}"\n')
    return path


def test_a_configured_socket_is_the_only_one_tried(tmp_path: Path) -> None:
    configure(tmp_path / "home/.config/gitbridge/gitbridge.toml", "/by/home")
    environ = {"HOME": str(tmp_path / "home")}
    assert default_sockets(environ) == [Path("/by/home")]
    configure(tmp_path / "etc/gitbridge.toml", "/by/system")
    assert default_sockets(environ) == [Path("/by/system")]
    configure(tmp_path / "unit/gitbridge.toml", "/by/unit")
    environ["CONFIGURATION_DIRECTORY"] = str(tmp_path / "unit")
    assert default_sockets(environ) == [Path("/by/unit")]
    named = configure(tmp_path / "named.toml", "/by/name")
    environ["GITBRIDGE_CONFIG"] = str(named)
    assert default_sockets(environ) == [Path("/by/name")]
    environ["GITBRIDGE_SOCKET"] = "/by/itself"

    assert default_sockets(environ) == [Path("/by/itself")]


@pytest.mark.parametrize(
    "text", ["", "server = 3", "[server]\nsocket = 3", "[server]\nsocket = ''", "[x"]
)
def test_a_configuration_that_names_none_says_nothing(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    environ = {"HOME": "/h", "GITBRIDGE_CONFIG": str(path)}

    assert socket_in(path) is None
    assert socket_in(tmp_path / "missing") is None
    assert default_sockets(environ)[-1] == Path(
        "/h/.local/state/gitbridge/gitbridge.sock"
    )


def test_home_is_that_of_the_environment() -> None:
    assert home({"HOME": "/h"}) == Path("/h")
    assert home({}) == Path(os.path.expanduser("~"))  # noqa: PTH111 - the reference


def test_a_place_that_may_not_be_looked_at_has_no_configuration() -> None:
    assert found_config({"HOME": "/" + "x" * 5000}) is None
