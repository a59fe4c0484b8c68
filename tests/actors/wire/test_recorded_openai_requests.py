"""Recorded requests, read into neutral messages here, are encoded to mean the same."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.messages.chat import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    Part,
    ResponseFormat,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
)
from actors.wire.base import Endpoint
from actors.wire.catalogue import dialect_for

ENDPOINT = Endpoint(base_url="https://api.example.com/v1", api_key="k")

NEUTRAL = {
    *("model", "messages", "stream", "stream_options", "max_tokens", "stop", "seed"),
    *("max_completion_tokens", "temperature", "top_p", "tools", "tool_choice", "user"),
    *("parallel_tool_calls", "response_format", "reasoning_effort"),
}


def neutral_part(part: dict[str, Any]) -> Part:
    match part["type"]:
        case "text":
            return TextPart(part["text"])
        case "image_url":
            return ImagePart(part["image_url"]["url"], part["image_url"].get("detail"))
        case "input_audio":
            return AudioPart(part["input_audio"]["data"], part["input_audio"]["format"])
        case _:
            file = part["file"]
    return FilePart(file.get("file_data"), file.get("file_id"), file.get("filename"))


def neutral_message(message: dict[str, Any]) -> Message:
    content = message.get("content")
    if isinstance(content, list):
        content = tuple(neutral_part(part) for part in content)
    calls = tuple(
        ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    )
    return Message(
        message["role"],
        content,
        name=message.get("name"),
        tool_calls=calls,
        tool_call_id=message.get("tool_call_id"),
        refusal=message.get("refusal"),
    )


def neutral_choice(choice: Any) -> ToolChoice | None:
    if choice is None or isinstance(choice, str):
        return ToolChoice(choice) if choice else None  # type: ignore[arg-type]  # recorded words
    return ToolChoice("function", choice["function"]["name"])


def neutral(body: dict[str, Any]) -> ChatRequest:
    form = body.get("response_format")
    schema = (form or {}).get("json_schema") or {}
    stop = body.get("stop") or ()
    return ChatRequest(
        messages=tuple(neutral_message(message) for message in body["messages"]),
        max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        seed=body.get("seed"),
        tools=tuple(Tool(**tool["function"]) for tool in body.get("tools") or ()),
        tool_choice=neutral_choice(body.get("tool_choice")),
        parallel_tool_calls=body.get("parallel_tool_calls"),
        response_format=ResponseFormat(form["type"], **schema) if form else None,
        reasoning_effort=body.get("reasoning_effort"),
        user=body.get("user"),
        extra={k: v for k, v in body.items() if k not in NEUTRAL and k != "n"},
    )


def meaning(body: dict[str, Any], dropped: set[str]) -> dict[str, Any]:
    """``body`` with spelling differences that mean the same ironed out."""
    body = dict(body)
    body.pop("n", None)
    body["stream"] = body.get("stream") or False
    body.pop("stream_options", None)  # ours always asks for usage
    cap = body.pop("max_tokens", None) or body.pop("max_completion_tokens", None)
    body["cap"] = cap
    body["messages"] = [
        {k: v for k, v in message.items() if v is not None and _known(k)}
        for message in body["messages"]
    ]
    for message in body["messages"]:
        if isinstance(message.get("content"), list):
            for part in message["content"]:
                part.pop("prompt_cache_breakpoint", None)
    if "tools.strict" in dropped:
        for tool in body.get("tools") or ():
            tool["function"].pop("strict", None)
    return {k: v for k, v in body.items() if k not in dropped and v is not None}


def _known(field: str) -> bool:
    return field not in ("reasoning_content", "annotations", "audio", "function_call")


def test_recorded_requests_keep_their_meaning(recorded_exchanges: Path) -> None:
    rows = [
        msgspec.json.decode(line)
        for line in recorded_exchanges.read_bytes().splitlines()
    ]
    rows = [
        row
        for row in rows
        if row["endpoint"] == "chat" and row["provider"] in ("openai", "xai")
    ]
    assert rows
    for row in rows:
        body = row["request"]["body"]
        dialect = dialect_for(row["provider"])
        encoded = dialect.encode_chat(
            ENDPOINT, body["model"], neutral(body), stream=bool(body.get("stream"))
        )
        ours = msgspec.json.decode(encoded.http.body)
        dropped = set(encoded.dropped)
        if "reasoning_effort" in ours and "reasoning_effort" not in body:
            assert ours.pop("reasoning_effort") == "none"  # tools from gpt-5.4 on

        assert meaning(ours, dropped) == meaning(body, dropped), row["id"]
        assert encoded.http.url.endswith(row["request"]["path"].removeprefix("/v1"))


def test_recorded_requests_lose_only_what_their_models_refuse(
    recorded_exchanges: Path,
) -> None:
    """OpenAI took every one of these parameters, so nothing of it may go missing."""
    for line in recorded_exchanges.read_bytes().splitlines():
        row = msgspec.json.decode(line)
        if row["provider"] != "openai" or row["endpoint"] != "chat":
            continue
        if row["response"]["status"] != 200:
            continue
        body = row["request"]["body"]
        encoded = dialect_for("openai").encode_chat(
            ENDPOINT, body["model"], neutral(body), stream=False
        )

        assert encoded.dropped == (), row["id"]


@pytest.mark.parametrize("provider", ["openai", "xai"])
def test_recorded_streams_are_asked_for_with_usage(
    recorded_exchanges: Path, provider: str
) -> None:
    for line in recorded_exchanges.read_bytes().splitlines():
        row = msgspec.json.decode(line)
        body = row["request"]["body"]
        if row["provider"] != provider or row["endpoint"] != "chat":
            continue
        request = neutral(body)
        encoded = dialect_for(provider).encode_chat(
            ENDPOINT, body["model"], request, stream=True
        )

        ours = msgspec.json.decode(encoded.http.body)
        assert (ours["stream"], ours["stream_options"]) == (
            True,
            {"include_usage": True},
        )
