"""Errors: what they say, their class, whose fault, and how long to wait."""

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from actors.errors import FailureClass, ProviderError
from actors.wire.base import ResponseHead, failure_of
from actors.wire.failures import (
    decode_failure,
    owner_of,
    raise_if_error,
    raise_in_answer,
    read_error,
)

RETRY_INFO = b'{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"35s"}]}}'
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def class_of(status: int, body: object) -> FailureClass:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return decode_failure(ResponseHead(status, {}), raw, NOW).failure


def openai(message: str, code: str | None = None, type_: str | None = None) -> object:
    error = {"message": message, "type": type_, "param": None, "code": code}
    return {"error": error}


INVALID = "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        # OpenAI's own
        (400, openai("Unsupported value", "unsupported_value", INVALID), "bad_request"),
        (400, openai("x", "context_length_exceeded", INVALID), "context_too_long"),
        (429, openai("Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 50000. The input or output tokens must be reduced in order to run successfully.", "rate_limit_exceeded"), "context_too_long"),
        (413, openai("Request too large for model `llama`: TPM: Limit 6000, Requested 9000, please reduce your message size and try again.", "rate_limit_exceeded"), "context_too_long"),
        (400, openai("x", "content_policy_violation"), "content_filtered"),
        (400, openai("x", "model_not_found", INVALID), "model_not_found"),
        (401, openai("Incorrect API key", "invalid_api_key", INVALID), "auth"),
        (403, openai("x", "unsupported_country_region_territory"), "auth"),
        (404, openai("no such model", "model_not_found", INVALID), "model_not_found"),
        (409, openai("conflict"), "server_error"),
        (429, openai("slow", "rate_limit_exceeded", "tokens"), "rate_limit"),
        (429, openai("ramp", "slow_down", "rate_limit_error"), "rate_limit"),
        (429, openai("x", "insufficient_quota", "insufficient_quota"), "quota"),
        (429, openai("x", "credit_balance_exhausted", "insufficient_quota"), "quota"),
        (429, openai("x", "project_spend_limit_exceeded"), "quota"),
        (500, openai("x", None, "server_error"), "server_error"),
        (503, openai("x", "server_is_overloaded"), "overloaded"),
        # xAI's are flat
        (400, {"code": "invalid-argument", "error": "Incorrect API key provided."}, "auth"),
        (400, {"code": "invalid-argument", "error": "bad field"}, "bad_request"),
        (403, {"code": "x", "error": "team blocked"}, "auth"),
        (404, {"code": "Some requested entity was not found", "error": "x"}, "model_not_found"),
        (422, {"code": "x", "error": "wrong format"}, "bad_request"),
        (429, {"code": "x", "error": "Your team has used all available credits or reached its monthly spending limit"}, "quota"),
        (429, {"code": "x", "error": "Too many requests"}, "rate_limit"),
        # Anthropic
        (400, openai("prompt is too long: 3333404 tokens > 200000 maximum", None, INVALID), "context_too_long"),
        (402, openai("x", None, "billing_error"), "quota"),
        (404, openai("model: nope", None, "not_found_error"), "model_not_found"),
        (413, openai("x", None, "request_too_large"), "bad_request"),
        (429, {"error": {"type": "rate_limit_error", "message": "x", "details": {"error_code": "enforced_spend_limit_reached"}}}, "quota"),
        (429, {"error": {"type": "rate_limit_error", "message": "x", "details": {"error_code": "ramp_limit_exceeded"}}}, "rate_limit"),
        (504, openai("x", None, "timeout_error"), "server_error"),
        (529, openai("Overloaded", None, "overloaded_error"), "overloaded"),
        # elsewhere
        (400, openai("x", "content_filter"), "content_filtered"),
        (400, [{"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}], "auth"),
        (400, {"error": {"message": "x", "type": "too_many_prompt_tokens", "code": 400}}, "context_too_long"),
        (401, {"detail": "Invalid API Key"}, "auth"),
        (400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, "model_not_found"),
        (400, openai("Model Not Exist", INVALID, INVALID), "model_not_found"),
        (400, {"error": {"message": "x/y is not a valid model ID", "code": 400}}, "model_not_found"),
        (400, openai("x", "model_decommissioned", INVALID), "model_not_found"),
        (400, openai("The requested model is not supported", "model_not_supported"), "model_not_found"),
        (404, {"error": {"code": "DeploymentNotFound", "message": "x"}}, "model_not_found"),
        (401, {"error": {"code": "401", "message": "Access denied"}}, "auth"),
        (400, {"error": {"code": None, "message": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "content_filtered"),
        (402, openai("Insufficient Balance", "invalid_request_error"), "quota"),
        (400, {"object": "error", "message": "x", "type": "BadRequestError", "param": None, "code": 400}, "bad_request"),
        (404, {"object": "error", "message": "x", "type": "NotFoundError", "code": 404}, "model_not_found"),
        (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "overloaded"),
        (400, {"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}}, "context_too_long"),
        (400, openai("prompt too long; exceeded max context length by 7 tokens"), "context_too_long"),
        (400, openai("Tool choice is required", "tool_use_failed", INVALID), "bad_request"),
        (422, {"detail": [{"loc": ["body", "user"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}]}, "bad_request"),
        (403, {"error": {"code": 403, "message": "openai requires moderation. Your input was flagged"}}, "content_filtered"),
        (405, b"", "bad_request"),
        (408, b"", "server_error"),
        (498, b"", "overloaded"),
        # an oversized prompt may come back as a 429: waiting is still what it says
        (429, openai("exceeded token rate limit of your tier", "429"), "rate_limit"),
        # from the edge, without JSON
        (301, b"", "bad_response"),
        (404, b"<h1>nginx</h1>", "model_not_found"),
        (502, b"<html>Bad gateway</html>", "server_error"),
        (520, b"\xff\xfe", "server_error"),
        (999, b"", "server_error"),
    ],
)  # fmt: skip
def test_errors_are_told_apart(
    status: int, body: object, expected: FailureClass
) -> None:
    assert class_of(status, body) == expected


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "m", "type": "t", "code": "c"}}, "m", "c"),
        ({"error": {"message": "m", "type": "t", "code": None}}, "m", "t"),
        ({"error": {"message": "m", "type": "t", "code": 429}}, "m", "t"),
        ({"error": {"message": "m", "code": "401"}}, "m", "401"),
        ({"error": "m", "code": "c"}, "m", "c"),
        ({"error": "m", "message": "other"}, "m", None),
        ({"object": "error", "message": "m", "type": "Bad", "code": 400}, "m", "Bad"),
        ({"detail": "m"}, "m", None),
        ({"detail": [{"loc": ["body", 0, {}], "msg": "m"}]}, "body.0: m", None),
        ({"detail": [{"msg": "m"}]}, "m", None),
        ({"detail": []}, "no message", None),
        ({"errors": [{"message": "m"}]}, "m", None),
        ([{"error": {"message": "m", "status": "NOT_FOUND"}}], "m", "NOT_FOUND"),
        ([], "no message", None),
        ("m", "m", None),
        ({"error": {"code": True}}, "no message", None),
        ({"error": {"message": "m", "innererror": {"code": "i"}}}, "m", "i"),
    ],
)
def test_every_dialects_error_is_read(
    body: object, message: str, code: str | None
) -> None:
    detail = read_error(msgspec.json.encode(body))

    assert (detail.message, detail.code) == (message, code)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "an empty body"),
        (b"<html>\n<b>Bad</b> gateway</html>", "Bad gateway"),
        (b"<" * 10_000, "<" * 300),
        (b"[" * 100_000, "[" * 300),
        (b" " * (1024 * 1024) + b"{}", "an empty body"),
    ],
)
def test_what_is_no_json_is_shortened_text(body: bytes, message: str) -> None:
    assert read_error(body).message == message


