"""Shared fixtures: I/O tests run on asyncio with uvloop, as the daemon does."""

import os
import signal
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("GITBRIDGE_SHARED", Path(__file__).parents[2] / "shared"))


# Under nohup, or in the background of a script, what the tests start would inherit that
# these are ignored.
for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, signal.SIG_DFL)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return ("asyncio", {"use_uvloop": True})


@pytest.fixture(scope="session")
def recorded_exchanges() -> Path:
    """Path of the recorded provider traffic, which is not part of this project."""
    path = SHARED / "recorded" / "exchanges.jsonl"
    if not path.is_file():
        pytest.skip(f"recorded traffic not found at {path}; set GITBRIDGE_SHARED")
    return path


@pytest.fixture
def shared() -> Path:
    """The folder of data that is not the project's; it may not be there."""
    return SHARED
