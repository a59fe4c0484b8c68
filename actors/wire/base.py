"""What every dialect and every transport is, and HTTP requests as data.

A dialect turns neutral messages into bytes and back without doing any I/O; a transport
moves the bytes without knowing what they mean.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from actors.errors import ProviderError
from actors.messages.chat import (
    ChatRequest,
    Completion,
    ContinuesAs,
    Delta,
    ModelInfo,
    Usage,
)
from actors.messages.provider import Failure


class HttpRequest(Struct, frozen=True, gc=False):
    """One HTTP request. ``url`` is whole; header names are lower-case."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""


class ResponseHead(Struct, frozen=True, gc=False):
    """Status and headers of a response; header names are lower-case."""

    status: int
    headers: Mapping[str, str]


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where a provider is and how to talk to it.

    ``base_url`` includes the version prefix and has no trailing slash. ``api_key`` is
    ``None`` where none is needed. ``headers`` are sent with every request.
    ``api_version`` is Azure's, which stands in the URL.
    """

    base_url: str
    api_key: str | None = None
    headers: dict[str, str] = {}
    api_version: str | None = None


class EncodedChat(Struct, frozen=True, gc=False):
    """A request ready to send, and the parameters the model refuses, left out."""

    http: HttpRequest
    dropped: tuple[str, ...] = ()


class StreamDecoder(Protocol):
    """Bytes of one streamed answer -> deltas. One instance a stream, any chunking."""

    def feed(self, data: bytes) -> list[Delta]:
        """Take the next bytes.

        Comments and pings yield nothing but are a sign of life: the caller resets its
        idle timer whenever it feeds bytes.

        Raises:
            ProviderError: The stream carried an error, or cannot be decoded.
        """

    def finish(self) -> Completion:
        """Say that the stream has ended (or ``done`` is true) and get it as a whole.

        Raises:
            ProviderResponseError: No finish reason came: the answer was cut.
        """

    @property
    def done(self) -> bool:
        """The terminal event came; nothing further needs to be read."""

    @property
    def model(self) -> str | None:
        """The model that answers, as far as the provider has said."""

    @property
    def usage(self) -> Usage:
        """The usage seen so far, for billing streams that are cut or cancelled."""

    @property
    def text_bytes(self) -> int:
        """UTF-8 length of content, reasoning and arguments so far, for estimates."""


class Dialect(Protocol):
    """One provider API as pure functions of messages and bytes."""

    def encode_chat(
        self, endpoint: Endpoint, model: str, request: ChatRequest, *, stream: bool
    ) -> EncodedChat:
        """Encode a request.

        Raises:
            InvalidRequest: For what this dialect cannot carry at all, a request that
                ``continues`` where the model is known not to among it.
        """

    def continues_as(self, endpoint: Endpoint, model: str) -> ContinuesAs:
        """How this model goes on from the beginning of an answer, as far as is known.

        A model may refuse all the same; the caller remembers that.
        """

    def decode_chat(self, head: ResponseHead, body: bytes) -> Completion:
        """Decode a 2xx answer.

        Raises:
            ProviderError: The body holds an error or cannot be decoded.
        """

    def encode_embeddings(
        self, endpoint: Endpoint, model: str, request: ChatRequest
    ) -> EncodedChat:
        """Encode a request whose ``embed`` asks for vectors.

        Raises:
            InvalidRequest: The API has none, or cannot carry this.
        """

    def decode_embeddings(
        self, head: ResponseHead, body: bytes, request: ChatRequest
    ) -> Completion:
        """Decode a 2xx answer to it; raises as ``decode_chat``."""

    def stream_decoder(self, head: ResponseHead) -> StreamDecoder: ...

    def decode_error(self, head: ResponseHead, body: bytes, now: float) -> Failure:
        """Classify a non-2xx answer. Never raises, whatever the body.

        ``now`` is UTC epoch seconds, for Retry-After dates.
        """

    def encode_models(self, endpoint: Endpoint) -> HttpRequest: ...

    def decode_models(
        self, head: ResponseHead, body: bytes
    ) -> tuple[ModelInfo, ...]: ...


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds. ``first_token`` and ``idle`` hold for streams only."""

    connect_s: float = 5.0
    first_token_s: float = 60.0
    idle_s: float = 60.0
    total_s: float = 600.0


class Response(Protocol):
    """A response whose head has arrived."""

    @property
    def head(self) -> ResponseHead: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The decoded body as it arrives.

        Raises:
            ProviderConnectionError: The connection broke.
            ProviderTimeout: No bytes came for the idle time.
            ProviderResponseError: The decoded body is larger than allowed.
        """

    async def read(self) -> bytes:
        """The whole decoded body; raises as ``chunks`` does."""


class Transport(Protocol):
    """Performs HTTP requests for one provider. Cancelling closes the upstream."""

    def send(
        self, request: HttpRequest, timeouts: Timeouts, *, stream: bool
    ) -> AbstractAsyncContextManager[Response]:
        """Send and wait for the head. Leaving the context releases the connection.

        ``connect_s`` bounds connecting, ``total_s`` everything, ``idle_s`` (when
        ``stream``) the silence between two reads.

        Raises:
            ProviderConnectionError: Not reached, or hung up before any byte.
            ProviderTimeout: A deadline passed; the message says which.
        """

    async def aclose(self) -> None: ...


def failure_of(error: ProviderError) -> Failure:
    """The failure as data of an error raised while talking to a provider."""
    return Failure(
        failure=error.failure,
        message=error.message,
        owner=error.owner,
        status=error.status,
        retry_after_s=error.retry_after_s,
    )
