"""The router with real provider actors: who is asked, in what order, and what is kept."""

from decimal import Decimal

import anyio
import msgspec
import pytest

from actors.errors import ProviderConnectionError
from actors.messages.chat import ChatRequest, ContinuesAs, Delta, Message, Usage
from actors.messages.provider import (
    Allowance,
    Attempt,
    Outcome,
    ProbeResult,
    ProviderRef,
    ProviderSnapshot,
)
from actors.messages.routing import (
    Alias,
    ErrorInfo,
    RouteResult,
    TaskRule,
    Weights,
)
from actors.policy.attempts import RetryConfig
from actors.policy.pricing import Price
from actors.policy.recall import Recalled, Recollection
from actors.policy.scoring import rank
from actors.provider.actor import Crash
from actors.router import ProviderDefaults, RouterSettings
from actors.router.messages import CancelRoute
from tests.support.fake_transport import (
    Answer,
    FakeTransport,
    completion,
    refusal,
    stream,
)
from tests.support.small_house import (
    MemoryKeeper,
    SmallHouse,
    ended,
    provider,
    request,
    small_house,
)


def two(first: Answer, second: Answer) -> dict[str, FakeTransport]:
    """``cheap`` is what the cost strategy takes first."""
    return {"cheap": FakeTransport(first), "dear": FakeTransport(second)}


async def test_the_cheapest_answers_and_the_record_is_written_before_the_answer() -> (
    None
):
    async with small_house(two(completion("a"), completion("b"))) as house:
        result = await house.answer(task_type="general", user="ada")

        (record,) = house.spool.records
        assert result.provider == "cheap"
        assert record.decision.decision_id == result.decision_id
        assert record.cost_usd == result.cost_usd == Decimal("0.00003")
        assert (record.outcome, record.user, record.task_type) == (
            "ok",
            "ada",
            "general",
        )
        assert record.prompt_chars == len("hello")
        assert [c.target.provider for c in record.decision.candidates] == [
            "cheap",
            "dear",
        ]
        assert house.finished == [record]


async def test_a_failed_provider_is_left_for_the_next_without_waiting() -> None:
    async with small_house(two(refusal(500), completion("b"))) as house:
        result = await house.answer()

        assert result.provider == "dear"
        assert [(a.provider, a.outcome) for a in result.attempts] == [
            ("cheap", "server_error"),
            ("dear", "ok"),
        ]
        assert result.latency_s == pytest.approx(0.0)


async def test_when_all_fail_the_error_names_owner_attempts_and_decision() -> None:
    async with small_house(two(refusal(500), refusal(503))) as house:
        error = await house.error()

        assert error.kind == "provider_error"
        assert error.owner == "provider"
        assert len(error.attempts) == 4  # max_attempts
        assert error.decision_id == house.spool.records[0].decision.decision_id


async def test_usage_the_provider_did_not_say_is_estimated_only_for_the_bill() -> None:
    providers = {"cheap": FakeTransport(stream("some words", usage=False))}
    async with small_house(providers) as house:
        result, _, _ = await house.stream()

        (record,) = house.spool.records
        assert isinstance(result, RouteResult)
        assert result.usage == Usage()
        assert result.cost_source == "estimated"
        assert record.usage.completion_tokens == 3


async def test_a_rejected_request_is_the_callers_and_nobody_else_is_asked() -> None:
    transports = two(refusal(400, "invalid_value"), completion())
    async with small_house(transports) as house:
        error = await house.error()

        assert error.kind == "invalid_request"
        assert error.owner == "caller"
        assert transports["dear"].calls == []
        assert house.snapshot("cheap").models[0].consecutive_failures == 0


async def test_three_failures_open_the_breaker_and_the_provider_is_skipped() -> None:
    transports = two(refusal(500), completion())
    async with small_house(transports) as house:
        for _ in range(3):
            await house.answer()
        assert ("closed", "open") in house.transitions()
        result = await house.answer()

        assert [a.provider for a in result.attempts] == ["dear"]
        assert len(transports["cheap"].calls) == 3
        (excluded,) = house.spool.records[-1].decision.excluded
        assert excluded.code == "breaker_open"


