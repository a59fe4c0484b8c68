"""Repeats by idempotency key, with a real router and providers, in virtual time."""

import anyio
import pytest
from structlog.testing import capture_logs

from actors.policy.reuse import (
    Kept,
    body_print,
    read_kept,
    repeat_key,
    write_kept,
)
from actors.response_cache import CacheSettings
from actors.response_cache.settings import REPEAT_TTL_S
from tests.support.cache_house import OFF, cache_house, one
from tests.support.fake_transport import (
    completion,
    refusal,
)
from tests.support.small_house import EPOCH, request


async def test_a_repeat_gets_the_answer_that_was_given() -> None:
    async with cache_house(one(completion("blue"), completion("red")), OFF) as house:
        first = await house.ask(idempotency_key="k", user="ann")
        second = await house.ask(idempotency_key="k", user="ann")

    assert (second.content, second.cached) == ("blue", True)
    assert second.cost_usd == 0
    (record,) = house.reused()
    assert record.reused is not None
    assert record.reused.kind == "repeated"
    assert record.reused.request_id == first.request_id
    assert house.calls() == 1


async def test_an_answer_to_a_key_is_kept_before_it_is_given() -> None:
    async with cache_house(one(completion("blue")), OFF) as house:
        house.repeats.wait_s = 0.5
        first = await house.ask(idempotency_key="k")
        under_way = dict(house.desk.keyed)

    assert first.content == "blue"
    assert under_way == {}  # it is found at work until it is kept


async def test_whoever_shares_the_call_of_a_key_hears_only_what_is_kept() -> None:
    async with cache_house(one(completion("blue", after_s=1.0)), OFF) as house:
        house.repeats.wait_s = 0.5
        askers = [house.begin(idempotency_key="k") for _ in range(3)]
        under_way = []
        for asker in askers:
            await asker.answer()
            under_way.append(dict(house.desk.keyed))

    assert under_way == [{}, {}, {}]


async def test_a_repeat_joins_the_first_while_it_runs() -> None:
    async with cache_house(one(completion("blue", after_s=5.0)), OFF) as house:
        house.repeats.wait_s = 0.1
        first = house.begin(idempotency_key="k")
        await anyio.sleep(1.0)
        second = await house.ask(idempotency_key="k")
        await first.answer()

    assert second.content == "blue"
    assert house.calls() == 1


async def test_two_repeats_in_the_same_moment_are_one_call() -> None:
    async with cache_house(one(completion(after_s=5.0)), OFF) as house:
        house.repeats.wait_s = 0.1
        askers = [house.begin(idempotency_key="k") for _ in range(5)]
        for asker in askers:
            await asker.answer()

    assert house.calls() == 1


@pytest.mark.parametrize("wait_s", [0.5, 20.0], ids=["running", "answered"])
async def test_a_key_is_not_used_twice_for_different_things(wait_s: float) -> None:
    async with cache_house(one(completion(after_s=10.0)), OFF) as house:
        first = house.begin(idempotency_key="k", prompt="one thing")
        await anyio.sleep(wait_s)
        error = await house.begin(idempotency_key="k", prompt="another").error()
        await first.answer()

    assert error.kind == "invalid_request"
    assert (error.field, error.got) == ("idempotency_key", "k")
    assert "for something else" in error.message
    assert house.calls() == 1


@pytest.mark.parametrize("wait_s", [0.5, 20.0], ids=["running", "answered"])
async def test_a_repeat_is_the_same_whatever_is_configured_meanwhile(
    wait_s: float,
) -> None:
    async with cache_house(one(completion("blue", after_s=10.0)), OFF) as house:
        first = house.begin(idempotency_key="k")
        await anyio.sleep(wait_s)
        house.handle.configure(CacheSettings(enabled=True, scope="new", shared=True))
        again = await house.ask(idempotency_key="k")
        await first.answer()

    assert again.cached
    assert house.calls() == 1


