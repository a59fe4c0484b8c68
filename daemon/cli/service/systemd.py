"""What systemd says: about itself and about our units."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from daemon.cli.connection import CommandFailed
from daemon.cli.service.places import SERVICE, Host, Layout, Scope
from daemon.cli.service.units import program
from daemon.exits import EXIT_NOT_PERMITTED, EXIT_USAGE

OLDEST = 252
ASK_S = 20.0

_SHOWN = (
    *("LoadState", "ActiveState", "SubState", "UnitFileState", "FragmentPath"),
    *("StatusText", "MainPID", "NRestarts", "Result", "ExecMainStatus"),
    *("InvocationID", "NeedDaemonReload"),
)
WHY: Final = {
    78: "its configuration is wrong",
    203: "its program cannot be started: a system service sees no home folder",
    217: "its user could not be made",
    218: "this systemd cannot restrict it so",
    226: "its view of the files could not be made",
    243: "its keys could not be copied: the credentials folder must exist",
}
"""What exit statuses of the service mean, beside those of the daemon systemd's own."""


class Unit(Struct, frozen=True):
    """One unit as ``systemctl show`` has it."""

    name: str
    properties: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.properties.get(name, "")

    @property
    def loaded(self) -> bool:
        return self["LoadState"] == "loaded"

    @property
    def active(self) -> bool:
        """Running; also while it reloads."""
        return self["ActiveState"] in {"active", "reloading"}

    @property
    def failed(self) -> str | None:
        """Why it does not run, if it should; ``None`` when nothing is wrong."""
        result, status = self["Result"], self["ExecMainStatus"]
        if self.active or result in {"", "success"}:
            return None
        if result == "watchdog":
            return "it hung and was ended: where, says the stack in its journal"
        code = int(status) if status.isdecimal() else 0
        why = WHY.get(code, f"it ended ({result})")
        return f"{why}, exit status {code}" if code else why


class Systemd:
    """The service manager of the machine, or the one of the user who asks."""

    def __init__(self, host: Host, scope: Scope) -> None:
        self._environ = dict(host.environ)
        self._host = host
        self.scope = scope
        self.words = ("systemctl", *(("--user",) if scope == "user" else ()))

    def check(self) -> None:
        """Whether it is there, runs, and is new enough.

        Raises:
            CommandFailed: It is not; the message says what instead.
        """
        if shutil.which("systemctl", path=self._environ.get("PATH")) is None:
            raise CommandFailed(f"this machine has no systemctl: {_INSTEAD}")
        if not (self._host.root / "run/systemd/system").is_dir():
            raise CommandFailed(
                "systemd does not run this machine (there is no /run/systemd/system): "
                f"{_INSTEAD}"
            )
        version = self._version()
        if version is not None and version < OLDEST:
            raise CommandFailed(
                f"systemd {version} is too old: {OLDEST} or newer is wanted"
            )
        if self.scope == "user":
            self._check_user()

    def check_rights(self) -> None:
        """Whether the asker may change the machine's services.

        Raises:
            CommandFailed: Only root may.
        """
        if self.scope == "system" and self._host.uid != 0:
            raise CommandFailed(
                f"a system service takes root: 'sudo {' '.join(program())} service ...', "
                "or add --user for a service of your own",
                EXIT_NOT_PERMITTED,
            )

    def _check_user(self) -> None:
        if self._host.uid == 0:
            raise CommandFailed(
                "--user is for the service of the one who types it, and root needs "
                "none: leave out --user, or leave out sudo",
                EXIT_USAGE,
            )
        if not self._environ.get("XDG_RUNTIME_DIR") or self._ask("show-environment")[0]:
            raise CommandFailed(
                "your own systemd does not answer, as after su or sudo: log in as "
                "yourself; without a login, 'loginctl enable-linger' starts it and "
                f"XDG_RUNTIME_DIR=/run/user/{self._host.uid} names it"
            )

    def show(self, name: str, *more: str) -> Unit:
        """One unit's properties; those of a unit that is not there are empty."""
        shown = ",".join((*_SHOWN, *more))
        _, said = self._ask("show", name, f"--property={shown}")
        pairs = (line.partition("=") for line in said.splitlines())
        return Unit(name, {key: value for key, _, value in pairs})

    def last_words(self, unit: Unit, limit: int = 6) -> list[str]:
        """What the service's process wrote last, if the journal may be read."""
        if not unit["InvocationID"]:
            return []
        user = ("--user",) if self.scope == "user" else ()
        match = f"_SYSTEMD_INVOCATION_ID={unit['InvocationID']}"
        words = ("journalctl", *user, "--no-pager", "-q", "-o", "cat", f"-n{limit}")
        code, said = self._run((*words, match))
        return said.splitlines() if code == 0 else []

    def refuse_foreign(self, layout: Layout) -> None:
        """Whether our name is free, or ours.

        Raises:
            CommandFailed: A package or somebody else has put a unit there.
        """
        fragment = self.show(SERVICE)["FragmentPath"]
        if fragment and Path(fragment).parent != layout.units:
            raise CommandFailed(
                f"a package has installed the service already: {fragment}; "
                f"'{' '.join(self.words)} enable --now {SERVICE}' starts it"
            )

    def _version(self) -> int | None:
        _, said = self._run(("systemctl", "--version"))
        words = said.split()
        return int(words[1]) if len(words) > 1 and words[1].isdecimal() else None

    def _ask(self, *words: str) -> tuple[int, str]:
        return self._run((*self.words, *words))

    def _run(self, argv: tuple[str, ...]) -> tuple[int, str]:
        """Exit code and stdout; 1 and nothing when it cannot be asked."""
        try:
            done = subprocess.run(  # noqa: S603 - words of ours, no shell
                argv,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=ASK_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return 1, ""
        return done.returncode, done.stdout


_INSTEAD = (
    "run 'gitbridge serve' under what does, or take the units from "
    "'gitbridge service print'"
)
