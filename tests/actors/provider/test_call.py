"""One upstream call: it always ends with an outcome that says what it was and cost."""

from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio
import pytest

from actors.errors import Overloaded, ProviderConnectionError
from actors.messages.chat import ChatRequest, Delta, Message
from actors.messages.provider import Attempt, CancelAttempt, Outcome
from actors.wire.base import Timeouts
from tests.support.fake_transport import (
    Answer,
    FakeTransport,
    completion,
    event,
    refusal,
    stream,
)
from tests.support.small_house import SmallHouse, new_id, provider, small_house

if TYPE_CHECKING:
    from actors.runtime import Future

TIMEOUTS = Timeouts(connect_s=5, first_token_s=10, idle_s=20, total_s=100)


def attempt(**given: object) -> Attempt:
    fields: dict[str, object] = {
        "attempt_id": new_id(),
        "request_id": new_id(),
        "model": "gpt-4o",
        "request": ChatRequest(messages=(Message(role="user", content="x" * 40),)),
        "deadline": anyio.current_time() + 1000,
    }
    return Attempt(**(fields | given))  # type: ignore[arg-type]  # a test's own words


async def outcome_of(
    answer: Answer, *, streamed: bool = False, **given: object
) -> Outcome:
    async with house(FakeTransport(answer)) as small:
        if streamed:
            given["sink"] = lambda _delta: None
        outcome = await small.providers["one"].attempt(attempt(**given))
        assert small.transports["one"].open == 0
    return outcome


def house(transport: FakeTransport) -> AbstractAsyncContextManager[SmallHouse]:
    return small_house(
        {"one": transport}, providers={"one": provider("one", timeouts=TIMEOUTS)}
    )


async def test_an_answer_is_counted_and_priced() -> None:
    outcome = await outcome_of(completion("hi", after_s=3.0))

    assert outcome.completion is not None
    assert outcome.completion.content == "hi"
    assert outcome.latency_s == pytest.approx(3.0)
    assert outcome.cost_usd == Decimal("0.00003")  # 10 at $1 and 5 at $4 a million
    assert outcome.cost_source == "config"


async def test_a_stream_gives_its_deltas_and_the_time_to_the_first_content() -> None:
    deltas: list[Delta] = []
    outcome = await outcome_of(stream("a", "b", gap_s=1.0), sink=deltas.append)

    assert [d.content for d in deltas if d.content] == ["a", "b"]
    assert outcome.completion is not None
    assert outcome.completion.content == "ab"
    assert outcome.time_to_first_token_s == pytest.approx(2.0)  # the role chunk is none
    assert outcome.emitted


async def test_a_stream_without_its_finish_reason_is_a_failure_billed_by_estimate() -> (
    None
):
    outcome = await outcome_of(stream("a" * 40, whole=False), streamed=True)

    assert outcome.completion is None
    assert outcome.failure is not None
    assert outcome.failure.failure == "bad_response"
    assert outcome.emitted
    assert outcome.cost_source == "estimated"
    assert outcome.usage.completion_tokens == 10
    assert outcome.cost_usd is not None
    assert outcome.cost_usd > 0


async def test_no_content_within_the_first_token_time_is_a_timeout() -> None:
    pieces = [(0.0, event({"role": "assistant", "content": ""}))]
    outcome = await outcome_of(Answer(pieces, hangs=True), streamed=True)

    assert outcome.failure is not None
    assert outcome.failure.failure == "timeout"
    assert "first token" in outcome.failure.message
    assert outcome.latency_s == pytest.approx(10.0)
    assert not outcome.emitted


async def test_silence_in_the_middle_of_a_stream_is_an_idle_timeout() -> None:
    answer = stream("a", "b", gap_s=6.0 / 2, whole=False, hangs=True)
    outcome = await outcome_of(answer, streamed=True)

    assert outcome.failure is not None
    assert "next bytes" in outcome.failure.message
    assert outcome.latency_s == pytest.approx(9.0 + 20.0)


async def test_a_stream_may_take_longer_than_its_idle_time_in_all() -> None:
    outcome = await outcome_of(stream(*"abcdefgh", gap_s=4.5), streamed=True)

    assert outcome.failure is None
    assert outcome.latency_s > TIMEOUTS.idle_s


async def test_the_total_time_bounds_a_plain_answer() -> None:
    outcome = await outcome_of(Answer(hangs_first=True))

    assert outcome.failure is not None
    assert "whole answer within 100 s" in outcome.failure.message
    assert outcome.failure.owner == "provider"
    assert outcome.cost_usd is None  # it may have worked on it: not known, not 0


async def test_the_callers_deadline_is_not_the_providers_fault() -> None:
    outcome = await outcome_of(
        Answer(hangs_first=True), deadline=anyio.current_time() + 2.0
    )

    assert outcome.failure is not None
    assert outcome.failure.owner == "caller"
    assert outcome.failure.neutral
    assert outcome.latency_s == pytest.approx(2.0)


