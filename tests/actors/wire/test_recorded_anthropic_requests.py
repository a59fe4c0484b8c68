"""Recorded requests, read into neutral messages here, are encoded to mean the same.

Left aside are requests with what has no neutral form: server tools, documents of plain
text, containers.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.messages.chat import (
    ChatRequest,
    ImagePart,
    Message,
    Part,
    ReasoningEffort,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
)
from actors.wire.base import Endpoint
from actors.wire.catalogue import dialect_for

ENDPOINT = Endpoint(base_url="https://api.example.com/v1", api_key="k")
BLOCKS = {"text", "image", "tool_use", "tool_result"}
EFFORTS: dict[int, ReasoningEffort] = {1024: "minimal", 4000: "low"}


def blocks_of(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())


def is_mappable(body: dict[str, Any]) -> bool:
    kinds = {b["type"] for m in body["messages"] for b in blocks_of(m["content"])}
    custom = all("input_schema" in tool for tool in body.get("tools") or ())
    return kinds <= BLOCKS and custom and "container" not in body


def neutral_part(block: dict[str, Any]) -> Part:
    if block["type"] == "text":
        return TextPart(block["text"])
    source = block["source"]
    return ImagePart(f"data:{source['media_type']};base64,{source['data']}")


def neutral_messages(message: dict[str, Any]) -> list[Message]:
    parts: list[Part] = []
    calls: list[ToolCall] = []
    results: list[Message] = []
    for block in blocks_of(message["content"]):
        match block["type"]:
            case "tool_use":
                arguments = msgspec.json.encode(block["input"]).decode()
                calls.append(ToolCall(block["id"], block["name"], arguments))
            case "tool_result":
                content = tuple(neutral_part(b) for b in blocks_of(block["content"]))
                call_id = block["tool_use_id"]
                results.append(Message("tool", content, tool_call_id=call_id))
            case _:
                parts.append(neutral_part(block))
    said = Message(message["role"], tuple(parts) or None, tool_calls=tuple(calls))
    return [*results, said] if parts or calls else results


def neutral_effort(body: dict[str, Any]) -> ReasoningEffort | None:
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        return EFFORTS[thinking["budget_tokens"]]
    effort: ReasoningEffort | None = body.get("output_config", {}).get("effort")
    return effort


def neutral_choice(choice: dict[str, Any] | None) -> ToolChoice | None:
    return ToolChoice(choice["type"]) if choice else None


def neutral(body: dict[str, Any]) -> ChatRequest:
    system = blocks_of(body.get("system"))
    hoisted = [Message("system", tuple(neutral_part(b) for b in system))]
    choice = body.get("tool_choice") or {}
    return ChatRequest(
        messages=(
            *(hoisted if system else ()),
            *(new for message in body["messages"] for new in neutral_messages(message)),
        ),
        max_tokens=body["max_tokens"],
        temperature=body.get("temperature"),
        tools=tuple(
            Tool(tool["name"], tool.get("description"), tool["input_schema"])
            for tool in body.get("tools") or ()
        ),
        tool_choice=neutral_choice(choice),
        parallel_tool_calls=not choice["disable_parallel_tool_use"]
        if "disable_parallel_tool_use" in choice
        else None,
        reasoning_effort=neutral_effort(body),
    )


def plain_block(block: dict[str, Any]) -> dict[str, Any]:
    block = {k: v for k, v in block.items() if k != "cache_control"}
    if block["type"] == "tool_result":
        block["content"] = blocks_of(block["content"])
    return {k: v for k, v in block.items() if (k, v) != ("is_error", False)}


def meaning(body: dict[str, Any]) -> dict[str, Any]:
    """``body`` with spelling differences that mean the same ironed out."""
    choice = dict(body.get("tool_choice") or {})
    choice = {k: v for k, v in choice.items() if v is not False}
    thinking = body.get("thinking") or {}
    return {
        "model": body["model"],
        "cap": body["max_tokens"],
        "stream": body.get("stream") or False,
        "system": [block["text"] for block in blocks_of(body.get("system"))],
        "messages": [
            (m["role"], [plain_block(b) for b in blocks_of(m["content"])])
            for m in body["messages"]
        ],
        "tools": body.get("tools") or [],
        "choice": choice,
        "thinks": thinking.get("type"),
        "effort": body.get("output_config"),
        "temperature": body.get("temperature", 1),
    }


def requests(recorded: Path) -> list[dict[str, Any]]:
    rows = [msgspec.json.decode(line) for line in recorded.read_bytes().splitlines()]
    rows = [
        row
        for row in rows
        if (row["provider"], row["endpoint"]) == ("anthropic", "messages")
        and is_mappable(row["request"]["body"])
    ]
    assert len(rows) > 15
    return rows


def test_recorded_requests_keep_their_meaning(recorded_exchanges: Path) -> None:
    for row in requests(recorded_exchanges):
        body = row["request"]["body"]
        adaptive = (body.get("thinking") or {}).get("type") == "adaptive"
        if adaptive and "output_config" not in body:
            continue  # to think with no effort named cannot be said neutrally
        encoded = dialect_for("anthropic").encode_chat(
            ENDPOINT, body["model"], neutral(body), stream=bool(body.get("stream"))
        )
        ours = msgspec.json.decode(encoded.http.body)

        assert meaning(ours) == meaning(body), row["id"]
        assert encoded.dropped == (), row["id"]
        path = row["request"]["path"].partition("?")[0]
        assert encoded.http.url.endswith(path.removeprefix("/v1"))


@pytest.mark.parametrize("stream", [True, False])
def test_recorded_headers_are_ours(recorded_exchanges: Path, *, stream: bool) -> None:
    for row in requests(recorded_exchanges):
        theirs = row["request"]["headers"].get("anthropic-version")
        if theirs is None:
            continue  # the source left it out
        encoded = dialect_for("anthropic").encode_chat(
            ENDPOINT, "claude-opus-5", neutral(row["request"]["body"]), stream=stream
        )

        assert encoded.http.headers["anthropic-version"] == theirs
