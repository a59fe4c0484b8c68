"""What all requests here share: the calls under way, what is kept, what is counted."""

from decimal import Decimal

import anyio
import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.messages.reuse import Reused
from actors.messages.routing import (
    Decision,
    ErrorInfo,
    RequestRecord,
    RouteRequest,
    RouteResult,
)
from actors.policy.reuse import (
    Kept,
    read_kept,
    told_why,
    worth_keeping,
    write_kept,
)
from actors.policy.tokens import prompt_chars
from actors.response_cache.settings import REPEAT_TTL_S, CacheSettings, CacheTools
from actors.response_cache.shared import SharedCall

MESSAGE_LIMIT = 500
"""Characters of an error's text that are written down."""

log = structlog.get_logger(actor="response_cache")


class Times(Struct, frozen=True, kw_only=True):
    """When a request came (UTC epoch seconds), and how long it took and waited."""

    at: float
    latency_s: float
    waited_s: float


class Desk:
    """Shared by all runs. ``settings`` may be replaced.

    Attributes:
        calls: Under way, by fingerprint.
        keyed: Under way, by idempotency key.
        misses: How many looked into the cache and found nothing.
    """

    def __init__(self, settings: CacheSettings, tools: CacheTools) -> None:
        self.settings = settings
        self.tools = tools
        self.calls: dict[bytes, SharedCall] = {}
        self.keyed: dict[bytes, SharedCall] = {}
        self.misses = 0

    def forget_calls(self) -> None:
        """Nobody waits for any of them."""
        self.calls.clear()
        self.keyed.clear()

    def new_call(
        self,
        request: RouteRequest,
        asked: bytes,
        key: bytes | None,
        *,
        keep: bool,
        ends_at: float,
    ) -> SharedCall:
        """A call that others who come later find."""
        call = SharedCall(
            request, asked, keep=keep, ends_at=ends_at, on_failed=self.drop
        )
        if keep:
            self.calls[asked] = call
        if key is not None:
            self.bind(key, call)
        return call

    def bind(self, key: bytes, call: SharedCall) -> None:
        """Whoever repeats this key gets what comes of this call."""
        call.keys.add(key)
        self.keyed[key] = call

    def drop(self, call: SharedCall) -> None:
        """Whoever comes later does not find this call any more."""
        if self.calls.get(call.asked) is call:
            del self.calls[call.asked]
        for key in call.keys:
            if self.keyed.get(key) is call:
                del self.keyed[key]

    # ---- what is kept

    async def find(self, asked: bytes) -> Kept | None:
        """The answer that was given to the same before, if it is young enough."""
        kept = read_kept(await self.tools.answers.get(asked))
        if kept is not None and self._fresh(kept) and kept.result is not None:
            return kept
        self.misses += 1
        return None

    def _fresh(self, kept: Kept) -> bool:
        """Its time is over by the settings as they are now."""
        return self.tools.utc() - kept.at < self.settings.ttl_s

    async def find_repeated(self, key: bytes) -> Kept | None:
        """What is known of an idempotency key."""
        return read_kept(await self.tools.repeats.get(key))

    async def mark(self, call: SharedCall, key: bytes) -> None:
        """Write down that it begins: whoever comes after a ``kill -9`` knows of it."""
        begun = Kept(call.body, self.tools.utc(), request_id=call.request.request_id)
        written = write_kept(begun)
        assert written is not None
        await self.tools.repeats.put(key, written, REPEAT_TTL_S)

    async def settle(self, call: SharedCall) -> None:
        """Keep what came of it; only then is it found no more."""
        if call.going:
            return
        if call.settled is not None:
            await call.settled.wait()
            return
        call.settled = anyio.Event()
        try:
            if isinstance(call.outcome, RouteResult):
                await self._keep(call, call.outcome)
            else:
                await self._forget(call)
        finally:
            self.drop(call)
            call.settled.set()

    async def _forget(self, call: SharedCall) -> None:
        for key in tuple(call.keys):
            if self.keyed.get(key) in {call, None}:  # else it is another's by now
                await self.tools.repeats.put(key, b"", 0.0)

    async def _keep(self, call: SharedCall, result: RouteResult) -> None:
        tools = self.tools
        written = write_kept(Kept(call.asked, tools.utc(), result))
        if written is None:
            log.warning("answer_not_kept", request_id=result.request_id)
            await self._forget(call)
            return
        if call.keep and worth_keeping(result):
            await tools.answers.put(call.asked, written, self.settings.ttl_s)
        for key in tuple(call.keys):
            await self._keep_repeat(key, Kept(call.body, tools.utc(), result))

    async def keep_repeated(
        self, key: bytes, kept: Kept, request: RouteRequest
    ) -> None:
        """An answer from the cache is the answer of this key from now on."""
        call = SharedCall(request, kept.asked, keep=False, on_failed=self.drop)
        call.outcome = kept.result
        self.bind(key, call)  # for who comes before it is written
        try:
            await self._keep_repeat(key, replace(kept, asked=call.body))
        finally:
            self.drop(call)

    async def _keep_repeat(self, key: bytes, kept: Kept) -> None:
        written = write_kept(kept)
        if written is not None:
            await self.tools.repeats.put(key, written, REPEAT_TTL_S)

    # ---- what is written down

    def _decide(self, decision_id: str, reused: Reused | None) -> Decision:
        """Nobody was ranked."""
        strategy, weights = self.tools.strategy()
        return Decision(
            decision_id=decision_id,
            strategy=strategy,
            weights=weights,
            candidates=(),
            reason=told_why(reused) if reused else "ended before it was ranked",
        )

    def write(
        self,
        request: RouteRequest,
        decision_id: str,
        reused: Reused | None,
        outcome: RouteResult | ErrorInfo,
        times: Times,
    ) -> None:
        """One request that was given another's answer, or none."""
        record = _record(request, self._decide(decision_id, reused), outcome, times)
        record = replace(record, reused=reused)
        try:
            self.tools.spool.append(record)
        except OSError as error:
            # The answer leaves all the same; the spool raises the condition itself.
            log.error(  # noqa: TRY400 - the system's words say it all
                "record_not_written", request_id=record.request_id, error=str(error)
            )
        self.tools.on_record(record)


def _record(
    request: RouteRequest,
    decision: Decision,
    outcome: RouteResult | ErrorInfo,
    times: Times,
) -> RequestRecord:
    result = outcome if isinstance(outcome, RouteResult) else None
    error = outcome if isinstance(outcome, ErrorInfo) else None
    return RequestRecord(
        request_id=request.request_id,
        at=times.at,
        door=request.door,
        decision=decision,
        attempts=(),
        outcome="ok" if error is None else error.kind,
        requested_model=request.model,
        provider=result.provider if result else None,
        model=result.model if result else None,
        task_type=request.task_type,
        user=request.user,
        stream=request.stream,
        latency_s=times.latency_s,
        overhead_s=max(0.0, times.latency_s - times.waited_s),
        time_to_first_token_s=result.time_to_first_token_s if result else None,
        cost_usd=Decimal(0),
        cost_source="free",
        prompt_chars=prompt_chars(request.chat),
        finish_reason=result.finish_reason if result else None,
        error_message=error.message[:MESSAGE_LIMIT] if error else None,
        simulated=outcome.simulated,
        metadata=request.metadata,
        parent_id=request.parent_id,
        thread=request.thread,
    )
