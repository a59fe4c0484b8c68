"""Where the daemon's things are; ``ipc.places`` says in which order they are looked for."""

import os
from collections.abc import Mapping
from pathlib import Path

from daemon.exits import ConfigError
from ipc import places
from ipc.places import client_sockets, state_folder

__all__ = [
    "client_sockets",
    "config_file",
    "configured_socket",
    "provider_folders",
    "server_socket",
    "state_folder",
]

PROVIDERS_NAME = "providers.d"


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
    return places.found_config(environ)


def provider_folders(config: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """``providers.d`` beside the configuration file, then the system's.

    Where there is no file, beside the places where one is looked for.
    """
    if config is not None:
        folders = [config.absolute().parent, places.SYSTEM_CONFIG.parent]
    else:
        folders = places.config_folders(environ)
    return [folder / PROVIDERS_NAME for folder in dict.fromkeys(folders)]


def server_socket(
    flag: str | None, environ: Mapping[str, str], configured: str | None, state: Path
) -> Path:
    """Where the daemon listens: the first named, else the first writable folder's.

    The folder is made where it is missing.
    """
    named = flag or environ.get("GITBRIDGE_SOCKET") or configured
    if named:
        return Path(named).expanduser().absolute()
    for folder in (*places.run_folders(environ), state):
        if _is_writable(folder):
            return folder / places.SOCKET_NAME
    return state / places.SOCKET_NAME


def configured_socket(flag: str | None, environ: Mapping[str, str]) -> str | None:
    """``server.socket`` of the configuration, for clients; see ``places.socket_in``."""
    return places.socket_in(config_file(flag, environ))


def _is_writable(folder: Path) -> bool:
    """Whether a socket can be made there; makes the folder if its parent allows it."""
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
