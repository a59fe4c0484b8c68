"""What other rules would have meant, as text."""

from decimal import Decimal

import msgspec

from actors.messages.routing import Weights
from actors.messages.whatif import Change, Estimate, Move, WhatIf
from daemon.cli.render.table import no_colours
from daemon.cli.render.whatif import whatif

NOTHING = Estimate(requests=0)
FOUND = WhatIf(
    change=Change(strategy="hybrid", weights=Weights(0.7, 0.2, 0.1)),
    requests=12,
    replayed=10,
    changed=4,
    cost_usd=Estimate(
        requests=10,
        recorded=0.002,
        estimated=0.0015,
        difference=-0.0005,
        low=-0.0007,
        high=-0.0003,
    ),
    latency_s=Estimate(
        requests=10, recorded=1.0, estimated=1.5, difference=0.5, low=-0.25, high=1.25
    ),
    first_try=NOTHING,
    total_cost_difference_usd=Decimal("-0.005"),
    moves=(Move(before="a/x", after="b/y", requests=4),),
    left_out={"nobody was asked": 2},
    assumptions=("nothing else changes",),
)


def test_figures_stand_beside_their_intervals_moves_and_assumptions() -> None:
    text = whatif(FOUND, no_colours)
    rows = {line.split("  ")[0]: " ".join(line.split()) for line in text.splitlines()}

    assert "10 of 12 requests replayed, 4 (40.0%) would have gone elsewhere" in text
    assert "left out: 2 where nobody was asked" in text
    assert rows["cost"] == (
        "cost $0.002000 $0.001500 -$0.000500 -$0.000700 to -$0.000300 10"
    )
    assert rows["latency"] == "latency 1.00 s 1.50 s +500 ms -250 ms to +1.25 s 10"
    assert rows["answered at first try"] == "answered at first try - - - - 0"
    assert "a/x" in text
    assert "over all of them: $0.00500 saved" in text
    assert text.endswith("assuming that\n  - nothing else changes")


def test_what_would_have_cost_more_is_said_so() -> None:
    dear = WhatIf(
        change=Change(weights=Weights()),
        requests=1,
        replayed=1,
        changed=0,
        cost_usd=NOTHING,
        latency_s=NOTHING,
        first_try=NOTHING,
        total_cost_difference_usd=Decimal(1),
        moves=(),
        left_out={},
        assumptions=(),
    )
    text = whatif(dear, no_colours)

    assert "paid more" in text
    assert text.startswith("strategy as it was (cost 0.40")


def test_where_nothing_is_recorded_no_share_is_made_up() -> None:
    none = msgspec.structs.replace(FOUND, requests=0, replayed=0, changed=0)
    left_out = msgspec.structs.replace(FOUND, replayed=0, changed=0)

    assert whatif(none, no_colours).endswith("no requests are recorded for that time")
    assert "0 of 12 requests replayed, 0 would have gone" in whatif(
        left_out, no_colours
    )


def test_no_difference_is_neither_saved_nor_paid() -> None:
    same = Estimate(
        requests=2, recorded=1.0, estimated=1.0, difference=0.0, low=0.0, high=0.0
    )
    text = whatif(
        msgspec.structs.replace(
            FOUND, latency_s=same, total_cost_difference_usd=Decimal("0E-7")
        ),
        no_colours,
    )

    assert "over all of them: the same cost" in text
    assert "latency 1.00 s 1.00 s 0 0 to 0 2" in " ".join(text.split())
