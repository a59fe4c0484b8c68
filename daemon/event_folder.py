"""A folder as a source of events: one JSON file is one event.

Files are taken in the order of their names. One that was kept goes to ``done``, one
that is no event to ``failed`` with a note beside it; where nothing can be kept now they
all stay. Whoever writes one should move it in whole; one that cannot be read yet is
looked at again, and is given up when it stays so.
"""

import contextlib
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import anyio
import msgspec
import structlog

from actors.errors import GitBridgeError, InvalidRequest
from ipc.events import PublishParams, PublishResult
from ipc.params import read_params

LOOK_S: Final = 2.0
MAX_BYTES: Final = 1024 * 1024
AT_ONCE: Final = 100
"""How many files are taken at one look."""

MAX_ID: Final = 200
"""Characters, as ``PublishParams`` wants it."""

GROWING_S: Final = 5.0
"""How long a file that is no JSON may still be being written."""

log = structlog.get_logger()


class EventFolder:
    """Looks into a folder.

    Args:
        folder: It; ``done`` and ``failed`` are made inside.
        publish: Keeps an event durably.
        utc: Epoch seconds, as files have them.
    """

    def __init__(
        self,
        folder: Path,
        publish: Callable[[PublishParams], Awaitable[PublishResult]],
        utc: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._publish = publish
        self._utc = utc
        self._told = False  # that nothing can be taken

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await anyio.sleep(LOOK_S)

    async def look(self) -> int:
        """Take what is there; how many files were moved."""
        try:
            names = await anyio.to_thread.run_sync(self._names)
        except OSError as error:
            self._stuck(str(error))
            return 0
        moved, stuck = 0, None
        for name in names:
            if moved >= AT_ONCE:
                break
            try:
                moved += await self._take(name)
            except OSError as error:
                stuck = str(error)  # it cannot be moved; others may
            except GitBridgeError as error:
                stuck = error.message  # the queue is away: later
                break
        if stuck is None:
            self._told = False
        else:
            self._stuck(stuck)
        return moved

    def _stuck(self, error: str) -> None:
        if not self._told:
            log.warning("event_folder_waits", folder=str(self._folder), error=error)
        self._told = True

    def _names(self) -> list[str]:
        for each in ("done", "failed"):
            (self._folder / each).mkdir(mode=0o750, exist_ok=True)
        with os.scandir(self._folder) as found:
            return sorted(
                each.name
                for each in found
                if each.name.endswith(".json")
                and not each.name.startswith(".")
                and each.is_file(follow_symlinks=False)
            )

    async def _take(self, name: str) -> int:
        path = self._folder / name
        try:
            data, age_s = await anyio.to_thread.run_sync(self._read, path)
        except OSError as error:
            return await self._failed(path, f"it cannot be read: {error.strerror}")
        try:
            told = _event(data, name)
        except InvalidRequest as error:
            if age_s < GROWING_S and len(data) <= MAX_BYTES:
                return 0
            return await self._failed(path, error.message)
        why = await self._kept(told, name)
        if why is not None:
            return await self._failed(path, why)
        await anyio.to_thread.run_sync(_move, path, "done")
        return 1

    async def _kept(self, told: PublishParams, name: str) -> str | None:
        """Keep it; why it never can be. Raises where only now nothing can be kept."""
        try:
            await self._publish(told)
        except InvalidRequest as error:
            return error.message
        except GitBridgeError:
            raise
        except Exception:
            # Nothing that a file says may end the daemon, now and at every start.
            log.exception("event_folder_bug", file=_plain(name))
            return "our bug: the daemon's log says more"
        return None

    def _read(self, path: Path) -> tuple[bytes, float]:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
            return data, self._utc() - os.fstat(file.fileno()).st_mtime

    async def _failed(self, path: Path, why: str) -> int:
        log.warning("event_refused", file=_plain(path.name), error=why)

        def move() -> None:
            note = path.parent / "failed" / f"{path.name}.why"
            with contextlib.suppress(OSError):
                note.write_text(f"{why}\n", encoding="utf-8")
            _move(path, "failed")

        await anyio.to_thread.run_sync(move)
        return 1


def _move(path: Path, where: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.replace(path.parent / where / path.name)


def _event(data: bytes, name: str) -> PublishParams:
    """The event of a file; the file's name is its id unless it says one.

    Raises:
        InvalidRequest: It is none.
    """
    if len(data) > MAX_BYTES:
        raise InvalidRequest(f"it is longer than {MAX_BYTES} bytes")
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"it is not JSON: {error}") from None
    told = read_params(PublishParams, document)
    return told if told.id is not None else msgspec.structs.replace(told, id=_id(name))


def _plain(name: str) -> str:
    """A file's name as text: it need not be UTF-8."""
    return name.encode(errors="backslashreplace").decode()


def _id(name: str) -> str:
    """The id that a file's name is; of long ones the end tells them apart."""
    plain = _plain(name)
    if len(plain) <= MAX_ID:
        return plain
    digest = hashlib.sha256(plain.encode()).hexdigest()
    return f"{plain[: MAX_ID - len(digest) - 1]}-{digest}"
