"""Changes of a database's layout, in order: ``0001_*.sql`` makes version 1."""

from importlib.resources import files


def scripts(package: str = __name__) -> tuple[str, ...]:
    """The SQL of every migration in a package, oldest first."""
    found = sorted(
        (file for file in files(package).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return tuple(file.read_text() for file in found)
