"""Real traffic of OpenAI and xAI decodes to what it says.

What is expected is read from the raw JSON here, in other words than the dialect's.
"""

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.messages.chat import Completion, Delta
from actors.wire.base import Dialect, ResponseHead
from actors.wire.catalogue import dialect_for

CUT_IN_TWO_UP_TO = 5000  # bytes: longer streams are cut at every byte, many at a time
COMB_BYTES = 101

Exchange = dict[str, Any]


@pytest.fixture(scope="module")
def exchanges(recorded_exchanges: Path) -> list[Exchange]:
    lines = recorded_exchanges.read_bytes().splitlines()
    rows: list[Exchange] = [msgspec.json.decode(line) for line in lines]
    return [row for row in rows if row["provider"] in ("openai", "xai")]


def chats(exchanges: list[Exchange], *, stream: bool) -> list[Exchange]:
    found = [
        row
        for row in exchanges
        if row["endpoint"] == "chat"
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


def said_usage(provider: str, usage: dict[str, Any] | None) -> dict[str, Any]:
    """The usage by the rules of provider-apis 1.3, straight from the raw object."""
    if usage is None:
        return dict.fromkeys(
            ("prompt", "completion", "total", "reasoning", "cached", "written", "cost")
        )
    output = usage.get("completion_tokens_details") or {}
    cost = usage.get("cost_in_usd_ticks")
    return {
        "prompt": usage["prompt_tokens"],
        # all billed output: what is in the total and was not in the prompt
        "completion": usage["total_tokens"] - usage["prompt_tokens"]
        if provider == "xai"
        else usage["completion_tokens"],
        "total": usage["total_tokens"],
        "reasoning": output.get("reasoning_tokens"),
        "cached": (usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
        "written": (usage.get("prompt_tokens_details") or {}).get("cache_write_tokens"),
        "cost": Decimal(cost) / 10**10 if cost else None,
    }


def decoded_usage(completion: Completion) -> dict[str, Any]:
    usage = completion.usage
    return {
        "prompt": usage.prompt_tokens,
        "completion": usage.completion_tokens,
        "total": usage.total_tokens,
        "reasoning": usage.reasoning_tokens,
        "cached": usage.cached_tokens,
        "written": usage.cache_write_tokens,
        "cost": usage.reported_cost_usd,
    }


def said_plain(row: Exchange) -> dict[str, Any]:
    body = msgspec.json.decode(body_of(row))
    choice = body["choices"][0]
    message = choice["message"]
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"] or "{}")
        for call in message.get("tool_calls") or ()
    ]
    return {
        "content": message["content"],
        "reasoning": message.get("reasoning_content"),
        "refusal": message.get("refusal"),
        "calls": calls,
        "finish": "tool_calls" if calls else choice["finish_reason"],
        "model": body["model"],
        "id": body["id"],
        "tier": body.get("service_tier"),
        "usage": said_usage(row["provider"], body["usage"]),
    }


def said_stream(row: Exchange) -> dict[str, Any]:
    """The same of a stream, with the plain-minded reading of its lines."""
    texts: dict[str, str] = {"content": "", "reasoning_content": "", "refusal": ""}
    calls: dict[int, list[str]] = {}
    finish = usage = tier = None
    chunks = [
        msgspec.json.decode(line[6:])
        for line in row["response"]["body_text"].splitlines()
        if line.startswith("data: {")
    ]
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        tier = chunk.get("service_tier") or tier
        for choice in chunk["choices"]:
            if choice["index"] != 0:
                continue
            finish = finish or choice.get("finish_reason")
            for name in texts:
                texts[name] += choice["delta"].get(name) or ""
            for piece in choice["delta"].get("tool_calls") or ():
                call = calls.setdefault(piece["index"], ["", "", ""])
                call[0] += piece.get("id") or ""
                call[1] += piece["function"].get("name") or ""
                call[2] += piece["function"].get("arguments") or ""
    content = texts["content"]
    return {
        "content": content or (None if calls or texts["refusal"] else ""),
        "reasoning": texts["reasoning_content"] or None,
        "refusal": texts["refusal"] or None,
        "calls": [(c[0], c[1], c[2] or "{}") for _, c in sorted(calls.items())],
        "finish": "tool_calls" if calls else finish,
        "model": chunks[-1]["model"],
        "id": chunks[0]["id"],
        "tier": tier,
        "usage": said_usage(row["provider"], usage),
    }


def decoded(completion: Completion) -> dict[str, Any]:
    return {
        "content": completion.content,
        "reasoning": completion.reasoning,
        "refusal": completion.refusal,
        "calls": [(c.id, c.name, c.arguments) for c in completion.tool_calls],
        "finish": completion.finish_reason,
        "model": completion.model,
        "id": completion.response_id,
        "tier": completion.service_tier,
        "usage": decoded_usage(completion),
    }


def replay(
    dialect: Dialect, head: ResponseHead, pieces: list[bytes]
) -> tuple[list[Delta], Completion]:
    decoder = dialect.stream_decoder(head)
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
        "refusal": "".join(delta.refusal or "" for delta in deltas),
        "calls": [(c[0], c[1], c[2] or "{}") for _, c in sorted(calls.items())],
    }


