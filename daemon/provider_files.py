"""``providers.d``: files that add providers, and what has changed in them since.

The folders are listed and the files told apart by time, size and inode, so that an
atomic rename is seen and nothing is read twice. A file counts when it is right in itself
and fits to the configuration and the files before it; else what it said before stays in
force, and ``findings`` says why.
"""

import os
import stat
from collections.abc import Container, Mapping
from pathlib import Path

from msgspec import Struct

from actors.messages.lifecycle import Finding
from daemon.config import ServeOptions, Settings
from daemon.config_load import ProviderFile, provider_file, read_toml, settings_from
from daemon.credentials import (
    Credential,
    KeyFinder,
    Resolved,
    left_out,
    resolve,
    with_usable,
)
from daemon.exits import ConfigError, Problem
from daemon.key_names import needs_key
from daemon.paths import config_file, provider_folders

Signature = tuple[int, int, int]


class Accepted(Struct, frozen=True):
    """A file in force, the keys of its providers, and sentences for the log."""

    file: ProviderFile
    credentials: dict[str, Credential]
    warnings: tuple[str, ...]


class Refused(Struct, frozen=True):
    """A file, or a folder, that cannot be used as it is."""

    error: ConfigError

    @property
    def sentence(self) -> str:
        """Everything that is wrong, on one line."""
        problems = [problem.sentence() for problem in self.error.problems]
        return "; ".join(problems) or self.error.message


