"""Streams of chat chunks: what adds up, what ends them, what breaks them."""

import msgspec
import pytest

from actors.errors import (
    ProviderError,
    ProviderQuotaExceeded,
    ProviderRateLimited,
    ProviderResponseError,
    ProviderServerError,
)
from actors.messages.chat import Completion, Delta, ToolCall, ToolCallDelta, Usage
from actors.wire.failures import ProviderRejection
from actors.wire.openai_stream import OpenAIStreamDecoder
from tests.support.chat_stream import (
    DONE,
    TEXT_STREAM,
    USAGE,
    call,
    chunk,
    event,
    finished,
    run,
)


def test_a_text_stream() -> None:
    deltas, completion = run(*TEXT_STREAM)

    assert deltas == [Delta(content="Grüße "), Delta(content="😀")]
    assert completion == Completion(
        content="Grüße 😀",
        finish_reason="stop",
        model="gpt-4o-2024",
        usage=Usage(prompt_tokens=3, completion_tokens=4, total_tokens=7),
        response_id="chatcmpl-1",
        service_tier="default",
    )


def test_progress_can_be_watched() -> None:
    decoder = OpenAIStreamDecoder("openai")
    assert (decoder.done, decoder.usage, decoder.text_bytes) == (False, Usage(), 0)

    decoder.feed(b"".join(TEXT_STREAM[:-1]))

    assert decoder.usage.total_tokens == 7
    assert decoder.text_bytes == len("Grüße 😀".encode())


def test_nothing_is_read_after_the_end() -> None:
    decoder = OpenAIStreamDecoder("openai")
    decoder.feed(b"".join(TEXT_STREAM) + b"data: garbage after the end\n\n")

    assert decoder.done
    assert decoder.feed(b"data: more garbage\n\n") == []


def test_call_fragments_are_put_together_by_index() -> None:
    deltas, completion = run(
        chunk(call("a", "add", "")),
        chunk(call(None, None, '{"x":')),
        chunk(call("b", "now", "", index=1)),
        chunk(call("", "", "1}")),
        chunk(finish="tool_calls"),
        DONE,
    )

    assert deltas == [
        Delta(tool_calls=(ToolCallDelta(0, "a", "add"),)),
        Delta(tool_calls=(ToolCallDelta(0, arguments='{"x":'),)),
        Delta(tool_calls=(ToolCallDelta(1, "b", "now"),)),
        Delta(tool_calls=(ToolCallDelta(0, arguments="1}"),)),
    ]
    assert completion.content is None
    assert completion.finish_reason == "tool_calls"
    assert completion.tool_calls == (
        ToolCall("a", "add", '{"x":1}'),
        ToolCall("b", "now", "{}"),
    )


def test_a_whole_call_may_come_in_one_delta() -> None:
    completion = finished(chunk(call("a", "add", '{"x":1}')))

    assert completion.tool_calls == (ToolCall("a", "add", '{"x":1}'),)
    assert completion.finish_reason == "tool_calls"


def test_indexes_count_in_order_of_arrival() -> None:
    deltas, completion = run(
        chunk(call("a", "f", "1", index=5)),
        chunk(call("b", "g", "2", index=2)),
        chunk(finish="stop"),
    )

    assert [d.tool_calls[0].index for d in deltas] == [0, 1]
    assert [c.id for c in completion.tool_calls] == ["a", "b"]


def test_calls_without_an_index_follow_each_other() -> None:
    completion = finished(
        chunk(call("a", "f", '{"x"', index=None)),
        chunk(call(None, None, ":1}", index=None)),
        chunk(call("", "g", "{}", index=None)),
        chunk(call("c", "h", "{}", index=None)),
    )

    assert [(c.name, c.arguments) for c in completion.tool_calls] == [
        ("f", '{"x":1}'),
        ("g", "{}"),
        ("h", "{}"),
    ]


