"""One actor of a provider after another: nothing is lost, nothing is disturbed."""

from decimal import Decimal

import anyio
import pytest

from actors.messages.provider import ProviderTotals
from actors.provider import ProviderHandle
from actors.provider.kept import Totals
from actors.runtime import AskTimeout
from tests.support.fake_transport import Answer, FakeTransport, completion
from tests.support.small_house import SmallHouse, provider, small_house


def handle(house: SmallHouse) -> ProviderHandle:
    found = house.providers["one"]
    assert isinstance(found, ProviderHandle)
    return found


async def test_who_retires_keeps_what_is_known_and_probes_no_more() -> None:
    transport = FakeTransport(completion())
    given = {"one": provider("one", probe="models", probe_interval_s=10)}
    async with small_house({"one": transport}, providers=given) as house:
        await house.answer()
        totals = await handle(house).retire()
        asked = len(transport.requests)
        await anyio.sleep(100)

        assert totals.requests == 1
        assert "one" in house.keeper.kept
        assert len(transport.requests) == asked


async def test_idle_is_told_when_the_last_call_has_ended() -> None:
    transport = FakeTransport(Answer(completion().pieces, after_s=30.0))
    async with (
        small_house({"one": transport}) as house,
        anyio.create_task_group() as group,
    ):
        one = handle(house)
        group.start_soon(house.answer)
        await anyio.sleep(1)
        kept = await one.retire()
        with pytest.raises(AskTimeout):
            await one.idle(5)
        started = anyio.current_time()
        final = await one.idle(60)

        assert anyio.current_time() - started == pytest.approx(24)
        assert (kept.requests, final.requests) == (0, 1)
        assert await one.idle(1) == final


async def test_the_next_actor_counts_what_ended_after_the_handover() -> None:
    kept = ProviderTotals(requests=3, cost_usd=Decimal("0.1"), last_request_at=5.0)
    final = ProviderTotals(
        requests=5, failures=1, cost_usd=Decimal("0.4"), last_request_at=8.0
    )
    async with small_house({"one": FakeTransport(completion())}) as house:
        await house.answer()
        before = house.snapshot("one").totals
        handle(house).absorb(kept, final)
        await anyio.wait_all_tasks_blocked()
        after = house.snapshot("one").totals

    assert after.requests == before.requests + 2
    assert after.failures == 1
    assert after.cost_usd == before.cost_usd + Decimal("0.3")
    assert after.last_request_at == before.last_request_at


def test_the_newest_request_of_both_is_the_last_one() -> None:
    totals = Totals()
    totals.absorb(ProviderTotals(), ProviderTotals())
    assert totals.last_request_at is None
    totals.absorb(ProviderTotals(), ProviderTotals(last_request_at=8.0))

    assert totals.last_request_at == 8.0
