"""The steps of installing a service and of taking it away, and what is left to do."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from daemon.cli.connection import CommandFailed
from daemon.cli.service.places import GROUP, SERVICE, SOCKET, Host, Layout
from daemon.cli.service.plan import (
    Step,
    make_folder,
    remove,
    run,
    write,
    write_once,
)
from daemon.cli.service.units import OURS, shipped


def installing(
    words: Sequence[str], layout: Layout, files: Mapping[Path, str], *, now: bool
) -> Iterator[Step]:
    """Group, configuration, keys' folder, units. ``words`` is how systemctl is called.

    Raises:
        CommandFailed: A file of somebody else's is in a unit's place.
    """
    for path in files:
        _refuse_others(path)
    if layout.sysusers is not None:
        yield write(layout.sysusers, shipped("gitbridge.sysusers"))
        yield run("systemd-sysusers", str(layout.sysusers))
    yield write_once(layout.config, shipped("gitbridge.toml"))
    yield make_folder(layout.credentials, 0o700)
    units = [write(path, text) for path, text in files.items()]
    yield from units
    yield run(*words, "daemon-reload")
    yield run(*words, "enable", SOCKET, SERVICE)
    if now:
        # A socket that is listened on stays as it was: then it is made anew.
        anew = [SOCKET] if units[0].action == "write" else []
        yield run(*words, "reset-failed", SERVICE, optional=True)
        # Whether it runs then is looked at, and said better than systemctl does.
        yield run(*words, "restart", *anew, SERVICE, optional=True)


def uninstalling(words: Sequence[str], layout: Layout) -> Iterator[Step]:
    """Stop it and take its units away; nothing where there are none.

    Raises:
        CommandFailed: The units are somebody else's.
    """
    paths = [layout.units / name for name in (SOCKET, SERVICE)]
    there = [path for path in paths if path.exists()]
    for path in there:
        _refuse_others(path)
    if not there:
        return
    names = [path.name for path in there]
    yield run(*words, "disable", "--now", *names)
    yield from (remove(path) for path in there)
    if layout.sysusers is not None and layout.sysusers.exists():
        yield remove(layout.sysusers)
    yield run(*words, "daemon-reload")
    yield run(*words, "reset-failed", *names, optional=True)


def hints(
    words: Sequence[str], layout: Layout, host: Host, *, now: bool
) -> Iterator[str]:
    """What is left for the user to do after an installation."""
    if not _holds_something(layout.credentials):
        key = layout.credentials / "openai"
        yield (
            "put in a key, one file a provider (openai, grok, claude): "
            f"install -m600 /dev/stdin {key}"
        )
    if not now:
        yield f"start it: {' '.join(words)} restart {SERVICE}"
    if layout.scope == "system":
        yield f"let somebody use it: usermod -aG {GROUP} NAME (and a new login)"
    elif not _lingers(host):
        yield "have it run without a login: loginctl enable-linger"


def _refuse_others(path: Path) -> None:
    """What somebody else has written is neither overwritten nor removed."""
    try:
        theirs = not path.read_text(encoding="utf-8").startswith(OURS)
    except (FileNotFoundError, NotADirectoryError):
        theirs = False
    except (OSError, ValueError):
        theirs = True
    if theirs:
        raise CommandFailed(f"{path} is there and not gitbridge's: move it away first")


def _lingers(host: Host) -> bool:
    name = host.environ.get("USER") or host.environ.get("LOGNAME") or ""
    return bool(name) and (host.root / "var/lib/systemd/linger" / name).exists()


def _holds_something(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False
