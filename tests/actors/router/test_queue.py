"""Waiting for a place: who goes next, who is told to come again, and what is left over."""

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise

import anyio
import pytest
from typing_extensions import override

from actors.messages.routing import ErrorInfo, Priority, RouteRequest, RouteResult
from actors.policy.limits import LimitConfig
from actors.provider import ProviderSettings
from actors.router import RouterSettings
from actors.router.gate import HOUSE
from actors.wire.base import HttpRequest
from tests.support.fake_transport import Answer, FakeTransport, completion, refusal
from tests.support.small_house import SmallHouse, ended, provider, request, small_house

SERVICE_S = 1.0


def slow(service_s: float = SERVICE_S) -> FakeTransport:
    return FakeTransport(completion(after_s=service_s))


def limited(name: str = "only", **limits: float) -> dict[str, ProviderSettings]:
    return {name: provider(name, limits=LimitConfig(**limits))}  # type: ignore[arg-type]  # a test's own words


@dataclass
class Told:
    """What came of one request, and when."""

    name: str
    at: float
    answer: RouteResult | ErrorInfo


@dataclass
class Crowd:
    """Sends requests and writes down what came of them."""

    house: SmallHouse
    told: list[Told] = field(default_factory=list)

    async def ask(self, name: str, **given: object) -> None:
        answer = await self.house.ask(**given)
        self.told.append(Told(name, anyio.current_time(), answer))

    @property
    def answered(self) -> list[str]:
        return [t.name for t in self.told if isinstance(t.answer, RouteResult)]

    def errors(self, kind: str) -> list[ErrorInfo]:
        found = [t.answer for t in self.told if isinstance(t.answer, ErrorInfo)]
        return [each for each in found if each.kind == kind]


def assert_nothing_is_left(house: SmallHouse) -> None:
    """No place is taken and nobody waits."""
    gate = house.desk.gate
    assert gate.in_flight == gate.waiting == gate.taken(HOUSE) == 0
    assert not gate._futures
    assert not gate._granted
    for name in house.refs:
        assert gate.taken(name) == 0
        assert house.snapshot(name).in_flight == 0
        assert house.transports[name].open == 0


# Waiting instead of failing ----------------------------------------------------------


async def test_what_exceeds_the_concurrency_waits_and_is_answered() -> None:
    async with small_house({"only": slow()}, providers=limited(concurrency=2)) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            for n in range(7):
                group.start_soon(crowd.ask, f"{n}")
            await anyio.sleep(0.5)
            assert house.transports["only"].open == 2
            assert house.router.waiting() == {"high": 0, "normal": 5, "low": 0}
            assert house.router.in_flight() == 7

        assert len(crowd.answered) == 7
        assert [t.at for t in crowd.told] == pytest.approx([1, 1, 2, 2, 3, 3, 4])
        last = house.spool.records[-1]
        assert last.queued_s == pytest.approx(3.0)
        assert last.overhead_s == pytest.approx(0.0)
        assert Counter(each.result for each in house.queued) == {"served": 5}
        assert_nothing_is_left(house)


async def test_a_provider_with_a_place_is_preferred_to_waiting() -> None:
    transports = {"cheap": slow(), "dear": slow()}
    async with small_house(
        transports, providers=limited("cheap", concurrency=1)
    ) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            for n in range(3):
                group.start_soon(crowd.ask, f"{n}")

        providers = [t.answer.provider for t in crowd.told]
        assert sorted(map(str, providers)) == ["cheap", "dear", "dear"]
        assert house.queued == []


async def test_the_first_place_that_comes_free_is_taken_wherever_it_is() -> None:
    transports = {"slow": slow(100.0), "quick": slow(1.0)}
    providers = limited("slow", concurrency=1) | limited("quick", concurrency=1)
    async with small_house(transports, providers=providers) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            for n in range(4):
                group.start_soon(crowd.ask, f"{n}")

        assert [t.at for t in crowd.told] == pytest.approx([1.0, 2.0, 3.0, 100.0])


async def test_a_failover_waits_too_and_is_not_charged_twice() -> None:
    transports = {"cheap": FakeTransport(refusal(500)), "dear": slow()}
    providers = limited("dear", concurrency=1)
    async with small_house(transports, providers=providers) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            group.start_soon(crowd.ask, "first")
            group.start_soon(crowd.ask, "second")
        balance = house.desk.budget.left(0.0)

        assert len(crowd.answered) == 2
        assert [t.at for t in crowd.told] == pytest.approx([1.0, 2.0])
        assert balance == pytest.approx(8.2)  # ten, and a tenth for each, less two