async def test_a_key_may_be_bound_to_anothers_call_where_answers_are_shared() -> None:
    settings = CacheSettings(enabled=True, shared=True)
    async with cache_house(one(completion("blue", after_s=2.0)), settings) as house:
        first = house.begin(user="ann")
        await anyio.sleep(0.5)
        keyed = house.begin(user="bob", idempotency_key="k")
        await anyio.sleep(0.5)
        repeat = await house.ask(user="bob", idempotency_key="k")
        await first.answer()
        await keyed.answer()
        await anyio.sleep(1.0)
        later = await house.ask(user="bob", idempotency_key="k")

    assert repeat.cached
    assert later.cached
    assert house.calls() == 1


async def test_keys_are_each_owners_own() -> None:
    async with cache_house(one(completion()), OFF) as house:
        await house.ask(idempotency_key="k", user="ann", prompt="one thing")
        bobs = await house.ask(idempotency_key="k", user="bob", prompt="another")

    assert not bobs.cached


async def test_a_repeat_of_what_failed_is_asked_anew() -> None:
    transports = one(refusal(400, "invalid_request_error"), completion("fine"))
    async with cache_house(transports, OFF) as house:
        await house.begin(idempotency_key="k").error()
        answer = await house.ask(idempotency_key="k")

    assert (answer.content, answer.cached) == ("fine", False)


async def test_a_key_is_known_for_a_day() -> None:
    async with cache_house(one(completion()), OFF) as house:
        await house.ask(idempotency_key="k")
        await anyio.sleep(REPEAT_TTL_S - 1.0)
        known = await house.ask(idempotency_key="k")
        await anyio.sleep(2.0)
        forgotten = await house.ask(idempotency_key="k")

    assert known.cached
    assert not forgotten.cached


async def test_an_answer_from_the_cache_becomes_that_of_the_key() -> None:
    async with cache_house(one(completion("blue"), completion("red"))) as house:
        await house.ask()
        keyed = await house.ask(idempotency_key="k")
        house.handle.configure(OFF)
        again = await house.ask(idempotency_key="k")

    assert keyed.cached
    assert again.content == "blue"


async def test_a_key_joins_a_call_under_way_and_is_bound_to_it() -> None:
    async with cache_house(one(completion("blue", after_s=2.0))) as house:
        first = house.begin()
        keyed = house.begin(idempotency_key="k")
        await first.answer()
        await keyed.answer()
        await anyio.sleep(1.0)
        house.handle.configure(OFF)
        again = await house.ask(idempotency_key="k")

    assert again.cached
    assert house.calls() == 1


async def test_a_bug_is_an_error_of_ours_and_harms_no_other() -> None:
    async with cache_house(one(completion("blue"))) as house:
        house.answers.broken = True
        with capture_logs() as logs:
            error = await house.begin().error()
        house.answers.broken = False
        answer = await house.ask()

    assert (error.kind, error.owner) == ("internal", "us")
    assert [each["event"] for each in logs] == ["request_bug"]
    assert answer.content == "blue"


async def test_an_actor_that_is_stopped_ends_what_it_has_begun() -> None:
    async with cache_house(one(completion(after_s=60.0))) as house:
        asker = house.begin()
        await anyio.sleep(1.0)
        await house.house.system.stop()
        error = await asker.error()
        await anyio.sleep(0.1)

        assert error.kind == "interrupted"
        assert house.house.transports["one"].open == 0


def begun(prompt: str = "hello") -> bytes:
    """What a daemon that was killed has left of a request under way."""
    asked = body_print(request(prompt=prompt))
    written = write_kept(Kept(asked, EPOCH - 9.0, request_id="r0"))
    assert written is not None
    return written