def test_a_failure_carries_status_code_words_and_owner() -> None:
    failure = decode_failure(
        ResponseHead(429, {"retry-after": "7"}),
        b'{"error":{"message":"Slow down","code":"rate_limit_exceeded"}}',
        NOW,
    )

    assert msgspec.to_builtins(failure) == {
        "failure": "rate_limit",
        "message": "429 rate_limit_exceeded: Slow down",
        "owner": "provider",
        "status": 429,
        "code": "rate_limit_exceeded",
        "retry_after_s": 7.0,
        "neutral": False,
        "should_retry": None,
    }


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"retry-after": "7"}, RETRY_INFO, 7.0),
        ({}, RETRY_INFO, 35.0),
        (
            {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"},
            b"{}",
            360.0,
        ),
        ({}, b"{}", None),
    ],
)
def test_the_most_outspoken_source_says_how_long_to_wait(
    headers: dict[str, str], body: bytes, expected: float | None
) -> None:
    assert (
        decode_failure(ResponseHead(429, headers), body, NOW).retry_after_s == expected
    )


def test_a_used_up_allowance_says_nothing_about_other_failures() -> None:
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}

    assert decode_failure(ResponseHead(500, headers), b"{}", NOW).retry_after_s is None


def test_the_providers_own_word_on_retrying_is_kept() -> None:
    head = ResponseHead(401, {"x-should-retry": "false"})

    assert decode_failure(head, b"{}", NOW).should_retry is False


