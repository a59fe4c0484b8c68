"""Real traffic of Anthropic decodes to what it says.

What is expected is read from the raw JSON here, in other words than the dialect's.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.messages.chat import Completion, Delta
from actors.wire.base import ResponseHead
from actors.wire.catalogue import dialect_for

CUT_IN_TWO_UP_TO = 5000  # bytes: longer streams are cut at every byte, many at a time
COMB_BYTES = 101
FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "content_filter",
}

Exchange = dict[str, Any]


@pytest.fixture(scope="module")
def exchanges(recorded_exchanges: Path) -> list[Exchange]:
    lines = recorded_exchanges.read_bytes().splitlines()
    rows: list[Exchange] = [msgspec.json.decode(line) for line in lines]
    return [row for row in rows if row["provider"] == "anthropic"]


def answers(exchanges: list[Exchange], *, stream: bool) -> list[Exchange]:
    found = [
        row
        for row in exchanges
        if row["endpoint"] == "messages"
        and row["response"]["status"] == 200
        and bool(row["response"]["stream"]) is stream
    ]
    assert found
    return found


def head_of(row: Exchange) -> ResponseHead:
    return ResponseHead(row["response"]["status"], row["response"]["headers"])


def body_of(row: Exchange) -> bytes:
    body: str = row["response"]["body_text"]
    return body.encode()


def said_usage(usage: dict[str, Any]) -> dict[str, Any]:
    """The usage by the rules of provider-apis 1.3, straight from the raw object."""
    written = usage.get("cache_creation_input_tokens")
    read = usage.get("cache_read_input_tokens")
    prompt = usage["input_tokens"] + (written or 0) + (read or 0)
    return {
        "prompt": prompt,
        "completion": usage["output_tokens"],
        "total": prompt + usage["output_tokens"],
        "cached": read,
        "written": written,
        "hour": usage.get("cache_creation", {}).get("ephemeral_1h_input_tokens"),
        "reasoning": usage.get("output_tokens_details", {}).get("thinking_tokens"),
    }


def said_message(message: dict[str, Any]) -> dict[str, Any]:
    """What a whole message says, arguments as values."""
    blocks = message["content"]
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    thoughts = [block["thinking"] for block in blocks if block["type"] == "thinking"]
    calls = [
        (block["id"], block["name"], block["input"])
        for block in blocks
        if block["type"] == "tool_use"
    ]
    return {
        "content": "".join(texts) or (None if calls else ""),
        "reasoning": "".join(thoughts) or None,
        "calls": calls,
        "finish": FINISH[message["stop_reason"]],
        "model": message["model"],
        "id": message["id"],
        "tier": message["usage"].get("service_tier"),
        "usage": said_usage(message["usage"]),
    }


def events_of(row: Exchange) -> list[dict[str, Any]]:
    lines = row["response"]["body_text"].splitlines()
    return [msgspec.json.decode(x[5:]) for x in lines if x.startswith("data:")]


def append(block: dict[str, Any], delta: dict[str, Any]) -> None:
    block["partial"] = block.get("partial", "") + delta.get("partial_json", "")
    for field in {"text", "thinking"} & delta.keys():
        block[field] += delta[field]


def said_stream(row: Exchange) -> dict[str, Any]:
    """The message that a stream amounts to, with the plain-minded reading of it."""
    message: dict[str, Any] = {}
    for event in events_of(row):
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(event["content_block"])
            case "content_block_delta":
                append(message["content"][event["index"]], event["delta"])
            case "message_delta":
                message["stop_reason"] = event["delta"]["stop_reason"]
                message["usage"] |= event["usage"]
            case _:
                pass
    for block in message["content"]:
        if block["type"] == "tool_use":
            block["input"] = msgspec.json.decode(block["partial"] or "{}")
    return said_message(message)


def decoded(completion: Completion) -> dict[str, Any]:
    usage = completion.usage
    return {
        "content": completion.content,
        "reasoning": completion.reasoning,
        "calls": [
            (call.id, call.name, msgspec.json.decode(call.arguments))
            for call in completion.tool_calls
        ],
        "finish": completion.finish_reason,
        "model": completion.model,
        "id": completion.response_id,
        "tier": completion.service_tier,
        "usage": {
            "prompt": usage.prompt_tokens,
            "completion": usage.completion_tokens,
            "total": usage.total_tokens,
            "cached": usage.cached_tokens,
            "written": usage.cache_write_tokens,
            "hour": usage.cache_write_1h_tokens,
            "reasoning": usage.reasoning_tokens,
        },
    }


def replay(head: ResponseHead, pieces: list[bytes]) -> tuple[list[Delta], Completion]:
    decoder = dialect_for("anthropic").stream_decoder(head)
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    return deltas, decoder.finish()


def joined(deltas: list[Delta]) -> dict[str, Any]:
    """What a caller who appends deltas ends up with."""
    calls: dict[int, list[str]] = {}
    for piece in (piece for delta in deltas for piece in delta.tool_calls):
        call = calls.setdefault(piece.index, ["", "", ""])
        call[0] += piece.id or ""
        call[1] += piece.name or ""
        call[2] += piece.arguments
    return {
        "content": "".join(delta.content or "" for delta in deltas),
        "reasoning": "".join(delta.reasoning or "" for delta in deltas),
        "calls": [
            (call[0], call[1], msgspec.json.decode(call[2]))
            for _, call in sorted(calls.items())
        ],
    }


def test_plain_answers_say_what_they_say(exchanges: list[Exchange]) -> None:
    for row in answers(exchanges, stream=False):
        completion = dialect_for("anthropic").decode_chat(head_of(row), body_of(row))

        said = said_message(msgspec.json.decode(body_of(row)))
        assert decoded(completion) == said, row["id"]


def test_streams_say_what_they_say(exchanges: list[Exchange]) -> None:
    for row in answers(exchanges, stream=True):
        deltas, completion = replay(head_of(row), [body_of(row)])
        said = said_stream(row)

        assert decoded(completion) == said, row["id"]
        appended = joined(deltas)
        assert appended["calls"] == said["calls"], row["id"]
        assert appended["content"] == (said["content"] or "")
        assert appended["reasoning"] == (said["reasoning"] or "")


@pytest.mark.slow
def test_streams_cut_in_two_anywhere_say_the_same(exchanges: list[Exchange]) -> None:
    for row in answers(exchanges, stream=True):
        head, body = head_of(row), body_of(row)
        if len(body) > CUT_IN_TWO_UP_TO:
            continue
        expected = replay(head, [body])

        for cut in range(len(body) + 1):
            assert replay(head, [body[:cut], body[cut:]]) == expected, cut


@pytest.mark.slow
def test_streams_cut_at_every_byte_say_the_same(exchanges: list[Exchange]) -> None:
    """Chunks of one length, begun at every offset: each byte boundary is cut once."""
    for row in answers(exchanges, stream=True):
        head, body = head_of(row), body_of(row)
        expected = replay(head, [body])

        for offset in range(COMB_BYTES):
            cuts = [0, *range(offset, len(body), COMB_BYTES), len(body)]
            chunks = [body[a:b] for a, b in pairwise(cuts)]
            assert replay(head, chunks) == expected, (row["id"], offset)


def test_streams_byte_by_byte_say_the_same(exchanges: list[Exchange]) -> None:
    for row in answers(exchanges, stream=True):
        head, body = head_of(row), body_of(row)
        single = [bytes([byte]) for byte in body]

        assert replay(head, single) == replay(head, [body]), row["id"]


def test_streams_that_end_early_are_never_whole(exchanges: list[Exchange]) -> None:
    for row in answers(exchanges, stream=True):
        before = body_of(row).split(b'"stop_reason":"')[0]
        decoder = dialect_for("anthropic").stream_decoder(head_of(row))
        decoder.feed(before)

        with pytest.raises(Exception, match=r"without a stop reason|cannot be decoded"):
            decoder.finish()


def test_trap_14_some_first_blocks_hold_no_text(exchanges: list[Exchange]) -> None:
    first_kinds = {
        msgspec.json.decode(body_of(row))["content"][0]["type"]
        for row in answers(exchanges, stream=False)
    }

    assert {"thinking", "redacted_thinking"} & first_kinds


def test_errors_have_their_class(exchanges: list[Exchange]) -> None:
    expected = {
        "prompt is too long": "context_too_long",
        "invalid x-api-key": "auth",
        "model: ": "model_not_found",
    }
    rows = [row for row in exchanges if row["response"]["status"] >= 400]
    assert rows
    for row in rows:
        error = msgspec.json.decode(body_of(row))["error"]
        failure = dialect_for("anthropic").decode_error(head_of(row), body_of(row), 0.0)

        kinds = [kind for start, kind in expected.items() if start in error["message"]]
        assert [failure.failure] == kinds, row["id"]
        assert failure.status == row["response"]["status"]
        assert failure.code == error["type"]
        assert error["message"] in failure.message
