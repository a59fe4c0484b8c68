"""Providers come, change and go in virtual time, and nobody is disturbed."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from trio.testing import MockClock
from typing_extensions import override

from actors.messages.chat import ChatRequest, Message
from actors.messages.lifecycle import ActorExited, ActorRestarted, StateKeeper
from actors.messages.provider import Attempt, Outcome
from actors.policy.breaker import BreakerConfig
from actors.policy.pricing import PriceBook
from actors.provider import ProviderHandle, ProviderSettings, ProviderTools
from actors.provider.actor import Crash
from actors.runtime import ActorSystem
from actors.wire.base import Timeouts, Transport
from actors.wire.catalogue import dialect_for
from daemon.fleet import GRACE_S, Connections, Fleet
from tests.support.fake_transport import Answer, FakeTransport, completion
from tests.support.small_house import MemoryKeeper, new_id, provider

idle = anyio.wait_all_tasks_blocked


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": MockClock(autojump_threshold=0)})


class Line(FakeTransport):
    """A transport that says whether it has been closed."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(*answers)
        self.closed = False

    @override
    async def aclose(self) -> None:
        self.closed = True


class Yard:
    """A fleet, and every transport it was given."""

    def __init__(
        self, system: ActorSystem, lives: list[ActorExited | ActorRestarted]
    ) -> None:
        self.system = system
        self.lives = lives
        self.answer = completion()
        self.lines: list[Line] = []
        self.broken: set[str] = set()
        self.fleet = Fleet(system, MemoryKeeper(), self.connect, self.tools)

    def connect(self, provider: str) -> Transport:
        self.lines.append(Line(self.answer))
        return self.lines[-1]

    def tools(
        self, settings: ProviderSettings, transport: Transport, keeper: StateKeeper
    ) -> ProviderTools:
        if settings.name in self.broken:
            raise RuntimeError("told to")
        return ProviderTools(
            dialect=dialect_for(settings.kind),
            transport=transport,
            prices=PriceBook(),
            utc=anyio.current_time,
            draw=lambda: 0.5,
            new_id=new_id,
            keeper=keeper,
            on_event=lambda _: None,
        )

    async def ask(self, name: str, into: list[Outcome] | None = None) -> Outcome:
        chat = ChatRequest(messages=(Message(role="user", content="hello"),))
        attempt = Attempt(
            attempt_id=new_id(),
            request_id=new_id(),
            model="gpt-4o",
            request=chat,
            deadline=anyio.current_time() + 500.0,
        )
        outcome = await self.fleet.providers[name].attempt(attempt)
        if into is not None:
            into.append(outcome)
        return outcome

    def actors(self) -> list[str]:
        return [each.actor for each in self.system.statistics()]

    def requests(self, name: str) -> int:
        return self.fleet.providers[name].snapshot().totals.requests


def named(*names: str, **given: object) -> dict[str, ProviderSettings]:
    return {name: provider(name, **given) for name in names}


@asynccontextmanager
async def a_yard(*names: str) -> AsyncIterator[Yard]:
    lives: list[ActorExited | ActorRestarted] = []
    async with ActorSystem(on_event=lives.append) as system:
        yard = Yard(system, lives)
        yard.fleet.start(named(*names))
        yield yard


async def test_providers_are_added_removed_and_kept_in_order() -> None:
    async with a_yard("one", "two") as yard:
        providers = yard.fleet.providers
        one = providers["one"]
        changes = await yard.fleet.change(named("new", "one"))
        await idle()

        assert changes == {"new": "added", "two": "removed"}
        assert list(providers) == ["new", "one"]
        assert providers["one"] is one
        assert yard.actors() == ["provider:one", "provider:new"]
        assert [line.closed for line in yard.lines] == [False, True, False]
        assert (await yard.ask("new")).failure is None


async def test_nothing_changes_nothing() -> None:
    async with a_yard("one") as yard:
        assert await yard.fleet.change(named("one")) == {}
        assert len(yard.lines) == 1
        assert yard.lives == []