class StaleOnce:
    """A provider whose next snapshot is an old one: its breaker opened meanwhile."""

    def __init__(self, real: ProviderRef, old: ProviderSnapshot) -> None:
        self._real = real
        self._snapshots = [old]

    @property
    def name(self) -> str:
        return self._real.name

    async def attempt(self, attempt: Attempt) -> Outcome:
        return await self._real.attempt(attempt)

    def cancel(self, attempt_id: str, *, lost: bool = False) -> None:
        self._real.cancel(attempt_id, lost=lost)

    async def check_health(self, model: str | None = None) -> ProbeResult:
        return await self._real.check_health(model)

    def resumes_as(self, model: str) -> ContinuesAs | None:
        return self._real.resumes_as(model)

    def snapshot(self) -> ProviderSnapshot:
        return self._snapshots.pop() if self._snapshots else self._real.snapshot()


async def test_a_breaker_that_opens_after_the_ranking_ejects_no_last_candidate() -> (
    None
):
    settings = RouterSettings(strategy="cost", retry=RetryConfig(max_attempts=1))
    transport = FakeTransport(refusal(500))
    async with small_house({"only": transport}, settings=settings) as house:
        closed = house.snapshot("only")
        for _ in range(3):
            await house.error()
        transport.answers = [completion("after all")]
        real = house.providers["only"]
        house.refs["only"] = StaleOnce(real, closed)
        result = await house.answer()

        assert result.content == "after all"
        assert house.spool.records[-1].decision.degraded


@pytest.mark.parametrize(
    "unfit",
    [
        refusal(429, "insufficient_quota"),
        refusal(429, "rate_limit_exceeded", retry_after_s=120),
    ],
)
async def test_who_is_behind_a_breaker_is_asked_when_nobody_else_can_be(
    unfit: Answer,
) -> None:
    settings = RouterSettings(strategy="cost", retry=RetryConfig(max_attempts=1))
    transports = two(refusal(500), unfit)
    async with small_house(transports, settings=settings) as house:
        for _ in range(3):
            await house.error(provider="cheap")
        await house.error(provider="dear")
        transports["cheap"].answers = [completion("after all")]
        result = await house.answer()

        assert result.content == "after all"
        decision = house.spool.records[-1].decision
        assert decision.degraded
        assert decision.reason.startswith("nobody else can be asked")


async def test_one_request_adds_at_most_one_to_the_consecutive_failures() -> None:
    settings = RouterSettings(strategy="cost", retry=RetryConfig(max_attempts=3))
    async with small_house(
        {"only": FakeTransport(refusal(500))}, settings=settings
    ) as house:
        error = await house.error()

        assert len(error.attempts) == 3
        assert house.snapshot("only").models[0].consecutive_failures == 1


async def test_after_its_open_time_one_probe_and_two_successes_close_the_breaker() -> (
    None
):
    transports = two(refusal(500), completion())
    async with small_house(transports) as house:
        for _ in range(3):
            await house.answer()
        transports["cheap"].answers = [completion("back")]
        await anyio.sleep(20.0)
        results = [await house.answer() for _ in range(3)]

        assert [r.provider for r in results] == ["cheap"] * 3
        assert house.transitions() == [
            ("closed", "open"),
            ("open", "half_open"),
            ("half_open", "closed"),
        ]


async def test_a_429_feeds_the_limiter_and_not_the_breaker() -> None:
    transports = two(
        refusal(429, "rate_limit_exceeded", retry_after_s=30), completion()
    )
    async with small_house(transports) as house:
        for _ in range(5):
            await house.answer()

        assert len(transports["cheap"].calls) == 1
        assert house.transitions() == []
        await anyio.sleep(31.0)
        transports["cheap"].answers = [completion()]
        assert (await house.answer()).provider == "cheap"


async def test_a_long_retry_after_is_handed_on_when_nobody_else_is_left() -> None:
    limited = refusal(429, "rate_limit_exceeded", retry_after_s=120)
    async with small_house({"only": FakeTransport(limited)}) as house:
        error = await house.error()

        assert error.kind == "rate_limited"
        assert error.retry_after_s == pytest.approx(120, abs=1)
        assert error.retryable


async def test_an_account_out_of_money_is_left_alone_and_always_called_that() -> None:
    broke = refusal(429, "insufficient_quota")
    transport = FakeTransport(broke)
    async with small_house({"only": transport}) as house:
        errors = [await house.error() for _ in range(3)]

        assert [e.kind for e in errors] == ["provider_error"] * 3
        assert not any(e.retryable for e in errors)
        assert len(transport.calls) == 1
        await anyio.sleep(61)
        transport.answers = [completion("paid")]
        assert (await house.answer()).content == "paid"