def test_a_nameless_piece_without_an_index_may_come_first() -> None:
    completion = finished(chunk(call(None, None, "{}", index=None)))

    assert completion.tool_calls == (ToolCall("call_chatcmpl-1_0", "", "{}"),)


def test_whole_calls_all_numbered_0_are_several() -> None:
    completion = finished(
        chunk(call("a", "f", "{}")),
        chunk(call("b", "f", "{}")),
        chunk(call("b", "f", " ")),
    )

    assert completion.tool_calls == (
        ToolCall("a", "f", "{}"),
        ToolCall("b", "f", "{} "),
    )


def test_an_id_that_comes_again_is_the_same_call() -> None:
    completion = finished(
        chunk(call("a", "f", "{")),
        chunk(call("a", "f", "}")),
        chunk(call("x", None, "")),
    )

    assert completion.tool_calls == (ToolCall("a", "f", "{}"),)


def test_calls_without_an_id_get_one_at_once_and_keep_it() -> None:
    deltas, completion = run(
        chunk(call("", "f", "{}")),
        chunk(call("late", "f", " ")),
        chunk(finish="tool_calls"),
    )

    assert deltas[0].tool_calls[0].id == "call_chatcmpl-1_0"
    assert completion.tool_calls == (ToolCall("call_chatcmpl-1_0", "f", "{} "),)


def test_a_name_may_come_later_than_the_id() -> None:
    deltas, completion = run(
        chunk({"tool_calls": [{"index": 0, "id": "a"}]}),
        chunk(call(None, "f", "")),
        chunk(call(None, "other", "{}")),
        chunk(finish="tool_calls"),
    )

    assert deltas[1].tool_calls == (ToolCallDelta(0, name="f"),)
    assert completion.tool_calls == (ToolCall("a", "f", "{}"),)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_has_two_names(field: str) -> None:
    deltas, completion = run(
        chunk({field: "2+"}), chunk({field: "2"}), chunk({"content": "4"}, "stop")
    )

    assert deltas == [
        Delta(reasoning="2+"),
        Delta(reasoning="2"),
        Delta(content="4"),
    ]
    assert (completion.reasoning, completion.content) == ("2+2", "4")


def test_content_may_be_typed_parts() -> None:
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    completion = finished(chunk({"content": thinking}), chunk({"content": "yes"}))

    assert (completion.reasoning, completion.content) == ("hm", "yes")


def test_a_refusal_stands_in_for_content() -> None:
    completion = finished(chunk({"refusal": "I "}), chunk({"refusal": "can't"}))

    assert (completion.content, completion.refusal) == (None, "I can't")


def test_an_answer_without_any_text_is_empty_text() -> None:
    assert run(chunk({"content": ""}), chunk(finish="length"))[1] == Completion(
        content="",
        finish_reason="length",
        model="gpt-4o-2024",
        response_id="chatcmpl-1",
    )


def test_the_first_finish_reason_and_the_last_usage_win() -> None:
    completion = run(
        chunk({"content": "a"}, usage={"total_tokens": 1}),
        chunk(finish="length", usage={"total_tokens": 2}),
        chunk(finish="stop", usage=USAGE),
        chunk(usage=None),
        DONE,
    )[1]

    assert completion.finish_reason == "length"
    assert completion.usage.total_tokens == 7


def test_usage_may_be_in_groqs_own_corner() -> None:
    completion = finished(chunk({"content": "a"}, "stop", x_groq={"usage": USAGE}))

    assert completion.usage.total_tokens == 7


@pytest.mark.parametrize("corner", [None, {"id": "req_1"}, "x", {"usage": None}])
def test_a_corner_without_usage_changes_nothing(corner: object) -> None:
    completion = finished(
        chunk({"content": "a"}, usage=USAGE), chunk({}, "stop", x_groq=corner)
    )

    assert completion.usage.total_tokens == 7


