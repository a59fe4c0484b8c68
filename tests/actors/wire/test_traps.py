"""The traps of the provider reference, each with the dialect that has to step over it.

Numbers as in section 9 there. What only the Responses API does is not here, nor is the
depth: the files of each part go further into most of them.
"""

from decimal import Decimal
from http import HTTPStatus
from typing import Any

import msgspec
import pytest

from actors.errors import FailureClass, InvalidRequest, ProviderError
from actors.messages.chat import (
    ChatRequest,
    Completion,
    Message,
    Tool,
    ToolCall,
    ToolChoice,
    Usage,
)
from actors.messages.provider import Failure
from actors.messages.routing import Target
from actors.policy.attempts import GiveUp, RetryConfig
from actors.policy.pricing import Price, PriceBook, PriceTier, TableEntry, settle_cost
from actors.wire.base import Endpoint, ResponseHead, StreamDecoder
from actors.wire.catalogue import dialect_for
from actors.wire.rate_limits import read_rate_limits, used_up_s
from tests.support import message_stream as claude
from tests.support.attempt_story import Story
from tests.support.chat_stream import DONE, chunk, event

OK = ResponseHead(200, {})
ENDPOINT = Endpoint(base_url="https://api.example.com/v1", api_key="k")
USER = (Message("user", "hi"),)
TOOLS = (Tool("now", parameters={"type": "object"}),)


def answered(
    kind: str, message: dict[str, object], usage: object = None, **fields: object
) -> Completion:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "chatcmpl-1", "choices": [choice], "usage": usage} | fields
    return dialect_for(kind).decode_chat(OK, msgspec.json.encode(body))


def claude_answered(
    content: list[object], usage: object = None, **headers: str
) -> Completion:
    body = {"type": "message", "content": content, "stop_reason": "end_turn"}
    head = ResponseHead(200, {k.replace("_", "-"): v for k, v in headers.items()})
    body_bytes = msgspec.json.encode(body | {"usage": usage})
    return dialect_for("anthropic").decode_chat(head, body_bytes)


def streamed(kind: str, *pieces: bytes) -> Completion:
    decoder = dialect_for(kind).stream_decoder(OK)
    for piece in pieces:
        decoder.feed(piece)
    return decoder.finish()


def failed(kind: str, status: int, body: object, **headers: str) -> Failure:
    head = ResponseHead(status, {k.replace("_", "-"): v for k, v in headers.items()})
    return dialect_for(kind).decode_error(head, msgspec.json.encode(body), 0.0)


def sent(
    kind: str, model: str, *, version: str | None = None, **fields: Any
) -> dict[str, Any]:
    headers = {"anthropic-version": version} if version else {}
    endpoint = msgspec.structs.replace(ENDPOINT, headers=headers)
    request = ChatRequest(messages=USER, **fields)
    encoded = dialect_for(kind).encode_chat(endpoint, model, request, stream=False)
    body: dict[str, Any] = msgspec.json.decode(encoded.http.body)
    return body | {"dropped": set(encoded.dropped)}


def test_trap_1_xai_leaves_reasoning_out_of_the_completion_count() -> None:
    usage = {
        "prompt_tokens": 468,
        "completion_tokens": 82,
        "total_tokens": 870,
        "completion_tokens_details": {"reasoning_tokens": 320},
        "cost_in_usd_ticks": 2_488_500,
    }

    read = answered("xai", {"content": "a"}, usage).usage

    assert (read.completion_tokens, read.reasoning_tokens) == (402, 320)
    assert read.reported_cost_usd == Decimal("0.00024885")


def test_trap_2_gemini_leaves_thinking_out_of_both_counts() -> None:
    usage = {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109}

    read = answered("gemini", {"content": "a"}, usage).usage

    assert read.completion_tokens == 74


def test_trap_3_anthropic_input_excludes_the_cache() -> None:
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 30,
        "output_tokens": 4,
    }

    read = claude_answered([{"type": "text", "text": "a"}], usage).usage

    assert (read.prompt_tokens, read.cached_tokens, read.cache_write_tokens) == (
        *(60, 30, 20),
    )