async def test_what_a_provider_says_of_our_limits_goes_with_answer_and_error() -> None:
    said = {"x-ratelimit-limit-requests": "9", "x-ratelimit-remaining-requests": "8"}
    answer, limited = completion("a"), refusal(429, "rate_limit_exceeded")
    answer.headers |= said
    limited.headers |= said
    async with small_house({"only": FakeTransport(answer, limited)}) as house:
        result = await house.answer()
        error = await house.error(deadline_s=0.5)

        for told in (result, error):
            assert told.rate_limits is not None
            assert told.rate_limits.requests == Allowance(limit=9, remaining=8)


async def test_a_short_retry_after_is_waited_for() -> None:
    limited = refusal(429, "rate_limit_exceeded", retry_after_s=2)
    transport = FakeTransport(limited, completion("later"))
    async with small_house({"only": transport}) as house:
        result = await house.answer()

        assert result.content == "later"
        assert 2.0 <= result.latency_s < 3.5
        assert result.overhead_s == pytest.approx(0.0, abs=1e-6)


async def test_an_unknown_model_is_named_and_nobody_is_asked() -> None:
    transports = two(completion(), completion())
    async with small_house(transports) as house:
        error = await house.error(model="gpt-17")

        assert error.kind == "unknown_model"
        assert "gpt-17" in error.message
        assert transports["cheap"].calls == []
        assert house.spool.records[0].outcome == "unknown_model"


@pytest.mark.parametrize(
    ("pretended", "of_nobody", "of_a_call"),
    [
        (("cheap", "dear"), True, True),
        (("cheap",), False, True),
        (("dear",), False, False),
        ((), False, False),
    ],
)
async def test_an_error_is_pretended_as_who_was_asked_or_as_all_who_could_be(
    pretended: tuple[str, ...], *, of_nobody: bool, of_a_call: bool
) -> None:
    providers = {
        name: provider(name, simulated=name in pretended) for name in ("cheap", "dear")
    }
    transports = two(refusal(500), completion())
    async with small_house(transports, providers=providers) as house:
        refused = await house.error(model="gpt-17")
        failed = await house.error(provider="cheap")

        told = [record.simulated for record in house.spool.records]
    assert [refused.simulated, failed.simulated] == told == [of_nobody, of_a_call]


async def test_a_forced_provider_is_retried_but_never_left() -> None:
    transports = two(completion(), refusal(500))
    async with small_house(transports) as house:
        error = await house.error(provider="dear")

        assert {a.provider for a in error.attempts} == {"dear"}
        assert transports["cheap"].calls == []


async def test_an_alias_names_its_candidates_and_strategy() -> None:
    settings = RouterSettings(
        strategy="cost",
        aliases={
            "review": Alias(candidates=("dear", "cheap/gpt-4o"), strategy="priority")
        },
    )
    async with small_house(two(completion(), completion()), settings=settings) as house:
        result = await house.answer(model="review")

        assert result.provider == "dear"
        assert house.spool.records[0].decision.strategy == "priority"


async def test_a_task_rule_says_who_is_eligible_and_the_others_help_out() -> None:
    settings = RouterSettings(
        strategy="cost", tasks={"code_review": TaskRule(providers=("dear",))}
    )
    transports = two(completion("a"), completion("b"))
    async with small_house(transports, settings=settings) as house:
        first = await house.answer(task_type="code_review")
        transports["dear"].answers = [refusal(500)]
        second = await house.answer(task_type="code_review")

        assert first.provider == "dear"
        assert second.provider == "cheap"


async def test_defaults_fill_only_what_the_request_leaves_open() -> None:
    settings = RouterSettings(
        strategy="cost",
        defaults={"only": ProviderDefaults(temperature=0.3, max_tokens=4000)},
    )
    transport = FakeTransport(completion())
    async with small_house({"only": transport}, settings=settings) as house:
        await house.answer()
        chat = ChatRequest(
            messages=(Message(role="user", content="x"),), temperature=0.9
        )
        await house.answer(chat=chat)

        first, second = transport.bodies()
        assert first["temperature"] == 0.3
        assert 4000 in (first.get("max_tokens"), first.get("max_completion_tokens"))
        assert second["temperature"] == 0.9


