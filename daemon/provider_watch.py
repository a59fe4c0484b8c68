"""Looks at ``providers.d`` every two seconds, and has the house follow what changed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import anyio
import anyio.to_thread
import structlog

from actors.messages.lifecycle import Finding
from daemon.config import Config
from daemon.credentials import Credential, Resolved
from daemon.fleet import Change
from daemon.provider_files import ProviderFiles

POLL_S = 2.0

log = structlog.get_logger()


class Reconfigurable(Protocol):
    """Whoever has the providers: the house."""

    async def reconfigure(
        self,
        config: Config,
        credentials: dict[str, Credential],
        simulated: Mapping[str, str],
        on_switch: Callable[[], object],
    ) -> dict[str, Change]: ...


class ProviderWatch:
    """Follows the files.

    Args:
        files: As they were at start.
        resolved: What was made of them then.
        house: Who follows.
        learn: Takes each new key, so that it is masked in logs.

    Attributes:
        resolved: What the house follows now.
        changing: Held while what is followed changes.
    """

    def __init__(
        self,
        files: ProviderFiles,
        resolved: Resolved,
        house: Reconfigurable,
        learn: Callable[[str], object],
    ) -> None:
        self._files = files
        self._house = house
        self._learn = learn
        self._told: dict[str, str] = {}
        self._behind = False
        self._warned = set(resolved.warnings)
        self._findings = files.findings()
        self.resolved = resolved
        self.changing = anyio.Lock()
        self._tell_refused()

    def findings(self) -> Sequence[Finding]:
        """As of the last look: files are read in another thread."""
        return self._findings

    async def run(self) -> None:
        """Look again and again; never ends."""
        while True:
            await anyio.sleep(POLL_S)
            await self.look()

    async def look(self) -> None:
        """Read what has changed since the last time, and have the house follow.

        A bug in this must not end the daemon, whose providers are well.
        """
        try:
            async with self.changing:
                self._behind |= await anyio.to_thread.run_sync(self._files.look)
                if self._behind:
                    await self._look_again()
                    self._behind = False
        except Exception:
            log.exception("provider_files_bug")

    async def _look_again(self) -> None:
        self._tell_refused()
        resolved = await anyio.to_thread.run_sync(self._files.resolve_again)
        await self._follow(resolved, {}, lambda: None)

    async def adopt(
        self,
        files: ProviderFiles,
        resolved: Resolved,
        simulated: Mapping[str, str],
        on_switch: Callable[[], object],
    ) -> dict[str, Change]:
        """Follow these files from now on; the caller holds ``changing``.

        Args:
            files: None of them refused.
            resolved: What was made of them.
            simulated: Base URLs of pretend providers.
            on_switch: Called when requests begin to follow.
        """
        self._files = files
        self._tell_refused()
        return await self._follow(resolved, simulated, on_switch)

    async def _follow(
        self,
        resolved: Resolved,
        simulated: Mapping[str, str],
        on_switch: Callable[[], object],
    ) -> dict[str, Change]:
        self._findings = self._files.findings()
        for secret in resolved.secrets():
            self._learn(secret)
        for warning in resolved.warnings:
            if warning not in self._warned:
                log.warning("configuration", text=warning)
        self._warned = set(resolved.warnings)
        config = resolved.settings.config
        changes = await self._house.reconfigure(
            config, resolved.credentials, simulated, on_switch
        )
        self.resolved = resolved
        for name, change in changes.items():
            self._tell(name, change, resolved.credentials.get(name))
        return changes

    def _tell(self, name: str, change: Change, credential: Credential | None) -> None:
        if change == "removed":
            log.info("provider_removed", provider=name)
        elif change == "adjusted":
            log.info("provider_changed", provider=name)
        elif change != "failed":
            source = credential.source if credential else None
            log.info("credential", provider=name, source=source)
            added = change == "added"
            log.info("provider_added" if added else "provider_changed", provider=name)

    def _tell_refused(self) -> None:
        refused = self._files.refused
        now = {str(path): each.sentence for path, each in refused.items()}
        for path, error in now.items():
            if self._told.get(path) != error:
                log.warning("provider_file_refused", path=path, error=error)
        self._told = now
