"""A stream that broke when the caller had a part of it, and the calls that go on.

What the caller has is remembered. Another call goes on from its end, where the model is
known to take the beginning of an answer, and otherwise begins anew; ``policy.splice``
checks that it fits. A tool call is never taken up in the middle, and reasoning not at
all: that of a second answer is left out.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from actors.errors import Cancelled, DeadlineExceeded, GitBridgeError, Interrupted
from actors.messages.chat import ChatRequest, ContinuesAs, Delta, Message, Usage
from actors.messages.lifecycle import StateKeeper
from actors.messages.provider import Failure, Outcome
from actors.messages.routing import Target
from actors.policy.endings import error_of
from actors.policy.splice import Continuation, DivergedError, Restart, Splice

REFUSED_KEY = "router-refused-prefixes"
MAX_REFUSED = 1024
BYTES_PER_TOKEN = 4
MIN_TOKENS_LEFT = 16


class RefusedPrefixes:
    """Models that were found not to go on from a given beginning. Kept over restarts."""

    def __init__(self, keeper: StateKeeper) -> None:
        self._keeper = keeper
        self._targets: dict[tuple[str, str], None] = {}

    def load(self) -> None:
        """Take back what was kept.

        Raises:
            msgspec.DecodeError: What was kept cannot be read.
        """
        kept = self._keeper.load(REFUSED_KEY)
        if kept is not None:
            known = msgspec.msgpack.decode(kept, type=list[tuple[str, str]])
            self._targets = dict.fromkeys(known)

    def add(self, target: Target) -> None:
        if len(self._targets) >= MAX_REFUSED:
            del self._targets[next(iter(self._targets))]
        self._targets[target.provider, target.model] = None
        self._keeper.save(REFUSED_KEY, msgspec.msgpack.encode(list(self._targets)))

    def __contains__(self, target: Target) -> bool:
        return (target.provider, target.model) in self._targets


class Takeover:
    """One call that goes on: what of its answer is new to the caller.

    Attributes:
        diverged: Why it does not fit, once that has been seen.
    """

    def __init__(
        self, splice: Splice, pass_on: Callable[[Delta], None], stop: Callable[[], None]
    ) -> None:
        self._splice = splice
        self._pass_on = pass_on
        self._stop = stop
        self._model: str | None = None  # who answers, until the caller is told
        self.diverged: str | None = None

    def take(self, delta: Delta) -> None:
        """The sink of the call."""
        if self.diverged is not None:
            return
        self._model = delta.model or self._model
        try:
            new = self._new(delta)
        except DivergedError as error:
            self.diverged = str(error)
            self._stop()
            return
        if new or delta.tool_calls:
            self._tell(Delta(new or None, tool_calls=delta.tool_calls))

    def _tell(self, delta: Delta) -> None:
        if self._model is not None:
            delta, self._model = replace(delta, model=self._model), None
        self._pass_on(delta)

    def _new(self, delta: Delta) -> str:
        if delta.refusal:
            raise DivergedError("the model refuses to go on")
        new = self._splice.feed(delta.content) if delta.content else ""
        return new + self._splice.finish() if delta.tool_calls else new

    def finish(self) -> None:
        """The answer is whole: hand on what was held back, or see that it is none."""
        if self.diverged is not None:
            return
        try:
            new = self._splice.finish()
        except DivergedError as error:
            self.diverged = str(error)
            return
        if new:
            self._tell(Delta(new))


class Resumption:
    """What the caller of one stream has, and what it cost so far.

    Attributes:
        broken: The outcome in which the stream broke first.
    """

    def __init__(self, refused: RefusedPrefixes) -> None:
        self._refused = refused
        self._told: list[str] = []
        self._thoughts: list[str] = []
        self._sealed = False  # what was told last cannot be taken up
        self._used: list[Usage] = []
        self.broken: Outcome | None = None

    def heard(self, delta: Delta) -> None:
        """The caller has this piece."""
        if delta.content:
            self._told.append(delta.content)
        if delta.reasoning:
            self._thoughts.append(delta.reasoning)
        self._sealed |= bool(delta.tool_calls or delta.refusal)

    def broke(self, outcome: Outcome) -> bool:
        """A call of which the caller has a part has failed; whether another may go on."""
        self.broken = self.broken or outcome
        self._used.append(outcome.usage)
        return not self._sealed

    def way(self, target: Target, known: ContinuesAs | None) -> ContinuesAs:
        """How that model is to go on; ``known`` is what its provider says."""
        nothing = not "".join(self._told).strip()
        if known is None or nothing or target in self._refused:
            return "none"
        return known

    def splice(self, way: ContinuesAs) -> Splice:
        told = "".join(self._told)
        if way == "none":
            return Restart(told)
        return Continuation(told, echoed=way == "echoed")

    def request(self, chat: ChatRequest, way: ContinuesAs) -> ChatRequest:
        """What is asked: the whole answer again, or what follows."""
        if way == "none":
            return chat
        told = "".join(self._told)
        left = chat.max_tokens
        if left is not None:
            said = len(told.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN
            left = max(MIN_TOKENS_LEFT, left - said)
        beginning = Message("assistant", told.rstrip())
        return replace(
            chat,
            messages=(*chat.messages, beginning),
            max_tokens=left,
            continues=True,
        )

    def judged(
        self, outcome: Outcome, target: Target, way: ContinuesAs, diverged: str | None
    ) -> Outcome:
        """The outcome of a call that was to go on, as the retry rules should see it.

        A refusal to go on from a beginning is remembered, and no reason to end: the
        model may still answer anew. An answer that does not fit is not asked for again.
        """
        failure = outcome.failure
        if diverged is not None:
            if way != "none":
                self._refused.add(target)
            return _unfit(outcome, diverged, again=way != "none")
        if failure is None or way == "none" or failure.failure != "bad_request":
            return outcome
        self._refused.add(target)
        return _unfit(outcome, failure.message, again=True)

    def whole(self, outcome: Outcome) -> Outcome:
        """The last part's outcome as that of the whole answer."""
        completion = outcome.completion
        if completion is None or not self._used:
            return outcome
        usage = added([*self._used, completion.usage])
        whole = replace(
            completion,
            content="".join(self._told),
            reasoning="".join(self._thoughts) or None,
            usage=usage,
        )
        return replace(outcome, completion=whole, usage=usage)

    def shown(self, error: GitBridgeError) -> GitBridgeError:
        """The error of a stream that nobody went on with: that of the break."""
        broken = self.broken
        keeps = isinstance(error, DeadlineExceeded | Cancelled | Interrupted)
        if broken is None or broken.failure is None or keeps:
            return error
        return error_of(broken.failure, broken.provider)


