"""Health probes: listing models costs nothing; a tiny completion only when configured."""

import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.errors import OurError, ProviderError
from actors.messages.chat import ChatRequest, Message, ModelInfo
from actors.messages.provider import Attempt, Failure, ProbeResult
from actors.provider.call import UpstreamCall, is_simulated
from actors.provider.discretion import discreet_failure
from actors.provider.settings import ProviderSettings, ProviderTools
from actors.runtime import Backend, TaskHandle
from actors.wire.base import failure_of

UNLISTED = frozenset({404, 405, 501})
"""Servers without a models list answer so: they are there, and that was the question."""

PROBE_TIMEOUT_S = 30.0

log = structlog.get_logger()


class _Listing(Struct, frozen=True):
    """What came of asking for the models list."""

    models: tuple[ModelInfo, ...] = ()
    failure: Failure | None = None
    simulated: bool = False
    listed: bool = False


async def probe_models(
    settings: ProviderSettings, tools: ProviderTools, backend: Backend
) -> ProbeResult:
    """List the provider's models; anything but a refusal or silence is healthy."""
    started = backend.now()
    try:
        listing = await _list_models(settings, tools)
    except ProviderError as error:
        listing = _Listing(failure=failure_of(error))
    except OurError as error:
        listing = _Listing(failure=_ours(error.message))
    except Exception as error:
        log.exception("probe_bug", provider=settings.name)
        listing = _Listing(failure=_ours(type(error).__name__))
    return ProbeResult(
        provider=settings.name,
        healthy=listing.failure is None,
        at=tools.utc(),
        latency_s=backend.now() - started,
        probe="models",
        failure=discreet_failure(listing.failure, settings.endpoint.api_key),
        models=listing.models,
        listed=listing.listed,
        simulated=settings.simulated or listing.simulated,
    )


def _ours(message: str) -> Failure:
    return Failure(failure="internal", message=message, owner="us", neutral=True)


async def _list_models(settings: ProviderSettings, tools: ProviderTools) -> _Listing:
    request = tools.dialect.encode_models(settings.endpoint)
    patience = min(PROBE_TIMEOUT_S, settings.timeouts.total_s)
    timeouts = replace(settings.timeouts, total_s=patience)
    async with tools.transport.send(request, timeouts, stream=False) as response:
        body = await response.read()
        head, simulated = response.head, is_simulated(response)
        if 200 <= head.status < 300:
            models = tools.dialect.decode_models(head, body)
            return _Listing(models, simulated=simulated, listed=True)
        if head.status in UNLISTED:
            return _Listing(simulated=simulated)
        failure = tools.dialect.decode_error(head, body, tools.utc())
        return _Listing(failure=failure, simulated=simulated)


async def probe_completion(
    settings: ProviderSettings,
    tools: ProviderTools,
    backend: Backend,
    model: str,
    task: TaskHandle,
) -> ProbeResult:
    """Ask for a few tokens. It costs money, and its outcome says how much.

    ``task`` is the task this runs in, which the call's deadline cancels.
    """
    attempt = Attempt(
        attempt_id=tools.new_id(),
        request_id=tools.new_id(),
        model=model,
        request=ChatRequest(
            messages=(Message(role="user", content="ping"),), max_tokens=16
        ),
        deadline=backend.now() + PROBE_TIMEOUT_S,
    )
    call = UpstreamCall(attempt, settings, tools, backend)
    call.task = task
    outcome = await call.run()
    return ProbeResult(
        provider=settings.name,
        healthy=outcome.failure is None,
        at=tools.utc(),
        latency_s=outcome.latency_s,
        probe="completion",
        failure=outcome.failure,
        outcome=outcome,
        simulated=outcome.simulated,
    )


def judged_for(result: ProbeResult, model: str | None) -> ProbeResult:
    """The probe as an answer to "is this model there?".

    A list that does not hold the model makes it unhealthy, for whoever asked; the
    provider itself is as healthy as before. An empty list says nothing.
    """
    names = {each.id for each in result.models}
    if model is None or not result.healthy or not names or model in names:
        return result
    missing = Failure(
        failure="model_not_found",
        message=f"{result.provider} does not list a model {model}",
        owner="caller",
        neutral=True,
    )
    return replace(result, healthy=False, failure=missing)
