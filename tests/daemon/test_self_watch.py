"""What is measured, in virtual time and on this machine."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from daemon import self_watch
from daemon.self_watch import (
    Around,
    Instruments,
    SelfWatch,
    disk_space,
    instruments,
)
from daemon.vitals import Descriptors, DiskSpace, Vitals

AROUND = Around(DiskSpace(1, 100), Descriptors(95, 100))


class Clock:
    """Goes on by a second and ``late_s`` with each reading pair."""

    def __init__(self, late_s: float) -> None:
        self.late_s = late_s
        self.now = 0.0
        self.readings = 0

    def __call__(self) -> float:
        self.readings += 1
        if self.readings % 2 == 0:
            self.now += self_watch.EVERY_S + self.late_s
        return self.now


async def watched(
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    until: Callable[[Vitals], bool],
    look_around: Callable[[], Around],
) -> Vitals:
    vitals = Vitals("/state")
    tools = Instruments(clock, lambda: 1e9 + clock.now, look_around)
    watch = SelfWatch(vitals, lambda: 0, tools)
    waited: list[float] = []

    async def no_time(seconds: float) -> None:
        waited.append(seconds)
        if until(vitals):
            raise TimeoutError

    monkeypatch.setattr(anyio, "sleep", no_time)
    with pytest.raises(TimeoutError):
        await watch.run()
    assert set(waited) == {self_watch.EVERY_S}
    return vitals


async def test_a_loop_that_wakes_up_late_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vitals = await watched(
        monkeypatch, Clock(0.5), lambda v: v.lag_s >= 3.0, lambda: Around(None, None)
    )

    assert [f.code for f in vitals.findings()] == ["event_loop_lag"]


async def test_the_machine_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(0.0)
    vitals = await watched(
        monkeypatch, clock, lambda _: clock.readings >= 5, lambda: AROUND
    )

    assert {f.code for f in vitals.findings()} == {
        "descriptors_nearly_exhausted",
        "disk_nearly_full",
    }


def test_the_real_instruments_tell_of_this_machine(tmp_path: Path) -> None:
    tools = instruments(tmp_path)
    around = tools.look_around()

    assert around.disk is not None
    assert 0 <= around.disk.free_bytes <= around.disk.size_bytes
    assert tools.monotonic() <= tools.monotonic()


def test_a_folder_that_is_gone_tells_nothing(tmp_path: Path) -> None:
    assert disk_space(tmp_path / "gone") is None
