"""Places and who waits for one: what no timing of calls and cancellations may lose."""

from collections.abc import AsyncIterator

import anyio
import pytest
from msgspec.structs import replace

from actors.messages.provider import (
    Attempt,
    Outcome,
    ProbeResult,
    ProviderRef,
    ProviderSnapshot,
)
from actors.messages.router import QueueExit
from actors.policy.waiting_line import Shed
from actors.router.gate import HOUSE, MAX_RETRY_AFTER_S, Answer, Gate
from actors.runtime import Backend, current_backend
from tests.support.waiters import waiter


class Provider:
    """A provider that is whatever its snapshot says."""

    def __init__(self, **given: object) -> None:
        plain = ProviderSnapshot(
            provider="p", kind="openai", version=1, models=(), default_model=None
        )
        self.seen = replace(plain, **given)

    @property
    def name(self) -> str:
        return "p"

    def snapshot(self) -> ProviderSnapshot:
        return self.seen

    async def attempt(self, attempt: Attempt) -> Outcome:
        raise NotImplementedError

    def cancel(self, attempt_id: str, *, lost: bool = False) -> None: ...

    def resumes_as(self, model: str) -> None: ...

    async def check_health(self, model: str | None = None) -> ProbeResult:
        raise NotImplementedError


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with current_backend() as running:
        yield running


class Hall:
    """A gate with one provider, those who wait before it, and what they got."""

    def __init__(self, backend: Backend, provider: Provider, inside: int = 9) -> None:
        self.backend = backend
        self.provider = provider
        self.providers: dict[str, ProviderRef] = {"p": provider}
        self.told: list[QueueExit] = []
        self.answers: list[tuple[float, Answer]] = []
        self.gate = Gate(
            self.providers, max_inside=inside, max_waiting=9, tell=self.told.append
        )

    async def wait(self, *places: str, patience_s: float = 600.0) -> None:
        one = waiter(*places, since=self.backend.now(), patience_s=patience_s)
        answer = await self.gate.wait(one, self.backend)
        self.answers.append((self.backend.now(), answer))


async def test_there_is_room_up_to_the_limit_and_nobody_overtakes(
    backend: Backend,
) -> None:
    hall = Hall(backend, Provider(concurrency_limit=2))
    gate = hall.gate
    assert gate.room("p", 0.0)
    gate.take("p")
    gate.take("p")
    assert not gate.room("p", 0.0)

    async with anyio.create_task_group() as group:
        group.start_soon(hall.wait)
        await anyio.sleep(1.0)
        gate.free("p", backend.now())
        assert gate.taken("p") == 2  # it is the waiter's before it knows
        assert not gate.room("p", backend.now())

    assert hall.answers == [(1.0, "p")]


async def test_calls_of_others_count_too(backend: Backend) -> None:
    hall = Hall(backend, Provider(concurrency_limit=2, in_flight=2))

    assert not hall.gate.room("p", 0.0)


async def test_a_rate_lets_those_on_their_way_in_first(backend: Backend) -> None:
    paced = Provider(requests_free_at=-1.0, request_interval_s=1.0)
    hall = Hall(backend, paced)

    taken = 0
    while hall.gate.room("p", 0.0):
        hall.gate.take("p")
        taken += 1

    assert taken == 2


async def test_it_opens_when_the_rate_says_and_not_when_it_seemed(
    backend: Backend,
) -> None:
    """Calls that had ended were still taken for being on their way."""
    hall = Hall(backend, Provider(requests_free_at=1.0, request_interval_s=1.0))
    for _ in range(5):
        hall.gate.take("p")
    async with anyio.create_task_group() as group:
        group.start_soon(hall.wait)  # seems to open at 6
        await anyio.sleep(0.1)
        for _ in range(5):
            hall.gate.free("p", backend.now())

    ((at, answer),) = hall.answers
    assert answer == "p"
    assert at == pytest.approx(1.0)


async def test_a_provider_closed_for_long_is_left_to_say_so_itself(
    backend: Backend,
) -> None:
    hall = Hall(backend, Provider(blocked_until=120.0))

    assert hall.gate.room("p", 0.0)


async def test_a_provider_that_is_gone_keeps_nobody_waiting(backend: Backend) -> None:
    hall = Hall(backend, Provider(concurrency_limit=1))
    hall.gate.take("p")
    async with anyio.create_task_group() as group:
        group.start_soon(hall.wait)
        await anyio.sleep(1.0)
        hall.providers.clear()
        hall.gate.configure(max_inside=9, max_waiting=9)

    assert hall.answers == [(1.0, None)]
    assert hall.gate.room("p", 1.0)


async def test_a_waiter_cancelled_as_its_turn_comes_passes_the_place_on(
    backend: Backend,
) -> None:
    hall = Hall(backend, Provider(concurrency_limit=1))
    hall.gate.take("p")
    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()

        async def first() -> None:
            with scope:
                await hall.wait()
                hall.gate.free("p", backend.now())  # it was told all the same

        group.start_soon(first)
        await anyio.sleep(0.1)
        group.start_soon(hall.wait)
        await anyio.sleep(0.1)
        hall.gate.free("p", backend.now())
        scope.cancel()  # it had the place already

    assert hall.answers[-1][1] == "p"
    assert hall.gate.taken("p") == 1
    assert hall.gate.waiting == 0


async def test_a_cancelled_waiter_that_has_not_noticed_yet_is_granted_in_vain(
    backend: Backend,
) -> None:
    hall = Hall(backend, Provider(concurrency_limit=1))
    hall.gate.take("p")
    async with anyio.create_task_group() as group:
        group.start_soon(hall.wait)
        await anyio.sleep(0.1)
        group.cancel_scope.cancel()
        hall.gate.free("p", backend.now())

    assert hall.gate.taken("p") == 0
    assert hall.gate.waiting == 0
    assert not hall.gate._futures
    assert not hall.gate._granted


async def test_the_house_keeps_to_its_own_limit(backend: Backend) -> None:
    hall = Hall(backend, Provider(), inside=1)
    hall.gate.take(HOUSE)
    assert not hall.gate.room(HOUSE, 0.0)

    async with anyio.create_task_group() as group:
        group.start_soon(hall.wait, HOUSE)
        await anyio.sleep(1.0)
        assert hall.gate.in_flight == 2
        hall.gate.free(HOUSE, backend.now())

    assert hall.answers == [(1.0, HOUSE)]
    assert hall.gate.in_flight == 1


async def test_a_deadline_ends_the_wait_on_time(backend: Backend) -> None:
    hall = Hall(backend, Provider(concurrency_limit=1))
    hall.gate.take("p")

    await hall.wait(patience_s=3.0)

    ((at, answer),) = hall.answers
    assert isinstance(answer, Shed)
    assert (at, answer.reason) == (3.0, "deadline")
    assert hall.told == [QueueExit("normal", 3.0, "deadline")]


async def test_retry_after_is_about_when_those_who_wait_are_through(
    backend: Backend,
) -> None:
    hall = Hall(backend, Provider(concurrency_limit=1))
    assert hall.gate.retry_after_s(0.0) == MAX_RETRY_AFTER_S
    hall.gate.take("p")
    async with anyio.create_task_group() as group:
        for _ in range(9):
            group.start_soon(hall.wait)
        for _ in range(6):
            await anyio.sleep(1.0)
            hall.gate.free("p", backend.now())
        waited = hall.gate.retry_after_s(backend.now())
        assert 3.0 <= waited <= 8.0  # three wait, about one a second is served
        group.cancel_scope.cancel()
