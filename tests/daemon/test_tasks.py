"""What is told of the queue; the queue itself is tested with its actor and the daemon."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.messages.provider import ModelSnapshot, ProviderSnapshot
from actors.messages.routing import Alias, TaskRule
from actors.policy.quality import QualityBook
from actors.router import RouterSettings, RouterTools
from actors.router.desk import Desk
from daemon.config import Config
from daemon.notices import Notices
from daemon.tasks import Tasks, candidates
from daemon.telemetry import Telemetry
from tests.support.small_house import MemoryKeeper, MemorySpool, new_id, request


class Known:
    """A provider of which only its snapshot is wanted."""

    def __init__(self, name: str, *, healthy: bool | None) -> None:
        self._snapshot = ProviderSnapshot(
            provider=name,
            kind="openai",
            version=1,
            models=(ModelSnapshot(provider=name, model=f"{name}-model"),),
            default_model=f"{name}-model",
            healthy=healthy,
        )

    def snapshot(self) -> ProviderSnapshot:
        return self._snapshot


def routing(healthy: Mapping[str, bool | None]) -> Desk:
    settings = RouterSettings(
        tasks={"review": TaskRule(providers=("c", "a"))},
        aliases={"fast": Alias(candidates=("b/m", "c"))},
    )
    tools = RouterTools(
        providers={n: Known(n, healthy=h) for n, h in healthy.items()},  # type: ignore[misc]  # see Known
        spool=MemorySpool(),
        keeper=MemoryKeeper(),
        utc=lambda: 0.0,
        draw=lambda: 0.0,
        new_id=new_id,
        on_record=lambda _: None,
        on_queue=lambda _: None,
    )
    return Desk(settings, tools, QualityBook(()))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["a", "b", "c"]),
        ({"model": "auto:cost"}, ["a", "b", "c"]),
        ({"task_type": "review"}, ["c", "a"]),
        ({"model": "fast"}, ["b", "c"]),
        ({"model": "b-model"}, ["b"]),
        ({"model": "a/a-model"}, []),
        ({"provider": "a"}, []),
    ],
)
def test_who_else_may_be_asked(asked: dict[str, object], found: list[str]) -> None:
    known = routing({"a": True, "b": None, "c": True, "ill": False})
    assert list(candidates(known, request(**asked))) == found


def test_while_there_is_no_queue_nothing_is_told_of_it(tmp_path: Path) -> None:
    tasks = Tasks(Config(), tmp_path, None, Telemetry(), Notices(lambda: 0.0))
    assert tasks.counts() == {}
    assert tasks.findings() == ()
    assert [dict(each.values) for each in tasks.figures()] == [{}, {}]
