"""Where the units, the configuration and the keys of a service are."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from ipc.places import CONFIG_NAME, SOCKET_NAME, home

Scope = Literal["system", "user"]

SERVICE = "gitbridge.service"
SOCKET = "gitbridge.socket"
GROUP = "gitbridge-users"


class Host(Struct, frozen=True):
    """The machine: whose command this is, and below which folder it changes things."""

    environ: Mapping[str, str]
    uid: int
    root: Path = Path("/")

    @classmethod
    def real(cls, environ: Mapping[str, str]) -> "Host":
        return cls(environ, os.geteuid())


class Layout(Struct, frozen=True, kw_only=True):
    """The paths of one service. ``sysusers`` is ``None`` where no group is needed."""

    scope: Scope
    units: Path
    config: Path
    credentials: Path
    sysusers: Path | None
    socket: Path
    state: str


def layout(scope: Scope, host: Host) -> Layout:
    """Where everything of such a service is."""
    return _system(host) if scope == "system" else _user(host)


def _system(host: Host) -> Layout:
    etc = host.root / "etc"
    return Layout(
        scope="system",
        units=etc / "systemd/system",
        config=etc / "gitbridge" / CONFIG_NAME,
        credentials=etc / "gitbridge/credentials",
        sysusers=etc / "sysusers.d/gitbridge.conf",
        socket=host.root / "run/gitbridge" / SOCKET_NAME,
        state="/var/lib/gitbridge",
    )


def _user(host: Host) -> Layout:
    own = home(host.environ)
    config = Path(host.environ.get("XDG_CONFIG_HOME") or own / ".config")
    run = host.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{host.uid}"
    return Layout(
        scope="user",
        units=config / "systemd/user",
        config=config / "gitbridge" / CONFIG_NAME,
        credentials=config / "gitbridge/credentials",
        sysusers=None,
        socket=Path(run) / "gitbridge" / SOCKET_NAME,
        state=str(own / ".local/state/gitbridge"),
    )