def test_trap_4_anthropic_stream_counts_are_cumulative() -> None:
    completion = streamed(
        "anthropic",
        claude.message_start(usage={"input_tokens": 10, "output_tokens": 5}),
        claude.text_block(0, "a"),
        claude.event(
            "message_delta",
            delta={"stop_reason": "end_turn"},
            usage={"input_tokens": 10, "output_tokens": 7},
        ),
        claude.event("message_stop"),
    )

    assert completion.usage.prompt_tokens == 10
    assert completion.usage.completion_tokens == 7


def test_trap_5_xai_says_a_wrong_key_in_a_400_with_a_flat_string() -> None:
    body = {
        "code": "invalid-argument",
        "error": "Incorrect API key provided. You can obtain one at console.x.ai.",
    }

    failure = failed("xai", 400, body)

    assert (failure.failure, failure.owner) == ("auth", "provider")


def test_trap_6_mistral_errors_have_only_a_detail() -> None:
    failure = failed("mistral", 401, {"detail": "Invalid API Key"})
    details = [{"loc": ["body", "seed"], "msg": "Extra inputs", "type": "extra"}]
    refused = failed("mistral", 422, {"detail": details})

    assert (failure.failure, failure.message) == ("auth", "401: Invalid API Key")
    assert refused.failure == "bad_request"
    assert "body.seed: Extra inputs" in refused.message


@pytest.mark.parametrize(
    ("kind", "error", "failure"),
    [
        (
            "groq",
            event({"error": {"message": "m", "status_code": 503}}, b"error"),
            "overloaded",
        ),
        (
            "openrouter",
            chunk({"content": ""}, "error", error={"code": 502, "message": "m"}) + DONE,
            "server_error",
        ),
        (
            "anthropic",
            claude.event("error", error={"type": "overloaded_error", "message": "m"}),
            "overloaded",
        ),
        (
            "openai",
            event({"error": {"message": "m", "type": "server_error"}}),
            "server_error",
        ),
    ],
)
def test_trap_7_errors_come_inside_200_streams_in_four_dialects(
    kind: str, error: bytes, failure: FailureClass
) -> None:
    start = claude.message_start() if kind == "anthropic" else chunk({"content": "a"})

    with pytest.raises(ProviderError) as raised:
        streamed(kind, start, error)
    assert raised.value.failure == failure


def test_trap_8_retry_after_beside_success_means_nothing() -> None:
    content: list[object] = [{"type": "text", "text": "a"}]

    assert claude_answered(content, retry_after="61") == claude_answered(content)


def test_trap_8_a_retry_after_of_no_milliseconds_is_none() -> None:
    failure = failed("azure", 429, {}, retry_after_ms="0", retry_after="1")

    assert failure.retry_after_s == 1.0


def test_trap_9_being_out_of_money_is_not_retried() -> None:
    body = {"error": {"type": "insufficient_quota", "message": "You exceeded..."}}

    failure = failed("openai", 429, body)

    assert failure.failure == "quota"
    assert isinstance(Story([Target("openai", "m")]).fails("quota"), GiveUp)


def test_trap_10_an_unknown_model_is_a_404_on_chat() -> None:
    body = {"error": {"code": "model_not_found", "message": "m"}}

    assert failed("openai", 404, body).failure == "model_not_found"
    assert failed("openai", 400, body).failure == "model_not_found"


@pytest.mark.parametrize("model", ["gpt-5.4", "gpt-5.6-sol", "gpt-6-sol"])
def test_trap_11_tools_go_with_reasoning_switched_off(model: str) -> None:
    body = sent("openai", model, tools=TOOLS, reasoning_effort="high")

    assert body["reasoning_effort"] == "none"
    assert "reasoning_effort" in body["dropped"]


def test_trap_11_models_that_always_reason_take_no_tools_here() -> None:
    with pytest.raises(InvalidRequest, match="only through the Responses API"):
        sent("openai", "gpt-6.2-sol", tools=TOOLS)


