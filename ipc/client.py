"""The Python client: any number of calls at a time over one connection.

>>> async with Client() as daemon:
...     reply = await daemon.route("Say hello.", strategy="cost")
...     async with daemon.stream("Tell me a story.") as answer:
...         async for piece in answer:
...             print(piece.content or "", end="")
...     print(answer.result.cost_usd)

Errors are those of ``actors.errors``, by the daemon's ``kind``; ``details`` has their
attempts and decision id. Cancelling a task that waits for an answer cancels the
request. A connection that was lost while idle is made again; requests that were in flight
when it was lost fail with ``DaemonUnreachable`` and are not sent again, for they may have
been answered, and paid for.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Self, TypeVar, cast

from actors.errors import DeadlineExceeded
from actors.messages.notices import TOPICS, Topic
from actors.messages.rounds import RoundsReport
from actors.messages.whatif import WhatIf
from ipc import results
from ipc.calls import (
    DaemonUnreachable,
    details,
    strategy_set,
    typed,
    with_prompt,
)
from ipc.connection import CONNECT_S, open_socket
from ipc.control import DrainResult, ReloadResult
from ipc.explanation import Explanation
from ipc.feedback import FeedbackResult
from ipc.link import Link
from ipc.listing import ModelsResult
from ipc.results import RouteReply
from ipc.streaming import Stream, Subscription

__all__ = ["Client", "DaemonUnreachable", "Stream", "Subscription", "details"]

T = TypeVar("T")


class Client:
    """A connection to the daemon, made when it is first needed."""

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]] | None = None,
        *,
        connect_timeout_s: float = CONNECT_S,
    ) -> None:
        """``paths``: sockets to try, in this order; by default where daemons listen."""
        self._paths = paths
        self._connect_timeout_s = connect_timeout_s
        self._link: Link | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hang up: the daemon cancels what is still in flight."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
            await asyncio.shield(link.closed)

    async def call(
        self, method: str, params: object = None, *, timeout_s: float | None = None
    ) -> object:
        """Call any method; the result is the Struct that ``methods.METHODS`` promises.

        Args:
            method: A name from that table.
            params: Its params Struct, or a mapping.
            timeout_s: Longest wait; after it the request is cancelled.

        Raises:
            GitBridgeError: The daemon said so; the class says what.
            DeadlineExceeded: ``timeout_s`` passed.
            DaemonUnreachable: There is none, or it went away.
        """
        stream = Stream(self._connected, method, params)
        try:
            async with asyncio.timeout(timeout_s), stream:
                return await stream.wait()
        except TimeoutError:
            raise DeadlineExceeded(f"no answer after {timeout_s} s") from None

    async def route(
        self,
        prompt: str | None = None,
        *,
        timeout_s: float | None = None,
        **params: object,
    ) -> RouteReply:
        """Have a request answered; ``params`` are those of the method ``route``."""
        asked = with_prompt(prompt, params)
        return cast("RouteReply", await self.call("route", asked, timeout_s=timeout_s))

    async def consensus(
        self,
        prompt: str | None = None,
        *,
        timeout_s: float | None = None,
        **params: object,
    ) -> RouteReply:
        """Have several models answer; ``params`` are those of ``consensus``."""
        asked = with_prompt(prompt, params)
        reply = await self.call("consensus", asked, timeout_s=timeout_s)
        return cast("RouteReply", reply)

    def stream(self, prompt: str | None = None, **params: object) -> Stream:
        """Have a request answered piece by piece; see ``Stream``."""
        asked = with_prompt(prompt, params)
        return Stream(self._connected, "route", {"stream": True, **asked})

    def subscribe(self, *topics: Topic) -> Subscription:
        """Be told what happens, of these topics or of all; see ``Subscription``."""
        return Subscription(
            Stream(self._connected, "subscribe", {"topics": topics or TOPICS})
        )

    async def status(self) -> results.StatusResult:
        return await self._read("status", results.StatusResult)

    async def providers(self) -> results.ProvidersResult:
        return await self._read("providers", results.ProvidersResult)

    async def models(self) -> ModelsResult:
        return await self._read("models", ModelsResult)

    async def metrics(self) -> results.MetricsResult:
        return await self._read("metrics", results.MetricsResult)

    async def history(self, **params: object) -> results.HistoryResult:
        return await self._read("history", results.HistoryResult, params)

    async def explain(self, any_id: str, **params: object) -> Explanation:
        """Why a request went where it went; with ``all=True`` every candidate."""
        params = {"id": any_id, **params}
        return await self._read("explain", Explanation, params)

    async def usage(self, **params: object) -> results.UsageResult:
        return await self._read("usage", results.UsageResult, params)

    async def whatif(self, **params: object) -> WhatIf:
        """What another strategy would have meant for recorded requests."""
        return await self._read("whatif", WhatIf, params)

    async def consensus_report(self, **params: object) -> RoundsReport:
        return await self._read("consensus.report", RoundsReport, params)

    async def feedback(
        self, decision_id: str, score: float, **more: object
    ) -> FeedbackResult:
        """Say how good that decision's answer was, from 0 to 1."""
        params = {"decision_id": decision_id, "score": score, **more}
        return await self._read("feedback", FeedbackResult, params)

    async def health(self, **params: object) -> results.HealthResult:
        return await self._read("health.check", results.HealthResult, params)

    async def strategy(self) -> results.StrategyResult:
        return await self._read("strategy.get", results.StrategyResult)

    async def set_strategy(self, strategy: str | None) -> results.StrategyResult:
        """Change the strategy, kept over a restart; ``None`` as configured again."""
        params = strategy_set(strategy)
        return await self._read("strategy.set", results.StrategyResult, params)

    async def reload(self) -> ReloadResult:
        """Have the configuration read again.

        Raises:
            InvalidRequest: It is wrong, and nothing has changed; ``mistakes`` in the
                error's ``details`` lists everything.
        """
        return await self._read("reload", ReloadResult)

    async def drain(self) -> DrainResult:
        """Have the daemon finish what is in flight, and end."""
        return await self._read("drain", DrainResult)

    async def _read(
        self, method: str, kind: type[T], params: dict[str, object] | None = None
    ) -> T:
        return typed(await self.call(method, params), kind)

    async def _connected(self) -> Link:
        async with self._connecting:
            if self._link is None or self._link.lost:
                loop = asyncio.get_running_loop()
                # Connecting to a local socket does not wait, but for a full backlog.
                connected = await loop.run_in_executor(
                    None, open_socket, self._paths, self._connect_timeout_s
                )
                connected.setblocking(False)  # noqa: FBT003 - positional only
                _, self._link = await loop.create_unix_connection(Link, sock=connected)
            return self._link
