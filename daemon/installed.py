"""The versions of installed distributions, without the 1.2 MB that asking for them takes."""

import sys
from pathlib import Path

_SUFFIX = ".dist-info"


def installed_version(distribution: str) -> str | None:
    """The version of a distribution by its normalised name; ``None`` if not installed.

    Installers write it into the name of the folder with the metadata;
    ``importlib.metadata``, which knows every other way too, is asked only then.
    """
    stem = distribution.replace("-", "_") + "-"
    for entry in sys.path:
        for folder in Path(entry).glob(f"{stem}*{_SUFFIX}"):
            return folder.name.removeprefix(stem).removesuffix(_SUFFIX)
    from importlib import metadata  # noqa: PLC0415 - 1.2 MB, and mostly not needed

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
