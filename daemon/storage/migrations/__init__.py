"""Changes of a database's layout, in order: ``0001_*.sql`` makes version 1."""

from pathlib import Path


def scripts(folder: Path = Path(__file__).parent) -> tuple[str, ...]:
    """The SQL of every migration in a folder, oldest first."""
    # By its path: importlib.resources brings zipfile and more along, for 0.4 MB.
    return tuple(file.read_text() for file in sorted(folder.glob("*.sql")))
