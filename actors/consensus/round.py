"""One round, from its question to its verdict and its record."""

from dataclasses import replace
from decimal import Decimal

import anyio
import structlog

from actors.consensus.ballots import ballots
from actors.consensus.conclusion import as_written, shown_answers, voted
from actors.consensus.course import Course, course_of
from actors.consensus.delivery import Delivery
from actors.consensus.desk import Desk
from actors.consensus.likeness import Comparison, left_of
from actors.consensus.members import Asked, Members
from actors.consensus.messages import StartRound
from actors.consensus.missed import no_quorum
from actors.consensus.outcome import RoundEnd, Verdict
from actors.consensus.settings import WRITING_SHARE
from actors.consensus.standins import StandIns
from actors.consensus.telling import Telling
from actors.consensus.verdict import Count, count_answers, question_of
from actors.consensus.writing import Writing, judge_answers, write_answer
from actors.errors import (
    RESTART_S,
    Cancelled,
    GitBridgeError,
    InternalError,
    Interrupted,
)
from actors.messages.consensus import ConsensusAsk, ConsensusMethod
from actors.messages.routing import ErrorInfo, RouteResult
from actors.policy.voting.methods import Evidence
from actors.runtime import Backend, Future

log = structlog.get_logger(actor="consensus")

SETTLING_S = 0.5
"""How long cancelled members are waited for, to learn what they cost."""

_WRITING_PART = Decimal(str(WRITING_SHARE))
Names = tuple[str, ...]

_WRITTEN = frozenset({"judge", "synthesis"})