async def test_the_decision_says_what_left_only_some_to_choose_from() -> None:
    settings = RouterSettings(
        strategy="cost", tasks={"code_review": TaskRule(providers=("dear",))}
    )
    async with small_house(two(completion(), completion()), settings=settings) as house:
        await house.answer(provider="dear")
        await house.answer(task_type="code_review")
        await house.answer(model="cheap/gpt-4o")
        await house.answer()

        reasons = [record.decision.reason for record in house.spool.records]
        assert reasons[0].startswith("the caller asked for provider dear; ")
        assert reasons[1].startswith("code_review goes to dear first; ")
        assert reasons[2].startswith("the caller asked for model cheap/gpt-4o; ")
        assert reasons[3].startswith("cost: ")


async def test_a_slow_spell_is_forgotten_without_further_calls() -> None:
    settings = RouterSettings(strategy="performance")
    transports = two(completion(after_s=9.0), completion(after_s=1.0))
    async with small_house(transports, settings=settings) as house:
        await house.answer(provider="cheap")
        await house.answer(provider="dear")
        transports["cheap"].answers = [completion(after_s=0.1)]
        assert (await house.answer()).provider == "dear"
        await anyio.sleep(1000.0)
        await house.answer(provider="dear")
        asked = [(await house.answer()).provider for _ in range(3)]

        assert "cheap" in asked


async def test_round_robin_takes_turns() -> None:
    settings = RouterSettings(strategy="round_robin")
    async with small_house(two(completion(), completion()), settings=settings) as house:
        names = [(await house.answer()).provider for _ in range(4)]

        assert sorted(names[:2]) == sorted(names[2:]) == ["cheap", "dear"]


# ---- streams


async def test_a_stream_tells_whose_it_is_before_its_first_piece() -> None:
    async with small_house(two(stream("a", "b"), completion())) as house:
        result, deltas, started = await house.stream()

        assert isinstance(result, RouteResult)
        assert [d.content for d in deltas if d.content] == ["a", "b"]
        assert [(s.provider, s.attempts) for s in started] == [("cheap", 1)]
        assert started[0].model == result.model == "gpt-4o-2024-08-06"


async def test_a_stream_that_fails_before_content_is_taken_over_unseen() -> None:
    async with small_house(two(refusal(503), stream("b"))) as house:
        result, deltas, started = await house.stream()

        assert isinstance(result, RouteResult)
        assert "".join(d.content or "" for d in deltas) == "b"
        assert [(s.provider, s.attempts) for s in started] == [("dear", 2)]


async def test_a_stream_cut_after_content_is_an_error_and_never_repeated() -> None:
    transports = two(stream("a", whole=False), stream("b"))
    async with small_house(transports) as house:
        result, deltas, _ = await house.stream()

        assert isinstance(result, ErrorInfo)
        assert result.kind == "provider_error"
        assert "".join(d.content or "" for d in deltas) == "a"
        assert transports["dear"].calls == []


async def test_a_buffered_stream_fails_over_unseen_and_comes_whole() -> None:
    transports = two(stream("half", whole=False), stream("w", "hole"))
    async with small_house(transports) as house:
        result, deltas, started = await house.stream(stream_mode="buffered")

        assert isinstance(result, RouteResult)
        assert "".join(d.content or "" for d in deltas) == "whole"
        assert [s.provider for s in started] == ["dear"]
        assert [a.outcome for a in result.attempts] == ["bad_response", "ok"]


# ---- leaving, stopping, crashing


async def cancel_after(house: SmallHouse, wait_s: float) -> tuple[object, float]:
    handle = house.router.route(request())
    results: list[object] = []

    async def wait() -> None:
        results.append(await ended(handle))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.sleep(wait_s)
        handle.cancel()
        left_at = anyio.current_time()
    return results[0], anyio.current_time() - left_at


async def test_a_caller_that_leaves_stops_the_upstream_call_and_is_recorded() -> None:
    transports = two(Answer(hangs_first=True), completion())
    async with small_house(transports) as house:
        result, took_s = await cancel_after(house, 1.0)

        assert isinstance(result, ErrorInfo)
        assert result.kind == "cancelled"
        assert took_s == 0.0
        assert transports["cheap"].open == 0
        (record,) = house.spool.records
        assert [a.outcome for a in record.attempts] == ["cancelled"]
        assert record.cost_usd is None  # it may have been worked on: not known
        assert transports["dear"].calls == []


