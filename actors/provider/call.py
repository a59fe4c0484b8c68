"""One upstream call: encode, send, decode, and always an ``Outcome`` at the end.

The call has one timer. Before the first content of a stream it stands for the
first-token deadline, afterwards for the idle one; the total deadline and the caller's
own bound both. Whoever stops a call says why first, so that the cancellation that
reaches the coroutine can be told from the actor being stopped itself.
"""

from collections.abc import Callable

import anyio
import structlog
from msgspec.structs import replace

from actors.errors import (
    CallerError,
    OurError,
    ProviderConnectionError,
    ProviderError,
)
from actors.messages.chat import Completion, Delta
from actors.messages.provider import Attempt, Failure, Outcome, RateLimits
from actors.provider.billing import bill
from actors.provider.discretion import discreet
from actors.provider.settings import ProviderSettings, ProviderTools
from actors.provider.stopping import StopReason, narrowed, stop_failure
from actors.runtime import Backend, TaskHandle, TimerHandle
from actors.wire.base import EncodedChat, Response, StreamDecoder, failure_of
from actors.wire.rate_limits import NOTHING, read_rate_limits

TAIL_S = 0.25
"""How long the end of the body is awaited after the terminal event: a connection whose
body was read to its end can be used again, a server that never ends it is left."""

ERROR_BODY_LIMIT = 64 * 1024

log = structlog.get_logger()


