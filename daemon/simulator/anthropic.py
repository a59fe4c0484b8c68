"""A pretend Anthropic: Messages, plain and streamed, errors, models."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from msgspec import json

from daemon.simulator.answer import Answer, Ask, Reason, Refusal
from daemon.simulator.anthropic_body import parse_messages
from daemon.simulator.behaviour import Behaviour
from daemon.simulator.dialect import EPOCH, Allowance, Event, Ids
from daemon.simulator.openai import bearer

PING: Final = Event(b'event: ping\ndata: {"type": "ping"}\n\n')
_STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
}
_TYPES: Final[dict[Reason, str]] = {
    "no_key": "authentication_error",
    "wrong_key": "authentication_error",
    "unknown_model": "not_found_error",
    "invalid": "invalid_request_error",
    "context_too_long": "invalid_request_error",
    "not_found": "not_found_error",
    "too_large": "request_too_large",
    "rate_limit": "rate_limit_error",
    "quota": "rate_limit_error",
    "billing": "billing_error",
    "overloaded": "overloaded_error",
    "server_error": "api_error",
}


class Anthropic:
    """The dialect of api.anthropic.com."""

    chat_path: Final = "/v1/messages"

    def key(self, headers: Mapping[str, str]) -> str | None:
        return headers.get("x-api-key") or bearer(headers)

    def no_key(self) -> Refusal:
        return Refusal(401, "no_key", "x-api-key header is required")

    def wrong_key(self, _key: str) -> Refusal:
        return Refusal(401, "wrong_key", "invalid x-api-key")

    def parse(
        self, behaviour: Behaviour, body: bytes, headers: Mapping[str, str]
    ) -> Ask:
        return parse_messages(behaviour, body, headers)

    def plain(self, ask: Ask, answer: Answer, ids: Ids) -> dict[str, object]:
        content: list[dict[str, object]] = []
        if answer.reasoning:
            thinking = "".join(answer.reasoning)
            block: dict[str, object] = {"type": "thinking", "thinking": thinking}
            content.append(block | {"signature": f"sim{ids.token}"})
        if answer.pieces:
            content.append({"type": "text", "text": answer.text})
        for index, call in enumerate(answer.calls):
            given = json.decode(call.arguments, type=dict[str, object])
            content.append(_tool_use(ids, index, call.name, given))
        return _message(ask, ids) | {
            "content": content,
            "stop_reason": _STOP_REASONS[answer.finish],
            "usage": _usage(answer, answer.completion_tokens + answer.reasoning_tokens),
        }

    def stream(self, ask: Ask, answer: Answer, ids: Ids) -> Iterator[Event]:
        start = _message(ask, ids) | {"content": [], "usage": _usage(answer, 1)}
        yield _event("message_start", message=start)
        for index, (block, kind, field, pieces) in enumerate(_blocks(answer, ids)):
            yield _event("content_block_start", index=index, content_block=block)
            if index == 0:
                yield PING
            for piece in pieces:
                delta = {"type": kind, field: piece}
                yield _event(
                    "content_block_delta", token=True, index=index, delta=delta
                )
            if kind == "thinking_delta":
                delta = {"type": "signature_delta", "signature": f"sim{ids.token}"}
                yield _event("content_block_delta", index=index, delta=delta)
            yield _event("content_block_stop", index=index)
        yield _event(
            "message_delta",
            delta={
                "stop_reason": _STOP_REASONS[answer.finish],
                "stop_sequence": None,
                "stop_details": None,
            },
            usage=_usage(answer, answer.completion_tokens + answer.reasoning_tokens),
        )
        yield _event("message_stop")

    def finished(self, event: Event) -> bool:
        return event.data.startswith((b"event: message_delta", b"event: message_stop"))

    def error(self, refusal: Refusal, ids: Ids) -> dict[str, object]:
        message = refusal.message
        if refusal.reason == "context_too_long":
            message = f"prompt is too long: {message}"
        details = None
        if refusal.reason == "quota":
            details = {"error_code": "enforced_spend_limit_reached"}
        error = {
            "type": _TYPES[refusal.reason],
            "message": message,
            "details": details,
        }
        return {"type": "error", "error": error, "request_id": _request_id(ids)}

    def error_headers(self, refusal: Refusal) -> dict[str, str]:
        again = refusal.status in (408, 409, 429) or refusal.status >= 500
        return {"x-should-retry": str(again and refusal.reason != "quota").lower()}

    def error_event(self, refusal: Refusal, ids: Ids) -> bytes:
        return b"event: error\ndata: " + json.encode(self.error(refusal, ids)) + b"\n\n"

    def headers(self, ids: Ids, allowance: Allowance) -> dict[str, str]:
        reset = datetime.fromtimestamp(ids.created + allowance.reset_s // 1, UTC)
        at = reset.isoformat().replace("+00:00", "Z")
        of = "anthropic-ratelimit"
        return {
            "request-id": _request_id(ids),
            "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
            f"{of}-requests-limit": str(allowance.limit),
            f"{of}-requests-remaining": str(allowance.remaining),
            f"{of}-requests-reset": at,
            f"{of}-tokens-limit": "12000000",
            f"{of}-tokens-remaining": "12000000",
            f"{of}-tokens-reset": at,
        }

    def models(self, behaviour: Behaviour) -> dict[str, object]:
        created = datetime.fromtimestamp(EPOCH, UTC).isoformat()
        data: list[dict[str, object]] = [
            {
                "type": "model",
                "id": model.answers_as or model.id,
                "display_name": model.id,
                "created_at": created.replace("+00:00", "Z"),
                "lifecycle": "active",
                "max_input_tokens": model.context_window,
                "max_tokens": 64_000,
                "capabilities": {},
                "deprecated_at": None,
                "retires_at": None,
            }
            for model in behaviour.models
        ]
        ids = [str(row["id"]) for row in data]
        return {
            "data": data,
            "has_more": False,
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
        }


def _blocks(
    answer: Answer, ids: Ids
) -> Iterator[tuple[dict[str, object], str, str, tuple[str, ...]]]:
    """For each content block: how it starts, the type and field of deltas, pieces."""
    if answer.reasoning:
        start: dict[str, object] = {"type": "thinking", "thinking": "", "signature": ""}
        yield start, "thinking_delta", "thinking", answer.reasoning
    if answer.pieces:
        yield {"type": "text", "text": ""}, "text_delta", "text", answer.pieces
    for index, call in enumerate(answer.calls):
        half = len(call.arguments) // 2
        pieces = ("", call.arguments[:half], call.arguments[half:])
        use = _tool_use(ids, index, call.name, {})
        yield use, "input_json_delta", "partial_json", pieces


def _event(kind: str, *, token: bool = False, **fields: object) -> Event:
    """Anthropic pads events with spaces, so that their size tells nothing."""
    data = json.encode({"type": kind} | fields)
    padding = b" " * (len(data) * 7 % 16)
    line = b"event: %s\ndata: %s%s}\n\n" % (kind.encode(), data[:-1], padding)
    return Event(line, token)


def _message(ask: Ask, ids: Ids) -> dict[str, object]:
    return {
        "model": ask.model.answers_as or ask.model.id,
        "id": f"msg_{ids.token[:24]}",
        "type": "message",
        "role": "assistant",
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
    }


def _tool_use(
    ids: Ids, index: int, name: str, given: dict[str, object]
) -> dict[str, object]:
    return {
        "type": "tool_use",
        "id": f"toolu_{ids.token[:20]}{index:04d}",
        "name": name,
        "input": given,
        "caller": {"type": "direct"},
    }


def _usage(answer: Answer, output_tokens: int) -> dict[str, object]:
    """``input_tokens`` is only what came from no cache."""
    return {
        "input_tokens": answer.prompt_tokens - answer.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": answer.cached_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": output_tokens,
        "output_tokens_details": {"thinking_tokens": answer.reasoning_tokens},
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def _request_id(ids: Ids) -> str:
    return f"req_{ids.token[:24]}"
