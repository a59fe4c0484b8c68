"""The one table of methods: params, result, permission; and what serves them.

Server, client, HTTP routes, CLI help and docs derive from ``METHODS``. A method that is
not in the table does not exist.
"""

from collections.abc import Callable, Collection, Mapping
from typing import (
    Annotated,
    Final,
    Literal,
    Protocol,
)

from msgspec import Meta, Struct, structs

from actors.errors import InvalidRequest
from actors.messages.ledger import UsageGrouping
from actors.messages.notices import Topic
from actors.messages.provider import DeltaSink
from actors.messages.rounds import RoundsReport
from actors.messages.routing import (
    Door,
    RouteHandle,
    RouteRequest,
    StartSink,
)
from actors.messages.whatif import WhatIf
from ipc import (
    control,
    events,
    feedback,
    fields,
    results,
    rounds,
    subscribing,
    tasks,
    threads,
    whatif,
)
from ipc.embedding import EmbedParams, EmbedReply
from ipc.explanation import ExplainParams, Explanation
from ipc.listing import ModelsResult
from ipc.route import ConsensusParams, RouteParams, parse_strategy

Tier = Literal["user", "admin"]


class NoParams(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to say."""


class HelloParams(Struct, frozen=True, forbid_unknown_fields=True):
    """Optional courtesy of a client: who it is and which protocol it speaks."""

    client: str | None = None
    version: str | None = None
    protocol: int | None = None


class CancelParams(Struct, frozen=True, forbid_unknown_fields=True):
    """The id of the request to cancel, on this same connection."""

    id: int | str | None


class HistoryParams(Struct, frozen=True, forbid_unknown_fields=True):
    """``cursor`` comes from the page before."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 20
    cursor: str | None = None


class UsageParams(Struct, frozen=True, forbid_unknown_fields=True):
    """``since``: UTC epoch seconds, an ISO 8601 date or time, or an age (``7d``)."""

    since: float | str | None = None
    by: UsageGrouping = "provider"


class StrategySetParams(Struct, frozen=True, forbid_unknown_fields=True):
    """A strategy by any of its spellings; ``reset`` drops the override instead."""

    strategy: str | None = None
    reset: bool = False

    def __post_init__(self) -> None:
        if self.strategy is not None:
            structs.force_setattr(self, "strategy", parse_strategy(self.strategy))
        if (self.strategy is None) is not self.reset:
            raise fields.wrong("strategy", self.strategy, "either a strategy or reset")


Weight = Annotated[float, Meta(ge=0, le=1e9)]


class WeightsSetParams(Struct, frozen=True, forbid_unknown_fields=True):
    """A weight that is left out stays as it is; ``reset`` drops the override instead."""

    cost: Weight | None = None
    performance: Weight | None = None
    availability: Weight | None = None
    reset: bool = False

    def __post_init__(self) -> None:
        given = (self.cost, self.performance, self.availability)
        if all(weight is None for weight in given) is not self.reset:
            raise fields.wrong("cost", self.cost, "either weights or reset")


class HealthCheckParams(Struct, frozen=True, forbid_unknown_fields=True):
    """All providers when none is named. ``retries`` back off exponentially."""

    provider: str | None = None
    model: str | None = None
    max_latency_s: Annotated[float, Meta(gt=0)] | None = None
    retries: Annotated[int, Meta(ge=0, le=10)] = 0


class Method(Struct, frozen=True, kw_only=True):
    """One row of the table.

    ``reading`` methods change nothing: HTTP serves them as ``GET /api/<name>`` too.
    ``permission`` is the tier a caller needs.
    """

    name: str
    params: type[Struct]
    result: type[Struct]
    summary: str
    permission: Tier = "user"
    reading: bool = False


class Peer(Struct, frozen=True, kw_only=True):
    """Who is on the other side of a connection, as far as the kernel or a token says."""

    door: Door
    tier: Tier = "user"
    uid: int | None = None
    gid: int | None = None
    pid: int | None = None
    user: str | None = None

    def may(self, method: Method) -> bool:
        return method.permission == "user" or self.tier == "admin"


class Service(Protocol):
    """What stands behind every door."""

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None,
        on_start: StartSink | None = None,
    ) -> RouteHandle:
        """Take a request in.

        Raises:
            GitBridgeError: It is not taken (draining).
        """

    def new_id(self) -> str:
        """A new request id."""

    def listen(
        self,
        topics: Collection[Topic],
        on_news: Callable[[], object],
        peer: Peer,
        *,
        about: str | None = None,
    ) -> subscribing.Listening:
        """Hold for this peer what it may know; ``on_news`` may only schedule.

        ``about`` is the id of the only request to be told of.
        """

    async def call(self, method: str, params: object, peer: Peer) -> object:
        """Serve all methods but the routed ones, ``hello``, ``subscribe``, ``cancel``.

        ``params`` is the method's params Struct, permission has been checked.

        Raises:
            GitBridgeError: It cannot be done.
        """


