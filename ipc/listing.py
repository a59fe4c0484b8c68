"""What ``models`` answers: everything that can be asked for."""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from actors.messages.provider import CostSource
from actors.messages.routing import Strategy

NameKind = Literal["auto", "alias", "model"]


class ModelRow(Struct, frozen=True, kw_only=True):
    """A name for ``model`` of a request.

    An ``auto`` name has a ``strategy`` or none of its own; an ``alias`` has
    ``candidates``; a ``model`` is one of a ``provider``: asked for by ``name``, that
    provider answers; asked for by ``model``, whoever serves it. ``default`` is what
    ``auto`` asks the provider for; ``served`` says whether its models list has it, null
    as long as none has come. Prices are US dollars per million tokens, sizes tokens,
    ``retires_at`` the day (ISO 8601) from which it is no more; what is not known is null.
    """

    name: str
    kind: NameKind
    strategy: Strategy | None = None
    candidates: tuple[str, ...] = ()
    provider: str | None = None
    model: str | None = None
    default: bool = False
    served: bool | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    cached_input_price: Decimal | None = None
    price_source: CostSource = "unknown"
    context_window: int | None = None
    max_output_tokens: int | None = None
    tools: bool | None = None
    vision: bool | None = None
    json_schema: bool | None = None
    reasoning: bool | None = None
    embeddings: bool | None = None
    retires_at: str | None = None
    simulated: bool = False


class ModelsResult(Struct, frozen=True):
    """``auto`` names first, then aliases, then models by provider and name."""

    models: tuple[ModelRow, ...]