async def test_after_a_kill_it_is_asked_anew_and_said_that_nobody_knows() -> None:
    async with cache_house(one(completion("blue")), OFF) as house:
        await house.repeats.put(repeat_key(None, "k"), begun(), 60.0)
        with capture_logs() as logs:
            answer = await house.ask(idempotency_key="k")
            again = await house.ask(idempotency_key="k")

    assert not answer.cached
    assert again.cached
    assert logs == [
        {
            "event": "repeat_unsure",
            "log_level": "warning",
            "actor": "response_cache",
            "request_id": answer.request_id,
            "first_request_id": "r0",
            "began_at": EPOCH - 9.0,
        }
    ]


async def test_after_a_kill_a_key_is_still_for_what_it_was_used_for() -> None:
    async with cache_house(one(completion()), OFF) as house:
        await house.repeats.put(repeat_key(None, "k"), begun("other"), 60.0)
        error = await house.begin(idempotency_key="k").error()

    assert error.field == "idempotency_key"
    assert house.calls() == 0


async def test_what_begins_under_a_key_is_written_down_before_it_is_sent() -> None:
    async with cache_house(one(completion(after_s=5.0)), OFF) as house:
        asker = house.begin(idempotency_key="k", user="ann")
        await anyio.sleep(1.0)
        kept = read_kept(await house.repeats.get(repeat_key("ann", "k")))
        await asker.answer()
        await anyio.sleep(1.0)
        after = read_kept(await house.repeats.get(repeat_key("ann", "k")))

    assert kept is not None
    assert kept.result is None
    assert after is not None
    assert after.result is not None
    assert kept.request_id == after.result.request_id


@pytest.mark.parametrize("when", ["while it is written down", "while it is asked"])
async def test_a_key_that_is_left_by_all_is_free_again(when: str) -> None:
    async with cache_house(one(completion(after_s=60.0)), OFF) as house:
        house.repeats.wait_s = 2.0
        asker = house.begin(idempotency_key="k")
        await anyio.sleep(3.0 if when == "while it is written down" else 10.0)
        asker.handle.cancel()
        error = await asker.error()
        await anyio.sleep(5.0)
        kept = await house.repeats.get(repeat_key(None, "k"))

    assert error.kind == "cancelled"
    assert not kept
    assert house.desk.keyed == {}
    assert house.calls() == (0 if when == "while it is written down" else 1)
    assert [r.outcome for r in house.house.spool.records] == ["cancelled"]


async def test_who_joined_while_it_was_written_down_is_answered_without_the_first() -> (
    None
):
    async with cache_house(one(completion("blue", after_s=5.0)), OFF) as house:
        house.repeats.wait_s = 2.0
        first = house.begin(idempotency_key="k")
        await anyio.sleep(3.0)
        second = house.begin(idempotency_key="k")
        await anyio.sleep(0.5)
        first.handle.cancel()
        assert (await first.error()).kind == "cancelled"
        answer = await second.answer()

    assert answer.content == "blue"
    assert house.calls() == 1


async def test_one_who_leaves_early_takes_nobodys_answer_along() -> None:
    async with cache_house(one(completion("blue", after_s=5.0)), OFF) as house:
        first = house.begin(idempotency_key="k")
        await anyio.sleep(1.0)
        second = house.begin(idempotency_key="k", deadline_s=1.0)
        assert (await second.error()).kind == "deadline_exceeded"
        third = await house.ask(idempotency_key="k")
        await first.answer()
        await anyio.sleep(1.0)
        fourth = await house.ask(idempotency_key="k")

    assert third.cached
    assert fourth.cached
    assert house.calls() == 1


async def test_what_cannot_be_read_any_more_is_asked_again() -> None:
    async with cache_house(one(completion("new"))) as house:
        await house.ask()
        entries = house.answers.entries
        for key in list(entries._entries):
            entries.put(key, b"nonsense", 0.0, 1e9)
        answer = await house.ask()

    assert not answer.cached


async def test_a_full_disk_keeps_no_answer_back() -> None:
    async with cache_house(one(completion("blue"))) as house:
        await house.ask()
        house.house.spool.error = OSError("no space")
        answer = await house.ask()

    assert answer.cached