@pytest.mark.parametrize("after", ["removed", "replaced"])
async def test_a_call_is_stopped_at_the_provider_that_has_it(after: str) -> None:
    """Whoever has its name by now, if anybody does."""
    transports = two(Answer(hangs_first=True), completion())
    async with small_house(transports) as house:
        handle = house.router.route(request())
        results: list[object] = []

        async def wait() -> None:
            results.append(await ended(handle))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(1.0)
            assert transports["cheap"].open == 1
            gone = house.refs.pop("cheap")
            if after == "replaced":
                house.refs["cheap"] = house.refs["dear"]
            handle.cancel()
            left_at = anyio.current_time()

        assert anyio.current_time() == left_at
        assert transports["cheap"].open == 0
        assert gone.snapshot().models[0].in_flight == 0


async def test_a_daemon_that_stops_a_request_says_so_in_its_record() -> None:
    async with small_house({"only": FakeTransport(Answer(hangs_first=True))}) as house:
        handle = house.router.route(request())
        results: list[object] = []

        async def wait() -> None:
            results.append(await ended(handle))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(1.0)
            handle.cancel(interrupted=True)

        (result,) = results
        assert isinstance(result, ErrorInfo)
        assert (result.kind, result.owner) == ("interrupted", "us")
        assert house.spool.records[0].outcome == "interrupted"


async def test_a_caller_that_leaves_during_a_back_off_ends_the_wait() -> None:
    limited = refusal(429, "rate_limit_exceeded", retry_after_s=4)
    transport = FakeTransport(limited)
    async with small_house({"only": transport}) as house:
        result, took_s = await cancel_after(house, 1.0)

        assert isinstance(result, ErrorInfo)
        assert result.kind == "cancelled"
        assert took_s == 0.0
        assert len(transport.calls) == 1


async def test_the_deadline_ends_a_request_as_the_callers_own() -> None:
    async with small_house({"only": FakeTransport(Answer(hangs_first=True))}) as house:
        error = await house.error(deadline_s=3.0)

        assert error.kind == "deadline_exceeded"
        assert house.spool.records[0].latency_s == pytest.approx(3.0)
        assert house.snapshot("only").models[0].consecutive_failures == 0


async def test_a_crashed_provider_actor_fails_over_its_requests_and_comes_back() -> (
    None
):
    transports = two(Answer(hangs_first=True), completion("b"))
    async with small_house(transports) as house:
        results: list[object] = []

        async def ask() -> None:
            results.append(await house.answer())

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.sleep(1.0)
            house.system.ref("cheap").tell(Crash())
        (result,) = results

        assert isinstance(result, RouteResult)
        assert result.provider == "dear"
        transports["cheap"].answers = [completion("again")]
        assert (await house.answer()).provider == "cheap"
        assert house.snapshot("cheap").restarts == 1
        assert house.snapshot("dear").restarts == 0


async def test_a_crash_in_mid_stream_tells_nothing_twice() -> None:
    transports = two(stream("one ", "two ", gap_s=1.0), stream("other"))
    async with small_house(transports) as house:
        told: list[tuple[object, list[Delta], object]] = []

        async def ask() -> None:
            told.append(await house.stream())

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.sleep(2.5)
            house.system.ref("cheap").tell(Crash())
        [(result, deltas, _)] = told

        assert [delta.content for delta in deltas] == ["one "]
        assert isinstance(result, ErrorInfo)


async def test_a_router_that_crashes_stops_its_calls_and_says_no_more() -> None:
    transports = two(stream("one ", "two ", gap_s=1.0), stream("other"))
    async with small_house(transports) as house:
        told: list[object] = []
        deltas: list[Delta] = []

        async def ask() -> None:
            handle = house.router.route(request(stream=True), deltas.append)
            told.append(await ended(handle))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.sleep(2.5)
            house.system.ref("router").tell(CancelRoute([]))  # type: ignore[arg-type]  # so that it crashes
        await anyio.sleep(0.1)

        assert [delta.content for delta in deltas] == ["one "]
        assert transports["cheap"].open == 0
        (record,) = house.spool.records
        assert record.outcome == "interrupted"
        assert [a.outcome for a in record.attempts] == ["cancelled"]


async def test_breaker_and_windows_come_back_after_a_crash() -> None:
    transports = two(refusal(500), completion())
    async with small_house(transports) as house:
        for _ in range(3):
            await house.answer()
        await anyio.sleep(5.5)  # the next save
        before = house.snapshot("cheap").models[0]
        house.system.ref("cheap").tell(Crash())
        await anyio.sleep(0.1)
        after = house.snapshot("cheap").models[0]

        assert before.breaker == after.breaker == "open"
        assert after.calls == before.calls == 3