@pytest.mark.parametrize(
    ("kind", "model", "version", "taken"),
    [
        ("openai", "gpt-5", None, False),
        ("openai", "gpt-6-sol", None, False),
        ("openai", "gpt-4o", None, True),
        ("anthropic", "claude-opus-4-8", None, False),
        ("anthropic", "claude-sonnet-5-5", None, False),
        ("anthropic", "claude-haiku-4-5", None, True),
        ("anthropic", "claude-haiku-4-5", "2026-10-21", False),
    ],
)
def test_trap_12_sampling_is_left_out_where_it_is_refused(
    kind: str, model: str, version: str | None, taken: bool
) -> None:
    body = sent(kind, model, version=version, temperature=0.5)

    assert ("temperature" in body) is taken
    assert ("temperature" in body["dropped"]) is not taken


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-fable-5-1"])
def test_trap_13_a_forced_call_is_not_forced_where_that_is_refused(model: str) -> None:
    choice = ToolChoice("function", "now")

    newer = sent("anthropic", model, tools=TOOLS, tool_choice=choice)
    older = sent("anthropic", "claude-haiku-4-5", tools=TOOLS, tool_choice=choice)

    assert newer.get("tool_choice", {"type": "auto"})["type"] == "auto"
    assert older["tool_choice"] == {"type": "tool", "name": "now"}


def test_trap_14_thinking_may_come_before_the_text() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}

    completion = claude_answered([thinking, {"type": "text", "text": "a"}])

    assert (completion.content, completion.reasoning) == ("a", "hm")


def test_trap_15_a_call_without_arguments_streams_only_an_empty_text() -> None:
    completion = streamed(
        "anthropic",
        claude.message_start(),
        claude.tool_block(0, "toolu_1", "now", ""),
        claude.event("message_delta", delta={"stop_reason": "tool_use"}, usage={}),
        claude.event("message_stop"),
    )

    assert completion.tool_calls == (ToolCall("toolu_1", "now", "{}"),)


def test_trap_16_the_model_that_answers_may_be_in_no_price_table() -> None:
    completion = answered("xai", {"content": "a"}, model="grok-3-mini-high")
    price = Price(input=Decimal(1), output=Decimal(2))
    book = PriceBook([TableEntry("xai", "grok-3-mini", price)])

    cost = settle_cost(
        Usage(prompt_tokens=1_000_000, completion_tokens=0),
        book,
        "grok",
        "xai",
        answered_model=completion.model,
        requested_model="grok-3-mini",
    )

    assert completion.model == "grok-3-mini-high"
    assert cost == (Decimal(1), "table")


def test_trap_17_azures_first_chunk_has_no_choices() -> None:
    preamble = event(
        {"choices": [], "id": "", "model": "", "prompt_filter_results": []}
    )

    completion = streamed(
        "azure", preamble, chunk({"content": "a"}), chunk(finish="stop"), DONE
    )

    assert (completion.content, completion.model) == ("a", "gpt-4o-2024")


def test_trap_18_usage_beside_choices_and_a_finish_reason_twice() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}

    completion = streamed(
        "openrouter",
        chunk({"content": "a"}),
        chunk({"content": ""}, "length"),
        chunk({"content": ""}, "stop", usage=usage),
        DONE,
    )

    assert completion.finish_reason == "length"
    assert completion.usage.total_tokens == 7


def calls_of(kind: str, call_id: str) -> tuple[ToolCall, ...]:
    function = {"name": "now", "arguments": "{}"}
    call = {"id": call_id, "type": "function", "function": function}
    return answered(kind, {"content": None, "tool_calls": [call]}).tool_calls


def test_trap_19_gemini_calls_without_ids_get_one() -> None:
    (call,) = calls_of("gemini", "")

    assert call.id
    assert (call,) == calls_of("gemini", "")


def test_trap_19_mistral_gets_ids_of_nine_characters() -> None:
    (call,) = calls_of("gemini", "")
    messages = (
        *USER,
        Message("assistant", tool_calls=(call,)),
        Message("tool", "noon", tool_call_id=call.id),
    )
    request = ChatRequest(messages=messages)
    encoded = dialect_for("mistral").encode_chat(ENDPOINT, "m", request, stream=False)

    _, calling, answer = msgspec.json.decode(encoded.http.body)["messages"]
    assert len(answer["tool_call_id"]) == 9
    assert answer["tool_call_id"].isalnum()
    assert calling["tool_calls"][0]["id"] == answer["tool_call_id"]


