"""Tells how a round goes, to whoever listens; makes nothing while nobody does."""

from collections.abc import Sequence
from typing import TypedDict

from actors.consensus.ballots import MESSAGE_LIMIT
from actors.consensus.members import Asked, Members
from actors.consensus.outcome import Verdict
from actors.consensus.verdict import count_answers
from actors.errors import GitBridgeError
from actors.messages.consensus import ConsensusMethod
from actors.messages.notices import NoticeBoard
from actors.messages.progress import (
    ANSWER_CHARS,
    MemberAbsent,
    MemberAnswered,
    MemberAsked,
    MemberFailed,
    Progress,
    RoundBegan,
    RoundDecided,
    RoundFailed,
    RoundStoppedEarly,
    WritingBegan,
)
from actors.messages.routing import ErrorInfo, RouteRequest, RouteResult


class _Whose(TypedDict):
    request_id: str
    decision_id: str
    user: str | None


class Telling:
    """Of one round.

    Args:
        board: Where it is told.
        request: What was asked, and by whom.
        decision_id: That of the round.
        question: The text of it, which says how answers are read.
    """

    def __init__(
        self, board: NoticeBoard, request: RouteRequest, decision_id: str, question: str
    ) -> None:
        self._board = board
        self._request = request
        self._question = question
        self._whose = _Whose(
            request_id=request.request_id, decision_id=decision_id, user=request.user
        )

    @property
    def _wanted(self) -> bool:
        return self._board.wants("consensus")

    def _tell(self, name: str, body: Progress) -> None:
        self._board.tell("consensus", name, body)

    def began(
        self,
        method: ConsensusMethod,
        members: tuple[str, ...],
        quorum: int,
        deadline_s: float,
    ) -> None:
        if self._wanted:
            body = RoundBegan(
                method=method,
                members=members,
                quorum=quorum,
                deadline_s=deadline_s,
                budget_usd=self._request.budget_usd,
                **self._whose,
            )
            self._tell("round_began", body)

    def asked(self, asked: Asked) -> None:
        if self._wanted:
            body = MemberAsked(
                member=asked.member, replaces=asked.replaces, **self._whose
            )
            self._tell("member_asked", body)

    def ended(self, asked: Asked, members: Members) -> None:
        """A member has: with a ballot, or without one. Not one that was cancelled."""
        if asked.cancelled or not self._wanted:
            return
        answer = asked.answered
        if answer is None:
            self._tell("member_failed", self._failure(asked))
        else:
            self._tell("member_answered", self._ballot(asked, answer, members))

    def _failure(self, asked: Asked) -> MemberFailed:
        reply = asked.reply
        failed = reply if isinstance(reply, ErrorInfo) else None
        return MemberFailed(
            member=asked.member,
            error=None if failed is None else failed.kind,
            message="an empty answer"
            if failed is None
            else failed.message[:MESSAGE_LIMIT],
            **self._whose,
        )

    def _ballot(
        self, asked: Asked, answer: RouteResult, members: Members
    ) -> MemberAnswered:
        answers = members.answered()
        count = count_answers(answers, self._question)
        place = [name for name, _ in answers].index(asked.member)
        reading = count.grouping.readings[place]
        group: tuple[str, ...] = next(
            (each for each in count.groups if asked.member in each), ()
        )
        return MemberAnswered(
            member=asked.member,
            kind=count.grouping.kind,
            rule=None if reading is None else reading.rule,
            answer=None if reading is None else reading.shown[:ANSWER_CHARS],
            agrees_with=tuple(name for name in group if name != asked.member),
            latency_s=answer.latency_s,
            cost_usd=answer.cost_usd,
            **self._whose,
        )

    def absent(self, asked: Asked) -> None:
        if self._wanted and asked.absent is not None:
            body = MemberAbsent(member=asked.member, reason=asked.absent, **self._whose)
            self._tell("member_absent", body)

    def stopped_early(self, names: Sequence[str], members: Members) -> None:
        """``names`` is everybody who might have been asked."""
        if self._wanted:
            asked = {each.member for each in members.asked}
            body = RoundStoppedEarly(
                cancelled=tuple(
                    each.member for each in members.asked if each.reply is None
                ),
                not_asked=tuple(name for name in names if name not in asked),
                **self._whose,
            )
            self._tell("round_stopped_early", body)

    def writing(self, method: ConsensusMethod, model: str) -> None:
        if self._wanted:
            body = WritingBegan(method=method, model=model, **self._whose)
            self._tell("writing_began", body)

    def decided(self, verdict: Verdict | GitBridgeError) -> None:
        if not self._wanted:
            return
        if isinstance(verdict, GitBridgeError):
            failed = RoundFailed(
                error=verdict.kind,
                message=verdict.message[:MESSAGE_LIMIT],
                **self._whose,
            )
            self._tell("round_failed", failed)
            return
        winner = verdict.winner
        body = RoundDecided(
            method=verdict.method,
            kind=verdict.count.grouping.kind,
            rule=verdict.rule,
            agreement=verdict.agreement,
            confidence=verdict.confidence,
            members=() if winner is None else verdict.count.groups[winner],
            judge=verdict.judge,
            **self._whose,
        )
        self._tell("round_decided", body)
