"""A spool and the store that folds it, for tests of storage."""

import threading
from pathlib import Path

import msgspec
from msgspec import Struct

from daemon.storage.records import Spooled
from daemon.storage.spool import Spool
from daemon.storage.store import Store


class Stored(Struct):
    """``folder`` is the state folder."""

    folder: Path
    spool: Spool
    store: Store

    async def fold(self, *records: Spooled) -> int:
        """Append these, and fold everything; returns how many records moved."""
        for record in records:
            self.spool.append(record)
        folded = await self.store.fold(100, {})
        moved = folded.records
        while folded.more:
            folded = await self.store.fold(100, {}, roll=False)
            moved += folded.records
        return moved

    async def all_ids(self) -> list[str]:
        """Request ids in the history, oldest first."""
        found: list[str] = []
        cursor: str | None = None
        while entries := await self.store.history(10_000, cursor):
            found += [entry.request_id for entry in entries]
            cursor = entries[-1].cursor
        return found[::-1]

    def log(self, provider: str = "openai") -> Path:
        return self.folder / "logs" / f"{provider}_usage.jsonl"

    def lines(self, provider: str = "openai") -> list[dict[str, object]]:
        """The usage log of a provider, decoded."""
        return [
            msgspec.json.decode(line, type=dict[str, object])
            for line in self.log(provider).read_bytes().splitlines()
        ]

    def logged(self, provider: str = "openai") -> list[str]:
        """Request ids in a provider's usage log."""
        lines = [
            msgspec.convert(line["metadata"], dict[str, object])
            for line in self.lines(provider)
        ]
        return [str(metadata["request_id"]) for metadata in lines]


def database_threads() -> list[str]:
    """Names of threads of databases: they keep the process from ending."""
    workers = [t for t in threading.enumerate() if "connection_worker" in t.name]
    for worker in workers:
        worker.join(2.0)
    return [worker.name for worker in workers if worker.is_alive()]
