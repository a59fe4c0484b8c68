"""One request that may be given another's answer."""

import math

import anyio
import structlog
from msgspec.structs import replace

from actors.errors import (
    RESTART_S,
    Cancelled,
    DeadlineExceeded,
    GitBridgeError,
    InternalError,
    Interrupted,
)
from actors.messages.reuse import Reused, ReuseKind
from actors.messages.routing import (
    PRIORITIES,
    ErrorInfo,
    RouteResult,
    error_info,
)
from actors.policy.reuse import (
    Kept,
    body_print,
    cache_use,
    fingerprint,
    given_again,
    own_failure,
    repeat_key,
    same_as_before,
)
from actors.response_cache.desk import Desk, Times
from actors.response_cache.messages import StartAnswer
from actors.response_cache.shared import SharedCall
from actors.response_cache.waiter import Waiter
from actors.runtime import Backend

ENOUGH_OF_OUR_TIME = 0.9
"""A call is joined that has this share of our own time left, or more: requests with one
deadline that come at about the same time share one."""

log = structlog.get_logger(actor="response_cache")


class CachedRun:
    """Carries one request. ``run`` never raises, except when the actor is stopped."""

    def __init__(self, desk: Desk, start: StartAnswer, backend: Backend) -> None:
        self._desk = desk
        self._start = start
        self._request = request = start.request
        self._backend = backend
        self._started = backend.now()
        self._at = desk.tools.utc()
        settings = desk.settings
        longest = settings.deadline_s
        self._limit_s = min(request.deadline_s or longest, longest)
        self._ends_at = self._started + (request.deadline_s or math.inf)
        self._use = cache_use(request, enabled=settings.enabled)
        self._asked = fingerprint(request, settings.scope, shared=settings.shared)
        name = request.idempotency_key
        self._key = None if name is None else repeat_key(request.user, name)
        self._decision_id = desk.tools.new_id()
        self._call: SharedCall | None = None
        self._waiter: Waiter | None = None
        self._stopped: GitBridgeError | None = None
        self._waited_s = 0.0

    # ---- from outside

    def cancel(self, *, interrupted: bool) -> None:
        """The caller waits no longer."""
        self._stopped = (
            _interrupted()
            if interrupted
            else Cancelled("the caller cancelled the request")
        )
        self._leave(self._stopped, interrupted=interrupted)

    async def run(self) -> RouteResult | ErrorInfo:
        try:
            return await self._answered()
        except GitBridgeError as error:
            return self._failed(error_info(error), None)
        except anyio.get_cancelled_exc_class():
            self._leave(_interrupted(), interrupted=True)
            raise
        except Exception:
            log.exception("request_bug", request_id=self._request.request_id)
            bug = InternalError("the daemon failed on this request; see its log")
            self._leave(bug, interrupted=False)
            return self._failed(error_info(bug), None)

    async def settle(self) -> None:
        """Keep what came of it, once the caller has its answer."""
        if self._call is not None:
            await self._desk.settle(self._call)

    # ---- the steps

    async def _answered(self) -> RouteResult | ErrorInfo:
        kept = await self._kept()
        if kept is not None:
            return kept
        while True:
            if self._stopped is not None:
                raise self._stopped
            call = self._under_way()
            if call is None:
                return await self._lead()
            outcome = await self._follow(call)
            if outcome is not None:
                return outcome

    async def _kept(self) -> RouteResult | None:
        """What was answered before: to this key, or to the same question.

        The key is looked up last: whoever began under it meanwhile is either found at
        work, or cannot have written its answer before we were told that there is none.
        """
        desk, key = self._desk, self._key
        if key in desk.keyed:
            return None
        found, repeated = await self._found(), None
        if key is not None:
            repeated = await desk.find_repeated(key)
            if key in desk.keyed:
                return None
            if repeated is not None and self._answers(repeated, found):
                found = repeated
            elif found is not None:
                await desk.keep_repeated(key, found, self._request)
        if found is None or found.result is None:
            return None
        kind: ReuseKind = "cached" if found is not repeated else "repeated"
        return self._give(kind, found.result, found.at)

    async def _found(self) -> Kept | None:
        """What is in the cache; there is no need to look while it is being asked."""
        if self._use != "on" or self._joinable() is not None:
            return None
        return await self._desk.find(self._asked)

    def _answers(self, repeated: Kept, found: Kept | None) -> bool:
        """Whether the key has an answer already.

        It had only begun when a daemon was killed: then it is asked anew.
        """
        self._check(repeated.asked)
        if repeated.result is None and found is None:
            self._tell_unsure(repeated)
        return repeated.result is not None

    def _tell_unsure(self, begun: Kept) -> None:
        log.warning(
            "repeat_unsure",
            request_id=self._request.request_id,
            first_request_id=begun.request_id,
            began_at=begun.at,
        )

    def _check(self, asked: bytes) -> None:
        body = body_print(self._request)
        same_as_before(self._request.idempotency_key or "", asked, body)

    def _under_way(self) -> SharedCall | None:
        """A call that will answer this request as well."""
        desk = self._desk
        if self._key is not None and self._key in desk.keyed:
            call = desk.keyed[self._key]
            self._check(call.body)
            return call
        found = self._joinable() if self._use == "on" else None
        if found is not None and self._key is not None:
            desk.bind(self._key, found)
        return found

    def _joinable(self) -> SharedCall | None:
        """Somebody else's call for the same, unless it would serve us worse than our own.

        So would one that may well end before we may, or that waits behind others whom
        we would go before.
        """
        found = self._desk.calls.get(self._asked)
        if found is None:
            return None
        now = self._backend.now()
        if found.ends_at - now < (self._ends_at - now) * ENOUGH_OF_OUR_TIME:
            return None
        rank = PRIORITIES.index
        behind = rank(found.request.priority) > rank(self._request.priority)
        return None if behind else found

    async def _lead(self) -> RouteResult | ErrorInfo:
        request = self._request
        if request.deadline_s is not None:
            left_s = request.deadline_s - (self._backend.now() - self._started)
            request = replace(request, deadline_s=max(0.001, left_s))
        call = self._desk.new_call(
            request,
            self._asked,
            self._key,
            keep=self._use != "off",
            ends_at=self._ends_at,
        )
        self._call = call
        self._waiter = waiter = Waiter(self._start, self._backend, None)
        call.join(waiter)
        if self._key is not None:
            await self._desk.mark(call, self._key)
        call.begin(self._desk.tools.routes)
        outcome = await waiter.over
        if isinstance(outcome, ErrorInfo) and not call.begun:
            return self._failed(outcome, None)
        return outcome

    async def _follow(self, call: SharedCall) -> RouteResult | ErrorInfo | None:
        """Wait for a call of somebody else; ``None``: look again."""
        self._call = call
        began = self._backend.now()
        self._waiter = waiter = Waiter(self._start, self._backend, self._decision_id)
        call.join(waiter)
        left_s = max(0.0, self._limit_s - (began - self._started))
        timer = self._backend.call_later(left_s, self._too_late)
        try:
            outcome = await waiter.over
        finally:
            timer.cancel()
            self._waited_s += self._backend.now() - began
        if isinstance(outcome, RouteResult):
            return self._give("joined", outcome, None)
        not_ours = own_failure(outcome) or call.emitted
        if call.outcome is outcome and not_ours and not waiter.given:
            return None
        joined = Reused(kind="joined", request_id=call.request.request_id)
        return self._failed(outcome, joined)

    def _too_late(self) -> None:
        error = DeadlineExceeded("the deadline passed before the answer came")
        self._leave(error, interrupted=False)

    def _leave(self, error: GitBridgeError, *, interrupted: bool) -> None:
        if self._call is not None and self._waiter is not None:
            self._call.leave(self._waiter, error, interrupted=interrupted)

    # ---- the end

    def _give(
        self, kind: ReuseKind, result: RouteResult, at: float | None
    ) -> RouteResult:
        """Another's answer, as this caller's."""
        age_s = None if at is None else max(0.0, self._desk.tools.utc() - at)
        reused = Reused(
            kind=kind,
            request_id=result.request_id,
            age_s=age_s,
            saved_usd=result.cost_usd,
        )
        waiter = self._waiter
        if waiter is None:  # nobody was waited for
            waiter = Waiter(self._start, self._backend, self._decision_id)
            waiter.tell(result)
        latency_s = self._backend.now() - self._started
        first_at = waiter.first_at
        given = given_again(
            result,
            self._request,
            decision_id=self._decision_id,
            latency_s=latency_s,
            overhead_s=max(0.0, latency_s - self._waited_s),
            first_token_s=None if first_at is None else first_at - self._started,
        )
        self._write(reused, given)
        return given

    def _failed(self, error: ErrorInfo, reused: Reused | None) -> ErrorInfo:
        told = replace(error, decision_id=self._decision_id, attempts=())
        self._write(reused, told)
        return told

    def _write(self, reused: Reused | None, outcome: RouteResult | ErrorInfo) -> None:
        times = Times(
            at=self._at,
            latency_s=self._backend.now() - self._started,
            waited_s=self._waited_s,
        )
        self._desk.write(self._request, self._decision_id, reused, outcome, times)


def _interrupted() -> Interrupted:
    return Interrupted("the daemon stopped before the answer", retry_after_s=RESTART_S)
