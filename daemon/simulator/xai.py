"""A pretend xAI: OpenAI's chat completions, with xAI's own errors and usage.

``completion_tokens`` leaves reasoning out while ``total_tokens`` has it, the cost is
reported in ticks of 1e-10 USD, and a wrong key is a 400.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from daemon.simulator.answer import Answer, Ask, Reason, Refusal
from daemon.simulator.behaviour import Behaviour
from daemon.simulator.dialect import Allowance, Event, Ids
from daemon.simulator.openai import (
    DONE,
    bearer,
    finished,
    models,
    sse,
    tool_call,
    window_of,
)
from daemon.simulator.openai_body import parse_chat

TICKS_PER_USD: Final = 10**10
_OUT_OF_MONEY: Final = (
    "Your team has either used all available credits or reached its monthly spending"
    " limit."
)
_CODES: Final[dict[Reason, str]] = {
    "no_key": "unauthenticated",
    "wrong_key": "invalid-argument",
    "unknown_model": "not-found",
    "invalid": "invalid-argument",
    "context_too_long": "invalid-argument",
    "not_found": "not-found",
    "too_large": "invalid-argument",
    "rate_limit": "resource-exhausted",
    "quota": "resource-exhausted",
    "billing": "permission-denied",
    "overloaded": "unavailable",
    "server_error": "internal",
}


class XAI:
    """The dialect of api.x.ai."""

    chat_path: Final = "/v1/chat/completions"

    def key(self, headers: Mapping[str, str]) -> str | None:
        return bearer(headers)

    def no_key(self) -> Refusal:
        return Refusal(401, "no_key", "No API key provided.")

    def wrong_key(self, key: str) -> Refusal:
        masked = f"{key[:2]}***{key[-2:]}"
        return Refusal(400, "wrong_key", f"Incorrect API key provided: {masked}.")

    def parse(
        self, behaviour: Behaviour, body: bytes, _headers: Mapping[str, str]
    ) -> Ask:
        try:
            return parse_chat(behaviour, body)
        except Refusal as refusal:
            if refusal.code == "invalid_type":
                refusal.status = 422
            raise

    def plain(self, ask: Ask, answer: Answer, ids: Ids) -> dict[str, object]:
        message: dict[str, object] = {"role": "assistant", "content": answer.text}
        if answer.reasoning and ask.model.shows_reasoning:
            message["reasoning_content"] = "".join(answer.reasoning)
        if answer.calls:
            message["tool_calls"] = _calls(answer, ids)
        message["refusal"] = None
        choice = {"index": 0, "message": message, "finish_reason": answer.finish}
        return _envelope(ask, ids, "chat.completion") | {
            "choices": [choice],
            "usage": _usage(answer),
        }

    def stream(self, ask: Ask, answer: Answer, ids: Ids) -> Iterator[Event]:
        envelope = _envelope(ask, ids, "chat.completion.chunk")
        role: dict[str, object] = {"role": "assistant"}

        def chunk(delta: dict[str, object]) -> Event:
            choice = {"index": 0, "delta": delta}
            return sse(envelope | {"choices": [choice]}, token=True)

        if ask.model.shows_reasoning:
            for piece in answer.reasoning:
                yield chunk({"reasoning_content": piece, **role})
                role = {}
        for piece in answer.pieces:
            yield chunk({"content": piece, **role})
            role = {}
        for index, call in enumerate(_calls(answer, ids)):
            calls: list[object] = [call | {"index": index}]
            yield chunk({"content": "", "tool_calls": calls, **role})
            role = {}
        end = {"index": 0, "delta": role, "finish_reason": answer.finish}
        yield sse(envelope | {"choices": [end]})
        if ask.include_usage:
            yield sse(envelope | {"choices": [], "usage": _usage(answer)})
        yield DONE

    def finished(self, event: Event) -> bool:
        return finished(event)

    def error(self, refusal: Refusal, _ids: Ids) -> dict[str, object]:
        message = refusal.message
        if refusal.reason == "quota":
            message = _OUT_OF_MONEY
        if refusal.reason == "context_too_long":
            tokens, limit = window_of(message)
            message = (
                f"This model's maximum prompt length is {limit} but the request"
                f" contains {tokens} tokens."
            )
        return {"code": _CODES[refusal.reason], "error": message}

    def error_headers(self, _refusal: Refusal) -> dict[str, str]:
        return {}

    def error_event(self, refusal: Refusal, ids: Ids) -> bytes:
        return sse(self.error(refusal, ids)).data

    def headers(self, ids: Ids, allowance: Allowance) -> dict[str, str]:
        return {
            "x-request-id": ids.token,
            "x-ratelimit-limit-requests": str(allowance.limit),
            "x-ratelimit-remaining-requests": str(allowance.remaining),
            "x-ratelimit-limit-tokens": "10000000",
            "x-ratelimit-remaining-tokens": "9999990",
        }

    def models(self, behaviour: Behaviour) -> dict[str, object]:
        return models(behaviour, "xai")


def _calls(answer: Answer, ids: Ids) -> list[dict[str, object]]:
    return [
        tool_call(ids, i, call.name, call.arguments)
        for i, call in enumerate(answer.calls)
    ]


def _envelope(ask: Ask, ids: Ids, kind: str) -> dict[str, object]:
    token = ids.token
    uuid = (token[:8], token[8:12], token[12:16], token[16:20], token[20:])
    return {
        "id": "-".join(uuid),
        "object": kind,
        "created": ids.created,
        "model": ask.model.answers_as or ask.model.id,
        "system_fingerprint": "fp_simulated",
    }


def _usage(answer: Answer) -> dict[str, object]:
    prompt, completion = answer.prompt_tokens, answer.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion + answer.reasoning_tokens,
        "prompt_tokens_details": {
            "text_tokens": prompt,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": answer.cached_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": answer.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
        "num_sources_used": 0,
        "cost_in_usd_ticks": int(answer.cost_usd * TICKS_PER_USD),
    }
