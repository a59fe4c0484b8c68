"""Calls that several wait for, with a real router and providers, in virtual time."""

from decimal import Decimal

import anyio
import pytest

from actors.messages.routing import Priority
from tests.support.cache_house import cache_house, one, pieces
from tests.support.fake_transport import (
    completion,
    refusal,
    stream,
)


async def test_equal_requests_at_once_send_one_call() -> None:
    async with cache_house(one(completion("blue", after_s=2.0))) as house:
        askers = [house.begin() for _ in range(20)]
        answers = [await asker.answer() for asker in askers]

    assert house.calls() == 1
    assert {answer.content for answer in answers} == {"blue"}
    (paid,) = (answer for answer in answers if not answer.cached)
    assert sum(answer.cost_usd or 0 for answer in answers) == paid.cost_usd
    kinds = {r.reused.kind for r in house.reused() if r.reused}
    assert kinds == {"joined"}
    assert len(house.house.spool.records) == 20


async def test_slow_looking_up_does_not_make_a_second_call() -> None:
    async with cache_house(one(completion(after_s=2.0))) as house:
        house.answers.wait_s = 0.5
        first = house.begin()
        await anyio.sleep(2.4)  # the answer has come, and is being kept
        second = house.begin()
        await first.answer()
        answer = await second.answer()

    assert answer.cached
    assert house.calls() == 1


async def test_who_joins_late_reads_the_stream_from_its_beginning() -> None:
    async with cache_house(one(pieces("a", "b", "c"))) as house:
        first = house.begin(stream=True)
        await anyio.sleep(3.5)
        late = house.begin(stream=True)
        await anyio.sleep(0.1)
        assert late.text == "ab"
        result = await late.answer()
        await first.answer()

    assert late.text == first.text == "abc"
    assert late.started[0].cached
    assert result.cached
    assert house.calls() == 1


async def test_a_buffered_reader_is_told_nothing_before_the_end() -> None:
    async with cache_house(one(pieces("a", "b", "c"))) as house:
        house.begin(stream=True)
        await anyio.sleep(3.5)
        late = house.begin(stream=True, stream_mode="buffered")
        await anyio.sleep(0.1)
        assert not late.deltas
        await late.answer()

    assert late.text == "abc"


async def test_the_first_may_leave_and_the_others_are_answered() -> None:
    async with cache_house(one(completion("blue", after_s=2.0))) as house:
        first = house.begin()
        await anyio.sleep(0.5)
        others = [house.begin(), house.begin()]
        await anyio.sleep(0.5)
        first.handle.cancel()
        gone = await first.error()
        answers = [await other.answer() for other in others]

    assert gone.kind == "cancelled"
    assert [a.content for a in answers] == ["blue", "blue"]
    assert house.calls() == 1


async def test_when_all_have_left_the_call_is_ended() -> None:
    async with cache_house(one(completion(after_s=60.0))) as house:
        first, second = house.begin(), house.begin()
        await anyio.sleep(1.0)
        first.handle.cancel()
        second.handle.cancel()
        assert (await first.error()).kind == "cancelled"
        assert (await second.error()).kind == "cancelled"
        await anyio.sleep(0.1)

        assert house.house.transports["one"].open == 0
        assert house.desk.calls == {}
        records = house.house.spool.records
        assert sorted(r.outcome for r in records) == ["cancelled", "cancelled"]


async def test_one_who_comes_when_all_are_leaving_has_a_call_of_its_own() -> None:
    async with cache_house(one(completion("blue", after_s=5.0))) as house:
        first = house.begin()
        await anyio.sleep(1.0)
        first.handle.cancel()
        second = await house.ask()

    assert second.content == "blue"
    assert not second.cached


async def test_deadlines_are_each_ones_own() -> None:
    async with cache_house(one(completion("blue", after_s=10.0))) as house:
        first = house.begin()
        hasty = house.begin(deadline_s=3.0)
        began = anyio.current_time()
        error = await hasty.error()
        waited_s = anyio.current_time() - began
        answer = await first.answer()

    assert error.kind == "deadline_exceeded"
    assert waited_s == pytest.approx(3.0, abs=0.01)
    assert answer.content == "blue"


