"""Recorded provider traffic, and what an answer in it says.

The reading here is plain-minded on purpose: whole bodies, no limits, no recovery, in
other words than the dialects', so that both can be held against each other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

Exchange = dict[str, Any]

_FINISH = {"eos": "stop", "model_length": "length", "function_call": "tool_calls"}


def exchanges(
    path: Path, *, providers: Iterable[str] = (), endpoint: str = "chat"
) -> list[Exchange]:
    """The recorded exchanges with one endpoint, of these providers or of all."""
    rows = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    wanted = set(providers)
    return [
        row
        for row in rows
        if row["endpoint"] == endpoint and (not wanted or row["provider"] in wanted)
    ]


def status_of(row: Exchange) -> int:
    status: int = row["response"]["status"]
    return status


def headers_of(row: Exchange) -> dict[str, str]:
    headers: dict[str, str] = row["response"]["headers"]
    return headers


def body_of(row: Exchange) -> bytes:
    body: str = row["response"]["body_text"]
    return body.encode()


def streamed(row: Exchange) -> bool:
    return bool(row["response"]["stream"])


@dataclass
class SaidUsage:
    """Token counts and money by the rules of provider-apis 1.3."""

    prompt: int | None = None
    completion: int | None = None
    total: int | None = None
    reasoning: int | None = None
    cached: int | None = None
    written: int | None = None
    cost: Decimal | None = None


@dataclass
class Said:
    """What an answer says. ``calls`` are ids, names and arguments."""

    content: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    finish: str | None = None
    model: str | None = None
    id: str | None = None
    tier: str | None = None
    usage: SaidUsage = field(default_factory=SaidUsage)


def said_in(row: Exchange) -> Said:
    """What a chat answer with status 200 and without an error in it says."""
    said = _stream(row) if streamed(row) else _plain(row)
    reason = "tool_calls" if said.calls else said.finish or ""
    said.finish = _FINISH.get(reason, reason)
    return said


def _plain(row: Exchange) -> Said:
    body = msgspec.json.decode(body_of(row))
    choice = body["choices"][0]
    message = choice["message"]
    content, thoughts = _text(message.get("content"))
    return Said(
        content=content,
        reasoning=_reasoning(message) or thoughts,
        refusal=message.get("refusal") or "",
        calls=[
            (
                call["id"],
                call["function"]["name"],
                call["function"]["arguments"] or "{}",
            )
            for call in message.get("tool_calls") or ()
        ],
        finish=choice["finish_reason"],
        model=body["model"],
        id=body["id"],
        tier=body.get("service_tier"),
        usage=said_usage(row["provider"], body.get("usage")),
    )


def chunks_of(row: Exchange) -> list[dict[str, Any]]:
    """The JSON of every event of a stream, in order."""
    lines = row["response"]["body_text"].splitlines()
    return [msgspec.json.decode(x[6:]) for x in lines if x.startswith("data: {")]


def _stream(row: Exchange) -> Said:
    said = Said()
    calls: dict[int, list[str]] = {}
    usage = None
    for chunk in chunks_of(row):
        usage = chunk.get("usage") or usage
        said.tier = chunk.get("service_tier") or said.tier
        said.id = said.id or chunk["id"]
        said.model = said.model or chunk["model"]
        for choice in chunk["choices"]:
            if choice["index"] != 0:
                continue
            said.finish = said.finish or choice.get("finish_reason")
            delta = choice["delta"]
            content, thoughts = _text(delta.get("content"))
            said.content += content
            said.reasoning += _reasoning(delta) or thoughts
            said.refusal += delta.get("refusal") or ""
            for piece in delta.get("tool_calls") or ():
                call = calls.setdefault(piece["index"], ["", "", ""])
                call[0] += piece.get("id") or ""
                call[1] += piece["function"].get("name") or ""
                call[2] += piece["function"].get("arguments") or ""
    said.calls = [(c[0], c[1], c[2] or "{}") for _, c in sorted(calls.items())]
    said.usage = said_usage(row["provider"], usage)
    return said


def _reasoning(spoken: dict[str, Any]) -> str:
    return spoken.get("reasoning_content") or spoken.get("reasoning") or ""


def _text(content: Any) -> tuple[str, str]:
    """Text and thoughts of a string, or of Mistral's typed parts."""
    if not isinstance(content, list):
        return content or "", ""
    said = "".join(part["text"] for part in content if part["type"] == "text")
    thoughts = [part["thinking"] for part in content if part["type"] == "thinking"]
    return said, "".join(piece["text"] for part in thoughts for piece in part)


