"""A second call beside a slow one: when, who wins, what it costs, how it ends."""

from decimal import Decimal

import anyio
import pytest

from actors.messages.chat import ChatRequest, Message, Tool
from actors.messages.routing import ErrorInfo, RouteResult
from actors.policy.attempts import RetryConfig
from actors.provider.actor import Crash
from actors.router import RouterSettings
from tests.support.fake_transport import (
    Answer,
    FakeTransport,
    completion,
    event,
    refusal,
    stream,
)
from tests.support.small_house import SmallHouse, ended, request, small_house

HEDGING = RouterSettings(
    strategy="priority",
    hedge=1.0,
    retry=RetryConfig(adaptive_first_token=False),
)


def two() -> dict[str, FakeTransport]:
    return {
        "slow": FakeTransport(completion("a", after_s=1.0)),
        "fast": FakeTransport(completion("b", after_s=0.8)),
    }


async def learn(house: SmallHouse, *, streams: bool = False, count: int = 20) -> None:
    """Let both providers be measured: 1 s and 0.8 s, or so long to the first token."""
    if streams:
        house.transports["slow"].answers = [stream("a", gap_s=0.5)]
        house.transports["fast"].answers = [stream("b", gap_s=0.4)]
    for name in ("slow", "fast"):
        for _ in range(count):
            await ended(
                house.router.route(
                    request(provider=name, stream=streams), lambda _: None
                )
            )
    for transport in house.transports.values():
        transport.requests.clear()
        transport.closed_at.clear()


def outcomes(result: RouteResult | ErrorInfo) -> list[tuple[str, str, str]]:
    return [(a.provider, a.kind, a.outcome) for a in result.attempts]


async def timed(house: SmallHouse, **given: object) -> tuple[RouteResult, float]:
    began = anyio.current_time()
    result = await house.answer(**given)
    return result, anyio.current_time() - began


def slow_down(house: SmallHouse, *answers: Answer) -> None:
    house.transports["slow"].answers = list(answers)


async def test_a_hedge_begins_at_the_pools_best_p95_and_the_first_answer_wins() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house)
        slow_down(house, completion("late", after_s=30.0))
        result, took_s = await timed(house)

        assert result.content == "b"
        assert took_s == pytest.approx(0.8 + 0.8, rel=0.02)
        assert outcomes(result) == [
            ("slow", "first", "cancelled"),
            ("fast", "hedge", "ok"),
        ]
        assert house.transports["slow"].open == 0
        record = house.spool.records[-1]
        assert record.decision.hedge_after_s == pytest.approx(0.8, rel=0.02)
        assert (record.provider, record.outcome) == ("fast", "ok")
        assert "answered first" in (record.attempts[0].message or "")
        assert result.overhead_s == pytest.approx(0.0, abs=1e-6)


async def test_a_first_call_that_answers_before_its_hedge_wins() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house)
        result, took_s = await timed(house)

        assert took_s == pytest.approx(1.0)
        assert result.content == "a"
        assert outcomes(result) == [
            ("slow", "first", "ok"),
            ("fast", "hedge", "cancelled"),
        ]
        assert house.transports["fast"].open == 0
        assert house.snapshot("fast").models[0].failures == 0
        assert house.snapshot("fast").models[0].in_flight == 0


async def test_an_answer_before_the_delay_needs_no_hedge() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house)
        slow_down(house, completion("quick", after_s=0.7))
        result, _ = await timed(house)

        assert outcomes(result) == [("slow", "first", "ok")]
        assert house.transports["fast"].calls == []


async def test_a_fast_failure_fails_over_at_once() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house)
        slow_down(house, refusal(401, "invalid_api_key"))
        result, took_s = await timed(house)

        assert took_s == pytest.approx(0.8)
        assert outcomes(result) == [
            ("slow", "first", "auth"),
            ("fast", "failover", "ok"),
        ]


async def test_a_hedge_that_fails_leaves_the_first_alone() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house)
        slow_down(house, completion("late", after_s=5.0))
        house.transports["fast"].answers = [refusal(500)]
        result, took_s = await timed(house)

        assert took_s == pytest.approx(5.0)
        assert result.content == "late"
        assert outcomes(result) == [
            ("slow", "first", "ok"),
            ("fast", "hedge", "server_error"),
        ]


