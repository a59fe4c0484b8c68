"""Changes of the database's layout, in order: ``0001_*.sql`` makes version 1."""

from importlib.resources import files


def scripts() -> tuple[str, ...]:
    """The SQL of every migration, oldest first."""
    found = sorted(
        (file for file in files(__name__).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return tuple(file.read_text() for file in found)
