"""Write a file below a declared folder, and nowhere else."""

import os
import re
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Final

from actors.errors import ActionFailed, InvalidRequest
from actors.policy.classify import fill

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._ -]")
_MAX_NAME: Final = 200
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def path_below(template: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """A template's path, segment by segment: what is filled in stays in its segment.

    Raises:
        InvalidRequest: It names no file below a folder.
    """
    safe = {name: _UNSAFE.sub("_", value) for name, value in values.items()}
    parts = tuple(fill(part, safe)[:_MAX_NAME] for part in template.split("/"))
    if any(part.strip() in {"", ".", ".."} or "\0" in part for part in parts):
        raise InvalidRequest(
            "the path of a file to write does not stay below its folder",
            field="path",
            got="/".join(parts)[:200],
            wanted="names with / between them, none of them empty, . or ..",
        )
    return parts


def write_below(root: str, parts: tuple[str, ...], data: bytes, task_id: str) -> str:
    """Put a file in place, whole or not at all, and on disk when this returns.

    Folders on the way are made; symbolic links below ``root`` are not followed.

    Returns:
        Its path.

    Raises:
        InvalidRequest: There is no such ``root``, or something on the way is no folder.
        ActionFailed: It cannot be written now.
    """
    path = "/".join((root.rstrip("/"), *parts))
    try:
        with ExitStack() as opened:
            folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, folder)
            for name in parts[:-1]:
                folder = _enter(folder, name)
                opened.callback(os.close, folder)
            _replace(folder, parts[-1], data, _UNSAFE.sub("_", f".{task_id}.part"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise InvalidRequest(f"{path}: {error.strerror}") from None
    except OSError as error:
        raise ActionFailed(f"{path}: {error.strerror}") from None
    return path


def _enter(folder: int, name: str) -> int:
    """The folder of this name in another one, made if need be."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o750, dir_fd=folder)
    return os.open(name, _FOLDER, dir_fd=folder)


def _replace(folder: int, name: str, data: bytes, part: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=folder)  # of an attempt that died
    file = os.open(part, _NEW, 0o640, dir_fd=folder)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(file)
        os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(part, dir_fd=folder)
        raise
    os.fsync(folder)
