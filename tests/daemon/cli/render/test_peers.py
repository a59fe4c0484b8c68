"""The other daemons as text."""

from actors.messages.peers import PeerRow
from daemon.cli.render.peers import peers
from daemon.cli.render.table import no_colours


def test_each_has_a_line_with_when_it_was_last_heard_of() -> None:
    row = PeerRow(
        id="1",
        name="router-2",
        version="0.1.0",
        started_at=0.0,
        uptime_s=90.0,
        in_flight=4,
        tasks=2,
        last_seen_s=1.0,
        alive=True,
    )

    assert peers([row], no_colours).split("\n") == [
        "other daemon  version        up  in flight  tasks   last seen",
        "router-2      0.1.0    1 m 30 s          4      2  1.00 s ago",
    ]