def test_chunks_without_choices_come_first_and_last() -> None:
    preamble = {"choices": [], "id": "", "model": "", "prompt_filter_results": [{}]}
    no_choices = {"id": "chatcmpl-1", "usage": USAGE}
    completion = run(
        event(preamble), chunk({"content": "a"}, "stop"), event(no_choices), DONE
    )[1]

    assert (completion.response_id, completion.model) == ("chatcmpl-1", "gpt-4o-2024")
    assert completion.usage.total_tokens == 7


def test_other_choices_are_not_ours() -> None:
    other = {"index": 1, "delta": {"content": "b"}, "finish_reason": "length"}
    completion = finished(event({"choices": [other]}), chunk({"content": "a"}))

    assert (completion.content, completion.finish_reason) == ("a", "stop")


def test_a_choice_without_a_delta_may_finish() -> None:
    choice = {"index": 0, "finish_reason": "stop"}

    assert run(event({"choices": [choice]}))[1].finish_reason == "stop"


def test_crlf_without_done_is_a_whole_stream_too() -> None:
    stream = chunk({"content": "a"}) + chunk(finish="stop", usage=USAGE)

    completion = run(stream.replace(b"\n", b"\r\n"))[1]

    assert (completion.content, completion.usage.total_tokens) == ("a", 7)


def test_comments_are_only_signs_of_life() -> None:
    assert run(b": OPENROUTER PROCESSING\n\n", *TEXT_STREAM) == run(*TEXT_STREAM)


def test_a_blank_finish_reason_beside_calls_is_tool_calls() -> None:
    completion = run(chunk(call("a", "f", "{}")), chunk(finish=""), DONE)[1]

    assert completion.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [DONE],
        [b": ping\n\n"],
        [chunk({"content": "half"})],
        [chunk({"content": "half"}), DONE],
        [chunk({"content": "half"}, "")],
        [chunk(call("a", "f", '{"x"')), chunk(finish="")],  # no [DONE]
        [chunk({"content": "half"}), chunk(finish="stop")[:-30]],
        [chunk({"content": "half"}, "stop")[:-2]],
    ],
)
def test_a_stream_without_a_finish_reason_is_cut(pieces: list[bytes]) -> None:
    with pytest.raises(ProviderResponseError):
        run(*pieces)


def test_only_the_last_blank_line_may_be_missing() -> None:
    text = chunk({"content": "a"})

    assert run(text, chunk(finish="stop")[:-2])[1].finish_reason == "stop"
    assert run(text, chunk(finish="stop"), DONE[:-2])[1].content == "a"


def test_half_a_usage_after_the_finish_reason_does_not_undo_the_answer() -> None:
    usage = event({"choices": [], "usage": USAGE})
    completion = run(chunk({"content": "a"}), chunk(finish="stop"), usage[:-20])[1]

    assert completion.usage == Usage()


ERROR_STREAMS: list[tuple[bytes, type[ProviderError]]] = [
    (event({"error": {"message": "x", "status_code": 400}}, b"error"), ProviderRejection),
    (event({"message": "x", "code": 502}, b"error"), ProviderServerError),
    (event({"error": {"message": "x", "code": 429}, "choices": []}), ProviderRateLimited),
    (chunk({"content": ""}, "error", error={"code": 502, "message": "x"}), ProviderServerError),
    (chunk({"content": ""}, "error"), ProviderServerError),
    (event({"error": {"message": "x", "type": "insufficient_quota"}}), ProviderQuotaExceeded),
    (event({"type": "error", "error": {"type": "rate_limit_error"}}), ProviderRateLimited),
    (event({"choices": [{"error": {"code": 502, "message": "x"}}]}), ProviderServerError),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "error"), ERROR_STREAMS)
def test_errors_inside_a_stream_are_raised(
    stream: bytes, error: type[ProviderError]
) -> None:
    decoder = OpenAIStreamDecoder("openai")
    assert decoder.feed(chunk({"content": "half"})) == [Delta(content="half")]

    with pytest.raises(error):
        decoder.feed(stream)


