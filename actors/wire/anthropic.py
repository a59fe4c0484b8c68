"""The Anthropic Messages dialect."""

from actors.errors import InvalidRequest, ProviderResponseError
from actors.messages.chat import ChatRequest, Completion, ContinuesAs, ModelInfo
from actors.messages.provider import Failure
from actors.wire.anthropic_models import rule_for
from actors.wire.anthropic_request import DEFAULT_VERSION, encode_body
from actors.wire.anthropic_response import decode_message, decode_model_list
from actors.wire.anthropic_stream import AnthropicStreamDecoder
from actors.wire.base import (
    EncodedChat,
    Endpoint,
    HttpRequest,
    ResponseHead,
    StreamDecoder,
)
from actors.wire.failures import decode_failure

_VERSION = "anthropic-version"


class _Prepared:
    """What every request to one endpoint has in common."""

    __slots__ = ("chat_headers", "chat_url", "endpoint", "stream_headers", "version")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.chat_url = endpoint.base_url + "/messages"
        common = _headers(endpoint)
        self.version = common[_VERSION]
        json = {"content-type": "application/json"}
        self.chat_headers = {"accept": "application/json", **json, **common}
        self.stream_headers = {"accept": "text/event-stream", **json, **common}


class AnthropicDialect:
    """Implements ``wire.base.Dialect``.

    The API version is 2023-06-01 unless the endpoint's own headers name another.
    """

    def __init__(self) -> None:
        self._prepared: _Prepared | None = None

    def encode_chat(
        self, endpoint: Endpoint, model: str, request: ChatRequest, *, stream: bool
    ) -> EncodedChat:
        prepared = self._prepared
        if prepared is None or prepared.endpoint is not endpoint:
            prepared = self._prepared = _Prepared(endpoint)
        version = prepared.version
        body, dropped = encode_body(model, request, stream=stream, version=version)
        headers = prepared.stream_headers if stream else prepared.chat_headers
        http = HttpRequest("POST", prepared.chat_url, headers.copy(), body)
        return EncodedChat(http, dropped)

    def continues_as(self, endpoint: Endpoint, model: str) -> ContinuesAs:  # noqa: ARG002 - the protocol's shape
        return "appended" if rule_for(model).prefill else "none"

    def decode_chat(self, head: ResponseHead, body: bytes) -> Completion:  # noqa: ARG002 - the protocol's shape
        return decode_message(body)

    def encode_embeddings(
        self,
        endpoint: Endpoint,  # noqa: ARG002 - the protocol's shape
        model: str,
        request: ChatRequest,  # noqa: ARG002 - the protocol's shape
    ) -> EncodedChat:
        raise InvalidRequest(
            f"Anthropic's API gives no embeddings, {model!r} was asked for some",
            field="model",
            got=model,
            wanted="an embeddings model of another provider",
        )

    def decode_embeddings(
        self,
        head: ResponseHead,  # noqa: ARG002 - the protocol's shape
        body: bytes,  # noqa: ARG002 - the protocol's shape
        request: ChatRequest,  # noqa: ARG002 - the protocol's shape
    ) -> Completion:
        raise ProviderResponseError("Anthropic's API gives no embeddings")

    def stream_decoder(self, head: ResponseHead) -> StreamDecoder:  # noqa: ARG002 - the protocol's shape
        return AnthropicStreamDecoder()

    def decode_error(self, head: ResponseHead, body: bytes, now: float) -> Failure:
        return decode_failure(head, body, now)

    def encode_models(self, endpoint: Endpoint) -> HttpRequest:
        headers = {"accept": "application/json", **_headers(endpoint)}
        return HttpRequest("GET", endpoint.base_url + "/models?limit=1000", headers)

    def decode_models(self, head: ResponseHead, body: bytes) -> tuple[ModelInfo, ...]:  # noqa: ARG002 - the protocol's shape
        return decode_model_list(body)


def _headers(endpoint: Endpoint) -> dict[str, str]:
    """Version and key, and the endpoint's own headers, which win."""
    headers = {_VERSION: DEFAULT_VERSION}
    if endpoint.api_key is not None:
        headers["x-api-key"] = endpoint.api_key
    headers.update({key.lower(): value for key, value in endpoint.headers.items()})
    return headers
