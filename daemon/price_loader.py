"""Prices for the daemon: a compiled list, made anew in the state folder when stale.

The installation may have brought one, so that the first start of all knows prices too.
"""

import sys
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import anyio
import structlog

from actors.messages.lifecycle import Finding
from actors.policy.pricing import PriceBook
from daemon.ids import utc
from daemon.storage.price_table import PriceListUnavailable, compile_list, load

FILE_NAME = "prices.msgpack"
INSTALLED = Path(sys.prefix) / "share" / "gitbridge" / FILE_NAME
"""Where ``make`` puts one."""

RETRY_S = 600.0
REFRESH_S = 6 * 3600.0
"""Lists carry prices that begin on a date; a daemon may run for a year."""

log = structlog.get_logger()


class PriceLoader:
    """Fills a price book at start and keeps it fresh; ``findings`` says when it can't."""

    def __init__(self, book: PriceBook, state: Path, kinds: Collection[str]) -> None:
        self._book = book
        self._path = state / FILE_NAME
        self._kinds = set(kinds)
        self._trouble: str | None = "the price list is being compiled"

    def include(self, kinds: Collection[str]) -> None:
        """Hold the prices of these kinds and presets too, from now on."""
        if not self._kinds.issuperset(kinds):
            self._kinds.update(kinds)
            self.load_compiled()

    def load_compiled(self) -> bool:
        """Take the list that an earlier run or the installation compiled, if fresh."""
        today = datetime.fromtimestamp(utc(), UTC).date()
        lists = (load(path, self._kinds, today) for path in (self._path, INSTALLED))
        rows = next((each for each in lists if each is not None), None)
        if rows is None:
            return False
        self._book.load(rows)
        self._trouble = None
        log.info("prices_loaded", models=len(rows))
        return True

    async def run(self) -> None:
        """Compile where needed, now and then again; never ends."""
        loaded = self._trouble is None
        while True:
            wait_s = REFRESH_S
            if not (loaded or self.load_compiled()):
                wait_s = await self._compile()
            loaded = False
            await anyio.sleep(wait_s)

    async def _compile(self) -> float:
        try:
            await compile_list(self._path)
        except PriceListUnavailable as error:
            self._trouble = error.message
            log.warning("prices_unavailable", error=error.message)
            return RETRY_S
        self.load_compiled()
        return REFRESH_S

    def findings(self) -> tuple[Finding, ...]:
        """``prices_unknown`` while there is no list."""
        if self._trouble is None:
            return ()
        return (Finding(code="prices_unknown", values={"error": self._trouble}),)