def test_usage_beside_an_error_is_kept_for_the_bill() -> None:
    decoder = OpenAIStreamDecoder("openai")

    with pytest.raises(ProviderServerError):
        decoder.feed(chunk(error={"code": 502, "message": "x"}, usage=USAGE))

    assert decoder.usage.total_tokens == 7


def test_a_bare_json_error_instead_of_a_stream_is_raised() -> None:
    decoder = OpenAIStreamDecoder("openai")
    decoder.feed(b'{\n  "error": {\n    "message": "busy",\n')

    with pytest.raises(ProviderRateLimited, match="busy"):
        decoder.feed(b'    "code": 429\n  }\n}\n')


def test_a_whole_answer_instead_of_a_stream_is_taken() -> None:
    answer = {
        "model": "m",
        "choices": [{"message": {"content": "Grüße"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    deltas, completion = run(b" \n\n", msgspec.json.encode(answer), b"\n")

    assert deltas == [Delta(content="Grüße")]
    assert completion.content == "Grüße"
    assert completion.usage.total_tokens == 7


def test_progress_of_a_whole_answer_can_be_watched() -> None:
    decoder = OpenAIStreamDecoder("openai")
    decoder.feed(b'{"choices":[{"message":{"content":"Gr\xc3\xbc"}}]')
    before = (decoder.done, decoder.text_bytes, decoder.usage.total_tokens)
    decoder.feed(b',"model":"m","usage":{"prompt_tokens":1,"completion_tokens":2}}')

    assert before == (False, 0, None)
    assert decoder.model == "m"
    assert (decoder.done, decoder.text_bytes, decoder.usage.total_tokens) == (
        True,
        4,
        3,
    )


def test_a_last_chunk_that_says_so_ends_the_stream_without_done() -> None:
    decoder = OpenAIStreamDecoder("openai")
    decoder.feed(chunk({"content": "a"}, object="chat.completion.chunk"))
    deltas = decoder.feed(
        chunk({}, finish="stop", object="chat.completion.done")
        + chunk({"content": "more"})
    )

    assert decoder.done
    assert deltas == []
    assert decoder.finish().content == "a"


@pytest.mark.parametrize(
    "data",
    [b"data: {\n\n", b"data: []\n\n", b'data: {"a":' + b"[" * 100_000 + b"\n\n"],
)
def test_undecodable_chunks_are_response_errors(data: bytes) -> None:
    with pytest.raises(ProviderResponseError):
        run(data)


def test_halves_of_an_emoji_in_two_chunks_do_not_end_the_stream() -> None:
    high = chunk({"content": "X"}).replace(b"X", b"\\ud83d")
    low = chunk({"content": "X"}).replace(b"X", b"\\ude00")

    assert finished(high, low).content == "\ufffd\ufffd"


def test_an_endless_answer_is_refused() -> None:
    decoder = OpenAIStreamDecoder("openai", max_answer_bytes=1000)
    piece = chunk({"content": "x" * 100})
    for _ in range(10):
        decoder.feed(piece)

    with pytest.raises(ProviderResponseError, match="longer than 1000 bytes"):
        decoder.feed(piece)


def test_an_endless_event_is_refused() -> None:
    decoder = OpenAIStreamDecoder("openai", max_event_bytes=1000)

    with pytest.raises(ProviderResponseError, match="more than 1000 bytes"):
        decoder.feed(b"data: " + b"x" * 2000)


def test_xai_reasoning_is_added_to_the_completion_count() -> None:
    usage = {
        "prompt_tokens": 468,
        "completion_tokens": 82,
        "total_tokens": 870,
        "completion_tokens_details": {"reasoning_tokens": 320},
        "cost_in_usd_ticks": 2488500,
    }
    decoder = OpenAIStreamDecoder("xai")
    decoder.feed(chunk({"content": "a"}, "stop", usage=usage))

    assert decoder.finish().usage.completion_tokens == 402