async def test_a_first_call_that_fails_leaves_its_hedge_alone() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house)
        failing = refusal(500)
        failing.after_s = 1.2
        slow_down(house, failing)
        result, _ = await timed(house)

        assert result.content == "b"
        assert outcomes(result) == [
            ("slow", "first", "server_error"),
            ("fast", "hedge", "ok"),
        ]


async def test_when_both_fail_the_next_attempt_follows_the_rules() -> None:
    transports = two() | {"third": FakeTransport(completion("c", after_s=1.0))}
    async with small_house(transports, settings=HEDGING) as house:
        await learn(house)
        failing = refusal(500)
        failing.after_s = 1.2
        slow_down(house, failing)
        house.transports["fast"].answers = [refusal(401, "invalid_api_key")]
        result, _ = await timed(house)

        assert outcomes(result) == [
            ("slow", "first", "server_error"),
            ("fast", "hedge", "auth"),
            ("slow", "retry", "server_error"),
            ("third", "hedge", "ok"),
        ]


async def test_hedges_count_in_the_attempts() -> None:
    settings = RouterSettings(
        strategy="priority", hedge=1.0, retry=RetryConfig(max_attempts=1)
    )
    async with small_house(two(), settings=settings) as house:
        await learn(house)
        slow_down(house, completion("late", after_s=5.0))
        result, _ = await timed(house)

        assert outcomes(result) == [("slow", "first", "ok")]


async def test_tools_a_forced_provider_and_an_unmeasured_pool_are_not_hedged() -> None:
    chat = ChatRequest(
        messages=(Message(role="user", content="x"),), tools=(Tool(name="f"),)
    )
    cases: tuple[dict[str, object], ...] = (
        {"chat": chat},
        {"provider": "slow"},
        {"model": "slow/gpt-4o"},
    )
    async with small_house(two(), settings=HEDGING) as house:
        slow_down(house, completion("late", after_s=5.0))
        result, _ = await timed(house)  # nothing is known yet
        assert house.spool.records[-1].decision.hedge_after_s is None
        assert outcomes(result) == [("slow", "first", "ok")]
        slow_down(house, completion("a", after_s=1.0))
        await learn(house)
        slow_down(house, completion("late", after_s=5.0))
        for given in cases:
            result, _ = await timed(house, **given)
            assert outcomes(result) == [("slow", "first", "ok")]


async def test_off_by_default() -> None:
    settings = RouterSettings(strategy="priority")
    async with small_house(two(), settings=settings) as house:
        await learn(house)
        slow_down(house, completion("late", after_s=5.0))
        result, _ = await timed(house)

        assert outcomes(result) == [("slow", "first", "ok")]


async def test_the_share_bounds_the_extra_calls() -> None:
    settings = RouterSettings(strategy="priority", hedge=0.05)
    async with small_house(two(), settings=settings) as house:
        await learn(house)  # 40 requests
        slow_down(house, completion("late", after_s=3.0))
        results = [(await timed(house))[0] for _ in range(40)]

        hedged = sum(len(result.attempts) > 1 for result in results)
        assert hedged == 4  # a twentieth of 80


async def test_failovers_use_up_the_share() -> None:
    settings = RouterSettings(strategy="priority", hedge=0.1)
    async with small_house(two(), settings=settings) as house:
        await learn(house)
        before = house.desk.hedges.left(anyio.current_time())
        slow_down(house, refusal(500), refusal(500), completion("a", after_s=0.1))
        result, _ = await timed(house)

        assert before == pytest.approx(4.0)  # a tenth of 40 requests
        assert outcomes(result) == [
            ("slow", "first", "server_error"),
            ("slow", "retry", "server_error"),
            ("fast", "failover", "ok"),
        ]
        after = house.desk.hedges.left(anyio.current_time())
        assert after == pytest.approx(before + 0.1 - 2.0)


async def test_an_empty_retry_budget_allows_no_hedge() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house)
        slow_down(house, completion("late", after_s=3.0))
        while house.desk.budget.try_take(anyio.current_time()):
            pass
        result, _ = await timed(house)

        assert outcomes(result) == [("slow", "first", "ok")]


