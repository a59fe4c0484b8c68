"""What one upstream call cost, whichever way it ended."""

from decimal import Decimal

from actors.messages.chat import Completion, Usage
from actors.messages.provider import Attempt, CostSource, Failure
from actors.policy.pricing import PriceBook, settle_cost
from actors.policy.tokens import estimate_prompt_tokens
from actors.provider.settings import ProviderSettings
from actors.wire.base import StreamDecoder

BYTES_PER_TOKEN = 4
"""For billing streams that ended before their usage came; see ``policy.tokens``."""


def bill(
    attempt: Attempt,
    settings: ProviderSettings,
    prices: PriceBook,
    *,
    reached: bool,
    completion: Completion | None,
    failure: Failure | None,
    decoder: StreamDecoder | None,
) -> tuple[Usage, Decimal | None, CostSource]:
    """Usage, US dollars and where that figure comes from.

    Calls that never reached the provider and calls it refused with an error status
    cost nothing. A stream that ended before its usage is billed by estimate: the
    provider charges for what it generated, whether or not anybody read it. A call that
    reached the provider and came to nothing else has an unknown cost.
    """
    if failure is not None and (not reached or (failure.status or 0) >= 400):
        return Usage(), Decimal(0), "free"
    usage = completion.usage if completion else Usage()
    estimated = False
    if completion is None and decoder is not None:
        usage = decoder.usage
    if usage.completion_tokens is None and decoder is not None:
        usage, estimated = _estimated(attempt, settings.kind, usage, decoder), True
    cost, source = settle_cost(
        usage,
        prices,
        provider=settings.name,
        kind=settings.kind,
        answered_model=completion.model if completion else None,
        requested_model=attempt.model,
    )
    if estimated and cost is not None:
        source = "estimated"
    return usage, cost, source


def _estimated(
    attempt: Attempt, kind: str, seen: Usage, decoder: StreamDecoder
) -> Usage:
    prompt = seen.prompt_tokens
    if prompt is None:
        prompt = estimate_prompt_tokens(attempt.request, kind)
    completion = -(-decoder.text_bytes // BYTES_PER_TOKEN)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=seen.cached_tokens,
        cache_write_tokens=seen.cache_write_tokens,
        total_tokens=prompt + completion,
    )
