"""Keys that a provider quotes go no further than the provider's own actor."""

from actors.messages.chat import Completion
from actors.messages.provider import Failure, Outcome
from actors.provider.discretion import discreet, discreet_failure
from actors.wire.base import Endpoint
from tests.support.fake_transport import Answer, FakeTransport
from tests.support.small_house import provider, small_house

KEY = "plain-word-that-nobody-knows-for-a-key"


def failure(message: str, code: str | None = None) -> Failure:
    return Failure(failure="auth", message=message, owner="provider", code=code)


def outcome(**given: object) -> Outcome:
    fields: dict[str, object] = {
        "attempt_id": "a",
        "provider": "one",
        "model": "m",
        "latency_s": 0.1,
    }
    return Outcome(**(fields | given))  # type: ignore[arg-type]  # a test's own words


def test_message_and_code_are_masked() -> None:
    masked = discreet_failure(failure(f"bad key {KEY}!", f"no {KEY}"), KEY)

    assert masked == failure("bad key [key]!", "no [key]")


def test_a_key_that_was_cut_off_at_the_end_is_masked_too() -> None:
    masked = discreet_failure(failure(f"bad key {KEY[:12]}"), KEY)

    assert masked == failure("bad key [key]")
    assert discreet_failure(failure("it is plain"), KEY) == failure("it is plain")


def test_without_a_key_nothing_is_touched() -> None:
    said = failure("as it came")

    assert discreet_failure(said, None) is said
    assert discreet_failure(said, "as") is said
    assert discreet_failure(None, KEY) is None
    whole = outcome(failure=said)
    assert discreet(whole, None) is whole
    assert discreet(whole, "as") is whole


def test_ids_are_masked_and_the_answer_is_not() -> None:
    answer = Completion(
        content=f"you said {KEY}", finish_reason="stop", response_id=f"r-{KEY}"
    )
    seen = discreet(outcome(completion=answer, provider_request_id=KEY), KEY)

    assert seen.provider_request_id == "[key]"
    assert seen.completion is not None
    assert seen.completion.response_id == "r-[key]"
    assert seen.completion.content == f"you said {KEY}"


def test_an_outcome_without_the_key_is_the_same_one() -> None:
    answer = Completion(content="hi", finish_reason="stop", response_id="r", model="m")
    for whole in (
        outcome(completion=answer, provider_request_id="x"),
        outcome(completion=Completion(content="", finish_reason="stop")),
        outcome(),
    ):
        assert discreet(whole, KEY) is whole


def test_a_failure_is_masked_with_the_id_of_its_request() -> None:
    seen = discreet(outcome(failure=failure(KEY), provider_request_id=f"x{KEY}"), KEY)

    assert seen.failure == failure("[key]")
    assert seen.provider_request_id == "x[key]"
    assert seen.completion is None


async def test_neither_callers_nor_records_nor_probes_see_the_key() -> None:
    body = b'{"error": {"message": "no: KEY", "code": "KEY"}}'
    answer = Answer(
        [(0.0, body.replace(b"KEY", KEY.encode()))],
        status=401,
        headers={"x-request-id": KEY},
    )
    transport = FakeTransport(answer)
    transport.models = answer
    settings = provider("one", endpoint=Endpoint(base_url="http://x/v1", api_key=KEY))
    async with small_house({"one": transport}, providers={"one": settings}) as house:
        error = await house.error()
        probe = await house.providers["one"].check_health()

    assert "[key]" in error.message
    for said in (error, house.spool.records, probe, house.events):
        assert KEY not in repr(said)