async def test_a_wait_over_a_cool_down_is_served_one_by_one_at_the_rate() -> None:
    transports = {"only": slow(0.0)}
    async with small_house(
        transports, providers=limited(requests_per_minute=60)
    ) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            for n in range(66):
                group.start_soon(crowd.ask, f"{n}")

        assert len(crowd.answered) == 66
        assert [t.at for t in crowd.told[-6:]] == pytest.approx([1, 2, 3, 4, 5, 6])
        assert_nothing_is_left(house)


async def test_the_house_has_a_last_place_too() -> None:
    settings = RouterSettings(strategy="cost", max_in_flight=2)
    async with small_house({"only": slow()}, settings=settings) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            for n in range(5):
                group.start_soon(crowd.ask, f"{n}")

        assert [t.at for t in crowd.told] == pytest.approx([1, 1, 2, 2, 3])
        assert_nothing_is_left(house)


async def test_who_waits_for_a_busy_provider_keeps_nobody_from_another() -> None:
    settings = RouterSettings(strategy="cost", max_in_flight=3)
    transports = {"busy": slow(100.0), "free": slow(1.0)}
    async with small_house(
        transports, settings=settings, providers=limited("busy", concurrency=1)
    ) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(
                    _asker(crowd, "busy", provider="busy", deadline_s=50.0)
                )
            await anyio.sleep(1.0)
            await crowd.ask("free", provider="free")

            assert crowd.answered == ["free"]
            assert crowd.told[0].at == pytest.approx(2.0)
        assert_nothing_is_left(house)


# Order -------------------------------------------------------------------------------


async def test_priorities_and_turns_between_users() -> None:
    async with small_house({"only": slow()}, providers=limited(concurrency=1)) as house:
        crowd = Crowd(house)
        orders: list[tuple[str, Priority, str]] = [
            ("first", "normal", "ada"),
            ("ada1", "normal", "ada"),
            ("ada2", "normal", "ada"),
            ("bob1", "normal", "bob"),
            ("low", "low", "eve"),
            ("high", "high", "eve"),
        ]
        async with anyio.create_task_group() as group:
            for name, priority, user in orders:
                ask = _asker(crowd, name, priority=priority, user=user)
                group.start_soon(ask)
                await anyio.sleep(0.01)

        assert crowd.answered == ["first", "high", "ada1", "bob1", "ada2", "low"]


def _asker(
    crowd: Crowd, name: str, **given: object
) -> Callable[[], Coroutine[object, object, None]]:
    return lambda: crowd.ask(name, **given)


# Leaving -----------------------------------------------------------------------------


async def test_a_deadline_passes_in_the_queue_on_time() -> None:
    async with small_house(
        {"only": slow(60.0)}, providers=limited(concurrency=1)
    ) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            group.start_soon(crowd.ask, "first")
            await anyio.sleep(0.1)
            group.start_soon(_asker(crowd, "hasty", deadline_s=3.0))

        (error,) = crowd.errors("deadline_exceeded")
        assert crowd.told[0].at == pytest.approx(3.1)
        assert error.owner == "caller"
        assert "place at only" in error.message
        assert len(house.transports["only"].calls) == 1


async def test_a_thousand_callers_that_leave_while_waiting_leak_nothing() -> None:
    settings = RouterSettings(strategy="cost", max_waiting=2000)
    async with small_house(
        {"only": slow(1000.0)}, settings=settings, providers=limited(concurrency=1)
    ) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            group.start_soon(_asker(crowd, "first", deadline_s=600.0))
            await anyio.sleep(1.0)
            runs = []
            for n in range(1000):
                run = house.router.route(_request(n))
                group.start_soon(ended, run)
                runs.append(run)
            await anyio.sleep(1.0)
            assert house.desk.gate.waiting == 1000
            for run in runs:
                run.cancel()
            await anyio.sleep(0.0)
            await anyio.sleep(0.001)

            assert house.desk.gate.waiting == 0
            assert house.router.in_flight() == 1
            assert house.desk.gate._queue._wanting == {}
            assert house.desk.gate._timers == {}
        assert Counter(r.outcome for r in house.finished) == {
            "cancelled": 1000,
            "deadline_exceeded": 1,
        }
        assert_nothing_is_left(house)