def _unfit(outcome: Outcome, why: str, *, again: bool) -> Outcome:
    failure = Failure(
        failure="bad_response",
        message=why,
        owner="provider",
        status=outcome.failure.status if outcome.failure else None,
        neutral=True,
        should_retry=None if again else False,
    )
    return replace(outcome, completion=None, failure=failure, emitted=False)


def added(parts: Iterable[Usage]) -> Usage:
    """The usage of an answer that came in parts; unknown where one of them is."""
    known = list(parts)

    def total(name: str) -> int | None:
        counts = [getattr(part, name) for part in known]
        return None if None in counts else sum(counts)

    def some(name: str) -> int | None:
        counts = [getattr(part, name) for part in known]
        said = [count for count in counts if count is not None]
        return sum(said) if said else None

    money = [part.reported_cost_usd for part in known]
    return Usage(
        prompt_tokens=total("prompt_tokens"),
        completion_tokens=total("completion_tokens"),
        cached_tokens=some("cached_tokens"),
        cache_write_tokens=some("cache_write_tokens"),
        cache_write_1h_tokens=some("cache_write_1h_tokens"),
        reasoning_tokens=some("reasoning_tokens"),
        total_tokens=total("total_tokens"),
        reported_cost_usd=None
        if None in money
        else sum((cost for cost in money if cost is not None), Decimal(0)),
    )
