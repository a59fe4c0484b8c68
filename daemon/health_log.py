"""``logs/<provider>_healthcheck.log``: one line a probe, as the old scripts wrote it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import structlog

from actors.messages.lifecycle import Finding
from actors.messages.provider import ProbeResult

MAX_BYTES = 4 << 20
"""A log of this size is set aside as ``.1``, in place of the one set aside before."""

log = structlog.get_logger()


class HealthLog:
    """Appends a line per probe. A folder that cannot be written is said once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trouble: Finding | None = None

    def append(self, result: ProbeResult) -> None:
        path = self._folder / f"{file_name(result.provider)}_healthcheck.log"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size > MAX_BYTES:
                path.replace(path.with_suffix(".log.1"))
            with path.open("a", encoding="utf-8") as file:
                file.write(health_line(result) + "\n")
        except OSError as error:
            if self._trouble is None:
                log.warning("health_log_unwritable", path=str(path), error=str(error))
            self._trouble = Finding(
                code="health_log_unwritable",
                values={"path": path, "error": error.strerror or error},
            )
        else:
            self._trouble = None

    def findings(self) -> tuple[Finding, ...]:
        """``health_log_unwritable``, since a line could not be written."""
        return () if self._trouble is None else (self._trouble,)


def health_line(result: ProbeResult) -> str:
    """``TIMESTAMP provider status latency probe [simulated] detail``, in UTC."""
    at = datetime.fromtimestamp(result.at, UTC).isoformat(timespec="milliseconds")
    status = "healthy" if result.healthy else "unhealthy"
    latency = "-" if result.latency_s is None else f"{result.latency_s:.3f}s"
    failure = result.failure
    probe = f"{result.probe} simulated" if result.simulated else result.probe
    detail = f" {failure.failure}: {failure.message}" if failure else ""
    stamp = at.replace("+00:00", "Z")
    line = f"{stamp} {result.provider} {status} {latency} {probe}{detail}"
    return line.replace("\n", " ")[:1000]


def file_name(provider: str) -> str:
    """The provider's name with nothing in it that means something in a path."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", provider).lstrip(".") or "_"
