"""What every dialect owes us, whatever bytes it is fed.

Used by the property tests and by the fuzz target, so that both mean the same by it.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from actors.errors import ProviderError
from actors.messages.chat import Completion, Delta
from actors.wire.anthropic_count import decode_count
from actors.wire.base import Dialect, ResponseHead
from actors.wire.catalogue import dialect_for
from tests.support.chat_stream import TEXT_STREAM, call, chunk, event
from tests.support.message_stream import TEXT_STREAM as MESSAGE_STREAM

KINDS = ("openai", "xai", "compatible", "gemini", "mistral", "azure", "anthropic")

OK = ResponseHead(200, {"content-type": "text/event-stream"})
_ENCODER = msgspec.json.Encoder(decimal_format="number")

_USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 2},
    "cost": {"total_cost": "0.001"},
}
_CALL = {"id": "", "function": {"name": "add", "arguments": '{"x":1}'}}
_ANSWER = {
    "id": "chatcmpl-1",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "h"}]},
                    {"type": "text", "text": "Grüße 😀"},
                ],
                "reasoning": "hm",
                "refusal": None,
                "tool_calls": [_CALL],
            },
        }
    ],
    "usage": _USAGE,
}
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "Grüße 😀"},
        {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"x": 1}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 3},
}
_ERRORS = (
    {"error": {"message": "m", "type": "t", "code": "c", "details": [{"reason": "r"}]}},
    {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
    {"code": "c", "error": "flat"},
    {"detail": [{"loc": ["a", 0], "msg": "m"}]},
    [{"error": {"code": 429, "details": [{"retryDelay": "3s"}]}}],
)

SEEDS: tuple[bytes, ...] = (
    b"".join(TEXT_STREAM),
    b"".join(
        [
            chunk(call("call_1", "add", '{"x"')),
            chunk(call(None, None, ":1}")),
            chunk(call("", "now", "", index=1), "tool_calls", usage=_USAGE),
        ]
    ),
    chunk({"content": "a"}, "stop", object="chat.completion.done").replace(
        b"\n", b"\r\n"
    ),
    b": comment\n\n" + event({"error": {"message": "m"}}, b"error"),
    b"".join(MESSAGE_STREAM),
    *map(_ENCODER.encode, (_ANSWER, _MESSAGE, *_ERRORS)),
    _ENCODER.encode({"data": [{"id": "m", "context_window": 1, "shutdown_date": 2}]}),
    b'{"input_tokens":14}',
    b"<html><title>502</title></html>",
)
"""Valid answers of every kind, to be spoilt."""


def check_everything(body: bytes, pieces: Iterable[bytes]) -> None:
    """Feed ``body`` to every decoder of every dialect; ``pieces`` are the same bytes.

    Raises:
        AssertionError: A decoder broke one of its promises.
        Exception: A decoder raised what it must not raise.
    """
    pieces = list(pieces)
    for kind in KINDS:
        dialect = dialect_for(kind)
        check_plain(dialect, body)
        check_stream(dialect, pieces)


def check_plain(dialect: Dialect, body: bytes) -> None:
    """Whole bodies decode, or the dialect's own error is raised."""
    with _short_errors():
        _check_completion(dialect.decode_chat(OK, body))
    with _short_errors():
        for model in dialect.decode_models(OK, body):
            assert model.id
    with _short_errors():
        assert decode_count(body) >= 0
    for status in (400, 429, 529):
        failure = dialect.decode_error(ResponseHead(status, {}), body, 0.0)
        _ENCODER.encode(failure)
        assert failure.status == status
        assert len(failure.message) < 2000, len(failure.message)


@contextmanager
def _short_errors() -> Iterator[None]:
    message = ""
    try:
        yield
    except ProviderError as error:
        message = error.message
    assert len(message) < 2000, len(message)


def check_stream(dialect: Dialect, pieces: Sequence[bytes]) -> None:
    """A stream's deltas add up to its answer, or the dialect's own error is raised."""
    decoder = dialect.stream_decoder(OK)
    deltas: list[Delta] = []
    with _short_errors():
        for piece in pieces:
            deltas += decoder.feed(piece)
        completion = decoder.finish()
        _check_completion(completion)
        # One JSON document in many small pieces is seen to be whole only at the end.
        if deltas or not b"".join(pieces).lstrip().startswith((b"{", b"[")):
            _check_sum(deltas, completion)
    _ENCODER.encode((deltas, decoder.usage))
    said = sum(len((delta.content or "").encode()) for delta in deltas)
    assert said <= decoder.text_bytes


def _check_completion(completion: Completion) -> None:
    _ENCODER.encode(completion)  # text that callers can be sent
    assert completion.finish_reason in {
        *("stop", "length", "tool_calls", "content_filter")
    }
    for made in completion.tool_calls:
        assert made.id
        assert made.arguments
    usage = completion.usage
    cost = usage.reported_cost_usd
    assert cost is None or 0 <= cost < 10**15
    for count in (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens):
        assert count is None or count >= 0


def _check_sum(deltas: list[Delta], completion: Completion) -> None:
    content = "".join(delta.content or "" for delta in deltas)
    reasoning = "".join(delta.reasoning or "" for delta in deltas)
    calls: dict[int, str] = {}
    for piece in (piece for delta in deltas for piece in delta.tool_calls):
        calls[piece.index] = calls.get(piece.index, "") + piece.arguments
    assert content == (completion.content or "")
    assert reasoning == (completion.reasoning or "")
    assert [calls[index] or "{}" for index in sorted(calls)] == [
        made.arguments for made in completion.tool_calls
    ]