def _request(n: int) -> RouteRequest:
    return request(user=f"user{n % 7}")


async def test_a_caller_that_leaves_as_its_turn_comes_passes_the_place_on() -> None:
    async with small_house({"only": slow()}, providers=limited(concurrency=1)) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            group.start_soon(crowd.ask, "first")
            await anyio.sleep(0.1)
            leaving = house.router.route(request())
            group.start_soon(ended, leaving)
            await anyio.sleep(0.1)
            group.start_soon(crowd.ask, "last")
            await anyio.sleep(0.8)  # to the moment the first call ends
            leaving.cancel()

        assert crowd.answered == ["first", "last"]
        assert crowd.told[-1].at == pytest.approx(2.0)
        assert_nothing_is_left(house)


async def test_a_daemon_that_stops_tells_those_who_wait() -> None:
    async with small_house(
        {"only": slow(50.0)}, providers=limited(concurrency=1)
    ) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            group.start_soon(crowd.ask, "first")
            await anyio.sleep(1.0)
            waiting = house.router.route(request())
            group.start_soon(ended, waiting)
            await anyio.sleep(1.0)
            waiting.cancel(interrupted=True)

        assert [r.outcome for r in house.finished] == ["interrupted", "ok"]
        assert_nothing_is_left(house)


async def test_other_settings_have_everybody_decide_anew() -> None:
    settings = RouterSettings(strategy="cost", max_in_flight=1)
    async with small_house({"only": slow(10.0)}, settings=settings) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            for n in range(3):
                group.start_soon(crowd.ask, f"{n}")
            await anyio.sleep(1.0)
            house.desk.configure(RouterSettings(strategy="cost", max_in_flight=9))

        assert [t.at for t in crowd.told] == pytest.approx([10.0, 11.0, 11.0])
        assert_nothing_is_left(house)


# Overload ----------------------------------------------------------------------------


async def overload(
    house: SmallHouse,
    crowd: Crowd,
    *,
    seconds: float,
    per_s: float,
    **given: object,
) -> None:
    """Open-loop arrivals at a steady rate; none waits for another's answer."""
    async with anyio.create_task_group() as group:
        start = anyio.current_time()
        for n in range(int(seconds * per_s)):
            await anyio.sleep(max(0.0, start + n / per_s - anyio.current_time()))
            group.start_soon(_asker(crowd, f"{n}", **given))


async def test_three_times_the_capacity_for_ten_minutes() -> None:
    """Capacity is 4 a second. Goodput, waits, what the others are told, recovery."""
    async with small_house({"only": slow()}, providers=limited(concurrency=4)) as house:
        crowd = Crowd(house)
        await overload(house, crowd, seconds=600.0, per_s=12.0)
        answered = [r for r in house.finished if r.outcome == "ok"]
        shed = crowd.errors("overloaded")
        waits = sorted(r.queued_s for r in answered)

        assert len(answered) >= 0.97 * 4 * 600
        assert len(answered) + len(shed) == 7200
        assert waits[int(0.99 * len(waits))] <= 5.0
        assert waits[int(0.95 * len(waits))] <= 1.0
        assert all(e.retryable and 1.0 <= (e.retry_after_s or 0) <= 30.0 for e in shed)
        assert_nothing_is_left(house)

        begun = anyio.current_time()
        calm = Crowd(house)
        await overload(house, calm, seconds=60.0, per_s=2.0)
        late = [r for r in house.finished[-120:] if r.at - house.finished[0].at > 0]
        assert len(calm.answered) == 120
        assert max(r.queued_s for r in late) == 0.0
        assert anyio.current_time() - begun < 62.0


async def test_an_overload_that_ends_is_over_within_seconds() -> None:
    async with small_house({"only": slow()}, providers=limited(concurrency=4)) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: overload(house, crowd, seconds=60.0, per_s=12.0))
            await anyio.sleep(63.0)
            began = len(house.finished)
            await overload(house, crowd, seconds=20.0, per_s=2.0)

        after = house.finished[began:]
        assert all(r.outcome == "ok" for r in after)
        assert max(r.queued_s for r in after) <= 1.5