async def test_a_changed_provider_takes_new_requests_and_the_old_one_ends_its_own() -> (
    None
):
    async with a_yard("one", "two") as yard, anyio.create_task_group() as group:
        ended: list[Outcome] = []
        yard.lines[0].answers = [completion("old", after_s=30.0)]
        group.start_soon(yard.ask, "one", ended)
        group.start_soon(yard.ask, "two", ended)
        await anyio.sleep(1)
        changes = await yard.fleet.change(named("one", "two", found_window=2000))
        assert changes == {"one": "changed", "two": "changed"}
        await idle()
        assert yard.actors() == ["provider:one", "provider:one#2", "provider:two#2"]
        yard.lines[2].answers = [completion("new")]
        outcome = await yard.ask("one")

        assert outcome.completion is not None
        assert outcome.completion.content == "new"
        await anyio.sleep(20)
        assert [line.closed for line in yard.lines] == [False, True, False, False]
        await anyio.sleep(20)
        assert [o.completion.content for o in ended if o.completion] == ["fine", "old"]
        assert yard.lines[0].closed
        assert yard.actors() == ["provider:one#2", "provider:two#2"]


ADJUSTED: dict[str, object] = {
    "timeouts": Timeouts(total_s=7.0),
    "breaker": BreakerConfig(consecutive_failures=1),
    "metrics_window": 2,
    "weight": 3.0,
}


async def test_one_that_is_adjusted_stays_who_it_is() -> None:
    async with a_yard("one") as yard, anyio.create_task_group() as group:
        ended: list[Outcome] = []
        for _ in range(3):
            await yard.ask("one")
        yard.lines[0].answers = [completion("old", after_s=30.0)]
        group.start_soon(yard.ask, "one", ended)
        await anyio.sleep(1)
        handle = yard.fleet.providers["one"]

        changes = await yard.fleet.change(named("one", **ADJUSTED))
        await idle()

        assert changes == {"one": "adjusted"}
        assert await yard.fleet.change(named("one", **ADJUSTED)) == {}
        assert yard.fleet.providers["one"] is handle
        assert yard.actors() == ["provider:one"]
        [model] = handle.snapshot().models
        assert (model.in_flight, model.calls, model.weight) == (1, 2, 3.0)
        await anyio.sleep(60)  # longer than calls may take by now
        [old] = ended
        assert old.completion is not None
        yard.lines[0].answers = [completion(after_s=10.0)]
        assert failure_of(await yard.ask("one")) == "timeout"
        [model] = handle.snapshot().models
        assert (model.in_flight, model.calls, model.breaker) == (0, 2, "open")


async def test_one_that_crashes_starts_by_what_it_was_told_last() -> None:
    async with a_yard("one") as yard:
        await yard.fleet.change(named("one", **ADJUSTED))
        yard.system.ref("provider:one").tell(Crash())
        await idle()

        [model] = yard.fleet.providers["one"].snapshot().models
        assert model.weight == 3.0


@pytest.mark.parametrize(
    ("before", "after", "asked_by"),
    [
        ({"probe": "none"}, {"probe": "models"}, (1, 1, 2)),
        ({"probe": "models"}, {"probe": "none"}, (1, 1, 1)),
        ({"probe": "models"}, {"probe_interval_s": 10.0}, (1, 2, 8)),
        ({"probe": "models", "probe_interval_s": 10.0}, {}, (1, 1, 2)),
    ],
)
async def test_probes_follow_what_was_adjusted(
    before: dict[str, object], after: dict[str, object], asked_by: tuple[int, ...]
) -> None:
    """Right after the change, 11 and 71 seconds later."""
    async with a_yard() as yard:
        await yard.fleet.change(named("one", **{"probe": "models", **before}))
        await idle()
        await yard.fleet.change(named("one", **{"probe": "models", **after}))
        asked: list[int] = []
        for wait_s in (0.0, 11.0, 60.0):
            await anyio.sleep(wait_s)
            await idle()
            asked.append(len(yard.lines[0].requests))

        assert tuple(asked) == asked_by
        assert len(yard.lines) == 1


def failure_of(outcome: Outcome) -> str | None:
    return outcome.failure.failure if outcome.failure else None


async def test_what_was_known_goes_over_and_every_call_is_counted_once() -> None:
    async with a_yard("one") as yard, anyio.create_task_group() as group:
        await yard.ask("one")
        yard.lines[0].answers = [completion(after_s=30.0)]
        group.start_soon(yard.ask, "one")
        await anyio.sleep(1)
        await yard.fleet.change(named("one", found_window=2000))
        await yard.ask("one")
        assert yard.requests("one") == 2
        await yard.fleet.change(
            named("one", found_window=3000)
        )  # while the first one leaves
        await anyio.sleep(60)

        assert yard.requests("one") == 3
        [model] = yard.fleet.providers["one"].snapshot().models
        assert model.calls == 2
        assert yard.actors() == ["provider:one#3"]


