"""Where things are: configuration, state folder, socket. Searched in a stated order."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from daemon.exits import ConfigError

CONFIG_NAME = "gitbridge.toml"
PROVIDERS_NAME = "providers.d"
SOCKET_NAME = "gitbridge.sock"
RUN_FOLDER = Path("/run/gitbridge")
SYSTEM_CONFIG = Path("/etc/gitbridge") / CONFIG_NAME


def config_file(flag: str | None, environ: Mapping[str, str]) -> Path | None:
    """``--config``, ``$GITBRIDGE_CONFIG``, ``$CONFIGURATION_DIRECTORY``, /etc, home.

    ``None`` where there is none, which is fine unless somebody named one.

    Raises:
        ConfigError: The flag or ``$GITBRIDGE_CONFIG`` names a file that is not there.
    """
    for named, source in (
        (flag, "--config"),
        (environ.get("GITBRIDGE_CONFIG"), "$GITBRIDGE_CONFIG"),
    ):
        if named:
            path = Path(named).expanduser()
            if not path.exists():
                raise ConfigError(f"there is no configuration {path} ({source})")
            return path
    folders = _folders(environ.get("CONFIGURATION_DIRECTORY"))
    places = [folder / CONFIG_NAME for folder in folders]
    places += [SYSTEM_CONFIG, home(environ) / ".config/gitbridge" / CONFIG_NAME]
    return next((path for path in places if _is_file(path)), None)


def provider_folders(config: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """``providers.d`` beside the configuration file, then the system's.

    Where there is no file, beside the places where one is looked for.
    """
    if config is not None:
        folders = [config.absolute().parent, SYSTEM_CONFIG.parent]
    else:
        folders = _folders(environ.get("CONFIGURATION_DIRECTORY"))
        folders += [SYSTEM_CONFIG.parent, home(environ) / ".config/gitbridge"]
    return [folder / PROVIDERS_NAME for folder in dict.fromkeys(folders)]


def state_folder(flag: str | None, environ: Mapping[str, str]) -> Path:
    """``--state-dir``, ``$GITBRIDGE_STATE_DIR``, ``$STATE_DIRECTORY``, the home's."""
    named = flag or environ.get("GITBRIDGE_STATE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    folders = _folders(environ.get("STATE_DIRECTORY"))
    return folders[0] if folders else home(environ) / ".local/state/gitbridge"


def server_socket(
    flag: str | None, environ: Mapping[str, str], configured: str | None, state: Path
) -> Path:
    """Where the daemon listens: the first named, else the first writable folder's.

    The folder is made where it is missing.
    """
    named = flag or environ.get("GITBRIDGE_SOCKET") or configured
    if named:
        return Path(named).expanduser().absolute()
    for folder in (*_run_folders(environ), state):
        if _is_writable(folder):
            return folder / SOCKET_NAME
    return state / SOCKET_NAME


def client_sockets(
    flag: str | None, environ: Mapping[str, str], configured: str | None, state: Path
) -> list[Path]:
    """Where a client tries, in this order; one path only where it was named."""
    named = flag or environ.get("GITBRIDGE_SOCKET") or configured
    if named:
        return [Path(named).expanduser().absolute()]
    return [folder / SOCKET_NAME for folder in (*_run_folders(environ), state)]


def configured_socket(flag: str | None, environ: Mapping[str, str]) -> str | None:
    """``server.socket`` of the configuration, for clients: the rest is not theirs.

    A file that cannot be read or parsed says nothing here; the daemon complains.
    """
    try:
        path = config_file(flag, environ)
        data = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return None
    server: object = data.get("server")
    socket = server.get("socket") if isinstance(server, dict) else None
    return socket if isinstance(socket, str) and socket else None


def home(environ: Mapping[str, str]) -> Path:
    """The home folder by ``$HOME``, else by the user's entry."""
    named = environ.get("HOME")
    return Path(named) if named else Path("~").expanduser()


def _run_folders(environ: Mapping[str, str]) -> list[Path]:
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


def _is_writable(folder: Path) -> bool:
    """Whether a socket can be made there; makes the folder if its parent allows it."""
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