_TABLE: Final = (
    Method(
        name="hello",
        params=HelloParams,
        result=results.HelloResult,
        summary="Who answers, which protocol, which methods.",
    ),
    Method(
        name="route",
        params=RouteParams,
        result=results.RouteReply,
        summary="Send a request to the provider that suits it best.",
    ),
    Method(
        name="consensus",
        params=ConsensusParams,
        result=results.RouteReply,
        summary="Ask several models, compare what they say, and decide.",
    ),
    Method(
        name="embed",
        params=EmbedParams,
        result=EmbedReply,
        summary="Turn texts into vectors of one named model.",
    ),
    Method(
        name="cancel",
        params=CancelParams,
        result=results.CancelResult,
        summary="Cancel a request in flight on this connection.",
    ),
    Method(
        name="status",
        params=NoParams,
        result=results.StatusResult,
        summary="The daemon and its providers at a glance.",
        reading=True,
    ),
    Method(
        name="providers",
        params=NoParams,
        result=results.ProvidersResult,
        summary="Every provider and model as the router sees it.",
        reading=True,
    ),
    Method(
        name="models",
        params=NoParams,
        result=ModelsResult,
        summary="Everything that can be asked for, with prices, sizes and abilities.",
        reading=True,
    ),
    Method(
        name="metrics",
        params=NoParams,
        result=results.MetricsResult,
        summary="Rolling and total figures of every provider.",
        reading=True,
    ),
    Method(
        name="history",
        params=HistoryParams,
        result=results.HistoryResult,
        summary="Past requests, newest first.",
        reading=True,
    ),
    Method(
        name="explain",
        params=ExplainParams,
        result=Explanation,
        summary="Why a request went where it went.",
        reading=True,
    ),
    Method(
        name="usage",
        params=UsageParams,
        result=results.UsageResult,
        summary="Tokens and money, grouped.",
        reading=True,
    ),
    Method(
        name="feedback",
        params=feedback.FeedbackParams,
        result=feedback.FeedbackResult,
        summary="Say how good the answer of a decision was.",
    ),
    Method(
        name="events.publish",
        params=events.PublishParams,
        result=events.PublishResult,
        summary="Tell what happened, for the rules to judge and the queue to keep.",
    ),
    Method(
        name="whatif",
        params=whatif.WhatIfParams,
        result=WhatIf,
        summary="What another strategy would have cost and taken, on recorded requests.",
        reading=True,
    ),
    Method(
        name="consensus.report",
        params=rounds.RoundsParams,
        result=RoundsReport,
        summary="Who is right when members disagree, and what rounds bought and cost.",
        reading=True,
    ),
    Method(
        name="subscribe",
        params=subscribing.SubscribeParams,
        result=subscribing.NoticeParams,
        summary="Be told what happens, as notifications, until cancelled.",
    ),
    Method(
        name="strategy.get",
        params=NoParams,
        result=results.StrategyResult,
        summary="The strategy and weights in force.",
        reading=True,
    ),
    Method(
        name="strategy.set",
        params=StrategySetParams,
        result=results.StrategyResult,
        summary="Change the strategy, kept over a restart.",
        permission="admin",
    ),
    Method(
        name="weights.set",
        params=WeightsSetParams,
        result=results.StrategyResult,
        summary="Change the weights of the hybrid strategy, kept over a restart.",
        permission="admin",
    ),
    Method(
        name="health.check",
        params=HealthCheckParams,
        result=results.HealthResult,
        summary="Probe providers now.",
    ),
    Method(
        name="reload",
        params=NoParams,
        result=control.ReloadResult,
        summary="Read the configuration again and switch to it, or change nothing.",
        permission="admin",
    ),
    Method(
        name="drain",
        params=NoParams,
        result=control.DrainResult,
        summary="Take no more requests, finish those in flight, and end.",
        permission="admin",
    ),
)

_TASKS: Final = tuple(
    Method(
        name=f"tasks.{row.name}",
        params=row.params,
        result=row.result,
        summary=row.summary,
        reading=row.reading,
    )
    for row in tasks.ROWS
)

_THREADS: Final = tuple(
    Method(
        name=f"threads.{row.name}",
        params=row.params,
        result=row.result,
        summary=row.summary,
        reading=True,
    )
    for row in threads.ROWS
)

METHODS: Final[Mapping[str, Method]] = {
    method.name: method for method in (*_TABLE, *_TASKS, *_THREADS)
}


def unknown_method(name: str) -> InvalidRequest:
    """The error for a method that is not in the table, with the nearest that is."""
    shown = fields.shown(name)
    return InvalidRequest(
        f"there is no method {shown}{fields.nearest(name, METHODS.keys())}",
        field="method",
        got=shown,
        wanted="one of " + ", ".join(METHODS),
    )
