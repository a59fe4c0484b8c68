"""When the process's own state is a condition, and that it does not flap."""

import pytest
from hypothesis import given, strategies as st

from daemon.vitals import (
    DROPPED_TOLD_S,
    JUMP_TOLD_S,
    Band,
    Descriptors,
    DiskSpace,
    Reading,
    Vitals,
    fullness,
    in_words,
    left,
    size,
)

GIB = 1 << 30
ROOMY = DiskSpace(free_bytes=50 * GIB, size_bytes=100 * GIB)


class Measured:
    """Vitals fed once a second."""

    def __init__(self) -> None:
        self.vitals = Vitals("/state")
        self.now = 0.0
        self.wall = 1_800_000_000.0

    def after(
        self,
        seconds: float = 1.0,
        *,
        jump_s: float = 0.0,
        late_s: float = 0.0,
        dropped: int = 0,
        disk: DiskSpace | None = None,
        descriptors: Descriptors | None = None,
    ) -> list[str]:
        """Codes found after so many seconds."""
        self.now += seconds
        self.wall += seconds + jump_s
        self.vitals.update(
            Reading(
                now=self.now,
                at=self.wall,
                late_s=late_s,
                log_lines_dropped=dropped,
                disk=disk,
                descriptors=descriptors,
            )
        )
        return [each.code for each in self.vitals.findings()]

    def values(self) -> dict[str, object]:
        [finding] = self.vitals.findings()
        return dict(finding.values)


@pytest.fixture
def measured() -> Measured:
    return Measured()


def test_nothing_is_wrong_before_anything_was_measured(measured: Measured) -> None:
    assert measured.vitals.findings() == ()
    assert measured.after() == []
    assert measured.after(disk=ROOMY, descriptors=Descriptors(10, 1024)) == []


# ---- the clock


@pytest.mark.parametrize(
    ("jump_s", "said"), [(3600.0, "ahead by 3600.0 s"), (-86400.0, "back by 86400.0 s")]
)
def test_a_clock_that_jumps_is_told_for_a_while(
    measured: Measured, jump_s: float, said: str
) -> None:
    measured.after()
    assert measured.after(jump_s=jump_s) == ["clock_jumped"]
    assert measured.values() == {"jump": said}
    assert measured.after(JUMP_TOLD_S - 1) == ["clock_jumped"]

    assert measured.after(1.0) == []


def test_a_clock_that_is_set_right_slowly_has_not_jumped(measured: Measured) -> None:
    measured.after()
    drifted = [measured.after(jump_s=0.5) for _ in range(100)]

    assert drifted == [[]] * 100


def test_a_process_that_was_stopped_has_seen_no_jump(measured: Measured) -> None:
    measured.after()

    assert measured.after(600.0) == []  # both clocks went on


# ---- the event loop


def test_a_loop_that_is_late_now_and_then_is_no_news(measured: Measured) -> None:
    lateness = [measured.after(late_s=0.04) for _ in range(1000)]
    lateness += [measured.after(late_s=2.9)]

    assert lateness == [[]] * 1001
    assert measured.vitals.lag_s == pytest.approx(2.9)


def test_a_loop_that_loses_much_of_a_minute_is_told_until_it_is_well(
    measured: Measured,
) -> None:
    for _ in range(5):
        assert measured.after(late_s=0.5) == []
    assert measured.after(late_s=0.5) == ["event_loop_lag"]
    assert measured.values() == {"lag": "3.0 s"}
    for _ in range(55):  # the late ones leave the window one by one
        assert measured.after() == ["event_loop_lag"]
    while measured.after():
        assert measured.vitals.lag_s >= 1.0

    assert measured.vitals.lag_s < 1.0
    assert measured.now < 70.0


# ---- log lines


def test_lost_log_lines_are_told_for_a_while_with_their_sum(
    measured: Measured,
) -> None:
    measured.after()
    assert measured.after(dropped=7) == ["log_lines_dropped"]
    assert measured.values() == {"count": 7}
    assert measured.after(DROPPED_TOLD_S - 1, dropped=7) == ["log_lines_dropped"]
    assert measured.after(0.5, dropped=9) == ["log_lines_dropped"]
    assert measured.values() == {"count": 9}

    assert measured.after(DROPPED_TOLD_S, dropped=9) == []