class UpstreamCall:
    """Makes one call. ``run`` never raises, except when the actor itself is stopped."""

    def __init__(
        self,
        attempt: Attempt,
        settings: ProviderSettings,
        tools: ProviderTools,
        backend: Backend,
        on_limits: Callable[[RateLimits], None] = lambda _: None,
    ) -> None:
        self._attempt = attempt
        self._on_limits = on_limits
        self._limits: RateLimits | None = None
        self._settings = settings
        self._tools = tools
        self._backend = backend
        self._timeouts = narrowed(settings.timeouts, attempt.timeouts)
        self._started = backend.now()
        self._last_byte = self._started
        self._first_token_at: float | None = None
        self._stopped: StopReason | None = None
        self._begun = False
        self._timer: TimerHandle | None = None
        self._decoder: StreamDecoder | None = None
        self._dropped: tuple[str, ...] = ()
        self._request_id: str | None = None
        self._simulated = settings.simulated
        self._reached = False
        self._called = True
        self.task: TaskHandle | None = None

    async def run(self) -> Outcome:
        completion: Completion | None = None
        failure: Failure | None = None
        self._begun = True
        self._arm()
        try:
            if self._stopped is None:
                completion = await self._perform()
            else:
                self._called = False
                failure = self._stop_failure(self._stopped)
        except anyio.get_cancelled_exc_class():
            if self._stopped is None:
                raise
            completion, failure = self._after_stop()
        except Exception as error:  # noqa: BLE001 - every failure becomes data
            failure = self._failure_of(error)
        finally:
            if self._timer is not None:
                self._timer.cancel()
        outcome = self._outcome(completion, failure)
        return discreet(outcome, self._settings.endpoint.api_key)

    def _failure_of(self, error: Exception) -> Failure:
        if isinstance(error, _Refused):
            return error.failure
        if isinstance(error, ProviderConnectionError):
            self._reached = error.sent
        if isinstance(error, ProviderError):
            return failure_of(error)
        if isinstance(error, CallerError):
            self._called = False  # this dialect cannot carry it; another one may
            return Failure(failure="bad_request", message=error.message, owner="caller")
        if isinstance(error, OurError):
            self._called = False  # we have no means to call: nothing was sent
            return _ours(error.message)
        # Our bug must neither look like theirs nor take the actor down.
        log.error("attempt_bug", provider=self._settings.name, exc_info=error)
        return _ours(f"{type(error).__name__} while talking to the provider")

    def stop(self, reason: StopReason) -> None:
        """End the call now; ``run`` returns an outcome that says why.

        A task that is cancelled before its first step never runs, and nobody would hear
        of its end: one that has not begun is left to see for itself that it was stopped.
        """
        if self._stopped is None and self.task is not None:
            self._stopped = reason
            if self._begun:
                self.task.cancel()

    # ---- the call

    async def _perform(self) -> Completion:
        attempt, dialect = self._attempt, self._tools.dialect
        streamed = attempt.sink is not None
        encoded = self._encoded(streamed=streamed)
        self._dropped = encoded.dropped
        self._reached = True  # from here on the provider may be working, and billing
        async with self._tools.transport.send(
            encoded.http, self._timeouts, stream=streamed
        ) as response:
            self._last_byte = self._backend.now()
            self._request_id = _provider_request_id(response)
            self._simulated |= is_simulated(response)
            self._hear(response)
            if not 200 <= response.head.status < 300:
                raise _Refused(await self._read_error(response))
            if streamed:
                return await self._read_stream(response)
            if attempt.request.embed is not None:
                body = await response.read()
                return dialect.decode_embeddings(response.head, body, attempt.request)
            return dialect.decode_chat(response.head, await response.read())

    def _encoded(self, *, streamed: bool) -> EncodedChat:
        attempt, dialect = self._attempt, self._tools.dialect
        endpoint, model, request = (
            self._settings.endpoint,
            attempt.model,
            attempt.request,
        )
        if request.embed is not None:
            return dialect.encode_embeddings(endpoint, model, request)
        return dialect.encode_chat(endpoint, model, request, stream=streamed)

    def _hear(self, response: Response) -> None:
        """Told at once: a stream's end may be minutes away."""
        limits = read_rate_limits(response.head.headers, self._tools.utc())
        if limits is not NOTHING:
            self._limits = limits
            self._on_limits(limits)

    async def _read_error(self, response: Response) -> Failure:
        body = b""
        try:
            async for chunk in response.chunks():
                body += chunk
                if len(body) > ERROR_BODY_LIMIT:
                    break
        except ProviderError:  # the status says enough
            pass
        return self._tools.dialect.decode_error(
            response.head, body[:ERROR_BODY_LIMIT], self._tools.utc()
        )

    async def _read_stream(self, response: Response) -> Completion:
        decoder = self._decoder = self._tools.dialect.stream_decoder(response.head)
        ended = False
        try:
            async for chunk in response.chunks():
                if ended:  # only the end of the body is still awaited
                    continue
                self._last_byte = self._backend.now()
                for delta in decoder.feed(chunk):
                    self._emit(delta)
                ended = decoder.done
                if ended:
                    self._rearm(TAIL_S)
        except ProviderError:
            if not ended:
                raise
        return decoder.finish()

    def _emit(self, delta: Delta) -> None:
        if self._first_token_at is None and _has_content(delta):
            self._first_token_at = self._last_byte
            if self._decoder is not None:
                delta = replace(delta, model=self._decoder.model)
        sink = self._attempt.sink
        if sink is not None:
            sink(delta)

    # ---- time

    def _limit(self) -> tuple[float, StopReason]:
        """The next moment at which the call is over, and what it would be called."""
        at, reason = self._started + self._timeouts.total_s, "total"
        limits: list[tuple[float, StopReason]] = [
            (at, "total"),
            (self._attempt.deadline, "deadline"),
        ]
        if self._decoder is not None and self._decoder.done:
            limits.append((self._last_byte + TAIL_S, "tail"))
        elif self._attempt.sink is not None:
            limits.append(self._silence_limit())
        at, reason = min(limits)
        return at, reason

    def _silence_limit(self) -> tuple[float, StopReason]:
        if self._first_token_at is None:
            return self._started + self._first_token_s(), "first_token"
        return self._last_byte + self._timeouts.idle_s, "idle"

    def _first_token_s(self) -> float:
        own, asked = self._timeouts.first_token_s, self._attempt.first_token_s
        return own if asked is None else min(own, asked)

    def _arm(self) -> None:
        at, _ = self._limit()
        self._rearm(max(0.0, at - self._backend.now()))

    def _rearm(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._backend.call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        # Bytes move the idle deadline without touching the timer: it looks again here.
        at, reason = self._limit()
        if self._backend.now() >= at:
            self.stop(reason)
        else:
            self._arm()

    def _after_stop(self) -> tuple[Completion | None, Failure | None]:
        decoder = self._decoder
        if self._stopped == "tail" and decoder is not None:
            try:
                return decoder.finish(), None
            except ProviderError as error:
                return None, failure_of(error)
        return None, self._stop_failure(self._stopped or "cancelled")

    def _stop_failure(self, reason: StopReason) -> Failure:
        silent = self._attempt.sink is not None and self._first_token_at is None
        allowed_s = {
            "first_token": self._first_token_s(),
            "idle": self._timeouts.idle_s,
        }.get(reason, self._timeouts.total_s)
        return stop_failure(reason, allowed_s, silent=silent)

    # ---- the end

    def _outcome(
        self, completion: Completion | None, failure: Failure | None
    ) -> Outcome:
        now, attempt = self._backend.now(), self._attempt
        usage, cost, source = bill(
            attempt,
            self._settings,
            self._tools.prices,
            reached=self._reached,
            completion=completion,
            failure=failure,
            decoder=self._decoder,
        )
        first = self._first_token_at
        return Outcome(
            attempt_id=attempt.attempt_id,
            provider=self._settings.name,
            model=attempt.model,
            latency_s=now - self._started,
            completion=completion,
            failure=failure,
            time_to_first_token_s=None if first is None else first - self._started,
            usage=usage,
            cost_usd=cost,
            cost_source=source,
            called=self._called,
            emitted=first is not None,
            dropped=self._dropped,
            provider_request_id=self._request_id,
            rate_limits=self._limits,
            simulated=self._simulated,
        )


class _Refused(Exception):
    """Raised when the provider answered with an error status."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def _has_content(delta: Delta) -> bool:
    return bool(delta.content or delta.reasoning or delta.refusal or delta.tool_calls)


SIMULATED_HEADER = "x-simulated"


def is_simulated(response: Response) -> bool:
    """Pretend providers say that they are, wherever they were configured."""
    return SIMULATED_HEADER in response.head.headers


REQUEST_ID_HEADERS = (
    "x-request-id",
    "request-id",
    "mistral-correlation-id",
    "x-ds-trace-id",  # DeepSeek
    "x-generation-id",  # OpenRouter
    "apim-request-id",  # Azure
    "inference-id",  # Cerebras
)


def _provider_request_id(response: Response) -> str | None:
    for name in REQUEST_ID_HEADERS:
        value = response.head.headers.get(name)
        if value is not None:
            return value[:128]
    return None


def _ours(message: str) -> Failure:
    return Failure(failure="internal", message=message, owner="us", neutral=True)
