"""What goes out over HTTP, in OpenAI's shapes.

Fields that OpenAI does not have stand under ``x_gitbridge``. Numbers that are not known
are ``null``, never 0; money is US dollars.
"""

from decimal import Decimal
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from actors.messages.chat import FinishReason
from actors.messages.consensus import ConsensusInfo
from actors.messages.provider import CostSource
from actors.messages.routing import AttemptSummary

CacheState = Literal["hit", "miss"]


class ModelEntry(Struct, frozen=True):
    """A name that ``model`` may hold, and who stands behind it.

    ``created`` is UTC epoch seconds; 0 where nobody knows.
    """

    id: str
    owned_by: str
    created: int = 0


class ModelBody(Struct, frozen=True, tag_field="object", tag="model"):
    """One model of the list."""

    id: str
    created: int
    owned_by: str


class ModelList(Struct, frozen=True, tag_field="object", tag="list"):
    """``GET /v1/models``."""

    data: tuple[ModelBody, ...]


class FunctionBody(Struct, frozen=True, omit_defaults=True):
    """The function of a tool call; in a stream, a piece of it."""

    arguments: str
    name: str | None = None


class ToolCallBody(Struct, frozen=True):
    """A tool call."""

    id: str
    function: FunctionBody
    type: Literal["function"] = "function"


class MessageBody(Struct, frozen=True):
    """The answer. ``reasoning_content`` as compatible servers call it."""

    content: str | None
    refusal: str | None
    role: Literal["assistant"] = "assistant"
    reasoning_content: str | UnsetType = UNSET
    tool_calls: tuple[ToolCallBody, ...] | UnsetType = UNSET


class Choice(Struct, frozen=True):
    """The one choice there is."""

    message: MessageBody
    finish_reason: FinishReason
    index: int = 0
    logprobs: None = None


class PromptDetails(Struct, frozen=True):
    """What of the prompt was read from a cache, or written to one."""

    cached_tokens: int | None
    cache_write_tokens: int | UnsetType = UNSET


class CompletionDetails(Struct, frozen=True):
    """What of the answer was reasoning."""

    reasoning_tokens: int | None


class UsageBody(Struct, frozen=True):
    """Tokens, normalised: the completion includes reasoning."""

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class Completion(Struct, frozen=True, tag_field="object", tag="chat.completion"):
    """The answer to a request that did not stream."""

    id: str
    created: int
    model: str
    choices: tuple[Choice]
    usage: UsageBody | None
    x_gitbridge: "Facts | UnsetType" = UNSET


class Progress(Struct, frozen=True):
    """Something that happened in a round of consensus; ``at`` is UTC epoch seconds."""

    name: str
    body: object
    at: float | None


class ProgressFacts(Struct, frozen=True):
    """What a chunk has under ``x_gitbridge`` that comes before the verdict."""

    progress: Progress


class ToolCallPiece(Struct, frozen=True):
    """A piece of a tool call; ``id``, ``type`` and name come once, with the first."""

    index: int
    function: FunctionBody
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class DeltaBody(Struct, frozen=True, omit_defaults=True):
    """A piece of the answer; the first one says only the role."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    tool_calls: tuple[ToolCallPiece, ...] | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True):
    """The one choice of a chunk."""

    delta: DeltaBody
    finish_reason: FinishReason | None = None
    index: int = 0
    logprobs: None = None


class Facts(Struct, frozen=True, kw_only=True):
    """What OpenAI has no field for, about an answer that was streamed or decided on."""

    provider: str
    model: str
    decision: str
    request: str
    attempts: int
    cost_usd: Decimal | None
    cost_source: CostSource
    latency_s: float
    time_to_first_token_s: float | None
    overhead_ms: float
    cache: CacheState
    simulated: bool
    consensus: ConsensusInfo | UnsetType = UNSET


class Chunk(Struct, frozen=True, tag_field="object", tag="chat.completion.chunk"):
    """One event of a stream. ``usage`` is left out unless it was asked for."""

    id: str
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: UsageBody | UnsetType | None = UNSET
    x_gitbridge: Facts | ProgressFacts | UnsetType = UNSET


class ErrorDetail(Struct, frozen=True):
    """An error as OpenAI words it; ``code`` is our ``kind``."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorFacts(Struct, frozen=True, kw_only=True):
    """What OpenAI has no field for, about an error."""

    retryable: bool
    retry_after_s: float | None
    provider: str | None
    decision: str | None
    attempts: tuple[AttemptSummary, ...]


class ErrorBody(Struct, frozen=True):
    """Every error, and the last event of a stream that broke."""

    error: ErrorDetail
    x_gitbridge: ErrorFacts