def test_plain_answers_say_what_they_say(exchanges: list[Exchange]) -> None:
    for row in chats(exchanges, stream=False):
        completion = dialect_for(row["provider"]).decode_chat(
            head_of(row), body_of(row)
        )

        assert decoded(completion) == said_plain(row), row["id"]


def test_streams_say_what_they_say(exchanges: list[Exchange]) -> None:
    for row in chats(exchanges, stream=True):
        dialect = dialect_for(row["provider"])
        deltas, completion = replay(dialect, head_of(row), [body_of(row)])
        said = said_stream(row)

        assert decoded(completion) == said, row["id"]
        appended = joined(deltas)
        assert appended["calls"] == said["calls"]
        for name in ("content", "reasoning", "refusal"):
            assert appended[name] == (said[name] or ""), row["id"]


@pytest.mark.slow
def test_streams_cut_in_two_anywhere_say_the_same(exchanges: list[Exchange]) -> None:
    for row in chats(exchanges, stream=True):
        dialect, head, body = dialect_for(row["provider"]), head_of(row), body_of(row)
        if len(body) > CUT_IN_TWO_UP_TO:
            continue
        expected = replay(dialect, head, [body])

        for cut in range(len(body) + 1):
            assert replay(dialect, head, [body[:cut], body[cut:]]) == expected, cut


@pytest.mark.slow
def test_streams_cut_at_every_byte_say_the_same(exchanges: list[Exchange]) -> None:
    """Chunks of one length, begun at every offset: each byte boundary is cut once."""
    for row in chats(exchanges, stream=True):
        dialect, head, body = dialect_for(row["provider"]), head_of(row), body_of(row)
        expected = replay(dialect, head, [body])

        for offset in range(COMB_BYTES):
            cuts = [0, *range(offset, len(body), COMB_BYTES), len(body)]
            chunks = [body[a:b] for a, b in pairwise(cuts)]
            assert replay(dialect, head, chunks) == expected, (row["id"], offset)


def test_streams_byte_by_byte_say_the_same(exchanges: list[Exchange]) -> None:
    for row in chats(exchanges, stream=True):
        dialect, head, body = dialect_for(row["provider"]), head_of(row), body_of(row)
        single = [bytes([byte]) for byte in body]

        assert replay(dialect, head, single) == replay(dialect, head, [body]), row["id"]


def test_streams_that_end_early_are_never_whole(exchanges: list[Exchange]) -> None:
    for row in chats(exchanges, stream=True):
        body = body_of(row)
        before = body.split(b'"finish_reason":"')[0]
        decoder = dialect_for(row["provider"]).stream_decoder(head_of(row))
        decoder.feed(before)

        with pytest.raises(
            Exception, match=r"without a finish reason|cannot be decoded"
        ):
            decoder.finish()


def test_errors_have_their_class(exchanges: list[Exchange]) -> None:
    expected = {
        "unsupported_value": "bad_request",
        None: "bad_request",
        "model_not_found": "model_not_found",
    }
    rows = [
        row
        for row in exchanges
        if row["endpoint"] == "chat" and row["response"]["status"] >= 400
    ]
    assert rows
    for row in rows:
        error = msgspec.json.decode(body_of(row))["error"]
        failure = dialect_for(row["provider"]).decode_error(
            head_of(row), body_of(row), 0.0
        )

        assert failure.failure == expected[error["code"]], row["id"]
        assert failure.status == row["response"]["status"]
        assert failure.code == (error["code"] or error["type"])
        assert error["message"] in failure.message


def test_models_lists_name_every_model(recorded_exchanges: Path) -> None:
    """OpenAI's own list is in no recording; a compatible server's has its shape."""
    lines = recorded_exchanges.read_bytes().splitlines()
    rows = [msgspec.json.decode(line) for line in lines]
    rows = [
        row
        for row in rows
        if row["endpoint"] == "models" and row["provider"] != "anthropic"
    ]
    assert rows
    for row in rows:
        models = dialect_for("compatible").decode_models(head_of(row), body_of(row))
        listed = msgspec.json.decode(body_of(row))["data"]

        assert [model.id for model in models] == [entry["id"] for entry in listed]