async def test_a_hedge_is_taken_from_the_retry_budget() -> None:
    settings = RouterSettings(strategy="priority", hedge=1.0, retry_budget_min_per_s=0)
    async with small_house(two(), settings=settings) as house:
        await learn(house)
        slow_down(house, completion("late", after_s=3.0))
        before = house.desk.budget.left(anyio.current_time())
        await timed(house)

        after = house.desk.budget.left(anyio.current_time())
        assert after <= before - 1.0 + settings.retry_budget_ratio + 1e-9


async def test_a_hedge_that_the_money_does_not_reach_for_is_not_made() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house)
        await house.answer()
        slow_down(house, completion("late", after_s=3.0))
        slow, fast = [
            candidate.expected_cost_usd or Decimal(0)
            for candidate in house.spool.records[-1].decision.candidates
        ]
        tight, _ = await timed(house, budget_usd=slow + fast / 2)
        ample, _ = await timed(house, budget_usd=slow + fast * 2)

        assert outcomes(tight) == [("slow", "first", "ok")]
        assert len(ample.attempts) == 2


async def test_a_refused_hedge_costs_nothing_of_either_budget() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house)
        slow_down(house, completion("late", after_s=3.0))
        handle = house.router.route(request())
        results: list[RouteResult | ErrorInfo] = []

        async def wait() -> None:
            results.append(await ended(handle))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(0.5)
            while house.desk.hedges.left(anyio.current_time()) >= 2.0:
                house.desk.hedges.try_take(anyio.current_time())
            shares = house.desk.hedges.left(anyio.current_time())
            house.transports["fast"].answers = [refusal(500)]
            for _ in range(3):  # its breaker opens before the hedge begins
                await ended(
                    house.router.route(request(provider="fast", deadline_s=0.05))
                )
        assert len(results[0].attempts) == 1
        assert house.desk.hedges.left(anyio.current_time()) >= shares


# ---- streams


def talkative(first_s: float, *words: str, whole: bool = True) -> Answer:
    """A stream with a pause before its first word and none after."""
    answer = stream(*words, whole=whole)
    pieces = list(answer.pieces)
    pieces[1] = (first_s, pieces[1][1])
    return Answer(pieces)


async def test_a_streams_first_content_decides() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house, streams=True)
        slow_down(house, talkative(30.0, "late"))
        house.transports["fast"].answers = [stream("b", "c", gap_s=0.4)]
        began = anyio.current_time()
        result, deltas, started = await house.stream()
        took_s = anyio.current_time() - began

        assert isinstance(result, RouteResult)
        assert "".join(d.content or "" for d in deltas) == "bc"
        assert [(s.provider, s.attempts) for s in started] == [("fast", 2)]
        assert outcomes(result) == [
            ("slow", "first", "cancelled"),
            ("fast", "hedge", "ok"),
        ]
        # The hedge after 0.8 s (the best p95), its first word 0.8 s later.
        (left_at,) = house.transports["slow"].closed_at
        assert left_at - began == pytest.approx(1.6, rel=0.02)
        assert took_s == pytest.approx(0.8 + 4 * 0.4, rel=0.02)
        assert result.time_to_first_token_s == pytest.approx(1.6, rel=0.02)


async def test_a_stream_that_has_begun_is_not_hedged() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house, streams=True)
        words = [(0.3, event({"content": "a"})), (5.0, event({"content": "b"}))]
        whole = stream("x")
        slow_down(house, Answer([*words, *whole.pieces[2:]]))
        result, deltas, _ = await house.stream()

        assert "".join(d.content or "" for d in deltas) == "ab"
        assert outcomes(result)[0] == ("slow", "first", "ok")
        assert [o for _, _, o in outcomes(result)[1:]] in ([], ["cancelled"])


async def test_a_winner_that_breaks_is_an_error_and_the_loser_stays_cancelled() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house, streams=True)
        slow_down(house, talkative(30.0, "late"))
        house.transports["fast"].answers = [stream("b", whole=False)]
        result, deltas, _ = await house.stream()

        assert isinstance(result, ErrorInfo)
        assert result.kind == "provider_error"
        assert outcomes(result) == [
            ("slow", "first", "cancelled"),
            ("fast", "hedge", "bad_response"),
        ]
        assert "".join(d.content or "" for d in deltas) == "b"


