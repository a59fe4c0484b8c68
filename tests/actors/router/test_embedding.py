"""Requests for vectors are routed, retried, failed over and billed, in virtual time."""

from decimal import Decimal
from typing import Any

import pytest

from actors.messages.chat import ChatRequest, EmbedAsk
from actors.messages.routing import Alias
from actors.policy.pricing import Price
from actors.router import RouterSettings
from actors.wire.base import Endpoint
from ipc.embedding import floats_of
from tests.support.fake_transport import (
    Answer,
    FakeTransport,
    completion,
    embeddings,
    refusal,
)
from tests.support.small_house import SmallHouse, provider, request, small_house

PRICES = {
    "one": Price(input=Decimal(2), output=Decimal(0)),
    "two": Price(input=Decimal(3), output=Decimal(0)),
}


def chat(*inputs: str | tuple[int, ...]) -> ChatRequest:
    return ChatRequest(messages=(), embed=EmbedAsk(inputs=inputs or ("hello",)))


def two(*answers: Any) -> dict[str, FakeTransport]:
    return {
        "one": FakeTransport(answers[0]),
        "two": FakeTransport(*answers[1:] or [answers[0]]),
    }


async def test_vectors_come_with_the_exact_price_of_their_prompt() -> None:
    transports = two(embeddings((0.5, 0.25), (1.0, 0.0), prompt_tokens=7))
    async with small_house(transports, prices=PRICES) as house:
        result = await house.answer(chat=chat("a b", "c"), model="gpt-4o")
        (record,) = house.spool.records
        snapshot = house.snapshot("one")

    assert [*map(floats_of, result.vectors)] == [(0.5, 0.25), (1.0, 0.0)]
    assert (result.provider, result.content) == ("one", None)
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (7, 0)
    assert (result.cost_usd, result.cost_source) == (Decimal("0.000014"), "config")
    assert (record.cost_usd, record.prompt_chars) == (Decimal("0.000014"), 4)
    assert record.outcome == "ok"
    assert snapshot.totals.cost_usd == Decimal("0.000014")
    assert snapshot.totals.completion_tokens == 0


async def test_the_same_model_elsewhere_stands_in() -> None:
    transports = two(refusal(500), embeddings((1.0,)))
    async with small_house(transports, prices=PRICES) as house:
        result = await house.answer(chat=chat(), model="gpt-4o")

    assert result.provider == "two"
    assert {each.model for each in result.attempts} == {"gpt-4o"}
    assert result.attempts[-1].kind == "failover"
    assert result.cost_usd == Decimal("0.000012")


async def test_no_other_model_ever_stands_in() -> None:
    settings = RouterSettings(
        strategy="priority",
        aliases={
            "mixed": Alias(candidates=("one/small", "two/large")),
            "both": Alias(candidates=("one/small", "two/small")),
        },
    )
    transports = two(refusal(500), embeddings((1.0,)))
    async with small_house(transports, settings=settings) as house:
        mixed = await house.error(chat=chat(), model="mixed")
        auto = await house.error(chat=chat())
        forced = await house.error(chat=chat(), provider="one")
        both = await house.answer(chat=chat(), model="both")

    assert (mixed.kind, mixed.field) == ("invalid_request", "model")
    assert "large, small" in mixed.message
    assert auto.kind == forced.kind == "invalid_request"
    assert both.provider == "two"
    assert {each.model for each in both.attempts} == {"small"}


async def test_what_providers_default_to_for_chats_is_not_sent() -> None:
    transports = two(embeddings((1.0,)))
    async with small_house(transports) as house:
        await house.answer(chat=chat((1, 2)), model="gpt-4o")

    assert transports["one"].bodies() == [{"model": "gpt-4o", "input": [[1, 2]]}]
    assert transports["one"].calls[0].url.endswith("/embeddings")


async def test_streaming_upstream_is_for_chats() -> None:
    settings = RouterSettings(strategy="cost", stream_upstream=True)
    async with small_house(two(embeddings((1.0,))), settings=settings) as house:
        assert (await house.answer(chat=chat(), model="gpt-4o")).vectors


async def test_a_model_that_cannot_harms_no_chat() -> None:
    """OpenAI says it with 403, which otherwise means that our key is refused."""
    said = b'{"error":{"message":"You are not allowed to generate embeddings"}}'
    cannot = Answer([(0.0, said)], status=403)
    transports = {"one": FakeTransport(cannot, completion("fine"))}
    async with small_house(transports) as house:
        error = await house.error(chat=chat(), model="gpt-4o")
        chatted = await house.answer(model="gpt-4o")
        seen = house.snapshot("one").models[0]

    assert error.kind == "provider_error"
    assert "not allowed to generate embeddings" in error.message
    assert chatted.content == "fine"
    assert (seen.auth_refused, seen.breaker) == (False, "closed")


async def test_a_provider_that_has_none_is_passed_over() -> None:
    providers = {
        "one": provider("one", kind="anthropic", endpoint=Endpoint(base_url="http://a"))
    }
    transports = two(embeddings((1.0,)))
    async with small_house(transports, providers=providers) as house:
        result = await house.answer(chat=chat(), model="gpt-4o")

    assert result.provider == "two"
    assert transports["one"].calls == []


async def test_a_batch_may_be_larger_than_a_window_and_an_input_may_not() -> None:
    windows = {"gpt-4o": 8192}
    providers = {
        name: provider(name, context_windows=windows) for name in ("one", "two")
    }
    transports = two(embeddings(*[(1.0,)] * 20))
    async with small_house(transports, providers=providers) as house:
        batch = await house.answer(chat=chat(*["x" * 4000] * 20), model="gpt-4o")
        error = await house.error(chat=chat("x" * 40_000), model="gpt-4o")

    assert len(batch.vectors) == 20
    assert error.kind == "context_too_long"


async def test_a_budget_counts_the_prompt_alone() -> None:
    async with small_house(two(embeddings((1.0,))), prices=PRICES) as house:
        await house.answer(
            chat=chat("x" * 4000), model="gpt-4o", budget_usd=Decimal("0.0021")
        )
        error = await house.error(
            chat=chat("x" * 4000), model="gpt-4o", budget_usd=Decimal("0.001")
        )

    assert error.kind == "budget_exceeded"


async def test_how_long_answers_are_is_not_learned_from_vectors() -> None:
    async with small_house(two(embeddings((1.0,)), completion("fine"))) as house:
        for _ in range(30):
            await house.answer(chat=chat(), model="gpt-4o")
        expected = expected_tokens(house)

    async with small_house(two(completion("fine"))) as house:
        assert expected_tokens(house) == expected


def expected_tokens(house: SmallHouse) -> int:

    return house.desk.experience.lengths(request(), None)[0]


@pytest.mark.parametrize("vectors", [((1.0,), (1.0,)), ((1.0, 2.0),) * 3])
async def test_too_few_or_too_many_vectors_are_no_answer(vectors: Any) -> None:
    transports = {"one": FakeTransport(embeddings(*vectors))}
    async with small_house(transports) as house:
        error = await house.error(chat=chat("a"), model="gpt-4o")

    assert error.kind == "provider_error"


async def test_a_model_that_was_never_called_fits_a_budget() -> None:
    async with small_house(two(embeddings((1.0,))), prices=PRICES) as house:
        result = await house.answer(
            chat=chat(), model="one/never-called", budget_usd=Decimal("0.01")
        )

    assert result.cost_usd == Decimal("0.000008")
