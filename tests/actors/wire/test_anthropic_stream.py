"""Streams of the Messages API become deltas and a whole answer."""

import msgspec
import pytest

from actors.errors import (
    ProviderAuthError,
    ProviderError,
    ProviderOverloaded,
    ProviderQuotaExceeded,
    ProviderRateLimited,
    ProviderResponseError,
    ProviderServerError,
)
from actors.messages.chat import Delta, ToolCall, ToolCallDelta, Usage
from actors.wire.anthropic_names import ANSWER_TOOL
from actors.wire.anthropic_stream import AnthropicStreamDecoder
from actors.wire.failures import ProviderRejection
from tests.support.message_stream import (
    PING,
    TEXT_STREAM,
    end,
    event,
    message_start,
    piece,
    run,
    start,
    stop,
    text_block,
    thinking_block,
    tool_block,
)


def test_a_stream_becomes_deltas_and_an_answer() -> None:
    deltas, completion = run(*TEXT_STREAM)

    assert deltas == [
        Delta(reasoning="Hm"),
        Delta(reasoning="m…"),
        Delta(content="Grüße "),
        Delta(content="😀"),
        Delta(tool_calls=(ToolCallDelta(0, "toolu_1", "add"),)),
        Delta(tool_calls=(ToolCallDelta(0, arguments='{"a"'),)),
        Delta(tool_calls=(ToolCallDelta(0, arguments=": 1}"),)),
    ]
    assert completion.content == "Grüße 😀"
    assert completion.reasoning == "Hmm…"
    assert completion.tool_calls == (ToolCall("toolu_1", "add", '{"a": 1}'),)
    assert completion.finish_reason == "tool_calls"
    assert completion.model == "claude-sonnet-4-5-20250929"
    assert (completion.response_id, completion.service_tier) == ("msg_1", "standard")
    assert (completion.refusal, completion.usage.completion_tokens) == (None, 7)


def test_trap_4_counts_of_a_stream_are_cumulative() -> None:
    decoder = AnthropicStreamDecoder()
    decoder.feed(message_start())
    begun = decoder.usage

    assert (begun.prompt_tokens, begun.completion_tokens) == (60, 1)
    later = {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 2}}
    decoder.feed(event("message_delta", delta={}, usage=later))
    decoder.feed(end(output_tokens=207))
    assert decoder.finish().usage == Usage(
        prompt_tokens=60,
        completion_tokens=207,
        cached_tokens=30,
        cache_write_tokens=20,
        cache_write_1h_tokens=5,
        reasoning_tokens=2,
        total_tokens=267,
    )


def test_trap_14_a_text_may_come_before_thinking() -> None:
    blocks = (text_block(0, "\n\n"), thinking_block(1, "Hm"), text_block(2, "Yes"))
    _, completion = run(message_start(), *blocks, end())

    assert (completion.content, completion.reasoning) == ("\n\nYes", "Hm")


@pytest.mark.parametrize("pieces", [(), ("",)])
def test_trap_15_a_call_without_arguments_is_called_with_an_empty_object(
    pieces: tuple[str, ...],
) -> None:
    deltas, completion = run(tool_block(0, "t", "now", *pieces), end("tool_use"))

    assert completion.tool_calls == (ToolCall("t", "now", "{}"),)
    assert deltas == [
        Delta(tool_calls=(ToolCallDelta(0, "t", "now"),)),
        Delta(tool_calls=(ToolCallDelta(0, arguments="{}"),)),
    ]


def test_a_call_that_is_never_closed_is_whole_all_the_same() -> None:
    _, completion = run(start(0, "tool_use", id="t", name="now", input={}), end())

    assert completion.tool_calls == (ToolCall("t", "now", "{}"),)


def test_calls_count_among_themselves_and_may_interleave() -> None:
    deltas, completion = run(
        text_block(0, "wait"),
        start(1, "tool_use", id="a", name="f", input={}),
        start(7, "tool_use", id="b", name="gbx_g_2eh", input={}),
        piece(7, "input_json_delta", partial_json='{"y":'),
        piece(1, "input_json_delta", partial_json='{"x":1}'),
        piece(7, "input_json_delta", partial_json="2}"),
        stop(1),
        stop(7),
        end("tool_use"),
    )

    assert completion.tool_calls == (
        ToolCall("a", "f", '{"x":1}'),
        ToolCall("b", "g.h", '{"y":2}'),
    )
    found = [call.index for delta in deltas for call in delta.tool_calls]
    assert found == [0, 1, 1, 0, 1]


def test_the_input_of_the_answer_tool_is_the_content() -> None:
    deltas, completion = run(
        tool_block(0, "t", ANSWER_TOOL, "", '{"city"', ':"Bonn"}'), end("tool_use")
    )

    assert [delta.content for delta in deltas] == ['{"city"', ':"Bonn"}']
    assert completion.content == '{"city":"Bonn"}'
    assert (completion.finish_reason, completion.tool_calls) == ("stop", ())


