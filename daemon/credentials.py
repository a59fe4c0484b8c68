"""API keys: where they are looked for, and a type that keeps them out of sight.

First found wins, in this order: the provider's own ``api_key_file``; the environment; a
``.env`` file in the working directory (keys only); systemd credentials; CI secrets. The
source is recorded for the log, the value is never shown.
"""

import stat
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec import Struct
from typing_extensions import override

from daemon.config import ProviderConfig, Settings
from daemon.config_load import with_task_rules
from daemon.dotenv import parse_dotenv
from daemon.exits import ConfigError, Problem
from daemon.key_names import is_key_variable, needs_key, variables_of

MASK = "***"
_KEY_BYTES = 16 * 1024


class Secret:
    """A key that does not show itself: ``str`` and ``repr`` are masked.

    No serialiser takes it: msgspec does not know the type and pickling raises.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the header it belongs in and nowhere else."""
        return self._value

    @override
    def __repr__(self) -> str:
        return f"Secret({MASK})"

    @override
    def __str__(self) -> str:
        return MASK

    @override
    def __format__(self, spec: str) -> str:
        return MASK

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    @override
    def __hash__(self) -> int:
        return hash(self._value)

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not to be serialised")


class Credential(Struct, frozen=True):
    """One provider's key and where it came from; both ``None`` without a key."""

    provider: str
    secret: Secret | None = None
    source: str | None = None


class Resolved(Struct, frozen=True, kw_only=True):
    """The configuration with the providers that are really on, and their keys.

    ``warnings`` are sentences for the log, those of the settings included.
    """

    settings: Settings
    credentials: dict[str, Credential]
    warnings: tuple[str, ...] = ()

    def secrets(self) -> list[str]:
        """Every key, for the redaction of logs."""
        found = (each.secret for each in self.credentials.values())
        return [secret.reveal() for secret in found if secret is not None]


def resolve(
    settings: Settings,
    *,
    environ: Mapping[str, str],
    cwd: Path,
    simulate: bool = False,
) -> Resolved:
    """Find the keys and leave only providers that can be used.

    Where no provider is configured, those built in are on whose key is found. With
    ``simulate`` nobody needs a key and none is looked for. A configured provider
    without its key is left out with a warning.

    Raises:
        ConfigError: No provider is left, or an ``api_key_file`` cannot be read.
    """
    enabled = settings.config.enabled_providers
    if simulate:
        credentials = {name: Credential(name) for name in enabled}
        return Resolved(
            settings=settings, credentials=credentials, warnings=settings.warnings
        )
    finder = KeyFinder(environ, cwd)
    found = _found(enabled, finder)
    usable = {
        name: credential
        for name, credential in found.items()
        if credential.secret is not None or not needs_key(enabled[name])
    }
    missing = [name for name in enabled if name not in usable]
    if not usable:
        raise no_key_error(settings, missing, finder.warnings)
    warnings = [*settings.warnings, *finder.warnings]
    warnings += [
        left_out(name, enabled[name])
        for name in missing
        if name in settings.added or not settings.automatic
    ]
    return Resolved(
        settings=with_usable(settings, usable),
        credentials=usable,
        warnings=tuple(warnings),
    )


def _found(
    enabled: Mapping[str, ProviderConfig], finder: "KeyFinder"
) -> dict[str, Credential]:
    """Everybody's key; raises one error about all key files that cannot be used."""
    found: dict[str, Credential] = {}
    problems: list[Problem] = []
    for name, provider in enabled.items():
        try:
            found[name] = finder.find(name, provider)
        except ConfigError as error:
            problems += error.problems
    if problems:
        what = "a key file" if len(problems) == 1 else f"{len(problems)} key files"
        raise ConfigError(f"{what} cannot be used:", tuple(problems))
    return found


def with_usable(settings: Settings, usable: Container[str]) -> Settings:
    """Built-in providers without a key go, configured ones are switched off."""
    config = settings.config
    providers = {
        name: each if name in usable else msgspec.structs.replace(each, enabled=False)
        for name, each in config.providers.items()
        if name in usable or name in settings.added or not settings.automatic
    }
    changed = msgspec.structs.replace(config, providers=providers)
    return msgspec.structs.replace(
        settings, config=with_task_rules(changed, settings.origins)
    )


def left_out(name: str, provider: ProviderConfig) -> str:
    variables = " or ".join(variables_of(name, provider.server))
    return f"provider {name} is left out: no key found (set {variables})"