def test_trap_19_two_answers_of_one_id_are_two_answers() -> None:
    dialect = dialect_for("ollama")

    def read(said: str) -> Completion:
        decoder: StreamDecoder = dialect.stream_decoder(OK)
        decoder.feed(chunk({"content": said}) + chunk(finish="stop") + DONE)
        return decoder.finish()

    assert [read("a").content, read("b").content] == ["a", "b"]


def test_trap_20_perplexity_uses_crlf_no_done_and_usage_everywhere() -> None:
    def part(said: str, tokens: int, kind: str, **choice: object) -> bytes:
        body = {
            "object": kind,
            "usage": {
                "prompt_tokens": 8,
                "completion_tokens": tokens,
                "total_tokens": 8 + tokens,
                "cost": {"total_cost": tokens / 1000},
            },
            "choices": [
                {
                    "index": 0,
                    "message": {"content": "1 2"[: 2 * tokens - 1]},
                    "delta": {"content": said},
                }
                | choice
            ],
        }
        return b"data: " + msgspec.json.encode(body) + b"\r\n\r\n"

    decoder = dialect_for("perplexity").stream_decoder(OK)
    for piece in (
        part("1", 1, "chat.completion.chunk"),
        part(" 2", 2, "chat.completion.chunk"),
        part("", 2, "chat.completion.done", finish_reason="stop"),
    ):
        decoder.feed(piece)

    completion = decoder.finish()
    assert decoder.done
    assert completion.content == "1 2"
    assert completion.usage.completion_tokens == 2
    assert completion.usage.reported_cost_usd == Decimal("0.002")


def cost(usage: Usage, price: Price) -> Decimal | None:
    book = PriceBook([TableEntry("openai", "m", price)])
    return settle_cost(
        usage, book, "openai", "openai", answered_model="m", requested_model="m"
    )[0]


def test_trap_21_cache_writes_are_billed_higher() -> None:
    usage = {
        "prompt_tokens": 1_000_000,
        "completion_tokens": 0,
        "total_tokens": 1_000_000,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 1_000_000},
    }
    read = answered("openai", {"content": "a"}, usage).usage
    price = Price(input=Decimal(4), output=Decimal(20), cache_write=Decimal(5))

    assert cost(read, price) == Decimal(5)


def test_trap_22_a_long_prompt_switches_the_price_of_every_token() -> None:
    tier = PriceTier(prompt_tokens_over=272_000, input=Decimal(4), output=Decimal(15))
    price = Price(input=Decimal(2), output=Decimal(10), tiers=(tier,))

    short = Usage(prompt_tokens=272_000, completion_tokens=1_000)
    long = Usage(prompt_tokens=272_001, completion_tokens=1_000)

    assert cost(short, price) == Decimal("0.554")
    assert cost(long, price) == Decimal("1.103004")


def test_trap_23_openai_writes_resets_as_go_durations() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m12.5s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "12ms",
    }

    assert used_up_s(read_rate_limits(headers, 0.0)) == 72.5


def test_trap_24_529_is_in_no_list_of_statuses() -> None:
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}

    assert 529 not in list(HTTPStatus)
    assert failed("anthropic", 529, body).failure == "overloaded"
    assert failed("anthropic", 529, "no words").failure == "overloaded"


def test_trap_25_an_oversized_prompt_may_come_back_as_429_and_does_not_loop() -> None:
    body = {"error": {"code": "RateLimitReached", "message": "exceeded rate limit."}}

    failure = failed("azure", 429, body, retry_after_ms="0", retry_after="1")
    story = Story([Target("azure", "m")], RetryConfig(max_attempts=10, max_retries=2))

    assert failure.failure == "rate_limit"
    assert len(story.until_the_end("rate_limit")) == 3