async def test_equal_deadlines_share_a_call_while_it_has_nearly_all_of_its_time() -> (
    None
):
    async with cache_house(one(completion("blue", after_s=5.0))) as house:
        house.answers.wait_s = 0.001
        first = house.begin(deadline_s=10.0)
        await anyio.sleep(0.9)
        second = house.begin(deadline_s=10.0)
        await anyio.sleep(0.3)
        third = house.begin(deadline_s=10.0)
        answers = [await each.answer() for each in (first, second, third)]

    assert [answer.cached for answer in answers] == [False, True, False]
    assert house.calls() == 2


async def test_a_stream_is_not_cut_by_the_deadline_of_who_began_long_before() -> None:
    slow = pieces(*"abcdefgh")
    async with cache_house(one(slow, slow)) as house:
        first = house.begin(deadline_s=5.0, stream=True)
        await anyio.sleep(3.0)
        second = house.begin(deadline_s=4.9, stream=True)
        assert (await first.error()).kind == "deadline_exceeded"
        assert (await second.error()).kind == "deadline_exceeded"
        ended_at = anyio.current_time()

    assert ended_at == pytest.approx(7.9, abs=0.05)


async def test_a_patient_one_does_not_wait_for_a_hasty_call() -> None:
    async with cache_house(one(completion("blue", after_s=10.0))) as house:
        hasty = house.begin(deadline_s=3.0)
        await anyio.sleep(0.1)
        patient = house.begin()
        assert (await hasty.error()).kind == "deadline_exceeded"
        answer = await patient.answer()

    assert (answer.content, answer.cached) == ("blue", False)
    assert house.calls() == 2


@pytest.mark.parametrize(
    ("first", "second", "calls"),
    [("low", "high", 2), ("normal", "normal", 1), ("high", "low", 1)],
)
async def test_who_is_in_a_hurry_does_not_wait_for_a_call_that_is_not(
    first: Priority, second: Priority, calls: int
) -> None:
    async with cache_house(one(completion(after_s=2.0))) as house:
        slow = house.begin(priority=first)
        await anyio.sleep(0.1)
        await house.ask(priority=second)
        await slow.answer()

    assert house.calls() == calls


async def test_when_the_time_of_the_first_is_over_another_asks_anew() -> None:
    slow = completion("late", after_s=60.0)
    async with cache_house(one(slow, completion("blue"))) as house:
        first = house.begin(deadline_s=5.0)
        await anyio.sleep(0.5)
        second = house.begin(deadline_s=5.0)
        assert (await first.error()).kind == "deadline_exceeded"
        answer = await second.answer()

    assert (answer.content, answer.cached) == ("blue", False)
    assert house.calls() == 2


async def test_money_is_no_matter_where_another_pays() -> None:
    async with cache_house(one(completion("blue", after_s=5.0))) as house:
        rich = house.begin()
        await anyio.sleep(0.5)
        poor = await house.ask(budget_usd=Decimal("0.0000001"))
        await rich.answer()

    assert poor.content == "blue"


async def test_a_failure_of_the_provider_is_the_same_for_all() -> None:
    async with cache_house(one(refusal(400, "invalid_request_error"))) as house:
        askers = [house.begin() for _ in range(3)]
        errors = [await asker.error() for asker in askers]

    assert {error.kind for error in errors} == {"invalid_request"}
    assert len({error.decision_id for error in errors}) == 3
    assert house.calls() == 1


async def test_who_wants_it_whole_is_spared_a_stream_that_broke() -> None:
    broken = stream("half", whole=False, gap_s=1.0)
    async with cache_house(one(broken, completion("whole"))) as house:
        reader = house.begin(stream=True)
        await anyio.sleep(0.5)
        whole = house.begin()
        error = await reader.error()
        answer = await whole.answer()

    assert error.kind == "provider_error"
    assert answer.content == "whole"


async def test_a_daemon_that_stops_says_so_to_all() -> None:
    async with cache_house(one(completion(after_s=60.0))) as house:
        askers = [house.begin() for _ in range(3)]
        await anyio.sleep(1.0)
        for asker in askers:
            asker.handle.cancel(interrupted=True)
        errors = [await asker.error() for asker in askers]

    assert {error.kind for error in errors} == {"interrupted"}
