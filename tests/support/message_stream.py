"""Streams of the Messages API, event by event, as Anthropic sends them."""

import msgspec

from actors.messages.chat import Completion, Delta
from actors.wire.anthropic_stream import AnthropicStreamDecoder


def event(kind: str, **fields: object) -> bytes:
    """One event; the padding with spaces is Anthropic's."""
    data = msgspec.json.encode({"type": kind} | fields)
    return b"event: %s\ndata: %s   }\n\n" % (kind.encode(), data[:-1])


def message_start(**fields: object) -> bytes:
    message: dict[str, object] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [],
        "stop_reason": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 20,
            "cache_read_input_tokens": 30,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 15,
                "ephemeral_1h_input_tokens": 5,
            },
            "output_tokens": 1,
            "service_tier": "standard",
        },
    }
    return event("message_start", message=message | fields)


def start(index: object, kind: str, **fields: object) -> bytes:
    block = {"type": kind} | fields
    return event("content_block_start", index=index, content_block=block)


def piece(index: object, kind: str, **fields: object) -> bytes:
    delta = {"type": kind} | fields
    return event("content_block_delta", index=index, delta=delta)


def stop(index: object) -> bytes:
    return event("content_block_stop", index=index)


def text_block(index: int, *pieces: str) -> bytes:
    deltas = (piece(index, "text_delta", text=said) for said in pieces)
    return b"".join([start(index, "text", text=""), *deltas, stop(index)])


def tool_block(index: int, call_id: str, name: str, *pieces: str) -> bytes:
    first = start(index, "tool_use", id=call_id, name=name, input={})
    deltas = (piece(index, "input_json_delta", partial_json=part) for part in pieces)
    return b"".join([first, *deltas, stop(index)])


def thinking_block(index: int, *pieces: str) -> bytes:
    first = start(index, "thinking", thinking="", signature="")
    deltas = (piece(index, "thinking_delta", thinking=part) for part in pieces)
    sealed = piece(index, "signature_delta", signature="c2ln")
    return b"".join([first, *deltas, sealed, stop(index)])


def end(reason: object = "end_turn", output_tokens: int = 7, **delta: object) -> bytes:
    said = {"stop_reason": reason, "stop_sequence": None} | delta
    usage = {"output_tokens": output_tokens}
    return event("message_delta", delta=said, usage=usage) + event("message_stop")


PING = event("ping")

TEXT_STREAM = (
    message_start(),
    thinking_block(0, "Hm", "m…"),
    PING,
    text_block(1, "Grüße ", "😀"),
    tool_block(2, "toolu_1", "add", "", '{"a"', ": 1}"),
    end("tool_use"),
)


def run(*pieces: bytes) -> tuple[list[Delta], Completion]:
    decoder = AnthropicStreamDecoder()
    deltas = [delta for part in pieces for delta in decoder.feed(part)]
    return deltas, decoder.finish()
