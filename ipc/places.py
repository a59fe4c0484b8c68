"""Where configuration, state folder and socket are looked for, in a stated order.

For both ends: the daemon listens at the first of these places that suits it, a client
tries them all.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

CONFIG_NAME = "gitbridge.toml"
SOCKET_NAME = "gitbridge.sock"
RUN_FOLDER = Path("/run/gitbridge")
SYSTEM_CONFIG = Path("/etc/gitbridge") / CONFIG_NAME


def config_folders(environ: Mapping[str, str]) -> list[Path]:
    """``$CONFIGURATION_DIRECTORY``, /etc, home."""
    folders = _folders(environ.get("CONFIGURATION_DIRECTORY"))
    return [*folders, SYSTEM_CONFIG.parent, home(environ) / ".config/gitbridge"]


def found_config(environ: Mapping[str, str]) -> Path | None:
    """The configuration file that is there, if one is and nobody names another."""
    places = (folder / CONFIG_NAME for folder in config_folders(environ))
    return next((path for path in places if _is_file(path)), None)


def state_folder(flag: str | None, environ: Mapping[str, str]) -> Path:
    """``--state-dir``, ``$GITBRIDGE_STATE_DIR``, ``$STATE_DIRECTORY``, the home's."""
    named = flag or environ.get("GITBRIDGE_STATE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    folders = _folders(environ.get("STATE_DIRECTORY"))
    return folders[0] if folders else home(environ) / ".local/state/gitbridge"


def client_sockets(
    flag: str | None, environ: Mapping[str, str], configured: str | None, state: Path
) -> list[Path]:
    """Where a client tries, in this order; one path only where it was named."""
    named = flag or environ.get("GITBRIDGE_SOCKET") or configured
    if named:
        return [Path(named).expanduser().absolute()]
    return [folder / SOCKET_NAME for folder in (*run_folders(environ), state)]


def default_sockets(environ: Mapping[str, str]) -> list[Path]:
    """Where a client without flags tries: ``$GITBRIDGE_SOCKET``, the configuration's
    ``server.socket``, else the system's, the user's and the state folder's.
    """  # noqa: D205 - one sentence
    configured: str | None = None
    if not environ.get("GITBRIDGE_SOCKET"):
        named = environ.get("GITBRIDGE_CONFIG")
        path = Path(named).expanduser() if named else found_config(environ)
        configured = socket_in(path)
    return client_sockets(None, environ, configured, state_folder(None, environ))


def socket_in(config: Path | None) -> str | None:
    """``server.socket`` of a configuration, for clients: the rest is not theirs.

    A file that cannot be read or parsed says nothing here; the daemon complains.
    """
    try:
        data = tomllib.loads(config.read_text(encoding="utf-8")) if config else {}
    except (OSError, ValueError):
        return None
    server: object = data.get("server")
    socket = server.get("socket") if isinstance(server, dict) else None
    return socket if isinstance(socket, str) and socket else None


def home(environ: Mapping[str, str]) -> Path:
    """The home folder by ``$HOME``, else by the user's entry."""
    named = environ.get("HOME")
    return Path(named) if named else Path("~").expanduser()


def run_folders(environ: Mapping[str, str]) -> list[Path]:
    """The system's and the user's folder for sockets."""
    user = environ.get("XDG_RUNTIME_DIR")
    return [RUN_FOLDER, *([Path(user) / "gitbridge"] if user else [])]


def _folders(value: str | None) -> list[Path]:
    """Split a list of folders: systemd joins them with colons."""
    return [Path(part) for part in (value or "").split(":") if part]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
