"""Which release this is."""

from importlib.metadata import PackageNotFoundError, version as installed_version

DISTRIBUTION = "gitbridge-smartrouter"


def version() -> str:
    """The installed version; ``0`` from a source tree that is not installed."""
    try:
        return installed_version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0"
