"""How many descriptors there are, and for whom the last ones are kept."""

import os
import subprocess
import sys

import pytest

from daemon.descriptors import open_descriptors, room_for_clients


@pytest.mark.parametrize(
    ("limit", "refuse_from", "drop_from"),
    [(64, 48, 56), (1024, 922, 973), (65_536, 65_280, 65_408)],
)
def test_the_last_ones_are_not_for_clients(
    limit: int, refuse_from: int, drop_from: int
) -> None:
    room = room_for_clients(limit)

    assert (room.refuse_from, room.drop_from) == (refuse_from, drop_from)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "limit"),
    [("ulimit -Sn 100; ulimit -Hn 500", 500), ("ulimit -n 200", 200)],
)
def test_the_limit_is_raised_to_what_the_system_allows(shell: str, limit: int) -> None:
    """In a process of its own: what is lowered there can not be raised again."""
    code = (
        "import resource; from daemon.descriptors import raise_limit;"
        "print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run(
        ["sh", "-c", f'{shell}; exec "$@"', "sh", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [str(limit)] * 2


def test_descriptors_are_counted() -> None:
    before = open_descriptors()
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(10)]
    after = open_descriptors()
    for each in opened:
        os.close(each)

    if before is None or after is None:
        pytest.skip("no /proc here")
    assert after.used - before.used == 10
    assert after.used < after.limit
