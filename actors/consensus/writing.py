"""Asking a judge for scores, or a chair for an answer, within what is left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from msgspec.structs import replace

from actors.consensus.desk import Desk
from actors.consensus.messages import StartRound
from actors.errors import ProviderError
from actors.messages.chat import ChatRequest, Delta, Message
from actors.messages.routing import (
    ErrorInfo,
    RouteHandle,
    RouteRequest,
    RouteResult,
    Started,
    StartSink,
)
from actors.policy.voting.judging import (
    CONTRIBUTIONS,
    chair_messages,
    judge_sheet,
    mean_scores,
    orders,
    read_scores,
    read_synthesis,
)
from actors.runtime import Backend, Future


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What came of it: a winner with its scores, or a new answer."""

    rule: str
    winner: int = 0
    scores: dict[int, float] = field(default_factory=dict)
    result: RouteResult | None = None
    contributed: dict[int, str] = field(default_factory=dict)


_HELD = len(CONTRIBUTIONS) + 4


class Writing:
    """Who writes, about what; every reply is kept, for the bill.

    ``answers`` are one of each group, with its member; ``budget`` is what all of it may
    cost, or ``None``. ``trouble`` says in words why nothing came of it; ``streamed``
    that the caller has a part of what was written.
    """

    def __init__(
        self,
        desk: Desk,
        start: StartRound,
        backend: Backend,
        *,
        model: str,
        question: str,
        answers: Sequence[tuple[str, str]],
        deadline: float,
        budget: Decimal | None,
        on_start: StartSink,
    ) -> None:
        self.desk = desk
        self.model = model
        self.question = question
        self.answers = answers
        self.replies: list[RouteResult | ErrorInfo | None] = []
        self.trouble = ""
        self.streamed = False
        self._start = start
        self._backend = backend
        self._deadline = deadline
        self._budget = budget
        self._on_start = on_start
        self._started: Started | None = None
        self._handles: list[RouteHandle] = []
        self._passing: _UpToMark | None = None

    @property
    def own(self) -> int | None:
        """The place of the writer's own answer, if it has one."""
        for place, (member, _) in enumerate(self.answers):
            if member == self.model:
                return place
        return None

    def cancel(self, *, interrupted: bool) -> None:
        for handle, reply in zip(self._handles, self.replies, strict=True):
            if reply is None:
                handle.cancel(interrupted=interrupted)

    def ask(
        self, messages: tuple[Message, ...], *, stream: bool = False, parts: int = 1
    ) -> Future[RouteResult | ErrorInfo]:
        """Send it, one of ``parts``; the future is answered however it ends."""
        request = self._start.request
        place = len(self.replies)
        self.replies.append(None)
        ended: Future[RouteResult | ErrorInfo] = self._backend.future()

        def end(reply: RouteResult | ErrorInfo) -> None:
            self.replies[place] = reply
            if not ended.done():
                ended.set_result(reply)

        self._passing = _UpToMark(self.pass_on) if stream else None
        handle = self.desk.tools.router.route(
            self._request(request, messages, stream=stream, parts=parts),
            self._passing,
            self._begins if stream else None,
        )
        self._handles.append(handle)
        handle.begin(end)
        return ended

    def _request(
        self,
        base: RouteRequest,
        messages: tuple[Message, ...],
        *,
        stream: bool,
        parts: int,
    ) -> RouteRequest:
        named = "/" in self.model
        return replace(
            base,
            request_id=self.desk.tools.new_id(),
            chat=ChatRequest(messages=messages),
            model=self.model if named else None,
            provider=None if named else self.model,
            stream=stream,
            stream_mode=base.stream_mode if stream else None,
            deadline_s=max(0.001, self._deadline - self._backend.now()),
            budget_usd=None if self._budget is None else self._budget / parts,
            consensus=None,
            parent_id=base.request_id,
            door="internal",
        )

    @property
    def streams(self) -> bool:
        """The caller wants to read along."""
        return self._start.sink is not None

    def flush(self) -> None:
        """The writer has ended: pass on what was held."""
        if self._passing is not None:
            self._passing.flush()

    def _begins(self, started: Started) -> None:
        """Kept until there is something to read: the writer may still come to nothing."""
        self._started = started

    def pass_on(self, text: str) -> None:
        if self._start.sink is None or not text:
            return
        if self._started is not None:
            started, self._started = self._started, None
            self._on_start(started)
        self.streamed = True
        self._start.sink(Delta(content=text))


class _UpToMark:
    """Passes a chair's answer on, without its account of who contributed what."""

    def __init__(self, pass_on: Callable[[str], None]) -> None:
        self._pass_on = pass_on
        self._held = ""
        self._over = False
        self._begun = False  # white space alone is nothing yet

    def __call__(self, delta: Delta) -> None:
        if self._over or not delta.content:
            return
        text = self._held + delta.content
        place = text.find(CONTRIBUTIONS)
        if place >= 0:
            self._over = True
            self._tell(text[:place].rstrip())
            return
        # What may be the beginning of the mark, or white space before it, waits.
        self._held = text[-_HELD:]
        self._tell(text[:-_HELD])

    def flush(self) -> None:
        if not self._over:
            self._over = True
            self._tell(self._held.rstrip())

    def _tell(self, text: str) -> None:
        text = text if self._begun else text.lstrip()
        self._begun |= bool(text)
        self._pass_on(text)


async def judge_answers(writing: Writing) -> Written | None:
    """Scores of every answer, from both orders; ``None`` says ``writing.trouble``."""
    texts = [text for _, text in writing.answers]
    draw = writing.desk.tools.draw
    sheets = [
        judge_sheet(writing.question, texts, order)
        for order in orders(len(texts), [draw() for _ in texts])
    ]
    asked = [writing.ask(sheet.messages, parts=len(sheets)) for sheet in sheets]
    readings = []
    for sheet, ended in zip(sheets, asked, strict=True):
        reply = await ended
        if isinstance(reply, ErrorInfo):
            writing.trouble = f"{writing.model} did not judge: {reply.kind}"
            continue
        scores = read_scores(sheet, reply.content or "")
        if scores is None:
            writing.trouble = f"{writing.model} gave no scores"
        else:
            readings.append(scores)
    if not readings:
        return None
    mean = mean_scores(readings, writing.own)
    first = {max(each, key=lambda place: each[place]) for each in readings}
    rule = f"judged by {writing.model} in {len(readings)} orders"
    if len(first) > 1:
        rule += ", which disagree about the first"
    return Written(
        rule=rule, winner=max(mean, key=lambda place: mean[place]), scores=mean
    )


async def write_answer(writing: Writing) -> Written | None:
    """The chair's answer; ``None`` says ``writing.trouble``.

    Raises:
        ProviderError: It broke off when the caller already had a part of it.
    """
    texts = [text for _, text in writing.answers]
    messages = chair_messages(writing.question, texts)
    reply = await writing.ask(messages, stream=writing.streams)
    if isinstance(reply, ErrorInfo) and writing.streamed:
        # No other answer can take the place of what the caller has read.
        raise ProviderError(
            f"{writing.model} broke off while it wrote: {reply.message}",
            retry_after_s=reply.retry_after_s,
            provider=reply.provider,
        )
    if isinstance(reply, ErrorInfo):
        writing.trouble = f"{writing.model} did not write: {reply.kind}"
        return None
    writing.flush()
    text, contributed = read_synthesis(reply.content or "", len(texts))
    if not text:
        writing.trouble = f"{writing.model} wrote nothing"
        return None
    return Written(
        rule=f"written by {writing.model} from {len(texts)} answers",
        result=replace(reply, content=text),
        contributed=contributed,
    )
