"""Which release this is."""

from daemon.installed import installed_version

DISTRIBUTION = "gitbridge-smartrouter"


def version() -> str:
    """The installed version; ``0`` from a source tree that is not installed."""
    return installed_version(DISTRIBUTION) or "0"