@pytest.mark.parametrize(
    ("status", "said", "kept"),
    [
        (401, "Incorrect API key provided: sk-ab****yz.", "Incorrect API key provided: [key]"),
        (401, "key 0123456789abcdef01234567 refused", "key [key] refused"),
        (403, "no permission: Model.read", "no permission: Model.read"),
        (400, "echoed sk-secret here", "echoed [key] here"),
        (400, "claude-something-long-20250929 is **bold**", "claude-something-long-20250929 is **bold**"),
    ],
)  # fmt: skip
def test_keys_in_error_texts_are_masked(status: int, said: str, kept: str) -> None:
    failure = decode_failure(
        ResponseHead(status, {}), msgspec.json.encode({"error": said}), NOW
    )

    assert failure.message == f"{status}: {kept}"


@pytest.mark.parametrize(
    ("error", "failure", "owner"),
    [
        ({"message": "x", "code": 400}, "bad_request", "caller"),
        ({"message": "x", "status_code": 400, "code": "tool_use_failed"}, "bad_request", "caller"),
        ({"message": "x", "code": "429"}, "rate_limit", "provider"),
        ({"message": "x", "type": "insufficient_quota"}, "quota", "provider"),
        ({"message": "x", "type": "rate_limit_error"}, "rate_limit", "provider"),
        ({"message": "x", "type": "overloaded_error"}, "overloaded", "provider"),
        ({"message": "x", "type": "authentication_error"}, "auth", "provider"),
        ({"message": "x", "type": "not_found_error"}, "model_not_found", "provider"),
        ({"message": "x", "type": "invalid_request_error"}, "bad_request", "caller"),
        ({"message": "x", "code": "context_length_exceeded"}, "context_too_long", "caller"),
        ({"message": "x", "code": "content_filter"}, "content_filtered", "caller"),
        ({"message": "x", "code": 502}, "server_error", "provider"),
        ({"message": "x", "type": "server_error"}, "server_error", "provider"),
        ("x", "server_error", "provider"),
        (True, "server_error", "provider"),
    ],
)  # fmt: skip
def test_errors_inside_answers_keep_their_class_and_owner(
    error: object, failure: FailureClass, owner: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        raise_in_answer(error)

    data = failure_of(caught.value)
    assert (data.failure, data.owner) == (failure, owner)


@pytest.mark.parametrize(
    ("body", "is_error"),
    [
        (b'{"error": {"message": "x"}}', True),
        (b'[{"error": "x"}]', True),
        (b'{"type": "error", "message": "x"}', True),
        (b'{"error": null}', False),
        (b'{"choices": []}', False),
        (b"[]", False),
        (b"not json", False),
    ],
)
def test_a_body_is_searched_for_an_error(body: bytes, *, is_error: bool) -> None:
    raised = False
    try:
        raise_if_error(body)
    except ProviderError:
        raised = True

    assert raised is is_error


def test_our_own_bug_is_our_own_fault() -> None:
    assert owner_of("internal") == "us"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("error", "message", "detail", "errors", "code", "type"),
                    *("details", "status", "innererror", "loc", "msg"),
                    *("status_code", "reason"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.integers(200, 600),
    st.binary(max_size=80) | _JSON.map(msgspec.json.encode),
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=40)
    ),
)
@settings(max_examples=100)
def test_no_error_body_makes_decoding_raise(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    failure = decode_failure(ResponseHead(status, headers), body, NOW)

    assert failure.owner == owner_of(failure.failure)
    assert len(failure.message) < 1300