async def test_a_refusal_with_an_error_status_costs_nothing() -> None:
    outcome = await outcome_of(refusal(503, retry_after_s=7))

    assert outcome.failure is not None
    assert outcome.failure.failure == "overloaded"
    assert outcome.failure.retry_after_s == 7
    assert outcome.cost_usd == 0
    assert outcome.cost_source == "free"


@pytest.mark.parametrize(("sent", "cost"), [(False, Decimal(0)), (True, None)])
async def test_a_broken_connection_is_free_only_if_nothing_was_sent(
    sent: bool, cost: Decimal | None
) -> None:
    error = ProviderConnectionError("gone", sent=sent)
    outcome = await outcome_of(Answer(refuses=error))

    assert outcome.failure is not None
    assert outcome.failure.failure == "connect"
    assert outcome.cost_usd == cost


async def test_a_call_that_is_cancelled_before_it_begins_ends_and_asks_nobody() -> None:
    transport = FakeTransport(completion("hi"))
    async with house(transport) as small:
        ref = small.system.ref("one")
        sent = attempt()

        answer: Future[object] = ref.ask(sent, timeout_s=1.0)
        ref.tell(CancelAttempt(sent.attempt_id))  # both are read in one go
        outcome = await answer

        assert small.snapshot("one").models[0].in_flight == 0
    assert isinstance(outcome, Outcome)
    assert outcome.failure is not None
    assert (outcome.failure.failure, outcome.called) == ("cancelled", False)
    assert (outcome.cost_usd, outcome.cost_source) == (Decimal(0), "free")
    assert transport.requests == []


async def test_cancelling_closes_the_upstream_at_once_and_says_what_it_cost() -> None:
    transport = FakeTransport(stream("a" * 40, whole=False, hangs=True))
    async with house(transport) as small:
        ref = small.providers["one"]
        sent = attempt(sink=lambda _delta: None)
        results: list[Outcome] = []

        async def call() -> None:
            results.append(await ref.attempt(sent))

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await anyio.sleep(1.0)
            ref.cancel(sent.attempt_id)
            cancelled_at = anyio.current_time()

    (outcome,) = results
    assert outcome.failure is not None
    assert outcome.failure.failure == "cancelled"
    assert outcome.cost_source == "estimated"
    assert transport.closed_at == [cancelled_at]


async def test_an_answer_whose_body_never_ends_counts_once_its_last_event_came() -> (
    None
):
    outcome = await outcome_of(stream("a", hangs=True), streamed=True)

    assert outcome.completion is not None
    assert outcome.completion.content == "a"
    assert outcome.latency_s < 1.0


async def test_a_connection_that_breaks_after_the_last_event_spoils_nothing() -> None:
    broken = ProviderConnectionError("reset", sent=True)
    outcome = await outcome_of(stream("a", breaks=broken), streamed=True)

    assert outcome.completion is not None
    assert outcome.failure is None


async def test_a_bug_of_ours_is_an_internal_failure_that_says_nothing_of_the_provider() -> (
    None
):
    transport = FakeTransport(completion())

    def explode(_request: object) -> None:
        raise ZeroDivisionError

    async with house(transport) as small:
        transport.on_request = explode
        outcome = await small.providers["one"].attempt(attempt())
        assert small.snapshot("one").models[0].consecutive_failures == 0

    assert outcome.failure is not None
    assert outcome.failure.failure == "internal"
    assert outcome.failure.owner == "us"


async def test_what_we_lack_to_call_is_no_call_and_no_fault_of_theirs() -> None:
    transport = FakeTransport(completion())

    def none_left(_request: object) -> None:
        raise Overloaded("there is no connection left for one.test:80: no descriptor")

    async with house(transport) as small:
        transport.on_request = none_left
        outcomes = [await small.providers["one"].attempt(attempt()) for _ in range(5)]
        snapshot = small.snapshot("one")
        asked = await small.error()

    assert {(o.called, o.failure.owner) for o in outcomes if o.failure} == {
        (False, "us")
    }
    assert snapshot.models[0].breaker == "closed"
    assert snapshot.models[0].failures == 0
    assert (asked.kind, asked.retryable) == ("no_provider", True)
    assert "no connection left" in asked.message


async def test_an_answer_says_whether_it_was_pretended() -> None:
    real = await outcome_of(completion())
    pretended = completion()
    pretended.headers = {"x-simulated": "1"}

    assert not real.simulated
    assert (await outcome_of(pretended)).simulated


async def test_a_provider_that_pretends_is_known_after_its_first_answer() -> None:
    pretended = completion()
    pretended.headers = {"x-simulated": "1"}
    async with house(FakeTransport(pretended)) as small:
        assert not small.snapshot("one").simulated
        answer = await small.answer()
        assert answer.simulated
        assert small.spool.records[0].simulated
        assert small.snapshot("one").simulated
