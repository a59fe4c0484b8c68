from decimal import Decimal

import pytest

from actors.consensus.members import Reply, total_cost
from actors.messages.chat import Usage
from actors.messages.provider import CostSource
from actors.messages.routing import AttemptSummary, ErrorInfo, RouteResult


def answered(cost: str | None, source: CostSource) -> RouteResult:
    return RouteResult(
        request_id="r",
        content="1",
        finish_reason="stop",
        provider="one",
        model="m",
        usage=Usage(),
        cost_usd=None if cost is None else Decimal(cost),
        cost_source=source,
        latency_s=1.0,
        overhead_s=0.0,
        decision_id="d",
        attempts=(),
    )


def failed(cost: str | None, source: CostSource) -> ErrorInfo:
    call = AttemptSummary(
        provider="two",
        model="m",
        outcome="bad_response",
        latency_s=1.0,
        cost_usd=None if cost is None else Decimal(cost),
    )
    return ErrorInfo(
        kind="provider_error",
        message="cut",
        owner="provider",
        retryable=True,
        attempts=(call,),
        cost_source=source,
    )


@pytest.mark.parametrize(
    ("replies", "total", "source"),
    [
        ([], "0", "free"),
        ([answered("1", "table"), answered("2", "provider")], "3", "table"),
        ([answered("1", "table"), failed("0.5", "estimated")], "1.5", "estimated"),
        ([answered("1", "table"), failed("0", "free")], "1", "table"),
        ([answered("1", "table"), failed(None, "unknown")], None, "unknown"),
        ([answered(None, "unknown"), answered("1", "table")], None, "unknown"),
        ([answered("1", "table"), None], None, "unknown"),
    ],
)
def test_a_sum_is_no_more_certain_than_its_parts(
    replies: list[Reply | None], total: str | None, source: CostSource
) -> None:
    cost = None if total is None else Decimal(total)

    assert total_cost(replies) == (cost, source)