def said_usage(provider: str, usage: dict[str, Any] | None) -> SaidUsage:
    """What a raw ``usage`` means; of xAI and Gemini only the total counts it all."""
    if not usage:
        return SaidUsage()
    output = usage.get("completion_tokens_details") or {}
    prompt = usage.get("prompt_tokens_details") or {}
    hidden = provider in ("xai", "gemini")
    return SaidUsage(
        prompt=usage["prompt_tokens"],
        completion=usage["total_tokens"] - usage["prompt_tokens"]
        if hidden
        else usage["completion_tokens"],
        total=usage["total_tokens"],
        reasoning=output.get("reasoning_tokens"),
        cached=first(prompt.get("cached_tokens"), usage.get("prompt_cache_hit_tokens")),
        written=first(
            prompt.get("cache_write_tokens"), usage.get("cache_creation_input_tokens")
        ),
        cost=_cost(usage),
    )


def first(*counts: int | None) -> int | None:
    """The first count that is said."""
    return next((count for count in counts if count is not None), None)


def _cost(usage: dict[str, Any]) -> Decimal | None:
    """US dollars; a zero beside tokens is a blank."""
    if usage.get("cost_in_usd_ticks"):
        return Decimal(usage["cost_in_usd_ticks"]) / 10**10
    cost = usage.get("cost")
    if isinstance(cost, dict):
        cost = cost["total_cost"]
    return Decimal(str(cost)) if cost else None


_STOPPED = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "content_filter",
}


def said_by_claude(row: Exchange) -> Said:
    """The same of an answer of Anthropic's Messages API."""
    message = _message_of(row) if streamed(row) else msgspec.json.decode(body_of(row))
    blocks, usage = message["content"], message["usage"]
    written = usage.get("cache_creation_input_tokens")
    read = usage.get("cache_read_input_tokens")
    prompt = usage["input_tokens"] + (written or 0) + (read or 0)
    return Said(
        content="".join(x["text"] for x in blocks if x["type"] == "text"),
        reasoning="".join(x["thinking"] for x in blocks if x["type"] == "thinking"),
        calls=[
            (x["id"], x["name"], msgspec.json.encode(x["input"]).decode())
            for x in blocks
            if x["type"] == "tool_use"
        ],
        finish=_STOPPED[message["stop_reason"]],
        model=message["model"],
        id=message["id"],
        tier=usage.get("service_tier"),
        usage=SaidUsage(
            prompt=prompt,
            completion=usage["output_tokens"],
            total=prompt + usage["output_tokens"],
            reasoning=usage.get("output_tokens_details", {}).get("thinking_tokens"),
            cached=read,
            written=written,
        ),
    )


def _append(block: dict[str, Any], delta: dict[str, Any]) -> None:
    block["partial"] = block.get("partial", "") + delta.get("partial_json", "")
    for name in {"text", "thinking"} & delta.keys():
        block[name] += delta[name]


def _message_of(row: Exchange) -> dict[str, Any]:
    """The message that a stream of events amounts to."""
    message: dict[str, Any] = {}
    lines = row["response"]["body_text"].splitlines()
    for line in (line for line in lines if line.startswith("data:")):
        event = msgspec.json.decode(line[5:])
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(event["content_block"])
            case "content_block_delta":
                _append(message["content"][event["index"]], event["delta"])
            case "message_delta":
                message["stop_reason"] = event["delta"]["stop_reason"]
                message["usage"] |= event["usage"]
            case _:
                pass
    for block in message["content"]:
        if block["type"] == "tool_use":
            block["input"] = msgspec.json.decode(block["partial"] or "{}")
    return message