def test_lines_lost_before_the_first_measurement_count(measured: Measured) -> None:
    assert measured.after(dropped=1) == ["log_lines_dropped"]


# ---- descriptors


def test_descriptors_have_a_band_between_raising_and_clearing(
    measured: Measured,
) -> None:
    def used(count: int) -> list[str]:
        return measured.after(descriptors=Descriptors(count, 100))

    assert used(89) == []
    assert used(90) == ["descriptors_nearly_exhausted"]
    assert measured.values() == {"used": 90, "limit": 100}
    assert used(80) == ["descriptors_nearly_exhausted"]
    assert measured.after() == ["descriptors_nearly_exhausted"]  # not measured anew
    assert used(79) == []
    assert used(85) == []


# ---- the disk


@pytest.mark.parametrize(
    ("free", "total", "full"),
    [
        (2 * GIB, 1000 * GIB, False),  # a gigabyte will do on a large disk
        (GIB - 1, 1000 * GIB, True),
        (6 * GIB // 100, GIB, False),  # a twentieth on a small one
        (4 * GIB // 100, GIB, True),
        (0, GIB, True),
        (0, 0, False),  # a file system that does not say
    ],
)
def test_a_disk_is_nearly_full_below_a_share_or_a_gigabyte(
    measured: Measured, free: int, total: int, full: bool
) -> None:
    found = measured.after(disk=DiskSpace(free, total))

    assert found == (["disk_nearly_full"] if full else [])


def test_a_disk_has_a_band_between_raising_and_clearing(measured: Measured) -> None:
    def free(share: float) -> list[str]:
        return measured.after(disk=DiskSpace(int(share * GIB), GIB))

    assert free(0.051) == []
    assert free(0.049) == ["disk_nearly_full"]
    assert measured.values() == {
        "folder": "/state",
        "free": "50.2 MiB",
        "size": "1.0 GiB",
    }
    assert free(0.06) == ["disk_nearly_full"]
    assert free(0.064) == []


def test_a_file_system_may_run_out_of_files_first(measured: Measured) -> None:
    disk = DiskSpace(50 * GIB, 100 * GIB, free_files=5, files=1000)

    assert measured.after(disk=disk) == ["disk_nearly_full"]
    assert left(disk) == ("5 files", "1000")
    assert measured.after(disk=DiskSpace(50 * GIB, 100 * GIB, 13, 1000)) == []
    assert left(ROOMY) == ("50.0 GiB", "100.0 GiB")


# ---- telling


def test_what_was_measured_is_shown_as_figures(measured: Measured) -> None:
    assert [f.name for f in measured.vitals.figures()] == ["event_loop_lag_seconds"]
    measured.after(
        dropped=3, late_s=0.25, disk=ROOMY, descriptors=Descriptors(10, 1024)
    )

    assert {f.name: f.value for f in measured.vitals.figures()} == {
        "event_loop_lag_seconds": 0.25,
        "log_lines_dropped_total": 3,
        "state_free_bytes": 50 * GIB,
        "open_descriptors": 10,
        "max_descriptors": 1024,
    }


def test_sizes_and_jumps_are_said_as_people_do() -> None:
    assert [size(n) for n in (0, 1023, 1536, 1 << 20, 5 << 40, 1 << 60)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "1.0 MiB",
        "5.0 TiB",
        "1048576.0 TiB",
    ]
    assert in_words(-2.04) == "back by 2.0 s"


@given(st.lists(st.floats(0.0, 1.0), max_size=50))
def test_a_band_changes_only_beyond_its_edges(values: list[float]) -> None:
    band, before = Band(0.9, 0.8), False
    for value in values:
        now = band.update(value)
        if now != before:
            assert value >= 0.9 if now else value < 0.8
        before = now


def test_the_scarcer_of_bytes_and_files_decides() -> None:
    assert fullness(DiskSpace(100, 0, 0, 0)) == (0.0, 0.0)
    assert fullness(DiskSpace(0, 100, 0, 100)) == (2.0, 2.0)