def test_an_empty_answer_is_an_empty_object() -> None:
    assert run(tool_block(0, "t", ANSWER_TOOL), end())[1].content == "{}"


def test_imitators_may_send_a_block_whole_at_its_start() -> None:
    deltas, completion = run(
        start(0, "thinking", thinking="Hm"),
        start(1, "text", text="a"),
        start(2, "tool_use", id=None, name="f", input={"x": 1}),
        piece(2, "input_json_delta", partial_json="more"),
        stop(2),
        start(3, "tool_use", id="s", name=ANSWER_TOOL, input={"y": 2}),
        stop(3),
        end(),
    )

    assert completion.reasoning == "Hm"
    assert completion.content == 'a{"y":2}'
    assert completion.tool_calls == (ToolCall("toolu_0", "f", '{"x":1}'),)
    assert deltas[2].tool_calls == (ToolCallDelta(0, "toolu_0", "f", '{"x":1}'),)


def test_a_second_answer_block_takes_over_from_the_first() -> None:
    first = start(0, "tool_use", id="a", name=ANSWER_TOOL, input={})
    second = start(1, "tool_use", id="b", name=ANSWER_TOOL, input={})
    more = [piece(n, "input_json_delta", partial_json=str(n)) for n in (0, 1)]

    assert run(first, second, *more, stop(0), stop(1), end())[1].content == "1"


def test_what_is_not_known_is_passed_over() -> None:
    deltas, completion = run(
        message_start(id=None, model=7, usage=None),
        PING,
        event("new_event", delta={"type": "text_delta", "text": "no"}),
        start(0, "server_tool_use", id="srv", name="web_search", input={}),
        piece(0, "input_json_delta", partial_json="{}"),
        stop(0),
        start(1, "redacted_thinking", data="xx"),
        piece(1, "citations_delta", citation={}),
        piece(1, "compaction_delta"),
        piece(1, "text_delta", text=None),
        event("content_block_delta", index=1, delta="nonsense"),
        event("content_block_start", index=2),
        b'data: {"type":["message_stop"]}\n\n',
        b": a comment\n\n",
        end(),
    )

    assert deltas == []
    assert (completion.content, completion.model) == ("", None)


@pytest.mark.parametrize("index", [None, "0", -1, True, 2**40, 1.5, []])
def test_a_block_without_a_proper_index_gets_no_further_input(index: object) -> None:
    _, completion = run(
        start(index, "tool_use", id="t", name="f", input={}),
        piece(index, "input_json_delta", partial_json="{1"),
        stop(index),
        end(),
    )

    assert completion.tool_calls == (ToolCall("t", "f", "{}"),)


def test_an_answer_without_a_proper_index_stays_empty() -> None:
    opened = start(None, "tool_use", id="t", name=ANSWER_TOOL, input={})

    assert run(opened, stop(None), end())[1].content == ""


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("refusal", "content_filter"),
        ("brand_new", "stop"),
    ],
)
def test_stop_reasons_are_translated(reason: str, finish: str) -> None:
    assert run(text_block(0, "a"), end(reason))[1].finish_reason == finish


def test_a_refusal_says_why() -> None:
    details = {"type": "refusal", "explanation": "I must not."}
    deltas, completion = run(message_start(), end("refusal", stop_details=details))

    assert deltas == [Delta(refusal="I must not.")]
    assert (completion.refusal, completion.content) == ("I must not.", None)


def test_the_first_stop_reason_wins() -> None:
    again = event("message_delta", delta={"stop_reason": "max_tokens"})
    first = event("message_delta", delta={"stop_reason": "end_turn"})

    assert run(first, again)[1].finish_reason == "stop"


def test_nothing_is_read_after_the_end() -> None:
    decoder = AnthropicStreamDecoder()
    before = decoder.done
    assert decoder.feed(end() + text_block(0, "late")) == []

    assert (before, decoder.done) == (False, True)
    assert decoder.feed(b"\xff garbage \n\n") == []
    assert decoder.finish().content == ""


def test_text_bytes_count_what_was_said() -> None:
    decoder = AnthropicStreamDecoder()
    for part in TEXT_STREAM:
        decoder.feed(part)

    said = "Hmm…" + "Grüße 😀" + '{"a": 1}'
    assert decoder.text_bytes == len(said.encode())


