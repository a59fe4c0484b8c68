"""What a provider's actor knows and publishes."""

from decimal import Decimal

from actors.messages.provider import Failure, Outcome, ProbeResult
from actors.policy.pricing import Price, PriceBook, TableEntry
from actors.provider.state import MAX_MODELS, ProviderState
from tests.support.small_house import provider


def state(book: PriceBook) -> ProviderState:
    return ProviderState(provider("one", kind="openai"), book, lambda _event: None)


def test_a_price_list_that_arrives_later_makes_a_new_snapshot() -> None:
    book = PriceBook()
    known = state(book)
    before = known.snapshot(0.0, 0)
    book.load(
        [TableEntry("openai", "gpt-4o", Price(input=Decimal(2), output=Decimal(8)))]
    )
    after = known.snapshot(0.0, 0)

    assert known.version == after.version > before.version
    assert before.models[0].input_price is None
    assert after.models[0].input_price == 2


def test_models_that_were_only_asked_for_by_name_are_forgotten_when_too_many() -> None:
    known = state(PriceBook())
    for number in range(1000):
        call = f"call-{number}"
        assert known.admit(call, f"model-{number}", 0, 0.0, forced=False) is None
        lost = Outcome(
            attempt_id=call, provider="one", model=f"model-{number}", latency_s=0.1
        )
        known.settle(lost, counted=True, now=0.0, at=0.0, draw=0.5)

    names = [model.model for model in known.snapshot(0.0, 0).models]
    assert len(names) == MAX_MODELS
    assert "gpt-4o" in names


def test_a_dump_that_cannot_be_read_is_left_aside() -> None:
    known = state(PriceBook())

    assert not known.restore(b"\xc1 nonsense", 0.0)
    assert known.restore(known.dump(0.0), 0.0)


def test_whoever_answers_as_a_pretended_provider_is_one_from_then_on() -> None:
    known = state(PriceBook())
    assert not known.snapshot(0.0, 0).simulated
    known.probed(
        ProbeResult(
            provider="one",
            healthy=True,
            at=0.0,
            latency_s=0.1,
            probe="models",
            simulated=True,
        ),
        0.0,
    )

    assert known.snapshot(0.0, 0).simulated


def not_found(name: str) -> Outcome:
    failure = Failure(failure="model_not_found", message="no", owner="provider")
    return Outcome(
        attempt_id="c", provider="one", model=name, latency_s=0.1, failure=failure
    )


def test_a_name_that_the_provider_does_not_have_is_no_model_of_its() -> None:
    known = state(PriceBook())
    known.admit("c", "nope", 0, 0.0, forced=False)
    known.settle(not_found("nope"), counted=True, now=0.0, at=0.0, draw=0.5)

    assert [model.model for model in known.snapshot(0.0, 0).models] == ["gpt-4o"]


def test_a_configured_model_stays_though_the_provider_says_it_has_none() -> None:
    known = state(PriceBook())
    known.admit("c", "gpt-4o", 0, 0.0, forced=False)
    known.settle(not_found("gpt-4o"), counted=True, now=0.0, at=0.0, draw=0.5)

    assert [model.model for model in known.snapshot(0.0, 0).models] == ["gpt-4o"]
    assert known.snapshot(0.0, 0).totals.failures == 1


def test_what_was_pretended_is_kept_apart_from_experience() -> None:
    assert provider("one").kept_as != provider("one", simulated=True).kept_as
