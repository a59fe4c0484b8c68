"""The entry point of ``gitbridge`` and ``python -m daemon``.

Starts the command line at once; the daemon itself, with its event loop and HTTP
libraries, is imported only by the commands that need it.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from daemon.cli.connection import Client
from daemon.cli.run import Entrances, run
from daemon.config import HealthOptions, ServeOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    entrances = Entrances(_serve, _check_health, _connect, _version)
    return run(sys.argv[1:] if argv is None else argv, entrances, os.environ)


def _version() -> str:
    from daemon.release import version  # noqa: PLC0415 - reads package metadata: slow

    return version()


def _leave_out_rich() -> None:
    """Hide ``rich`` from structlog, which imports it where it is installed.

    It would take 60 ms and 5 MB, for tracebacks on a terminal that are never printed.
    """
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # fails to import


def _serve(options: ServeOptions) -> int:
    _leave_out_rich()
    from daemon.app import serve  # noqa: PLC0415 - 0.3 s that other commands save

    return serve(options)


def _check_health(options: HealthOptions) -> int:
    _leave_out_rich()
    from daemon.probing import check_health  # noqa: PLC0415 - as above

    return check_health(options)


def _connect(paths: Sequence[Path]) -> AbstractContextManager[Client]:
    from ipc.blocking import connect  # noqa: PLC0415 - not for serve

    return connect(paths)


if __name__ == "__main__":
    sys.exit(main())
