"""Answers that are given again, with a real router and real providers, in virtual time."""

from decimal import Decimal

import anyio
import pytest

from actors.messages.chat import ChatRequest, Message, Tool
from actors.messages.reuse import CacheUse
from actors.response_cache import CacheSettings
from tests.support.cache_house import OFF, cache_house, one, pieces
from tests.support.fake_transport import (
    completion,
    refusal,
    stream,
)


async def test_the_second_of_two_equal_requests_costs_nothing_and_says_so() -> None:
    async with cache_house(one(completion("blue"))) as house:
        first = await house.ask(user="ann")
        second = await house.ask(user="ann")

    assert not first.cached
    assert first.cost_usd
    assert (second.content, second.cached) == ("blue", True)
    assert (second.cost_usd, second.cost_source) == (Decimal(0), "free")
    assert (second.provider, second.model) == (first.provider, first.model)
    assert second.usage == first.usage
    assert second.attempts == ()
    assert house.calls() == 1


async def test_a_hit_is_written_down_with_what_it_saved() -> None:
    async with cache_house(one(completion("blue"))) as house:
        first = await house.ask()
        await anyio.sleep(12.0)
        second = await house.ask()

    (record,) = house.reused()
    assert record.request_id == second.request_id
    assert record.reused is not None
    assert record.reused.kind == "cached"
    assert record.reused.request_id == first.request_id
    assert record.reused.age_s == pytest.approx(12.0)
    assert record.reused.saved_usd == first.cost_usd
    assert (record.cost_usd, record.attempts) == (Decimal(0), ())
    assert (record.outcome, record.provider) == ("ok", "one")
    assert record.decision.decision_id == second.decision_id
    assert "from the cache" in record.decision.reason
    assert "12 s ago" in record.decision.reason
    assert record in house.house.finished


async def test_nobody_is_given_an_answer_of_another_user() -> None:
    async with cache_house(one(completion("secret"))) as house:
        await house.ask(user="ann")
        bobs = await house.ask(user="bob")
        nobodys = await house.ask()

    assert not bobs.cached
    assert not nobodys.cached
    assert house.calls() == 3


async def test_a_shared_cache_serves_everybody() -> None:
    settings = CacheSettings(enabled=True, shared=True)
    async with cache_house(one(completion("public")), settings) as house:
        await house.ask(user="ann")
        bobs = await house.ask(user="bob")

    assert bobs.cached


async def test_without_the_cache_equal_requests_are_all_sent() -> None:
    async with cache_house(one(completion(after_s=1.0)), OFF) as house:
        askers = [house.begin(cache="on") for _ in range(3)]
        answers = [await asker.answer() for asker in askers]

    assert not any(answer.cached for answer in answers)
    assert house.calls() == 3


@pytest.mark.parametrize(
    ("use", "calls", "cached"), [("off", 3, False), ("refresh", 3, False)]
)
async def test_a_request_may_want_a_new_answer(
    use: CacheUse, calls: int, *, cached: bool
) -> None:
    async with cache_house(one(completion("old"))) as house:
        await house.ask()
        house.house.transports["one"].answers[:] = [completion("new")]
        again = await house.ask(cache=use)
        house.house.transports["one"].answers[:] = [completion("newest")]
        after = await house.ask()

    assert again.content == "new"
    assert not again.cached
    # What was refreshed is given from now on, what was only passed by is not touched.
    assert after.content == {"off": "old", "refresh": "new"}[use]


async def test_an_answer_is_given_for_its_time_and_no_longer() -> None:
    settings = CacheSettings(enabled=True, ttl_s=60.0)
    async with cache_house(one(completion())) as house:
        house.handle.configure(settings)
        await house.ask()
        await anyio.sleep(59.0)
        young = await house.ask()
        await anyio.sleep(2.0)
        old = await house.ask()

    assert young.cached
    assert not old.cached


async def test_a_shorter_time_holds_for_what_is_kept_already() -> None:
    async with cache_house(one(completion())) as house:
        await house.ask()
        await anyio.sleep(30.0)
        house.handle.configure(CacheSettings(enabled=True, ttl_s=20.0))
        old = await house.ask()

    assert not old.cached


async def test_failures_are_not_kept() -> None:
    transports = one(refusal(400, "invalid_request_error"), completion("fine"))
    async with cache_house(transports) as house:
        error = await house.begin().error()
        answer = await house.ask()

    assert error.kind == "invalid_request"
    assert (answer.content, answer.cached) == ("fine", False)


async def test_a_stream_that_broke_is_not_kept() -> None:
    broken = stream("half", whole=False)
    async with cache_house(one(broken, broken, broken, broken)) as house:
        await house.begin(stream=True).error()
        again = house.begin(stream=True)
        error = await again.error()

    assert error.kind == "provider_error"
    assert house.reused() == []


async def test_where_tools_are_offered_the_caller_must_ask_for_the_cache() -> None:
    chat = ChatRequest(
        messages=(Message("user", "pay"),), tools=(Tool("pay_the_bill"),)
    )
    async with cache_house(one(completion("paid"))) as house:
        await house.ask(chat=chat)
        silent = await house.ask(chat=chat)
        await house.ask(chat=chat, cache="on")
        asked = await house.ask(chat=chat, cache="on")

    assert not silent.cached
    assert asked.cached
    assert house.calls() == 3


async def test_a_task_is_never_given_what_was_kept() -> None:
    async with cache_house(one(completion())) as house:
        await house.ask()
        task = await house.ask(durable=True)

    assert not task.cached


async def test_a_hit_streams_to_whoever_wants_a_stream() -> None:
    text = "blue " * 900
    async with cache_house(one(completion(text))) as house:
        await house.ask()
        reader = house.begin(stream=True)
        result = await reader.answer()

    assert reader.text == text
    assert len(reader.deltas) == 5
    (started,) = reader.started
    assert started.cached
    assert started.attempts == 0
    assert started.decision_id == result.decision_id
    assert result.time_to_first_token_s is not None


async def test_a_stream_is_kept_for_those_who_want_it_whole() -> None:
    async with cache_house(one(pieces("bl", "ue"))) as house:
        first = house.begin(stream=True)
        await first.answer()
        second = await house.ask()

    assert first.text == "blue"
    assert not first.started[0].cached
    assert (second.content, second.cached) == ("blue", True)
