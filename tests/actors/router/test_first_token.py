"""Streams that keep the caller waiting for their first word."""

import anyio
import pytest

from actors.messages.provider import TimeoutLimits
from actors.messages.routing import Alias, ErrorInfo, RouteResult
from actors.policy.attempts import RetryConfig
from actors.router import RouterSettings
from tests.support.fake_transport import Answer, FakeTransport, event, stream
from tests.support.small_house import SmallHouse, ended, request, small_house

ORDERED = RouterSettings(strategy="priority")


def after(first_s: float, word: str) -> Answer:
    """An empty role chunk at once, the first word later."""
    role, said, *rest = stream(word).pieces
    return Answer([role, (first_s, said[1]), *rest])


def two(first: Answer | None = None) -> dict[str, FakeTransport]:
    return {
        "one": FakeTransport(first or after(1.5, "a")),
        "two": FakeTransport(after(0.5, "b")),
    }


async def learn(house: SmallHouse, count: int = 20) -> None:
    for _ in range(count):
        await ended(
            house.router.route(request(provider="one", stream=True), lambda _: None)
        )


async def test_a_first_token_that_takes_twice_its_p95_is_failed_over() -> None:
    async with small_house(two(), settings=ORDERED) as house:
        await learn(house)
        house.transports["one"].answers = [after(30.0, "late")]
        began = anyio.current_time()
        result, deltas, started = await house.stream()

        assert isinstance(result, RouteResult)
        assert "".join(d.content or "" for d in deltas) == "b"
        assert anyio.current_time() - began == pytest.approx(3.5, rel=0.02)
        assert [(a.provider, a.kind, a.outcome) for a in result.attempts] == [
            ("one", "first", "timeout"),
            ("two", "failover", "ok"),
        ]
        assert [s.provider for s in started] == ["two"]
        assert "no first token" in (house.spool.records[-1].attempts[0].message or "")
        assert house.snapshot("one").models[0].consecutive_failures == 1


async def test_the_last_candidate_has_the_configured_time() -> None:
    async with small_house(two(), settings=ORDERED) as house:
        await learn(house)
        house.transports["one"].answers = [after(30.0, "late")]
        result, deltas, _ = await house.stream(provider="one")

        assert isinstance(result, RouteResult)
        assert "".join(d.content or "" for d in deltas) == "late"


async def test_it_can_be_switched_off() -> None:
    settings = RouterSettings(
        strategy="priority", retry=RetryConfig(adaptive_first_token=False)
    )
    async with small_house(two(), settings=settings) as house:
        await learn(house)
        house.transports["one"].answers = [after(30.0, "late")]
        result, _, _ = await house.stream()

        assert [a.outcome for a in result.attempts] == ["ok"]


async def test_a_model_that_thinks_first_keeps_its_time() -> None:
    async with small_house(two(after(25.0, "a")), settings=ORDERED) as house:
        await learn(house)
        house.transports["one"].answers = [after(28.0, "thought")]
        result, _, _ = await house.stream()

        assert [a.outcome for a in result.attempts] == ["ok"]


async def test_a_model_that_became_slower_is_given_more_time() -> None:
    async with small_house(two(after(1.0, "a")), settings=ORDERED) as house:
        await learn(house)
        house.transports["one"].answers = [after(3.5, "slower")]
        answered: list[str] = []
        for _ in range(12):
            result, _, _ = await house.stream()
            assert isinstance(result, RouteResult)
            answered.append(result.provider)
            await anyio.sleep(20.0)  # past its breaker's open time

        assert answered[0] == "two"
        assert answered[-1] == "one"


async def test_answers_wanted_whole_may_be_streamed_to_us() -> None:
    settings = RouterSettings(strategy="priority", stream_upstream=True)
    async with small_house(two(), settings=settings) as house:
        await learn(house)
        house.transports["one"].answers = [after(30.0, "late")]
        began = anyio.current_time()
        result = await house.answer()

        assert result.content == "b"
        assert anyio.current_time() - began == pytest.approx(3.5, rel=0.02)
        assert [a.outcome for a in result.attempts] == ["timeout", "ok"]
        assert house.transports["two"].bodies()[-1]["stream"] is True


async def test_an_empty_role_chunk_is_no_first_token() -> None:
    role = event({"role": "assistant", "content": ""})
    dripping = Answer([(1.0, role)] * 90)
    async with small_house({"one": FakeTransport(dripping)}) as house:
        result, deltas, _ = await house.stream()

        assert isinstance(result, ErrorInfo)
        assert deltas == []
        message = house.spool.records[-1].attempts[0].message
        assert message == "no first token within 60 s"


async def test_an_alias_sets_timeouts_of_its_own() -> None:
    settings = RouterSettings(
        aliases={
            "brisk": Alias(candidates=("one",), timeouts=TimeoutLimits(total_s=2.0))
        },
        retry=RetryConfig(max_attempts=1),
    )
    async with small_house(two(after(3.0, "a")), settings=settings) as house:
        brisk, _, _ = await house.stream(model="brisk")
        plain, _, _ = await house.stream(provider="one")

        assert isinstance(brisk, ErrorInfo)
        assert "no whole answer within 2 s" in brisk.message
        assert isinstance(plain, RouteResult)


async def test_an_alias_sets_its_stream_mode_and_the_request_goes_before_it() -> None:
    settings = RouterSettings(
        strategy="priority",
        aliases={"whole": Alias(candidates=("one", "two"), stream_mode="buffered")},
    )
    transports = two(stream("half", whole=False))
    async with small_house(transports, settings=settings) as house:
        result, deltas, _ = await house.stream(model="whole")
        assert isinstance(result, RouteResult)
        assert "".join(d.content or "" for d in deltas) == "b"

        broken, _, _ = await house.stream(model="whole", stream_mode="passthrough")
        assert isinstance(broken, ErrorInfo)
