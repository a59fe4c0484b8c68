"""The OpenAI chat completions dialect, and with quirks everybody who imitates it."""

from actors.errors import InternalError
from actors.messages.chat import ChatRequest, Completion, ContinuesAs, ModelInfo
from actors.messages.provider import Failure
from actors.wire import azure
from actors.wire.base import (
    EncodedChat,
    Endpoint,
    HttpRequest,
    ResponseHead,
    StreamDecoder,
)
from actors.wire.failures import decode_failure
from actors.wire.openai_embeddings import (
    decode_embeddings,
    encode_body as encode_embed_body,
)
from actors.wire.openai_request import encode_body
from actors.wire.openai_response import decode_completion, decode_model_list
from actors.wire.openai_stream import OpenAIStreamDecoder
from actors.wire.quirks import OPENAI, Quirks


class _Prepared:
    """What every request to one endpoint has in common."""

    __slots__ = ("chat_headers", "chat_url", "endpoint", "stream_headers")

    def __init__(self, quirks: Quirks, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.chat_url: str | None = None
        if quirks.urls == "plain":  # otherwise it may depend on the model
            self.chat_url = endpoint.base_url + "/chat/completions"
        common = auth_headers(quirks, endpoint)
        json = {"content-type": "application/json"}
        self.chat_headers = {"accept": "application/json", **json, **common}
        self.stream_headers = {"accept": "text/event-stream", **json, **common}


class OpenAIDialect:
    """Implements ``wire.base.Dialect`` for one kind of server."""

    def __init__(self, quirks: Quirks = OPENAI) -> None:
        self.quirks = quirks
        self._prepared: _Prepared | None = None

    def encode_chat(
        self, endpoint: Endpoint, model: str, request: ChatRequest, *, stream: bool
    ) -> EncodedChat:
        body, dropped = encode_body(self.quirks, model, request, stream=stream)
        prepared = self._prepared
        if prepared is None or prepared.endpoint is not endpoint:
            prepared = self._prepared = _Prepared(self.quirks, endpoint)
        headers = prepared.stream_headers if stream else prepared.chat_headers
        url = prepared.chat_url or azure.chat_url(endpoint, model)
        http = HttpRequest("POST", url, headers.copy(), body)
        return EncodedChat(http, dropped)

    def continues_as(self, endpoint: Endpoint, model: str) -> ContinuesAs:  # noqa: ARG002 - the protocol's shape
        """See ``Quirks.prefix``; DeepSeek's works under its beta address alone."""
        quirks = self.quirks
        stable = quirks.kind == "deepseek" and not endpoint.base_url.endswith("/beta")
        if quirks.prefix == "none" or stable:
            return "none"
        return "echoed" if quirks.prefix == "flag" else "appended"

    def decode_chat(self, head: ResponseHead, body: bytes) -> Completion:  # noqa: ARG002 - the protocol's shape
        return decode_completion(body, self.quirks.usage)

    def encode_embeddings(
        self, endpoint: Endpoint, model: str, request: ChatRequest
    ) -> EncodedChat:
        body = encode_embed_body(self.quirks, model, request)
        url = endpoint.base_url + "/embeddings"
        if self.quirks.urls == "azure":
            url = azure.embeddings_url(endpoint, model)
        headers = {
            "accept": "application/json",
            "content-type": "application/json",
            **auth_headers(self.quirks, endpoint),
        }
        return EncodedChat(HttpRequest("POST", url, headers, body))

    def decode_embeddings(
        self,
        head: ResponseHead,  # noqa: ARG002 - the protocol's shape
        body: bytes,
        request: ChatRequest,
    ) -> Completion:
        if request.embed is None:
            raise InternalError("an answer was read as vectors that nobody asked for")
        return decode_embeddings(body, request.embed, self.quirks.usage)

    def stream_decoder(self, head: ResponseHead) -> StreamDecoder:  # noqa: ARG002 - the protocol's shape
        return OpenAIStreamDecoder(self.quirks.usage)

    def decode_error(self, head: ResponseHead, body: bytes, now: float) -> Failure:
        return decode_failure(head, body, now)

    def encode_models(self, endpoint: Endpoint) -> HttpRequest:
        headers = {"accept": "application/json", **auth_headers(self.quirks, endpoint)}
        if self.quirks.urls == "azure":
            return HttpRequest("GET", azure.models_url(endpoint), headers)
        return HttpRequest("GET", endpoint.base_url + "/models", headers)

    def decode_models(self, head: ResponseHead, body: bytes) -> tuple[ModelInfo, ...]:  # noqa: ARG002 - the protocol's shape
        return decode_model_list(body)


def auth_headers(quirks: Quirks, endpoint: Endpoint) -> dict[str, str]:
    """The key, where there is one, and the endpoint's own headers, which win."""
    headers = quirks.headers.copy()
    if endpoint.api_key is not None:
        if quirks.auth == "bearer":
            headers["authorization"] = f"Bearer {endpoint.api_key}"
        else:
            headers["api-key"] = endpoint.api_key
    headers.update({key.lower(): value for key, value in endpoint.headers.items()})
    return headers
