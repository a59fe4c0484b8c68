"""Chat completion streams, piece by piece, as servers send them."""

import msgspec

from actors.messages.chat import Completion, Delta
from actors.wire.openai_stream import OpenAIStreamDecoder

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def event(payload: object, name: bytes = b"") -> bytes:
    head = b"event: " + name + b"\n" if name else b""
    return head + b"data: " + msgspec.json.encode(payload) + b"\n\n"


def chunk(delta: object = None, finish: object = None, **fields: object) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    body = {"id": "chatcmpl-1", "model": "gpt-4o-2024", "choices": [choice]}
    return event(body | fields)


def call(call_id: object, name: object, arguments: object, index: object = 0) -> object:
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": call_id, "function": function}]}


def run(*pieces: bytes) -> tuple[list[Delta], Completion]:
    decoder = OpenAIStreamDecoder("openai")
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    return deltas, decoder.finish()


def finished(*pieces: bytes) -> Completion:
    return run(*pieces, chunk(finish="stop"), DONE)[1]


TEXT_STREAM = (
    chunk({"role": "assistant", "content": "", "refusal": None}, usage=None),
    chunk({"content": "Grüße "}, obfuscation="xyz"),
    chunk({"content": "😀"}),
    chunk(finish="stop", service_tier="default"),
    event({"id": "chatcmpl-1", "choices": [], "usage": USAGE}),
    DONE,
)