async def test_a_stopping_daemon_writes_down_what_was_under_way() -> None:
    transports = two(Answer(hangs_first=True), completion())
    results: list[object] = []
    async with anyio.create_task_group() as group, small_house(transports) as house:

        async def ask() -> None:
            results.append(await house.ask())

        group.start_soon(ask)
        await anyio.sleep(1.0)

    assert isinstance(results[0], ErrorInfo)
    assert results[0].kind == "interrupted"
    (record,) = house.spool.records
    assert record.outcome == "interrupted"
    assert [a.provider for a in record.attempts] == ["cheap"]


async def test_an_answer_leaves_even_when_its_record_cannot_be_written() -> None:
    async with small_house(two(completion("a"), completion())) as house:
        house.spool.error = OSError(28, "No space left on device")
        result = await house.answer()

        assert result.content == "a"
        assert len(house.finished) == 1


# ---- changing the strategy


async def test_strategy_and_weights_change_at_run_time_and_survive_a_restart() -> None:
    keeper = MemoryKeeper()
    async with small_house(two(completion(), completion()), keeper=keeper) as house:
        await house.router.set_strategy("round_robin")
        await house.router.set_weights(Weights(1.0, 0.0, 0.0))
        assert house.router.overridden()
    async with small_house(two(completion(), completion()), keeper=keeper) as house:
        assert house.router.strategy() == ("round_robin", Weights(1.0, 0.0, 0.0))
        await house.router.set_strategy(None)
        assert house.router.strategy()[0] == "cost"


async def test_a_connection_that_never_came_about_costs_nothing() -> None:
    refused = Answer(refuses=ProviderConnectionError("refused"))
    async with small_house(two(refused, completion())) as house:
        result = await house.answer()

        assert [a.cost_usd for a in result.attempts] == [0, Decimal("0.00006")]
        assert result.cost_usd == Decimal("0.00006")


async def test_a_total_with_an_unknown_part_is_unknown_and_its_known_part_is_kept() -> (
    None
):
    lost = Answer(refuses=ProviderConnectionError("reset", sent=True))
    async with small_house(two(lost, completion())) as house:
        result = await house.answer()

        assert result.cost_usd is None
        assert house.spool.records[0].known_cost_usd == Decimal("0.00006")


async def test_a_budget_that_nobody_can_meet_is_refused_before_anyone_is_asked() -> (
    None
):
    transports = two(completion(), completion())
    async with small_house(transports) as house:
        error = await house.error(budget_usd=Decimal("0.000001"))

        assert error.kind == "budget_exceeded"
        assert transports["cheap"].calls == transports["dear"].calls == []


async def test_nobody_is_lost_when_everybody_becomes_slow_at_once() -> None:
    transports = {name: FakeTransport(completion()) for name in ("a", "b", "c")}
    strategies = RouterSettings(strategy="round_robin", retry=RetryConfig())
    async with small_house(transports, settings=strategies) as house:
        for _ in range(60):
            await house.answer()
        for transport in transports.values():
            transport.answers = [completion(after_s=1.5)]
        results = [await house.ask() for _ in range(90)]

        slow = [house.snapshot(name).models[0].breaker_cause for name in transports]
        assert "slow" in slow
        assert all(isinstance(result, RouteResult) for result in results)
        assert all(len(result.attempts) == 1 for result in results)


async def test_fifty_milliseconds_are_never_slow_however_quick_it_was_before() -> None:
    transports = {"a": FakeTransport(completion())}
    async with small_house(transports) as house:
        for _ in range(20):
            await house.answer()
        transports["a"].answers = [completion(after_s=0.05)]
        for _ in range(50):
            await house.answer()

        assert house.transitions() == []
        assert house.snapshot("a").models[0].breaker == "closed"


async def test_one_that_became_slow_is_left_for_one_that_did_not() -> None:
    transports = {name: FakeTransport(completion()) for name in ("a", "b")}
    settings = RouterSettings(strategy="round_robin")
    async with small_house(transports, settings=settings) as house:
        for _ in range(40):
            await house.answer()
        transports["a"].answers = [completion(after_s=4.0)]
        asked = len(transports["a"].calls)
        for _ in range(200):
            await house.answer()

        assert ("closed", "open") in house.transitions()
        assert len(transports["a"].calls) - asked < 60
        excluded = [x for r in house.spool.records for x in r.decision.excluded]
        assert {(x.target.provider, x.code) for x in excluded} == {("a", "slow")}


