"""What a provider's actor knows and publishes."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.errors import FailureClass, Owner
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


@pytest.mark.parametrize(("owner", "healthy"), [("us", True), ("provider", False)])
def test_a_probe_that_failed_by_our_fault_says_nothing_of_the_provider(
    owner: Owner, healthy: bool
) -> None:
    known = state(PriceBook())
    passed = ProbeResult(
        provider="one", healthy=True, at=1.0, latency_s=0.1, probe="models"
    )
    known.probed(passed, 1.0)
    failure = Failure(failure="internal", message="x", owner=owner, neutral=True)
    known.probed(replace(passed, healthy=False, failure=failure), 2.0)

    assert known.snapshot(2.0, 0).healthy is healthy


def test_an_account_is_out_of_money_until_a_call_succeeds() -> None:
    known = state(PriceBook())
    assert not known.snapshot(0.0, 0).out_of_money
    empty = Failure(failure="quota", message="x", owner="provider")
    call = Outcome(attempt_id="a", provider="one", model="gpt-4o", latency_s=0.1)
    assert known.admit("a", "gpt-4o", 0, 0.0, forced=False) is None
    known.settle(replace(call, failure=empty), counted=True, now=0.0, at=0.0, draw=0.5)
    assert known.snapshot(0.0, 0).out_of_money
    assert known.snapshot(1e6, 0).out_of_money  # nobody has tried since
    assert known.admit("a", "gpt-4o", 0, 1e6, forced=False) is None
    known.settle(call, counted=True, now=1e6, at=0.0, draw=0.5)

    assert not known.snapshot(1e6, 0).out_of_money


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


# Whose fault was the probe?


def half_open() -> ProviderState:
    """Its breaker opened for three failures, and ``probe`` holds the one permit."""
    known = state(PriceBook())
    for number in range(3):
        call = f"call-{number}"
        known.admit(call, "gpt-4o", 0, 0.0, forced=False)
        settle(known, call, 0.0, failed("server_error"))
    assert known.admit("early", "gpt-4o", 0, 1.0, forced=False) is not None
    assert known.admit("probe", "gpt-4o", 0, 60.0, forced=False) is None
    assert known.admit("second", "gpt-4o", 0, 60.0, forced=False) is not None
    return known


def failed(what: FailureClass, *, neutral: bool = False) -> Failure:
    return Failure(failure=what, message="no", owner="provider", neutral=neutral)


def settle(
    known: ProviderState, call: str, now: float, failure: Failure | None
) -> None:
    outcome = Outcome(
        attempt_id=call,
        provider="one",
        model="gpt-4o",
        latency_s=0.1,
        failure=failure,
    )
    known.settle(outcome, counted=True, now=now, at=now, draw=0.5)


@pytest.mark.parametrize(
    "failure",
    [
        failed("bad_request"),
        failed("content_filtered"),
        failed("context_too_long"),
        failed("cancelled", neutral=True),
        failed("internal", neutral=True),
        failed("timeout", neutral=True),  # the caller's own deadline
    ],
    ids=lambda failure: failure.failure,
)
def test_what_is_not_the_providers_fault_gives_the_probes_permit_back(
    failure: Failure,
) -> None:
    known = half_open()
    settle(known, "probe", 60.0, failure)

    (model,) = known.snapshot(60.0, 0).models
    assert (model.breaker, model.probe_permit_free) == ("half_open", True)
    assert known.admit("second", "gpt-4o", 0, 60.0, forced=False) is None


@pytest.mark.parametrize(
    "what", ["connect", "timeout", "server_error", "overloaded", "bad_response"]
)
def test_what_is_the_providers_fault_opens_again(what: FailureClass) -> None:
    known = half_open()
    settle(known, "probe", 60.0, failed(what))

    (model,) = known.snapshot(60.0, 0).models
    assert (model.breaker, model.breaker_cause) == ("open", "failures")


def test_a_429_is_the_limiters_until_nearly_everybody_gets_one() -> None:
    known = state(PriceBook())
    now = 0.0
    for number in range(19):
        now = max(now, known.snapshot(now, 0).models[0].blocked_until) + 0.01
        assert known.admit(f"{number}", "gpt-4o", 0, now, forced=False) is None
        limited = Failure(
            failure="rate_limit", message="no", owner="provider", retry_after_s=0.1
        )
        settle(known, f"{number}", now, limited)
        (model,) = known.snapshot(now, 0).models
        assert (model.breaker, model.calls) == ("closed", 0)
    known.admit("last", "gpt-4o", 0, now + 1.0, forced=False)
    settle(known, "last", now + 1.0, failed("rate_limit"))

    (model,) = known.snapshot(now + 1.0, 0).models
    assert (model.breaker, model.breaker_cause) == ("open", "limited")
