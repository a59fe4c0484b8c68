"""Health probes: what is healthy, what it costs, and whom it concerns."""

from decimal import Decimal

import anyio
import pytest

from actors.errors import ProviderConnectionError
from actors.messages.provider import ProbeResult
from tests.support.fake_transport import (
    Answer,
    FakeTransport,
    completion,
    refusal,
)
from tests.support.small_house import provider, small_house

LISTED = Answer([(0.0, b'{"object":"list","data":[{"id":"gpt-4o"}]}')])


async def probed(models: Answer, model: str | None = None) -> ProbeResult:
    transport = FakeTransport(completion())
    transport.models = models
    async with small_house({"one": transport}) as house:
        return await house.providers["one"].check_health(model)


async def test_a_models_list_is_healthy_and_free() -> None:
    result = await probed(LISTED)

    assert result.healthy
    assert result.probe == "models"
    assert [m.id for m in result.models] == ["gpt-4o"]
    assert result.outcome is None


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (refusal(401, "invalid_api_key"), "auth"),
        (refusal(500), "server_error"),
        (Answer(refuses=ProviderConnectionError("refused")), "connect"),
    ],
)
async def test_a_refusal_or_silence_is_unhealthy_and_says_why(
    answer: Answer, failure: str
) -> None:
    result = await probed(answer)

    assert not result.healthy
    assert result.failure is not None
    assert result.failure.failure == failure


async def test_a_server_without_a_models_list_is_there_all_the_same() -> None:
    assert (await probed(refusal(404))).healthy


async def test_a_model_that_is_not_listed_is_unhealthy_for_whoever_asked() -> None:
    transport = FakeTransport(completion())
    transport.models = LISTED
    async with small_house({"one": transport}) as house:
        asked = await house.providers["one"].check_health("gpt-17")

        assert not asked.healthy
        assert asked.failure is not None
        assert "gpt-17" in asked.failure.message
        assert house.snapshot("one").healthy
    assert (await probed(LISTED, "gpt-4o")).healthy


async def test_a_refused_key_excludes_the_provider_until_a_probe_passes() -> None:
    transports = {
        "one": FakeTransport(refusal(401, "invalid_api_key")),
        "two": FakeTransport(completion()),
    }
    given = {"one": provider("one", probe="models", probe_interval_s=60)}
    async with small_house(transports, providers=given) as house:
        await anyio.sleep(1)  # the first probe passes, before anything is refused
        first = await house.answer()
        second = await house.answer()

        assert [a.provider for a in first.attempts] == ["one", "two"]
        assert [a.provider for a in second.attempts] == ["two"]
        transports["one"].answers = [completion()]
        await anyio.sleep(70)
        assert (await house.answer()).provider == "one"


async def test_a_completion_probe_says_what_it_cost() -> None:
    transport = FakeTransport(completion())
    given = {"one": provider("one", probe="completion", probe_interval_s=1e6)}
    async with small_house({"one": transport}, providers=given) as house:
        result = await house.providers["one"].check_health()

        assert result.outcome is not None
        assert result.outcome.cost_usd == Decimal("0.00003")


async def test_probes_at_the_same_time_are_one_probe() -> None:
    transport = FakeTransport(completion())
    transport.models = Answer(LISTED.pieces, after_s=1.0)
    async with (
        small_house({"one": transport}) as house,
        anyio.create_task_group() as group,
    ):
        for _ in range(5):
            group.start_soon(house.providers["one"].check_health)

    assert len(transport.requests) == 1