async def test_a_burst_is_worked_off_and_nobody_is_shed() -> None:
    async with small_house(
        {"only": slow(10.0)}, providers=limited(concurrency=20)
    ) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            for n in range(100):
                group.start_soon(crowd.ask, f"{n}")

        assert len(crowd.answered) == 100
        assert crowd.told[-1].at == pytest.approx(50.0)


async def test_durable_work_is_served_in_order_however_long_it_takes() -> None:
    async with small_house({"only": slow()}, providers=limited(concurrency=4)) as house:
        crowd = Crowd(house)
        settings = {"durable": True, "priority": "low", "user": "queue"}
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: overload(house, crowd, seconds=120.0, per_s=12.0))
            await anyio.sleep(20.0)
            tasks = Crowd(house)
            for n in range(30):
                group.start_soon(_asker(tasks, f"{n}", **settings))
                await anyio.sleep(0.01)

        assert len(tasks.answered) == 30
        starts = [(t.at, int(t.name)) for t in tasks.told]
        assert all(b >= a - 3 for (_, a), (_, b) in pairwise(starts))  # 4 at a time


async def test_a_full_queue_says_when_to_come_again() -> None:
    settings = RouterSettings(strategy="cost", max_waiting=3)
    async with small_house(
        {"only": slow()}, settings=settings, providers=limited(concurrency=1)
    ) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            for n in range(10):
                group.start_soon(crowd.ask, f"{n}")

        assert len(crowd.answered) == 4
        errors = crowd.errors("overloaded")
        assert len(errors) == 6
        assert all(error.retry_after_s for error in errors)
        assert all(error.owner == "us" for error in errors)
        assert Counter(q.result for q in house.queued)["queue_full"] == 6


# Learned concurrency -----------------------------------------------------------------


class Choosy(FakeTransport):
    """A provider that takes so many calls at once and refuses the others with 429."""

    def __init__(self, capacity: int, service_s: float) -> None:
        super().__init__(completion(after_s=service_s))
        self._capacity = capacity
        self.refused = 0
        self.most = 0

    @override
    def _next(self, request: HttpRequest) -> Answer:
        if self.open >= self._capacity:
            self.refused += 1
            return refusal(429, "rate_limit_exceeded", retry_after_s=0.2)
        self.most = max(self.most, self.open + 1)
        return self.answers[0]


async def test_a_fan_out_on_a_fresh_daemon_starts_at_once() -> None:
    async with small_house({"only": slow(60.0)}) as house:
        crowd = Crowd(house)
        async with anyio.create_task_group() as group:
            for n in range(30):
                group.start_soon(crowd.ask, f"{n}")

        assert crowd.told[-1].at == pytest.approx(60.0)
        assert house.snapshot("only").concurrency_limit is None


async def test_the_limit_settles_about_what_the_provider_takes() -> None:
    """It takes ten calls at once, a second each; fourteen a second come."""
    transport = Choosy(capacity=10, service_s=1.0)
    settings = RouterSettings(strategy="cost", deadline_s=60.0)
    async with small_house({"only": transport}, settings=settings) as house:
        crowd = Crowd(house)
        await overload(house, crowd, seconds=300.0, per_s=14.0)

        limit = house.snapshot("only").concurrency_limit
        assert limit is not None
        assert 6 <= limit <= 11
        assert len(crowd.answered) >= 0.88 * 3000
        assert 0 < transport.refused <= 0.03 * len(crowd.answered)
        assert transport.most == 10
        assert not crowd.errors("rate_limited")
        assert_nothing_is_left(house)


async def test_what_a_provider_says_it_still_allows_is_kept_to() -> None:
    """Three remain of sixty a minute: the fourth waits for one to come back."""
    said = completion()
    said.headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-reset-requests": "57s",
    }
    transport = FakeTransport(said, completion())
    async with small_house({"only": transport}) as house:
        times = []
        for _ in range(6):
            await house.answer()
            times.append(anyio.current_time())

        assert times == pytest.approx([0.0, 0.0, 0.0, 0.0, 1.0, 2.0])
        assert house.snapshot("only").models[0].blocked_until == pytest.approx(3.0)


async def test_what_one_model_is_allowed_says_nothing_about_another() -> None:
    said = completion()
    said.headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "60s",
    }
    transport = FakeTransport(said)
    providers = {"only": provider("only", models=("one", "two"))}
    async with small_house({"only": transport}, providers=providers) as house:
        await house.answer(model="only/one")
        await house.answer(model="only/two")

        assert anyio.current_time() == 0.0