class Round:
    """Carries one round. ``run`` never raises, except when the actor is stopped."""

    def __init__(self, desk: Desk, start: StartRound, backend: Backend) -> None:
        self._desk = desk
        self._start = start
        self._request = request = start.request
        self._ask = request.consensus or ConsensusAsk()
        self._backend = backend
        self._began = backend.now()
        self._at = desk.tools.utc()
        limit_s = desk.settings.deadline_s
        self._deadline = self._began + min(request.deadline_s or limit_s, limit_s)
        self._question = question_of(request.chat.messages)
        self._decision_id = desk.tools.new_id()
        self._told = told = Telling(
            desk.tools.notices, request, self._decision_id, self._question
        )
        self._members = members = Members(
            desk.tools.router.route, request, desk.tools.new_id, told.asked, self._ended
        )
        self._delivery = Delivery(start, members, self._decision_id)
        self._stand_ins = StandIns(
            desk, self._ask, members, request.task_type, told.absent
        )
        self._names: tuple[str, ...] = ()
        self._course = Course(steps=())
        self._step = 0
        self._judge = ""  # or chair, where there may be one
        self._woken: Future[None] | None = None
        self._writing: Writing | None = None
        self._comparison = Comparison(desk, request, backend)
        self._stopped: GitBridgeError | None = None

    # ---- from outside

    def cancel(self, *, interrupted: bool) -> None:
        self._stopped = (
            _interrupted()
            if interrupted
            else Cancelled("the caller cancelled the request")
        )
        self._stop_all(interrupted=interrupted)
        self._wake_up()

    def _stop_all(self, *, interrupted: bool = False) -> None:
        self._members.stop(interrupted=interrupted)
        self._comparison.cancel(interrupted=interrupted)
        if self._writing is not None:
            self._writing.cancel(interrupted=interrupted)

    async def run(self) -> RouteResult | ErrorInfo:
        try:
            verdict: Verdict | GitBridgeError = await self._decided()
        except GitBridgeError as error:
            verdict = error
        except anyio.get_cancelled_exc_class():
            self._stop_all(interrupted=True)
            self._end(_interrupted())
            raise
        except Exception:
            log.exception("consensus_bug", request_id=self._request.request_id)
            verdict = InternalError("the daemon failed on this request; see its log")
        self._told.decided(verdict)
        self._stop_all()
        await self._settle()
        return self._end(verdict)

    # ---- the steps

    async def _decided(self) -> Verdict:
        desk, ask = self._desk, self._ask
        self._names = desk.members(ask)
        method = desk.method(ask)
        quorum = desk.quorum(ask, len(self._names))
        if self._may_write(method):
            self._judge = desk.judge(ask, self._names, self._request.task_type)
        evidence = desk.evidence(self._names, self._request.task_type)
        self._told.began(method, self._names, quorum, self._deadline - self._began)
        self._course = course_of(
            desk, method, self._names, self._request.task_type, quorum
        )
        early = await self._hear(method, quorum, evidence)
        if early:
            self._told.stopped_early(self._names, self._members)
        if self._stopped is not None:
            raise self._stopped
        answered = self._members.answered()
        if len(answered) < quorum:
            raise no_quorum(self._members.asked, quorum)
        voters = [name for name, _ in answered]
        evidence = self._course.weigh(evidence, self._step, voters)
        count = await self._compared(method, evidence)
        if self._wants_writing(method, count):
            verdict = await self._written(method, count, evidence)
        else:
            verdict = self._voted(method, count, evidence, early=early)
        said = self._comparison.said
        return replace(verdict, rule=f"{said}; {verdict.rule}") if said else verdict

    async def _compared(self, method: ConsensusMethod, evidence: Evidence) -> Count:
        """The answers, put together by all rules there are."""
        answers = self._members.answered()
        count = await self._comparison.joined(
            count_answers(answers, self._question),
            answers,
            evidence,
            left_s=self._until(method) - self._backend.now(),
            left_usd=left_of(self._for_members(method), self._members.asked),
        )
        if self._stopped is not None:
            raise self._stopped
        return count

    async def _hear(
        self, method: ConsensusMethod, quorum: int, evidence: Evidence
    ) -> bool:
        """Ask, step by step where the method does; wait until enough was said.

        Returns:
            Whether that was before everybody had been heard.
        """
        steps = self._course.steps
        until = self._until(method)
        for number, step in enumerate(steps):
            if number and self._backend.now() >= until:
                break  # nobody is asked, and paid, who could not answer in time
            self._step = number
            later = tuple(name for each in steps[number + 1 :] for name in each)
            left_s = max(0.001, until - self._backend.now())
            self._members.ask(step, deadline_s=left_s, budget=self._share(method))
            while self._still_heard(until, later, method):
                await self._wait(until)
                if self._stopped is not None:
                    return False
                if self._enough(method, quorum, evidence, later):
                    return bool(self._members.open or later)
        return False

    def _until(self, method: ConsensusMethod) -> float:
        """When members have to have answered, so that somebody may write after them."""
        writing = WRITING_SHARE if self._may_write(method) else 0.0
        return self._deadline - writing * (self._deadline - self._began)

    def _still_heard(self, until: float, later: Names, method: ConsensusMethod) -> bool:
        """Whether anybody is to be waited for; asks for who failed when all were."""
        left_s = until - self._backend.now()
        if left_s <= 0.0:
            return False
        if not later:
            span_s = until - self._began
            share = self._share(method)
            self._stand_ins.fill(left_s=left_s, span_s=span_s, share=share)
        return self._members.open > 0

    def _enough(
        self, method: ConsensusMethod, quorum: int, evidence: Evidence, later: Names
    ) -> bool:
        """Whether nobody else need be heard; answers are only counted where it may be."""
        answers = self._members.answered()
        if method not in {"quorum", "cascade"} or len(answers) < quorum:
            return False
        if method == "cascade" and self._members.open:
            return False
        waiting = (*self._members.waiting(), *later)
        count = count_answers(answers, self._question)
        known = self._course.weigh(evidence, self._step, [name for name, _ in answers])
        return self._course.ends(count, known, waiting)

    def _may_write(self, method: ConsensusMethod) -> bool:
        return method in _WRITTEN or (method == "auto" and self._has_judge())

    def _wants_writing(self, method: ConsensusMethod, count: Count) -> bool:
        if method in _WRITTEN:
            return len(count.groups) > 1
        free = count.grouping.kind == "text" and len(count.groups) > 1
        return free and method == "auto" and self._has_judge()

    def _has_judge(self) -> bool:
        return (self._ask.judge or self._desk.settings.judge) is not None

    def _share(self, method: ConsensusMethod) -> Decimal | None:
        """What each member may cost: an equal part of what the round may."""
        budget = self._for_members(method)
        return None if budget is None else budget / Decimal(len(self._names))

    def _for_members(self, method: ConsensusMethod) -> Decimal | None:
        """What of the budget is not kept for a judge or chair."""
        budget = self._request.budget_usd
        if budget is None or not self._may_write(method):
            return budget
        return budget * (1 - _WRITING_PART)

    # ---- how it is decided

    def _voted(
        self, method: ConsensusMethod, count: Count, evidence: Evidence, *, early: bool
    ) -> Verdict:
        return voted(
            method,
            count,
            self._members.answered(),
            evidence,
            plan=self._course.shown,
            early=early,
        )

    async def _written(
        self, method: ConsensusMethod, count: Count, evidence: Evidence
    ) -> Verdict:
        """Ask a judge, or have a chair write; the votes' verdict if that fails."""
        answers = self._members.answered()
        budget = self._request.budget_usd
        shown = shown_answers(count, answers, evidence)
        self._writing = writing = Writing(
            self._desk,
            self._start,
            self._backend,
            model=self._judge,
            question=self._question,
            answers=[(member, answer.content or "") for member, answer in shown],
            deadline=self._deadline,
            budget=None if budget is None else budget * _WRITING_PART,
            on_start=self._delivery.begins,
        )
        self._told.writing(method, self._judge)
        if method == "synthesis":
            written = await write_answer(writing)
        else:
            written = await judge_answers(writing)
        if self._stopped is not None:
            raise self._stopped
        base = self._voted(method, count, evidence, early=False)
        if written is None:
            return replace(base, rule=f"{writing.trouble}; {base.rule}")
        return as_written(
            base, written, shown, writer=writing.model, ballots=len(answers)
        )

    # ---- waiting

    async def _wait(self, until: float) -> None:
        """Until a member ends, the time is over, or somebody cancels."""
        self._woken = self._backend.future()
        timer = self._backend.call_later(
            max(0.0, until - self._backend.now()), self._wake_up
        )
        try:
            await self._woken
        finally:
            timer.cancel()
            self._woken = None

    def _ended(self, asked: Asked) -> None:
        self._told.ended(asked, self._members)
        self._wake_up()

    def _wake_up(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def _settle(self) -> None:
        """Give cancelled members a moment to say what they cost."""
        until = self._backend.now() + SETTLING_S
        while self._members.open and self._backend.now() < until:
            await self._wait(until)

    # ---- the end

    def _end(self, verdict: Verdict | GitBridgeError) -> RouteResult | ErrorInfo:
        writing = self._writing
        end = RoundEnd(
            desk=self._desk,
            request=self._request,
            decision_id=self._decision_id,
            at=self._at,
            latency_s=self._backend.now() - self._began,
            verdict=verdict,
            asked=self._members.asked,
            ballots=ballots(self._members.asked, verdict, self._prior),
            written=(
                *self._comparison.replies,
                *(() if writing is None else writing.replies),
            ),
        )
        end.write()
        reply = end.reply()
        if isinstance(reply, RouteResult) and not (writing and writing.streamed):
            self._delivery.whole(reply)
        return reply

    def _prior(self, member: str) -> float | None:
        return self._desk.prior(member, self._request.task_type)


def _interrupted() -> Interrupted:
    return Interrupted("the daemon stopped before the verdict", retry_after_s=RESTART_S)
