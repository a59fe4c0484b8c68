"""How a pretend provider behaves, declared as data.

All of it can be changed while the provider runs. Times in seconds, prices in USD per
million tokens, and a token is a piece of four characters.
"""

from decimal import Decimal
from math import exp
from typing import Annotated, Literal

from msgspec import Meta, Struct, json

Kind = Literal["openai", "xai", "anthropic"]
FaultKind = Literal[
    "down",  # the listening socket is closed: connections are refused
    "reset",  # TCP reset instead of an answer
    "hang_up",  # orderly end of the connection instead of an answer
    "hang",  # no answer, ever
    "hang_mid",  # silence after `after_tokens`
    "status",  # `status` with an error body in the provider's own dialect
    "cut",  # a stream that ends in good order, without its finish reason
    "cut_reset",  # TCP reset after `after_tokens`
    "error_event",  # an error event after `after_tokens` (500 where not streamed)
    "drip",  # the answer byte by byte, `gap_s` apart
    "malformed",  # JSON that stops in the middle
    "wrong_length",  # Content-Length promises more than comes
    "oversized",  # `size_bytes` of answer
]
Seconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]


class Latency(Struct, frozen=True, forbid_unknown_fields=True):
    """A log-normal distribution; with ``sigma`` 0 always ``median_s``."""

    median_s: Seconds = 0.0
    sigma: Annotated[float, Meta(ge=0)] = 0.0

    def sample(self, normal: float) -> float:
        """Seconds, for a draw from the standard normal distribution."""
        return self.median_s * exp(self.sigma * normal)


class SimPrice(Struct, frozen=True, forbid_unknown_fields=True):
    """USD per million tokens."""

    input: Decimal
    output: Decimal
    cached_input: Decimal = Decimal(0)


class SimModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model on offer.

    ``answers_as`` is the ``model`` in answers where it differs from the name asked for.
    ``prefill`` is what becomes of a last message of the assistant: ``ignored``, a turn
    like every other; ``continued``, from where it ends; ``repeated`` in the answer and
    continued; ``refused`` with 400.
    ``dimensions`` is how long its vectors are; 0 for a model that gives none, and with
    vectors it does not chat.
    ``refuses`` are request fields answered with 400. ``shows_reasoning`` sends
    reasoning text where the dialect has a place for it.
    """

    id: str
    price: SimPrice
    answers_as: str | None = None
    context_window: int = 1_000_000
    refuses: tuple[str, ...] = ()
    shows_reasoning: bool = False
    dimensions: Count = 0
    prefill: Literal["ignored", "continued", "repeated", "refused"] = "ignored"


class RateLimit(Struct, frozen=True, forbid_unknown_fields=True):
    """So many chat requests in each window; the next ones get 429 and Retry-After."""

    requests: Annotated[int, Meta(ge=0)]
    per_s: Annotated[float, Meta(gt=0)] = 60.0


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong, how often and where.

    ``times`` faults happen, then no more (``None``: without end), each request drawing
    with ``probability``. ``down`` concerns the whole provider and looks at neither.
    ``quota`` makes a 429 one that waiting does not cure.
    """

    kind: FaultKind
    scope: Literal["chat", "models", "all"] = "chat"
    probability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    times: Annotated[int, Meta(ge=1)] | None = None
    status: Annotated[int, Meta(ge=400, le=599)] = 500
    quota: bool = False
    retry_after_s: Seconds | None = None
    after_tokens: Count = 3
    gap_s: Seconds = 0.05
    size_bytes: Count = 80 << 20


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a pretend provider.

    ``latency`` passes before the first byte of a chat answer, ``token_gap`` between two
    tokens of a stream (0: the stream comes in bursts). Answers have ``tokens`` tokens
    unless the request's limit is lower, after ``reasoning_tokens`` of reasoning; of the
    prompt at most ``cached_tokens`` count as cached. ``api_key`` is the only key that
    is accepted (``None``: any is, and none is needed). Of several ``faults`` the first that applies
    happens. ``seed`` makes a run repeatable.
    """

    models: tuple[SimModel, ...]
    latency: Latency = Latency()
    models_latency: Latency = Latency()
    token_gap: Latency = Latency()
    tokens: Annotated[int, Meta(ge=1)] = 32
    reasoning_tokens: Count = 0
    cached_tokens: Count = 0
    rate_limit: RateLimit | None = None
    faults: tuple[Fault, ...] = ()
    api_key: str | None = None
    seed: int = 0

    @property
    def down(self) -> bool:
        return any(fault.kind == "down" for fault in self.faults)

    def model(self, name: str) -> SimModel | None:
        return next((m for m in self.models if name in (m.id, m.answers_as)), None)


def changed(behaviour: Behaviour, changes: bytes) -> Behaviour:
    """Replace the fields that the JSON object ``changes`` names.

    Raises:
        msgspec.ValidationError: A field is unknown, or has a wrong value.
        msgspec.DecodeError: It is not JSON.
    """
    fields = json.decode(json.encode(behaviour), type=dict[str, object])
    fields |= json.decode(changes, type=dict[str, object])
    return json.decode(json.encode(fields), type=Behaviour)
