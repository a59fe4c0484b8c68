"""Comparing texts that no other rule put together by their embeddings, where configured.

One text of each group is turned into a vector, all in one request within what is left of
the round's money and time. Whatever goes wrong with that is said, and leaves the groups
as they are: the next rule decides.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from actors.consensus.desk import Desk
from actors.consensus.members import Asked, cost_of
from actors.consensus.verdict import Answers, Count, join_groups, representative
from actors.messages.chat import ChatRequest, EmbedAsk
from actors.messages.routing import ErrorInfo, RouteHandle, RouteRequest, RouteResult
from actors.policy.compare.clusters import AnswerKind
from actors.policy.compare.lexical import same_facts
from actors.policy.compare.likeness import cluster
from actors.policy.compare.normalise import normalise
from actors.policy.voting.methods import Evidence
from actors.runtime import Backend, Future

_KINDS: Final[frozenset[AnswerKind]] = frozenset({"short_text", "text"})


class Comparison:
    """Of one round; every reply is kept, for the bill.

    Attributes:
        replies: Empty where nobody was asked.
        said: What came of it, for the verdict's rule; empty where it was not wanted.
    """

    def __init__(self, desk: Desk, request: RouteRequest, backend: Backend) -> None:
        settings = desk.settings
        self._desk = desk
        self._request = request
        self._backend = backend
        self._model = settings.embeddings or ""
        self._threshold = settings.embeddings_threshold
        self._handle: RouteHandle | None = None
        self.replies: list[RouteResult | ErrorInfo | None] = []
        self.said = ""

    def cancel(self, *, interrupted: bool) -> None:
        if self._handle is not None and self.replies == [None]:
            self._handle.cancel(interrupted=interrupted)

    async def joined(
        self,
        count: Count,
        answers: Answers,
        evidence: Evidence,
        *,
        left_s: float,
        left_usd: Decimal | None,
    ) -> Count:
        """The groups, with those in one that are alike.

        Args:
            count: What the other rules made of the answers.
            answers: All of them.
            evidence: Whose wording stands for a group.
            left_s: Time that this may take.
            left_usd: What it may cost; ``None`` is anything.
        """
        if not self._wanted(count):
            return count
        self.said = _short_of(left_s, left_usd)
        if self.said:
            return count
        places = [representative(group, answers, evidence) for group in count.groups]
        texts = [answers[place][1].content or "" for place in places]
        reply = await self._ask(texts, left_s, left_usd)
        if isinstance(reply, ErrorInfo):
            self.said = f"no embeddings: {reply.kind}: {reply.message}"[:200]
            return count
        return self._compared(count, texts, reply.vectors)

    def _wanted(self, count: Count) -> bool:
        few = len(count.groups) < 2
        return bool(self._model) and count.grouping.kind in _KINDS and not few

    def _compared(
        self, count: Count, texts: Sequence[str], vectors: Sequence[bytes]
    ) -> Count:
        words = [normalise(text) for text in texts]
        short = count.grouping.kind == "short_text"
        found = cluster(
            vectors,
            self._threshold,
            lambda one, other: not short or same_facts(words[one], words[other]),
        )
        by = f"embedding {self._model}"
        if len(found.clusters) == len(texts):
            closest = (
                "" if found.closest is None else f", the closest {found.closest:.2f}"
            )
            self.said = f"{by}: none alike{closest}, wanted {self._threshold:g}"
            return count
        least = min(each for each in found.least if each is not None)
        self.said = f"{by}: {len(texts)} answers are {len(found.clusters)}, alike by {least:.2f} or more"
        return join_groups(count, found)

    async def _ask(
        self, texts: Sequence[str], left_s: float, left_usd: Decimal | None
    ) -> RouteResult | ErrorInfo:
        base = self._request
        request = replace(
            base,
            request_id=self._desk.tools.new_id(),
            chat=ChatRequest(
                messages=(), embed=EmbedAsk(inputs=tuple(texts), base64=True)
            ),
            model=self._model,
            provider=None,
            stream=False,
            stream_mode=None,
            deadline_s=left_s,
            budget_usd=left_usd,
            consensus=None,
            parent_id=base.request_id,
            door="internal",
        )
        return await self._routed(request)

    async def _routed(self, request: RouteRequest) -> RouteResult | ErrorInfo:
        ended: Future[RouteResult | ErrorInfo] = self._backend.future()
        self.replies = [None]

        def end(reply: RouteResult | ErrorInfo) -> None:
            self.replies = [reply]
            if not ended.done():
                ended.set_result(reply)

        self._handle = self._desk.tools.router.route(request)
        self._handle.begin(end)
        return await ended


def left_of(budget: Decimal | None, asked: Sequence[Asked]) -> Decimal | None:
    """What members have left of a budget; none of it where one's cost is not known."""
    if budget is None:
        return None
    for each in asked:
        cost = None if each.reply is None else cost_of(each.reply)
        if cost is None:
            return Decimal(0)
        budget -= cost
    return budget


def _short_of(left_s: float, left_usd: Decimal | None) -> str:
    if left_s <= 0.0:
        return "no embeddings: no time is left"
    if left_usd is not None and left_usd <= 0:
        return "no embeddings: none of the budget is known to be left"
    return ""
