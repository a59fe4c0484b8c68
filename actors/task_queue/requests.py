"""Tasks of kind ``request``: ask, check the answer, and see to it that it is right."""

from collections.abc import Callable, Sequence

import anyio
import msgspec
from msgspec.structs import replace

from actors.errors import GitBridgeError
from actors.messages.routing import (
    ErrorInfo,
    RouteRef,
    RouteRequest,
    RouteResult,
    error_info,
)
from actors.messages.tasks import Performed, Task
from actors.messages.work import AnswerCheck, Check, RequestOutcome, RequestWork
from actors.policy.tasks.checks import fault, json_text
from actors.policy.tasks.remedies import Elsewhere, Repair, next_remedy

CANCEL_S = 5.0
"""How long an upstream call that was cancelled may take to be written down."""

MAX_ANSWERS = 8
"""No more answers than this are paid for in one attempt."""


class AnswerFailed(Exception):
    """Raised when an attempt came to an error that the router or a check has told."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info.message)
        self.info = info


class RequestPerformer:
    """A ``Performer``.

    Args:
        router: Takes requests, rounds of consensus too.
        providers: Who may be asked for a request, the preferred first.
        checks: Holds answers against schemas and patterns.
        new_id: Makes request ids.
        utc: Epoch seconds.
    """

    def __init__(
        self,
        router: RouteRef,
        providers: Callable[[RouteRequest], Sequence[str]],
        checks: AnswerCheck,
        new_id: Callable[[], str],
        utc: Callable[[], float],
    ) -> None:
        self._router = router
        self._providers = providers
        self._checks = checks
        self._new_id = new_id
        self._utc = utc

    async def perform(self, task: Task, tell: Callable[[str], None]) -> Performed:
        """See ``Performer``."""
        work = msgspec.msgpack.decode(task.spec.payload, type=RequestWork)
        asked = first = work.request
        refused: list[str] = []
        tried: set[str] = set()
        repaired = not work.check.repair
        for _ in range(MAX_ANSWERS):
            result = await self._ask(asked, task)
            wrong = await self._fault(work.check, result)
            if wrong is None:
                outcome = RequestOutcome(result=result, refused=tuple(refused))
                return Performed(result=msgspec.msgpack.encode(outcome))
            refused.append(f"{result.provider}: {wrong}")
            tried.add(result.provider)
            remedy = next_remedy(
                first,
                result,
                wrong,
                repaired=repaired,
                tried=tried,
                providers=self._providers(first),
            )
            if remedy is None:
                break
            asked = _following(first, remedy)
            repaired = repaired or isinstance(remedy, Repair)
            tell(f"{result.provider}: {wrong}; asking {asked.provider}")
        raise AnswerFailed(_unusable(refused))

    async def _fault(self, check: Check, result: RouteResult) -> str | None:
        found = fault(check, result)
        if found is None and check.pattern is not None:
            found = await self._checks.lacks(check.pattern, result.content or "")
        if found is None and check.schema is not None:
            found = await self._checks.mismatch(check.schema, json_text(result))
        return found

    async def _ask(self, request: RouteRequest, task: Task) -> RouteResult:
        request = replace(
            request,
            request_id=self._new_id(),
            durable=True,
            priority=task.spec.priority,
            deadline_s=self._time_left(request, task),
            metadata={**request.metadata, "task_id": task.task_id},
            thread=task.spec.thread_id,
        )
        ends: list[RouteResult | ErrorInfo] = []
        over = anyio.Event()

        def end(outcome: RouteResult | ErrorInfo) -> None:
            ends.append(outcome)
            over.set()

        handle = self._router.route(request)
        handle.begin(end)
        try:
            await over.wait()
        except anyio.get_cancelled_exc_class():
            handle.cancel()
            with anyio.move_on_after(CANCEL_S, shield=True):
                await over.wait()
            raise
        outcome = ends[0]
        if isinstance(outcome, ErrorInfo):
            raise AnswerFailed(outcome)
        return outcome

    def _time_left(self, request: RouteRequest, task: Task) -> float | None:
        if task.spec.deadline_at is None:
            return request.deadline_s
        left = max(0.001, task.spec.deadline_at - self._utc())
        return left if request.deadline_s is None else min(left, request.deadline_s)


def _following(first: RouteRequest, remedy: Repair | Elsewhere) -> RouteRequest:
    if isinstance(remedy, Repair):
        return remedy.request
    return replace(first, provider=remedy.provider)


def _unusable(refused: Sequence[str]) -> ErrorInfo:
    return ErrorInfo(
        kind="provider_error",
        message="no answer was as it was wanted: " + "; ".join(refused),
        owner="provider",
        retryable=False,
    )


def info_of(error: GitBridgeError | AnswerFailed) -> ErrorInfo:
    """How an attempt failed, as data."""
    return error.info if isinstance(error, AnswerFailed) else error_info(error)
