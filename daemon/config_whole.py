"""Everything that a start reads, read again, and everything that is wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from actors.errors import ConfigurationRefused, Mistake
from daemon.config import ServeOptions
from daemon.config_load import provider_file
from daemon.credentials import Resolved
from daemon.exits import ConfigError, Problem
from daemon.paths import config_file, provider_folders
from daemon.provider_files import ProviderFiles


def read_whole(
    options: ServeOptions, *, environ: Mapping[str, str], cwd: Path
) -> tuple[ProviderFiles, Resolved]:
    """Everything that a start reads, strictly: file, environment, providers.d, keys.

    Raises:
        ConfigurationRefused: Something is wrong, wherever; it lists all of it.
    """
    simulate = options.simulate
    try:
        files = ProviderFiles(options, environ=environ, cwd=cwd, simulate=simulate)
    except ConfigError as error:
        path = _path(options, environ)
        own = mistakes_of(error, path)
        raise refusal([*own, *_wrong_files(path, environ)]) from None
    files.look()
    wrong = [m for p, each in files.refused.items() for m in mistakes_of(each.error, p)]
    if wrong:
        raise refusal(wrong)
    try:
        return files, files.resolve()
    except ConfigError as error:
        raise refusal(mistakes_of(error, _path(options, environ))) from None


def _path(options: ServeOptions, environ: Mapping[str, str]) -> Path | None:
    try:
        return config_file(options.config, environ)
    except ConfigError:  # it is missing, which the message says
        return None


def _wrong_files(path: Path | None, environ: Mapping[str, str]) -> Iterator[Mistake]:
    """What is wrong in the files of ``providers.d``, each looked at by itself."""
    for folder in provider_folders(path, environ):
        for file in sorted(folder.glob("[!.]*.toml")):
            try:
                provider_file(file, environ=environ)
            except ConfigError as error:
                yield from mistakes_of(error, file)


def refusal(mistakes: Sequence[Mistake]) -> ConfigurationRefused:
    """The error that lists them."""
    count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    lines = [f"the configuration has {count}, nothing has changed:"]
    lines += [f"  {told(each)}" for each in mistakes]
    return ConfigurationRefused("\n".join(lines), tuple(mistakes))


def mistakes_of(error: ConfigError, path: Path | None) -> list[Mistake]:
    """What an error says of this file."""
    file = None if path is None else str(path)
    if not error.problems:
        return [Mistake(file, None, None, error.message)]
    return [_mistake(problem, file) for problem in error.problems]


def _mistake(problem: Problem, file: str | None) -> Mistake:
    elsewhere = problem.origin if problem.origin not in {None, "file"} else None
    return Mistake(
        None if elsewhere else file, problem.key, problem.got, problem.text, elsewhere
    )


def told(mistake: Mistake) -> str:
    """A mistake as one line."""
    where = mistake.file or mistake.origin
    if mistake.key is None:
        text = " ".join(mistake.wanted.split())
        return f"{where}: {text}" if where and where not in text else text
    problem = Problem(mistake.key, mistake.got, mistake.wanted).sentence()
    return f"{where}: {problem}" if where else problem
