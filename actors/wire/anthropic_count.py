"""Anthropic's token counting: the same request, answered with a number only.

It costs nothing and has a rate limit of its own (provider-apis 3.6).
"""

import msgspec

from actors.errors import ProviderResponseError
from actors.messages.chat import ChatRequest
from actors.wire.anthropic import AnthropicDialect
from actors.wire.base import Endpoint, HttpRequest
from actors.wire.failures import raise_in_answer
from actors.wire.tolerant import ANY, count, decode, mapping

_NOT_COUNTED = frozenset(
    {
        *("max_tokens", "stream", "stop_sequences", "metadata", "service_tier"),
        *("temperature", "top_p", "top_k"),
    }
)


def encode_count(
    dialect: AnthropicDialect, endpoint: Endpoint, model: str, request: ChatRequest
) -> HttpRequest:
    """Ask how many tokens ``request`` is; raises ``InvalidRequest`` as encoding does."""
    chat = dialect.encode_chat(endpoint, model, request, stream=False).http
    body = msgspec.json.decode(chat.body, type=dict[str, msgspec.Raw])
    kept = {name: value for name, value in body.items() if name not in _NOT_COUNTED}
    return HttpRequest(
        "POST", chat.url + "/count_tokens", chat.headers, msgspec.json.encode(kept)
    )


def decode_count(body: bytes) -> int:
    """The number of prompt tokens in a 2xx answer.

    Raises:
        ProviderError: The body holds an error, no count, or cannot be decoded.
    """
    answer = mapping(decode(ANY, body, "the count"))
    if answer.get("error"):
        raise_in_answer(answer["error"])
    tokens = count(answer.get("input_tokens"))
    if tokens is None:
        raise ProviderResponseError("the answer holds no count of tokens")
    return tokens
