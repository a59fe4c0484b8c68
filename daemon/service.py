"""What stands behind every door: the methods, answered by the actors.

Reads snapshots and asks the ledger; decides nothing itself.
"""

import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from math import fsum
from typing import TYPE_CHECKING, cast

import anyio

from actors.errors import InternalError, InvalidRequest, Overloaded
from actors.messages.ledger import LedgerRef
from actors.messages.lifecycle import Condition
from actors.messages.notices import Topic
from actors.messages.provider import (
    DeltaSink,
    ProviderRef,
    ProviderSnapshot,
)
from actors.messages.rounds import RoundsReport
from actors.messages.router import RouterRef
from actors.messages.routing import (
    Priority,
    RouteHandle,
    RouteRef,
    RouteRequest,
    StartSink,
    Weights,
)
from actors.messages.whatif import WhatIf
from actors.policy.conditions import blocking
from daemon.explaining import explain
from daemon.feedback import FeedbackDesk
from daemon.glance import at_a_glance, in_epoch_seconds
from daemon.health_check import HealthDesk
from daemon.notices import Listening, Notices
from daemon.ownership import budgets_for, own_of
from ipc import methods, results, whatif
from ipc.explanation import ExplainParams, Explanation
from ipc.listing import ModelRow, ModelsResult
from ipc.methods import Peer
from ipc.route import parse_strategy
from ipc.stopping import draining
from ipc.times import parse_since

if TYPE_CHECKING:
    from actors.messages.budgets import BudgetRow
    from actors.messages.peers import PeerRow
    from ipc.rounds import RoundsParams