def no_key_error(
    settings: Settings, missing: list[str], warnings: Sequence[str] = ()
) -> ConfigError:
    """The sentence of exit 78: which variables, and that there is ``--simulate``.

    ``warnings`` say which keys were found and could not be used.
    """
    if not missing:
        return ConfigError("no provider can be used: none is configured and enabled")
    providers = settings.config.providers
    groups = dict.fromkeys(
        " or ".join(variables_of(name, providers[name].server)) for name in missing
    )
    return ConfigError(
        f"no provider can be used: no API key was found. Set {', '.join(groups)} in the "
        "environment, in a .env file here or as a systemd credential, or try it out "
        "with simulated providers: gitbridge serve --simulate"
        + "".join(f"\n  {warning}" for warning in warnings)
    )


class KeyFinder:
    """Looks through the tiers; reads files at most once. ``warnings`` are sentences."""

    def __init__(self, environ: Mapping[str, str], cwd: Path) -> None:
        self._environ = environ
        self._cwd = cwd
        self._dotenv: dict[str, str] | None = None
        self.warnings: list[str] = []

    def find(self, name: str, provider: ProviderConfig) -> Credential:
        """The first key found for a provider.

        Raises:
            ConfigError: ``api_key_file`` is set and cannot be read or holds no key.
        """
        if provider.api_key_file is not None:
            path = Path(provider.api_key_file)
            secret = self._own_file(f"providers.{name}.api_key_file", path)
            return Credential(name, secret, f"file {path}")
        for value, source in self._places(name, provider.server):
            if value and is_key(value):
                return Credential(name, Secret(value), source)
            if value:
                self.warnings.append(f"the key in {source} is not usable: not one word")
        return Credential(name)

    def _places(self, name: str, server: str) -> Iterator[tuple[str | None, str]]:
        variables = variables_of(name, server)
        for variable in variables:
            yield _stripped(self._environ.get(variable)), f"environment {variable}"
        for variable in variables:
            yield self._from_dotenv(variable), f".env {variable}"
        for each in dict.fromkeys((f"keys_{name}", name, f"keys_{server}", server)):
            yield self._systemd(each)
        for variable in variables:
            secret = f"GITHUB_{variable}"
            yield _stripped(self._environ.get(secret)), f"CI secret {secret}"

    def _own_file(self, key: str, path: Path) -> Secret:
        try:
            value = read_key(path)
        except OSError as error:
            text = f"cannot be read: {error.strerror}"
            problem = Problem(key, str(path), text)
            raise ConfigError("a key file cannot be used:", (problem,)) from None
        if not is_key(value):
            problem = Problem(key, str(path), "wanted a file with one key, one word")
            raise ConfigError("a key file cannot be used:", (problem,))
        self._warn_if_open(path)
        return Secret(value)

    def _from_dotenv(self, variable: str) -> str | None:
        if self._dotenv is None:
            self._dotenv = self._read_dotenv(self._cwd / ".env")
        return self._dotenv.get(variable)

    def _read_dotenv(self, path: Path) -> dict[str, str]:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            self.warnings.append(f"{path} is left out: {error}")
            return {}
        values, skipped = parse_dotenv(text, is_key_variable)
        if values:
            self._warn_if_open(path)
        for number in skipped:
            self.warnings.append(f"{path} line {number} is left out: not NAME=value")
        return values

    def _systemd(self, name: str) -> tuple[str | None, str]:
        folder = self._environ.get("CREDENTIALS_DIRECTORY")
        source = f"systemd credential {name}"
        if not folder:
            return None, source
        try:
            return read_key(Path(folder) / name) or None, source
        except OSError:
            return None, source

    def _warn_if_open(self, path: Path) -> None:
        """A key that every user of the machine can read is not much of a secret."""
        try:
            mode = path.stat().st_mode
        except OSError:
            return
        if mode & stat.S_IROTH:
            self.warnings.append(f"{path} can be read by every user: chmod 600 {path}")


def read_key(path: Path) -> str:
    """The text of a key file without the white space around it.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return file.read(_KEY_BYTES).decode("utf-8", "replace").strip()


def is_key(text: str) -> bool:
    """Whether it can stand in a header: printable ASCII without white space."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _stripped(value: str | None) -> str | None:
    return value.strip() if value else None


def named_secret(
    environ: Mapping[str, str], variable: str, credential: str
) -> str | None:
    """A secret by its variable, or else by its systemd credential."""
    value = environ.get(variable, "").strip()
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if value or not folder:
        return value or None
    try:
        return read_key(Path(folder) / credential) or None
    except OSError:
        return None
