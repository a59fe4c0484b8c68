"""The client without an event loop, for scripts: the sync face of ``ipc.client``.

>>> with Client() as daemon:
...     reply = daemon.route("Say hello.", strategy="cost")
...     with daemon.stream("Tell me a story.") as answer:
...         for piece in answer:
...             print(piece.content or "", end="")
...     print(answer.result.cost_usd)

The same methods, errors and reconnects, one call at a time.
"""

import os
from collections.abc import Sequence
from typing import Self, TypeVar

from typing_extensions import override

from actors.messages.notices import TOPICS, Topic
from actors.messages.rounds import RoundsReport
from actors.messages.whatif import WhatIf
from ipc import results
from ipc.calls import DaemonUnreachable, details, strategy_set, typed, with_prompt
from ipc.connection import CONNECT_S, Connection, Stream, Subscription, connect
from ipc.control import DrainResult, ReloadResult
from ipc.explanation import Explanation
from ipc.feedback import FeedbackResult
from ipc.listing import ModelsResult
from ipc.results import RouteReply

__all__ = ["Client", "Connection", "DaemonUnreachable", "Stream", "connect", "details"]

T = TypeVar("T")


class RouteStream(Stream):
    """The pieces of an answer to ``route``."""

    @property
    @override
    def result(self) -> RouteReply:
        """The result, once the iteration is over; raises as ``Stream.result``."""
        return typed(super().result, RouteReply)


class Client:
    """The daemon, for programs without an event loop. Not for several threads.

    One call at a time: one that begins while a stream is still open cancels it. A
    connection that was lost while idle is made again.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]] | None = None,
        *,
        connect_timeout_s: float = CONNECT_S,
    ) -> None:
        """``paths``: sockets to try, in this order; by default where daemons listen."""
        self._paths = paths
        self._connect_timeout_s = connect_timeout_s
        self._connection: Connection | None = None
        self._stream: Stream | None = None

    def __enter__(self) -> Self:
        self._connected()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up: the daemon cancels what is still in flight."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def call(
        self, method: str, params: object = None, *, timeout_s: float | None = None
    ) -> object:
        """Call any method; see ``Connection.call``."""
        return self._connected().call(method, params, timeout_s=timeout_s)

    def route(
        self,
        prompt: str | None = None,
        *,
        timeout_s: float | None = None,
        **params: object,
    ) -> RouteReply:
        """Have a request answered; ``params`` are those of the method ``route``."""
        asked = with_prompt(prompt, params)
        return typed(self.call("route", asked, timeout_s=timeout_s), RouteReply)

    def consensus(
        self,
        prompt: str | None = None,
        *,
        timeout_s: float | None = None,
        **params: object,
    ) -> RouteReply:
        """Have several models answer; ``params`` are those of ``consensus``."""
        asked = with_prompt(prompt, params)
        return typed(self.call("consensus", asked, timeout_s=timeout_s), RouteReply)

    def stream(
        self,
        prompt: str | None = None,
        *,
        timeout_s: float | None = None,
        **params: object,
    ) -> RouteStream:
        """Have a request answered piece by piece; ``timeout_s`` bounds each silence."""
        asked = {"stream": True, **with_prompt(prompt, params)}
        stream = RouteStream(self._connected(), "route", asked, timeout_s)
        self._stream = stream
        return stream

    def subscribe(self, *topics: Topic, timeout_s: float | None = None) -> Subscription:
        """Be told what happens, of these topics or of all; see ``Subscription``."""
        asked = {"topics": topics or TOPICS}
        self._stream = Stream(self._connected(), "subscribe", asked, timeout_s)
        return Subscription(self._stream)

    def status(self) -> results.StatusResult:
        return self._read("status", results.StatusResult)

    def providers(self) -> results.ProvidersResult:
        return self._read("providers", results.ProvidersResult)

    def models(self) -> ModelsResult:
        return self._read("models", ModelsResult)

    def metrics(self) -> results.MetricsResult:
        return self._read("metrics", results.MetricsResult)

    def history(self, **params: object) -> results.HistoryResult:
        return self._read("history", results.HistoryResult, params)

    def explain(self, any_id: str, **params: object) -> Explanation:
        """Why a request went where it went; with ``all=True`` every candidate."""
        params = {"id": any_id, **params}
        return self._read("explain", Explanation, params)

    def feedback(
        self, decision_id: str, score: float, **more: object
    ) -> FeedbackResult:
        """Say how good that decision's answer was, from 0 to 1."""
        params = {"decision_id": decision_id, "score": score, **more}
        return self._read("feedback", FeedbackResult, params)

    def usage(self, **params: object) -> results.UsageResult:
        return self._read("usage", results.UsageResult, params)

    def whatif(self, **params: object) -> WhatIf:
        """What another strategy would have meant for recorded requests."""
        return self._read("whatif", WhatIf, params)

    def consensus_report(self, **params: object) -> RoundsReport:
        """Who is right when members disagree, and what rounds bought and cost."""
        return self._read("consensus.report", RoundsReport, params)

    def health(self, **params: object) -> results.HealthResult:
        return self._read("health.check", results.HealthResult, params)

    def strategy(self) -> results.StrategyResult:
        return self._read("strategy.get", results.StrategyResult)

    def set_strategy(self, strategy: str | None) -> results.StrategyResult:
        """Change the strategy, kept over a restart; ``None`` as configured again."""
        return self._read(
            "strategy.set", results.StrategyResult, strategy_set(strategy)
        )

    def reload(self) -> ReloadResult:
        """Have the configuration read again; see ``ipc.client.Client.reload``."""
        return self._read("reload", ReloadResult)

    def drain(self) -> DrainResult:
        """Have the daemon finish what is in flight, and end."""
        return self._read("drain", DrainResult)

    def _read(
        self, method: str, kind: type[T], params: dict[str, object] | None = None
    ) -> T:
        return typed(self.call(method, params), kind)

    def _connected(self) -> Connection:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        if self._connection is not None and self._connection.lost:
            self.close()
        if self._connection is None:
            self._connection = connect(self._paths, timeout_s=self._connect_timeout_s)
        return self._connection