async def test_the_only_one_left_is_asked_though_it_is_slow() -> None:
    transports = {name: FakeTransport(completion()) for name in ("a", "b")}
    settings = RouterSettings(strategy="round_robin")
    async with small_house(transports, settings=settings) as house:
        for _ in range(40):
            await house.answer()
        transports["a"].answers = [completion(after_s=4.0)]
        while house.snapshot("a").models[0].breaker != "open":
            await house.answer()
        transports["b"].answers = [refusal(500)]
        result = await house.answer()

        assert [(a.provider, a.outcome) for a in result.attempts] == [
            ("b", "server_error"),
            ("a", "ok"),
        ]


async def test_a_recorded_decision_can_be_made_again_from_the_records() -> None:
    providers = {name: FakeTransport(completion()) for name in ("a", "b", "c")}
    async with small_house(providers, settings=RouterSettings()) as house:
        for _ in range(30):
            await house.answer()
        house.spool.error = OSError("full")
        await house.ask()  # what it saw is written with the next one
        house.spool.error = None
        for transport in providers.values():
            transport.answers = [completion(after_s=1.0)]
        for _ in range(30):
            await house.answer()

        recollection = Recollection()
        for record in house.spool.records:
            recalled = recollection.recall(record)
            assert isinstance(recalled, Recalled)
            ranking = rank(recalled.candidates, recalled.ask)
            assert ranking.ranked == record.decision.candidates
            assert ranking.confidence == record.decision.confidence
        assert sum(len(record.sightings) for record in house.spool.records) < 200


LONG = "What is a lease? " * 400


def cached_completion(prompt: int, cached: int) -> Answer:
    """A completion whose usage reports cached tokens."""
    whole = completion()
    body = msgspec.json.decode(whole.pieces[0][1], type=dict[str, object])
    body["usage"] = {
        "prompt_tokens": prompt,
        "completion_tokens": 5,
        "total_tokens": prompt + 5,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return Answer([(0.0, msgspec.json.encode(body))])


async def test_a_conversation_stays_where_its_prompt_is_cached() -> None:
    providers = {"a": FakeTransport(cached_completion(1700, 0))}
    providers |= {"b": FakeTransport(cached_completion(1700, 0))}
    settings = RouterSettings(strategy="availability")
    async with small_house(providers, settings=settings) as house:
        first = await house.answer(prompt=LONG)
        others = [await house.answer(prompt=f"{n} {LONG}") for n in range(6)]
        for transport in providers.values():
            transport.answers = [cached_completion(1700, 1600)]
        again = [await house.answer(prompt=LONG) for _ in range(6)]

        assert {result.provider for result in again} == {first.provider}
        assert len(others) == 6
        reasons = [r.decision.reason for r in house.spool.records[-6:]]
        assert all("prompt is cached there" in reason for reason in reasons)


async def test_it_moves_when_staying_costs_more_than_the_cache_saves() -> None:
    # dear asks twice as much; what of it is cached costs a tenth.
    prices = {
        "cheap": Price(input=Decimal(1), output=Decimal(4)),
        "dear": Price(input=Decimal(2), output=Decimal(8), cached_input=Decimal("0.2")),
    }
    providers = {name: FakeTransport(cached_completion(1700, 0)) for name in prices}
    async with small_house(providers, prices=prices) as house:
        for share in (1600, 0):
            house.transports["dear"].answers = [cached_completion(1700, share)]
            for _ in range(40):
                await house.answer(prompt=LONG, provider="dear")
            staying = await house.answer(prompt=LONG)

            assert staying.provider == ("dear" if share else "cheap")
        [cost] = house.spool.records[40].decision.candidates[0].terms
        assert "tokens cached there save $" in (cost.note or "")


async def test_what_is_expected_of_an_answer_follows_what_came() -> None:
    async with small_house({"a": FakeTransport(completion())}) as house:
        for _ in range(60):
            await house.answer(task_type="label")
        await house.answer(task_type="other")

        on = [record.decision.ranked_on for record in house.spool.records]
        assert on[0] is not None
        assert on[59] is not None
        assert on[60] is not None
        assert on[0].expected_output_tokens == 256
        assert on[59].expected_output_tokens < 60
        assert on[60].expected_output_tokens == 256
