"""What each family of models refuses is left out of a request, and said."""

from typing import Any

import msgspec
import pytest

from actors.messages.chat import ChatRequest, Message
from actors.wire.openai_request import encode_body
from actors.wire.quirks import COMPATIBLE, OPENAI, XAI, Quirks

SAMPLED = ChatRequest(
    messages=(Message("user", "hello"),),
    temperature=0.0,
    top_p=1.0,
    stop=("x",),
    extra={"presence_penalty": 1, "logit_bias": None, "logprobs": True},
)


@pytest.mark.parametrize(
    ("quirks", "model", "effort", "dropped"),
    [
        (OPENAI, "gpt-4o", None, ()),
        (OPENAI, "gpt-4.1-nano", "low", ("reasoning_effort",)),
        (OPENAI, "o1", "high", ("logprobs", "presence_penalty", "temperature", "top_p")),
        (OPENAI, "o3", "high", ("logprobs", "presence_penalty", "stop", "temperature", "top_p")),
        (OPENAI, "gpt-5", "minimal", ("logprobs", "presence_penalty", "stop", "temperature", "top_p")),
        (OPENAI, "gpt-5", "none", ("reasoning_effort", "logprobs", "presence_penalty", "stop", "temperature", "top_p")),
        (OPENAI, "gpt-5.1", None, ("stop",)),
        (OPENAI, "gpt-5.1", "none", ("stop",)),
        (OPENAI, "gpt-5.1", "low", ("logprobs", "presence_penalty", "stop", "temperature", "top_p")),
        (OPENAI, "gpt-5.1", "xhigh", ("reasoning_effort", "stop")),
        (OPENAI, "gpt-5.6-sol", None, ("logprobs", "presence_penalty", "stop", "temperature", "top_p")),
        (OPENAI, "gpt-5.6-sol", "none", ("stop",)),
        (OPENAI, "gpt-6.2-astra", "max", ("reasoning_effort", "logprobs", "presence_penalty", "stop", "temperature", "top_p")),
        (OPENAI, "brand-new", "max", ()),
        (XAI, "grok-4.7", "xhigh", ("presence_penalty", "stop")),
        (XAI, "grok-4.6", "none", ("reasoning_effort", "presence_penalty", "stop")),
        (XAI, "grok-4.20-multi", "low", ("reasoning_effort", "presence_penalty", "stop")),
        (XAI, "grok-3-mini", "high", ("presence_penalty", "stop")),
        (COMPATIBLE, "gpt-5", "low", ()),
    ],
)  # fmt: skip
def test_what_a_model_refuses_is_left_out_and_said(
    quirks: Quirks, model: str, effort: Any, dropped: tuple[str, ...]
) -> None:
    request = msgspec.structs.replace(SAMPLED, reasoning_effort=effort)

    raw, got = encode_body(quirks, model, request, stream=False)
    body = msgspec.json.decode(raw)

    assert got == dropped
    assert not body.keys() & set(dropped)
    given = {"temperature", "top_p", "stop", "presence_penalty", "logprobs"}
    assert given - body.keys() == set(dropped) - {"reasoning_effort"}
    if effort and "reasoning_effort" not in dropped:
        assert body["reasoning_effort"] == effort