class ProviderFiles:
    """The configuration file, read once, and the files of ``providers.d`` as they are.

    Raises:
        ConfigError: The configuration itself is wrong.
    """

    def __init__(
        self,
        flags: ServeOptions,
        *,
        environ: Mapping[str, str],
        cwd: Path,
        simulate: bool = False,
    ) -> None:
        self._flags = flags
        self._environ = environ
        self._cwd = cwd
        self._simulate = simulate
        self._path = config_file(flags.config, environ)
        self._data = {} if self._path is None else read_toml(self._path)
        self._folders = provider_folders(self._path, environ)
        self._open_ended = any(map(os.path.isdir, self._folders))
        self._signatures: dict[Path, Signature] = {}
        self._accepted: dict[Path, Accepted] = {}
        self._keys: dict[str, Credential] = {}
        self._left_out: tuple[str, ...] = ()
        self._wrong: dict[Path, Refused] = {}
        self._unreadable: dict[Path, Refused] = {}
        self._compose({})

    # ---- looking

    def look(self) -> bool:
        """List the folders and read what has changed; whether anything has.

        What was refused, or lacks a key, is tried again each time: what is missing may
        have come.
        """
        before = dict(self._accepted), self.refused
        found, unreadable = self._listed()
        for path in tuple(self._signatures):
            if path not in found and path.parent not in unreadable:
                self._forget(path)
        changed = {p for p, seen in found.items() if self._signatures.get(p) != seen}
        self._signatures |= found
        self._unreadable = unreadable
        waiting = {p for p, each in self._accepted.items() if self._lacks_key(each)}
        self._take(changed | waiting | set(self._wrong))
        return before != (self._accepted, self.refused)

    def _listed(self) -> tuple[dict[Path, Signature], dict[Path, Refused]]:
        found: dict[Path, Signature] = {}
        unreadable: dict[Path, Refused] = {}
        for folder in self._folders:
            try:
                names = sorted(os.listdir(folder))  # noqa: PTH208 - names only
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                text = f"the folder cannot be read: {error.strerror}"
                known = self._unreadable.get(folder)
                unreadable[folder] = known or Refused(ConfigError(text))
                continue
            for name in filter(_counts, names):
                seen = _signature(folder / name)
                if seen is not None:
                    found[folder / name] = seen
        return found, unreadable

    def _lacks_key(self, accepted: Accepted) -> bool:
        return not set(self._left_out).isdisjoint(accepted.credentials)

    def _forget(self, path: Path) -> None:
        del self._signatures[path]
        self._accepted.pop(path, None)
        self._wrong.pop(path, None)

    def _take(self, paths: set[Path]) -> None:
        """Read these; again, as long as one that is taken may make room for another."""
        pending = sorted(paths, key=self._order)
        while pending:
            left = [path for path in pending if not self._took(path)]
            if len(left) == len(pending):
                return
            pending = left

    def _took(self, path: Path) -> bool:
        try:
            self._accepted[path] = self._checked(path)
        except ConfigError as error:
            known = self._wrong.get(path)
            if known is None or known.error.message != error.message:
                self._wrong[path] = Refused(error)
            return False
        self._wrong.pop(path, None)
        return True

    def _checked(self, path: Path) -> Accepted:
        """Read a file and try it beside everything else that is in force."""
        file = provider_file(path, environ=self._environ)
        others = {p: each for p, each in self._accepted.items() if p != path}
        if problems := self._taken_names(file, others):
            raise ConfigError(f"{path} cannot be used:", tuple(problems))
        settings = self._compose({**others, path: Accepted(file, {}, ())})
        finder = KeyFinder(self._environ, self._cwd)
        credentials = {
            name: Credential(name) if self._simulate else finder.find(name, provider)
            for name, provider in settings.config.enabled_providers.items()
            if name in file.providers
        }
        return Accepted(file, credentials, tuple(finder.warnings))

    def _taken_names(
        self, file: ProviderFile, others: Mapping[Path, Accepted]
    ) -> list[Problem]:
        providers = self._data.get("providers")
        own = providers if isinstance(providers, dict) else {}
        owners: dict[str, Path | None] = dict.fromkeys(own, self._path)
        for path, each in others.items():
            owners |= dict.fromkeys(each.file.providers, path)
        return [
            Problem(
                f"providers.{name}",
                f'"{name}"',
                f"wanted a name that is not configured already, in {owners[name]}",
            )
            for name in file.providers
            if name in owners
        ]

    def _order(self, path: Path) -> tuple[int, str]:
        return self._folders.index(path.parent), path.name

    # ---- telling

    @property
    def refused(self) -> dict[Path, Refused]:
        """The files and folders that cannot be used as they are."""
        return {**self._unreadable, **self._wrong}

    def settings(self) -> Settings:
        """The configuration with every file that is in force."""
        return self._compose(self._accepted)

    def _compose(self, accepted: Mapping[Path, Accepted]) -> Settings:
        files = [accepted[path].file for path in sorted(accepted, key=self._order)]
        return settings_from(
            self._data,
            flags=self._flags,
            environ=self._environ,
            path=self._path,
            files=files if self._open_ended or self._signatures else None,
        )

    def resolve(self) -> Resolved:
        """At start: the providers that are on, and their keys.

        Raises:
            ConfigError: As ``credentials.resolve``; it names the files refused, too.
        """
        settings = self.settings()
        try:
            resolved = resolve(
                settings,
                environ=self._environ,
                cwd=self._cwd,
                simulate=self._simulate,
            )
        except ConfigError as error:
            self.raise_refused(error)
            raise
        self._keys = {
            name: key
            for name, key in resolved.credentials.items()
            if name not in settings.added
        }
        self._open_ended = True
        self._note_left_out(settings, resolved.credentials)
        return resolved

    def resolve_again(self) -> Resolved:
        """While running: as ``resolve``, but the others' keys are not looked for anew.

        Nobody has to be left.
        """
        settings = self.settings()
        providers = settings.config.enabled_providers
        keys = self._keys | {
            name: key
            for each in self._accepted.values()
            for name, key in each.credentials.items()
        }
        usable = {
            name: key
            for name, key in keys.items()
            if name in providers
            and (key.secret or self._simulate or not needs_key(providers[name]))
        }
        self._note_left_out(settings, usable)
        warnings = [line for each in self._accepted.values() for line in each.warnings]
        warnings += [left_out(name, providers[name]) for name in self._left_out]
        return Resolved(
            settings=with_usable(settings, usable),
            credentials=usable,
            warnings=tuple(warnings),
        )

    def _note_left_out(self, settings: Settings, usable: Container[str]) -> None:
        self._left_out = tuple(
            name
            for name in settings.config.enabled_providers
            if name in settings.added and name not in usable
        )

    def raise_refused(self, first: ConfigError | None = None) -> None:
        """Raise one error about every file that is refused, if any is."""
        lines = [f"{path}: {each.sentence}" for path, each in self.refused.items()]
        if lines:
            said = [first.message] if first else []
            raise ConfigError("\n".join([*said, *lines]))

    def findings(self) -> tuple[Finding, ...]:
        """``provider_file_refused`` and ``provider_left_out``."""
        refused = (
            Finding(
                code="provider_file_refused",
                values={"path": path, "error": each.sentence},
                subject=str(path),
            )
            for path, each in self.refused.items()
        )
        left = (
            Finding(code="provider_left_out", provider=name) for name in self._left_out
        )
        return (*refused, *left)


def load_all(flags: ServeOptions, *, environ: Mapping[str, str], cwd: Path) -> Settings:
    """The configuration and every file of ``providers.d``, strictly.

    Raises:
        ConfigError: One of them is wrong.
    """
    files = ProviderFiles(flags, environ=environ, cwd=cwd, simulate=True)
    files.look()
    files.raise_refused()
    return files.settings()


def _counts(name: str) -> bool:
    return name.endswith(".toml") and not name.startswith(".")


def _signature(path: Path) -> Signature | None:
    try:
        seen = path.stat()
    except OSError:
        return None  # gone meanwhile, or a link to nothing
    if not stat.S_ISREG(seen.st_mode):
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
