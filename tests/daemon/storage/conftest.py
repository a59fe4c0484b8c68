"""A store in a temporary state folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.storage.spool import Spool
from daemon.storage.store import Store
from tests.support.stored import Stored


@pytest.fixture
async def stored(tmp_path: Path) -> AsyncIterator[Stored]:
    spool = Spool(tmp_path / "spool")
    made = Stored(tmp_path, spool, Store(tmp_path, spool))
    yield made
    await made.store.close()