# Cut streams


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"\n\n",),
        (message_start(),),
        (message_start(), text_block(0, "half an ans")),
        (message_start(), event("message_delta", delta={"stop_reason": None})),
        (message_start(), text_block(0, "a"), event("message_stop")),
    ],
)
def test_a_stream_without_a_stop_reason_was_cut(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(ProviderResponseError, match="without a stop reason"):
        run(*pieces)


def test_a_stop_reason_is_the_end_even_without_message_stop() -> None:
    ended = end().split(b"event: message_stop")[0]

    assert run(text_block(0, "a"), ended)[1].finish_reason == "stop"
    assert run(text_block(0, "a"), ended.rstrip(b"\n"))[1].finish_reason == "stop"
    assert run(text_block(0, "a"), ended, b'data: {"type":"mess')[1].content == "a"


def test_text_in_an_event_that_never_ended_was_cut() -> None:
    last = piece(0, "text_delta", text="lost").rstrip(b"\n")

    with pytest.raises(ProviderResponseError, match="inside an event"):
        run(message_start(), start(0, "text", text=""), last)


def test_half_an_event_before_the_stop_reason_is_an_error() -> None:
    with pytest.raises(ProviderResponseError, match="cannot be decoded"):
        run(message_start(), b'data: {"type":"content_bl')


# Errors


def error_event(kind: str, **fields: object) -> bytes:
    return event("error", error={"type": kind, "message": "why"} | fields)


ERROR_STREAMS = [
    (error_event("overloaded_error"), ProviderOverloaded),
    (error_event("api_error"), ProviderServerError),
    (error_event("timeout_error"), ProviderServerError),
    (error_event("rate_limit_error"), ProviderRateLimited),
    (
        error_event(
            "rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}
        ),
        ProviderQuotaExceeded,
    ),
    (error_event("authentication_error"), ProviderAuthError),
    (error_event("invalid_request_error"), ProviderRejection),
    (b'data: {"type":"error"}\n\n', ProviderServerError),
    (b'data: {"error":{"type":"overloaded_error"}}\n\n', ProviderOverloaded),
    (b"event: error\ndata: {}\n\n", ProviderServerError),
    (b"event: error\ndata: {\n\n", ProviderResponseError),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "error"), ERROR_STREAMS)
def test_trap_7_errors_inside_a_stream_are_raised(
    stream: bytes, error: type[ProviderError]
) -> None:
    decoder = AnthropicStreamDecoder()
    decoder.feed(message_start())
    assert decoder.feed(text_block(0, "half")) == [Delta(content="half")]

    with pytest.raises(error):
        decoder.feed(stream)
    assert decoder.usage.prompt_tokens == 60


def test_a_bare_json_error_instead_of_a_stream_is_raised() -> None:
    decoder = AnthropicStreamDecoder()
    decoder.feed(b'{"type": "error",\n "error": {"type":')
    decoder.feed(b'"overloaded_error", "message": "busy"}}\n')

    with pytest.raises(ProviderOverloaded, match="busy"):
        decoder.finish()


@pytest.mark.parametrize(
    "data",
    [b"data: {\n\n", b"data: []\n\n", b'data: {"type":' + b"[" * 100_000 + b"\n\n"],
)
def test_undecodable_events_are_response_errors(data: bytes) -> None:
    with pytest.raises(ProviderResponseError):
        run(data)


def test_halves_of_an_emoji_in_two_events_do_not_end_the_stream() -> None:
    high = piece(0, "text_delta", text="X").replace(b"X", b"\\ud83d")
    low = piece(0, "text_delta", text="X").replace(b"X", b"\\ude00")

    assert run(high, low, end())[1].content == "\ufffd\ufffd"


# Bounds


def test_an_endless_answer_is_refused() -> None:
    decoder = AnthropicStreamDecoder(max_answer_bytes=1000)
    said = piece(0, "thinking_delta", thinking="x" * 100)
    for _ in range(10):
        decoder.feed(said)

    with pytest.raises(ProviderResponseError, match="longer than 1000 bytes"):
        decoder.feed(said)


def test_endless_calls_are_refused() -> None:
    decoder = AnthropicStreamDecoder(max_answer_bytes=10_000)
    calls = [start(n, "tool_use", id="t", name="f", input={}) for n in range(100)]

    with pytest.raises(ProviderResponseError, match="longer than"):
        decoder.feed(b"".join(calls))


def test_endless_answer_blocks_are_forgotten() -> None:
    decoder = AnthropicStreamDecoder()
    for index in range(1000):
        decoder.feed(start(index, "tool_use", id="t", name=ANSWER_TOOL, input={}))

    assert decoder._empty == {999}


def test_an_endless_event_is_refused() -> None:
    decoder = AnthropicStreamDecoder(max_event_bytes=1000)

    with pytest.raises(ProviderResponseError, match="more than 1000 bytes"):
        decoder.feed(b"data: " + b"x" * 2000)


def test_usage_of_a_hostile_server_does_not_grow() -> None:
    decoder = AnthropicStreamDecoder()
    for number in range(1000):
        usage = {f"key{number}": number, "output_tokens": number}
        decoder.feed(event("message_delta", delta={}, usage=usage))

    assert len(msgspec.json.encode(decoder._raw_usage)) < 100
    assert decoder.usage.completion_tokens == 999
