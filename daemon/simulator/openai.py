"""A pretend OpenAI: chat completions, plain and streamed, errors, models."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import json

from daemon.simulator.answer import Answer, Ask, Reason, Refusal
from daemon.simulator.behaviour import Behaviour
from daemon.simulator.dialect import EPOCH, Allowance, Event, Ids
from daemon.simulator.openai_body import parse_chat

DONE: Final = Event(b"data: [DONE]\n\n")
_ERRORS: Final[dict[Reason, tuple[str, str | None]]] = {
    "no_key": ("invalid_request_error", None),
    "wrong_key": ("invalid_request_error", "invalid_api_key"),
    "unknown_model": ("invalid_request_error", "model_not_found"),
    "invalid": ("invalid_request_error", None),
    "context_too_long": ("invalid_request_error", "context_length_exceeded"),
    "not_found": ("invalid_request_error", "unknown_url"),
    "too_large": ("invalid_request_error", "request_too_large"),
    "rate_limit": ("requests", "rate_limit_exceeded"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "billing": ("insufficient_quota", "billing_hard_limit_reached"),
    "overloaded": ("service_unavailable_error", "server_is_overloaded"),
    "server_error": ("server_error", None),
}


class OpenAI:
    """The dialect of api.openai.com."""

    chat_path: Final = "/v1/chat/completions"

    def key(self, headers: Mapping[str, str]) -> str | None:
        return bearer(headers)

    def no_key(self) -> Refusal:
        return Refusal(401, "no_key", "You didn't provide an API key.")

    def wrong_key(self, key: str) -> Refusal:
        masked = f"{key[:3]}{'*' * max(len(key) - 7, 0)}{key[-4:]}"
        return Refusal(401, "wrong_key", f"Incorrect API key provided: {masked}.")

    def parse(
        self, behaviour: Behaviour, body: bytes, _headers: Mapping[str, str]
    ) -> Ask:
        return parse_chat(behaviour, body)

    def plain(self, ask: Ask, answer: Answer, ids: Ids) -> dict[str, object]:
        message: dict[str, object] = {
            "role": "assistant",
            "content": None if answer.calls else answer.text,
            "refusal": None,
            "annotations": [],
        }
        if answer.calls:
            message["tool_calls"] = [
                tool_call(ids, i, c.name, c.arguments)
                for i, c in enumerate(answer.calls)
            ]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": answer.finish,
        }
        return self._envelope(ask, ids, "chat.completion") | {
            "choices": [choice],
            "usage": _usage(answer),
        }

    def stream(self, ask: Ask, answer: Answer, ids: Ids) -> Iterator[Event]:
        envelope = self._envelope(ask, ids, "chat.completion.chunk")
        if ask.include_usage:
            envelope["usage"] = None

        def chunk(
            delta: dict[str, object], finish: str | None = None, *, token: bool = False
        ) -> Event:
            choice = {
                "index": 0,
                "delta": delta,
                "logprobs": None,
                "finish_reason": finish,
            }
            return sse(envelope | {"choices": [choice]}, token=token)

        content = None if answer.calls else ""
        yield chunk({"role": "assistant", "content": content, "refusal": None})
        for piece in answer.pieces:
            yield chunk({"content": piece}, token=True)
        for index, call in enumerate(answer.calls):
            first = tool_call(ids, index, call.name, "") | {"index": index}
            yield chunk({"tool_calls": [first]}, token=True)
            half = len(call.arguments) // 2
            for part in (call.arguments[:half], call.arguments[half:]):
                more = {"index": index, "function": {"arguments": part}}
                yield chunk({"tool_calls": [more]}, token=True)
        yield chunk({}, answer.finish)
        if ask.include_usage:
            yield sse(envelope | {"choices": [], "usage": _usage(answer)})
        yield DONE

    def finished(self, event: Event) -> bool:
        return finished(event)

    def error(self, refusal: Refusal, _ids: Ids) -> dict[str, object]:
        kind, code = _ERRORS[refusal.reason]
        message = refusal.message
        if refusal.reason == "context_too_long":
            tokens, limit = window_of(message)
            message = (
                f"This model's maximum context length is {limit} tokens. However, your"
                f" messages resulted in {tokens} tokens."
            )
        return {
            "error": {
                "message": message,
                "type": kind,
                "param": refusal.param,
                "code": refusal.code or code,
            }
        }

    def error_headers(self, refusal: Refusal) -> dict[str, str]:
        if refusal.status != 401:
            return {}
        return {"www-authenticate": 'Bearer realm="OpenAI API"'}

    def error_event(self, refusal: Refusal, ids: Ids) -> bytes:
        return sse(self.error(refusal, ids)).data

    def headers(self, ids: Ids, allowance: Allowance) -> dict[str, str]:
        return {
            "x-request-id": f"req_{ids.token}",
            "openai-version": "2020-10-01",
            "openai-organization": "org-simulated",
            "openai-processing-ms": "1",
            "x-ratelimit-limit-requests": str(allowance.limit),
            "x-ratelimit-remaining-requests": str(allowance.remaining),
            "x-ratelimit-reset-requests": f"{allowance.reset_s * 1000:.0f}ms",
            "x-ratelimit-limit-tokens": "50000000",
            "x-ratelimit-remaining-tokens": "49999993",
            "x-ratelimit-reset-tokens": "0s",
        }

    def models(self, behaviour: Behaviour) -> dict[str, object]:
        return models(behaviour, "openai")

    def _envelope(self, ask: Ask, ids: Ids, kind: str) -> dict[str, object]:
        return {
            "id": f"chatcmpl-{ids.token[:29]}",
            "object": kind,
            "created": ids.created,
            "model": ask.model.answers_as or ask.model.id,
            "service_tier": "default",
            "system_fingerprint": "fp_simulated",
        }


def bearer(headers: Mapping[str, str]) -> str | None:
    """The key of an Authorization header."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def window_of(message: str) -> tuple[str, str]:
    """Tokens asked and allowed, of ``9 tokens > 8 maximum``."""
    tokens, _, limit = message.removesuffix(" maximum").partition(" tokens > ")
    return tokens, limit


def sse(data: dict[str, object], *, token: bool = False) -> Event:
    return Event(b"data: " + json.encode(data) + b"\n\n", token)


def finished(event: Event) -> bool:
    return (
        event is DONE
        or b'"choices":[]' in event.data
        or b'"finish_reason":"' in event.data
    )


def tool_call(ids: Ids, index: int, name: str, arguments: str) -> dict[str, object]:
    return {
        "id": f"call_{ids.token[:20]}{index:04d}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def models(behaviour: Behaviour, owner: str) -> dict[str, object]:
    """A models list; like the real ones without prices and windows."""
    return {
        "object": "list",
        "data": [
            {"id": m.id, "object": "model", "created": EPOCH, "owned_by": owner}
            for m in behaviour.models
        ],
    }


def _usage(answer: Answer) -> dict[str, object]:
    completion = answer.completion_tokens + answer.reasoning_tokens
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": answer.prompt_tokens + completion,
        "prompt_tokens_details": {
            "cached_tokens": answer.cached_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": answer.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
