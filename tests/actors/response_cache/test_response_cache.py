"""Answers that are given again, with a real router and real providers, in virtual time."""

from decimal import Decimal

import anyio
import pytest
from structlog.testing import capture_logs

from actors.messages.chat import ChatRequest, Message, Tool
from actors.messages.reuse import CacheUse
from actors.messages.routing import Priority
from actors.policy.reuse import (
    Kept,
    body_print,
    read_kept,
    repeat_key,
    write_kept,
)
from actors.response_cache import CacheSettings
from actors.response_cache.settings import REPEAT_TTL_S
from tests.support.cache_house import cache_house
from tests.support.fake_transport import (
    Answer,
    FakeTransport,
    completion,
    refusal,
    stream,
)
from tests.support.small_house import EPOCH, request

OFF = CacheSettings(enabled=False)


def one(*answers: Answer) -> dict[str, FakeTransport]:
    return {"one": FakeTransport(*answers)}


def pieces(*texts: str, pause_s: float = 1.0) -> Answer:
    """A stream with a pause before each piece."""
    return stream(*texts, gap_s=pause_s)


# ---- the cache


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


# ---- a call that several wait for


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


# ---- idempotency keys


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
