"""Chat completion chunks: the events of one streamed answer, without I/O."""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from actors.messages.chat import Delta, ToolCallDelta
from actors.messages.routing import ErrorInfo, RouteResult
from ipc.http import schema
from ipc.http.errors import error_body
from ipc.http.translate import ProgressShape, completion_id, facts, usage_body
from ipc.subscribing import NoticeParams

DONE: Final = b"data: [DONE]\n\n"

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class ChunkWriter:
    """Writes one stream: ``first``, ``delta`` any number of times, then an ending.

    Every chunk names the model that serves, once it is known. ``broken`` is an ending too: an error
    event, and no ``[DONE]``.
    """

    def __init__(
        self, request_id: str, created: int, model: str, *, include_usage: bool
    ) -> None:
        self._request_id = request_id
        self._created = created
        self._model = model
        self._include_usage = include_usage

    def first(self) -> bytes:
        """The chunk that says only the role, as OpenAI begins."""
        return self._chunk(schema.DeltaBody(role="assistant", content=""))

    def delta(self, delta: Delta) -> bytes:
        """A piece of the answer; one that names its model goes on from another's."""
        self._model = delta.model or self._model
        return self._chunk(
            schema.DeltaBody(
                content=UNSET if delta.content is None else delta.content,
                reasoning_content=UNSET if delta.reasoning is None else delta.reasoning,
                refusal=UNSET if delta.refusal is None else delta.refusal,
                tool_calls=tuple(map(_piece, delta.tool_calls)) or UNSET,
            )
        )

    def serves(self, model: str) -> None:
        """Who answers is known by now."""
        self._model = model

    def progress(self, notice: NoticeParams, shape: ProgressShape) -> bytes:
        """How a round of consensus goes, in a shape in which clients can take it."""
        said = schema.Progress(notice.name, notice.body, notice.at)
        if shape == "comments":
            return b": progress " + _ENCODER.encode(said) + b"\n\n"
        return self._event((), schema.ProgressFacts(said))

    def whole(self, result: RouteResult) -> bytes:
        """The answer as one piece, where none of it was streamed."""
        calls = tuple(
            ToolCallDelta(i, call.id, call.name, call.arguments)
            for i, call in enumerate(result.tool_calls)
        )
        whole = Delta(result.content, result.reasoning, result.refusal, calls)
        return b"" if whole == Delta() else self.delta(whole)

    def end(self, result: RouteResult) -> bytes:
        """The finish reason, the usage if it was asked for, and ``[DONE]``."""
        choice = schema.ChunkChoice(schema.DeltaBody(), result.finish_reason)
        finish = self._event((choice,))
        if not self._include_usage:
            return finish + DONE
        usage = schema.Chunk(
            id=completion_id(self._request_id),
            created=self._created,
            model=self._model,
            choices=(),
            usage=usage_body(result.usage),
            x_gitbridge=facts(result),
        )
        return finish + event(_ENCODER.encode(usage)) + DONE

    def broken(self, error: ErrorInfo) -> bytes:
        """The error event that ends a stream which is not whole."""
        return event(error_body(error))

    def _chunk(self, delta: schema.DeltaBody) -> bytes:
        return self._event((schema.ChunkChoice(delta),))

    def _event(
        self,
        choices: tuple[schema.ChunkChoice, ...],
        facts: schema.ProgressFacts | UnsetType = UNSET,
    ) -> bytes:
        chunk = schema.Chunk(
            id=completion_id(self._request_id),
            created=self._created,
            model=self._model,
            choices=choices,
            usage=None if self._include_usage else UNSET,
            x_gitbridge=facts,
        )
        return event(_ENCODER.encode(chunk))


def event(data: bytes) -> bytes:
    """A server-sent event without a name."""
    return b"data: " + data + b"\n\n"


def _piece(piece: ToolCallDelta) -> schema.ToolCallPiece:
    return schema.ToolCallPiece(
        index=piece.index,
        function=schema.FunctionBody(piece.arguments, piece.name),
        id=UNSET if piece.id is None else piece.id,
        type=UNSET if piece.id is None else "function",
    )