class HouseService:
    """A ``Service``: routes requests and serves the methods of the table."""

    def __init__(
        self,
        *,
        version: str,
        router: RouterRef,
        providers: Mapping[str, ProviderRef],
        provider_aliases: Mapping[str, str],
        ledger: LedgerRef,
        routes: RouteRef,
        conditions: Callable[[], Sequence[Condition]],
        max_latency_s: float,
        in_flight: Callable[[], int],
        waiting: Callable[[], dict[Priority, int]],
        feedback: FeedbackDesk,
        new_id: Callable[[], str],
        utc: Callable[[], float],
        models: Callable[[Sequence[ProviderSnapshot]], tuple[ModelRow, ...]],
        notices: Notices,
    ) -> None:
        self._version = version
        self._router = router
        self._providers = providers
        self._ledger = ledger
        self._routes = routes
        self._conditions = conditions
        self._health = HealthDesk(providers, provider_aliases, max_latency_s)
        self._in_flight = in_flight
        self._waiting = waiting
        self._feedback = feedback
        self._new_id = new_id
        self._utc = utc
        self._models = models
        self._notices = notices
        self._started_at = utc()
        self._started = anyio.current_time()  # the wall clock may jump
        self.task_counts: Callable[[], dict[str, int]] = dict
        self.budgets: Callable[[], tuple[BudgetRow, ...]] = tuple
        self.peers: Callable[[], tuple[PeerRow, ...]] = tuple
        self.ready = False
        self.draining = False
        self._answers_to: dict[str, Callable[[object, Peer], Awaitable[object]]] = {
            "feedback": feedback.take,
            "status": self._status,
            "history": self._history,
            "explain": self._explain,
            "usage": self._usage,
            "whatif": self._whatif,
            "consensus.report": self._rounds,
        }
        self._answers: dict[str, Callable[[object], Awaitable[object]]] = {
            "providers": self._list_providers,
            "models": self._list_models,
            "metrics": self._metrics,
            "strategy.get": self._strategy_get,
            "strategy.set": self._strategy_set,
            "weights.set": self._weights_set,
            "health.check": self._health.check,
            "reload": _too_early,
            "drain": _too_early,
        }

    def serve(self, method: str, answer: Callable[[object], Awaitable[object]]) -> None:
        """Have somebody else answer this method, from now on."""
        self._answers[method] = answer

    def serve_peers(
        self,
        answers: Mapping[str, Callable[[object, Peer], Awaitable[object]]],
    ) -> None:
        """Have somebody answer these methods who wants to know who asks."""
        self._answers_to.update(answers)

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None,
        on_start: StartSink | None = None,
    ) -> RouteHandle:
        if self.draining:
            raise draining()
        return self._routes.route(request, sink, on_start)

    def judge_health_by(self, max_latency_s: float) -> None:
        """Longer probes than this are unhealthy from now on."""
        self._health.max_latency_s = max_latency_s

    def new_id(self) -> str:
        return self._new_id()

    def listen(
        self,
        topics: Collection[Topic],
        on_news: Callable[[], object],
        peer: Peer,
        *,
        about: str | None = None,
    ) -> Listening:
        return self._notices.listen(
            topics,
            on_news,
            user=peer.user,
            everything=peer.tier == "admin",
            about=about,
        )

    @property
    def is_ready(self) -> bool:
        """Listening, not stopping, and the stores can be written."""
        if not self.ready or self.draining:
            return False
        return not blocking(self._conditions())

    async def call(self, method: str, params: object, peer: Peer) -> object:
        answer_to = self._answers_to.get(method)
        if answer_to is not None:
            return await answer_to(params, peer)
        answer = self._answers.get(method)
        if answer is None:
            raise InternalError(f"nobody serves {method}")
        return await answer(params)

    # ---- reading

    def snapshots(self) -> tuple[ProviderSnapshot, ...]:
        """Every provider as it is now, with times that mean something outside."""
        shift = self._utc() - anyio.current_time()
        return tuple(
            in_epoch_seconds(provider.snapshot(), shift)
            for provider in self._providers.values()
        )

    async def _status(self, _params: object, peer: Peer) -> results.StatusResult:
        strategy, weights = self._router.strategy()
        snapshots = self.snapshots()
        return results.StatusResult(
            version=self._version,
            pid=os.getpid(),
            started_at=self._started_at,
            uptime_s=anyio.current_time() - self._started,
            ready=self.is_ready,
            draining=self.draining,
            strategy=strategy,
            weights=weights,
            in_flight=self._in_flight(),
            waiting=self._waiting(),
            tasks=self.task_counts(),
            budgets=budgets_for(peer, self.budgets()),
            peers=self.peers(),
            providers=tuple(at_a_glance(s) for s in snapshots),
            conditions=tuple(self._conditions()),
            simulated=any(s.simulated for s in snapshots),
        )

    async def _list_providers(self, _params: object) -> results.ProvidersResult:
        return results.ProvidersResult(self.snapshots(), self._feedback.rows())

    def models(self) -> tuple[ModelRow, ...]:
        """Everything that can be asked for."""
        return self._models(self.snapshots())

    async def _list_models(self, _params: object) -> ModelsResult:
        return ModelsResult(self.models())

    async def _metrics(self, _params: object) -> results.MetricsResult:
        snapshots = self.snapshots()
        totals = [s.totals for s in snapshots]
        priced = any(t.requests > t.unpriced_calls for t in totals) or not any(
            t.requests for t in totals
        )
        cost = sum((t.cost_usd for t in totals), Decimal(0))
        return results.MetricsResult(
            requests=sum(t.requests for t in totals),
            failures=sum(t.failures for t in totals),
            prompt_tokens=sum(t.prompt_tokens for t in totals),
            completion_tokens=sum(t.completion_tokens for t in totals),
            cost_usd=cost if priced else None,
            unpriced_calls=sum(t.unpriced_calls for t in totals),
            providers=snapshots,
            quality=self._feedback.rows(),
        )

    async def _history(self, params: object, peer: Peer) -> results.HistoryResult:
        asked = cast("methods.HistoryParams", params)
        entries = await self._ledger.history(asked.limit, asked.cursor, own_of(peer))
        more = len(entries) == asked.limit
        return results.HistoryResult(entries, entries[-1].cursor if more else None)

    async def _explain(self, params: object, peer: Peer) -> Explanation:
        return await explain(self._ledger, cast("ExplainParams", params), peer)

    async def _usage(self, params: object, peer: Peer) -> results.UsageResult:
        asked = cast("methods.UsageParams", params)
        since = parse_since(asked.since, self._utc())
        rows = await self._ledger.usage(since, asked.by, own_of(peer))
        budgets = budgets_for(peer, self.budgets())
        return results.UsageResult(asked.by, since, rows, budgets)

    async def _whatif(self, params: object, peer: Peer) -> WhatIf:
        from daemon.whatif import what_if  # noqa: PLC0415 - brings statistics along: who never asks need not carry it

        asked = cast("whatif.WhatIfParams", params)
        since = parse_since(asked.since, self._utc())
        return await what_if(self._ledger, asked, since, peer)

    async def _rounds(self, params: object, peer: Peer) -> RoundsReport:
        from daemon.rounds import report_rounds  # noqa: PLC0415 - who never asks need not carry it

        asked = cast("RoundsParams", params)
        since = parse_since(asked.since, self._utc())
        return await report_rounds(self._ledger, asked, since, peer)

    # ---- changing

    async def _strategy_get(self, _params: object) -> results.StrategyResult:
        strategy, weights = self._router.strategy()
        changed_strategy, changed_weights = self._router.overrides()
        return results.StrategyResult(
            strategy,
            weights,
            self._router.overridden(),
            strategy_overridden=changed_strategy is not None,
            weights_overridden=changed_weights is not None,
        )

    async def _strategy_set(self, params: object) -> results.StrategyResult:
        asked = cast("methods.StrategySetParams", params)
        wanted = None if asked.strategy is None else parse_strategy(asked.strategy)
        await self._router.set_strategy(wanted)
        if asked.reset:  # the run-time override as a whole
            await self._router.set_weights(None)
        return await self._kept(params)

    async def _weights_set(self, params: object) -> results.StrategyResult:
        asked = cast("methods.WeightsSetParams", params)
        if asked.reset:
            await self._router.set_weights(None)
        else:
            _, before = self._router.strategy()
            await self._router.set_weights(_merged(asked, before))
        return await self._kept(params)

    async def _kept(self, params: object) -> results.StrategyResult:
        """What is in force, once it would survive a crash as well as a restart."""
        await self._ledger.flush()
        return await self._strategy_get(params)


async def _too_early(_params: object) -> object:
    raise Overloaded("the daemon is still starting", retry_after_s=1.0)


def _merged(asked: methods.WeightsSetParams, before: Weights) -> Weights:
    cost = before.cost if asked.cost is None else asked.cost
    speed = before.performance if asked.performance is None else asked.performance
    there = before.availability if asked.availability is None else asked.availability
    total = fsum((cost, speed, there))  # 0.6 + 0.3 + 0.1 is 1, and stays 0.6
    if total <= 0.0:
        raise InvalidRequest(
            "all weights are zero",
            field="cost",
            got="0",
            wanted="at least one weight above zero",
        )
    return Weights(cost / total, speed / total, there / total)