async def test_a_provider_that_comes_back_knows_what_it_did_last() -> None:
    async with a_yard("one") as yard, anyio.create_task_group() as group:
        yard.lines[0].answers = [completion(after_s=30.0)]
        group.start_soon(yard.ask, "one")
        await anyio.sleep(1)
        await yard.fleet.change({})
        assert yard.fleet.providers == {}
        await yard.fleet.change(named("one"))  # its last call still runs
        await anyio.sleep(60)
        assert yard.requests("one") == 1
        await yard.fleet.change({})
        await anyio.sleep(60)
        await yard.fleet.change(named("one"))

        assert yard.requests("one") == 1
        assert yard.actors() == ["provider:one#3"]


async def test_a_call_that_never_ends_is_cut_off_in_time() -> None:
    async with a_yard() as yard, anyio.create_task_group() as group:
        yard.answer = Answer(hangs_first=True)
        await yard.fleet.change(named("one"))
        ended: list[Outcome] = []
        group.start_soon(yard.ask, "one", ended)
        await anyio.sleep(1)
        await yard.fleet.change({})
        total_s = provider("one").timeouts.total_s
        await anyio.sleep(total_s + GRACE_S + 10.0)

        assert len(ended) == 1
        assert ended[0].failure is not None
        assert yard.actors() == []
        assert yard.lines[0].closed


async def test_a_call_may_be_cancelled_while_its_provider_leaves() -> None:
    async with a_yard("one") as yard, anyio.create_task_group() as group:
        yard.lines[0].answers = [Answer(hangs_first=True)]
        leaving = yard.fleet.providers["one"]
        ended: list[Outcome] = []
        attempt = Attempt(
            attempt_id="a",
            request_id="r",
            model="gpt-4o",
            request=ChatRequest(messages=()),
            deadline=anyio.current_time() + 500.0,
        )

        async def ask() -> None:
            ended.append(await leaving.attempt(attempt))

        group.start_soon(ask)
        await anyio.sleep(1)
        await yard.fleet.change({})
        leaving.cancel("a")
        await idle()

        assert ended[0].failure is not None
        assert ended[0].failure.failure == "cancelled"
        assert yard.actors() == []


async def test_one_that_does_not_start_is_left_out_and_disturbs_nobody() -> None:
    async with a_yard("one") as yard:
        yard.broken.add("two")
        changes = await yard.fleet.change(named("one", "two"))

        assert changes == {"two": "failed"}
        assert list(yard.fleet.providers) == ["one"]
        yard.broken.clear()
        assert await yard.fleet.change(named("one", "two")) == {"two": "added"}


async def test_one_that_crashed_hands_over_what_it_had_kept() -> None:
    async with a_yard("one") as yard:
        await yard.ask("one")
        await anyio.sleep(10)
        for _ in range(3):
            yard.system.ref("provider:one").tell(Crash())
            await idle()
        await yard.fleet.change(named("one", found_window=2000))
        await idle()

        assert yard.requests("one") == 1
        assert yard.actors() == ["provider:one#2"]


async def test_a_crash_of_an_added_one_touches_no_other() -> None:
    async with a_yard("one") as yard:
        await yard.fleet.change(named("one", "two"))
        for _ in range(8):  # more than its own supervisor allows
            yard.system.ref("provider:two").tell(Crash())
            await idle()

        lived = {e.actor for e in yard.lives}
        assert "provider:one" not in lived
        assert (await yard.ask("two")).failure is None


async def test_the_switch_is_told_when_requests_go_to_the_new_ones() -> None:
    async with a_yard("one") as yard:
        seen: list[list[str]] = []
        names = yard.fleet.providers
        await yard.fleet.change(named("two"), lambda: seen.append(list(names)))

        assert seen == [["two"]]


async def test_the_system_stops_whoever_is_leaving() -> None:
    async with a_yard("one") as yard:
        handle = yard.fleet.providers["one"]
        assert isinstance(handle, ProviderHandle)
        yard.lines[0].answers = [Answer(hangs_first=True)]
        async with anyio.create_task_group() as group:
            group.start_soon(yard.ask, "one")
            await anyio.sleep(1)
            await yard.fleet.change({})
            await yard.system.stop()

        await idle()
        assert yard.actors() == []


async def test_connections_that_are_open_are_closed_with_the_house() -> None:
    lines: list[Line] = []

    def make(_: str) -> Line:
        lines.append(Line())
        return lines[-1]

    connections = Connections(make)
    kept = connections.connect("one")
    connections.connect("two")
    lines.pop()
    gc.collect()
    await connections.aclose()

    assert kept is lines[0]
    assert lines[0].closed