async def test_buffered_streams_race_until_one_is_whole() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house, streams=True)
        slow_down(house, talkative(30.0, "late"))
        house.transports["fast"].answers = [stream("b", "c", gap_s=0.4)]
        result, deltas, started = await house.stream(stream_mode="buffered")

        assert isinstance(result, RouteResult)
        assert result.content == "".join(d.content or "" for d in deltas) == "bc"
        assert [s.provider for s in started] == ["fast"]


async def test_a_loser_that_had_begun_to_answer_is_billed() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await learn(house, streams=True)
        slow_down(house, stream("some", "words", "here", gap_s=3.0))
        house.transports["fast"].answers = [stream("b", gap_s=0.4)]
        result, _, _ = await house.stream(stream_mode="buffered")

        assert isinstance(result, RouteResult)
        loser, winner = house.spool.records[-1].attempts
        assert (loser.outcome, winner.outcome) == ("cancelled", "ok")
        assert loser.cost_source == "estimated"
        assert loser.cost_usd
        assert result.cost_usd == loser.cost_usd + (winner.cost_usd or 0)


# ---- leaving, crashing, running out of time, stopping


async def hedged(house: SmallHouse) -> None:
    """Both calls hang."""
    await learn(house)
    for transport in house.transports.values():
        transport.answers = [Answer(hangs_first=True)]


async def during(house: SmallHouse, **given: object) -> RouteResult | ErrorInfo:
    """A request whose two calls hang; at 3 s ``given`` happens."""
    handle = house.router.route(request())
    results: list[RouteResult | ErrorInfo] = []

    async def wait() -> None:
        results.append(await ended(handle))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.sleep(3.0)
        assert [t.open for t in house.transports.values()] == [1, 1]
        if given.get("cancel"):
            handle.cancel()
        for name in given.get("crash", ()):  # type: ignore[attr-defined]  # a test's own words
            house.system.ref(name).tell(Crash())
    return results[0]


async def test_a_caller_that_leaves_stops_both_calls_and_both_are_recorded() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await hedged(house)
        began = anyio.current_time()
        result = await during(house, cancel=True)

        assert isinstance(result, ErrorInfo)
        assert result.kind == "cancelled"
        assert anyio.current_time() - began == pytest.approx(3.0)
        assert [t.open for t in house.transports.values()] == [0, 0]
        assert outcomes(result) == [
            ("slow", "first", "cancelled"),
            ("fast", "hedge", "cancelled"),
        ]


@pytest.mark.parametrize(("dies", "lives"), [("slow", "fast"), ("fast", "slow")])
async def test_a_provider_actor_that_crashes_leaves_the_other_call_alone(
    dies: str, lives: str
) -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await hedged(house)
        house.transports[lives].answers = [completion("alive", after_s=6.0)]
        result = await during(house, crash=(dies,))

        assert isinstance(result, RouteResult)
        assert result.content == "alive"
        assert {o for _, _, o in outcomes(result)} == {"internal", "ok"}
        assert house.snapshot(dies).restarts == 1


async def test_when_both_actors_crash_the_request_goes_on_by_the_rules() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await hedged(house)
        result = await during(house, crash=("slow", "fast"))

        assert isinstance(result, ErrorInfo)
        assert result.kind == "internal"
        assert {o for _, _, o in outcomes(result)} == {"internal"}


async def test_the_deadline_ends_both() -> None:
    async with small_house(two(), settings=HEDGING) as house:
        await hedged(house)
        began = anyio.current_time()
        error = await house.error(deadline_s=4.0)

        assert error.kind == "deadline_exceeded"
        assert anyio.current_time() - began == pytest.approx(4.0)
        assert [t.open for t in house.transports.values()] == [0, 0]
        assert len(error.attempts) == 2


async def test_a_stopping_daemon_writes_down_both() -> None:
    results: list[RouteResult | ErrorInfo] = []
    async with (
        anyio.create_task_group() as group,
        small_house(two(), settings=HEDGING) as house,
    ):
        await hedged(house)

        async def ask() -> None:
            results.append(await house.ask())

        group.start_soon(ask)
        await anyio.sleep(3.0)

    assert isinstance(results[0], ErrorInfo)
    assert results[0].kind == "interrupted"
    record = house.spool.records[-1]
    assert [(a.provider, a.kind) for a in record.attempts] == [
        ("slow", "first"),
        ("fast", "hedge"),
    ]
    assert [t.open for t in house.transports.values()] == [0, 0]
