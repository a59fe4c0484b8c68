"""The methods behind the doors, on real actors with pretend upstreams."""

from collections.abc import AsyncIterator

import pytest
from typing_extensions import override

from actors.errors import InvalidRequest, Overloaded
from actors.messages.ledger import HistoryEntry, Own, UsageGrouping, UsageRow
from actors.messages.lifecycle import Condition
from actors.messages.provider import ProbeResult
from actors.messages.rounds import RoundsReport
from actors.messages.routing import Weights
from actors.messages.whatif import WhatIf
from actors.policy.pricing import PriceBook
from daemon import health_check
from daemon.feedback import FeedbackDesk
from daemon.health_check import probe_passes
from daemon.model_list import list_models
from daemon.notices import Notices
from daemon.service import HouseService
from ipc import methods, results
from ipc.explanation import Explanation
from ipc.feedback import FeedbackResult
from ipc.listing import ModelsResult
from ipc.methods import Peer
from ipc.params import read_params
from tests.support.fake_transport import FakeTransport, completion, refusal
from tests.support.ledger_memory import MemoryLedger
from tests.support.notes import Notes
from tests.support.small_house import SmallHouse, provider, request, small_house

PEER = Peer(door="json", tier="admin")
NOW = 1_800_000_000.0


SPOOL = Condition(
    code="spool_unwritable",
    severity="error",
    title="T",
    text="x",
    since=0.0,
    advice="A.",
)


def service_of(
    house: SmallHouse, *conditions: Condition, ledger: MemoryLedger | None = None
) -> HouseService:
    return HouseService(
        version="1.2.3",
        router=house.router,
        routes=house.router,
        providers=house.providers,
        provider_aliases={"chatgpt": "one"},
        ledger=ledger or MemoryLedger(house.spool.records),
        conditions=lambda: conditions,
        max_latency_s=2.0,
        in_flight=house.router.in_flight,
        waiting=house.router.waiting,
        notices=Notices(lambda: NOW),
        feedback=FeedbackDesk(
            MemoryLedger(house.spool.records),
            house.desk.quality,
            lambda: NOW,
            lambda *_: None,
            Notes(),
        ),
        new_id=lambda: "new",
        utc=lambda: NOW,
        models=lambda found: list_models(found, {}, PriceBook().lookup),
    )


@pytest.fixture
async def house() -> AsyncIterator[SmallHouse]:
    transports = {
        "one": FakeTransport(completion()),
        "two": FakeTransport(completion()),
    }
    async with small_house(transports) as running:
        yield running


async def call(
    service: HouseService, method: str, peer: Peer = PEER, **params: object
) -> object:
    read = read_params(methods.METHODS[method].params, params)
    return await service.call(method, read, peer)


async def test_status_shows_every_provider_and_what_is_in_force(
    house: SmallHouse,
) -> None:
    doors = service_of(house)
    doors.ready = True
    await house.answer()
    status = await call(doors, "status")

    assert isinstance(status, results.StatusResult)
    assert (status.version, status.ready, status.strategy) == ("1.2.3", True, "cost")
    assert [p.provider for p in status.providers] == ["one", "two"]
    assert status.providers[0].requests == 1
    assert status.providers[1].cost_usd == 0  # no calls cost nothing, as metrics says


async def test_status_shows_a_provider_of_which_no_model_is_known() -> None:
    given = {"one": provider("one", models=(), discover=True)}
    transports = {"one": FakeTransport(completion())}
    async with small_house(transports, providers=given) as house:
        status = await call(service_of(house), "status")

    assert isinstance(status, results.StatusResult)
    [one] = status.providers
    assert (one.model, one.breaker, one.requests) == (None, "closed", 0)


async def test_it_is_not_ready_while_its_stores_cannot_be_written(
    house: SmallHouse,
) -> None:
    doors = service_of(house, SPOOL)
    doors.ready = True
    status = await call(doors, "status")

    assert isinstance(status, results.StatusResult)
    assert (status.ready, status.conditions) == (False, (SPOOL,))


@pytest.mark.parametrize(
    ("ready", "draining", "wanted"),
    [(False, False, False), (True, False, True), (True, True, False)],
)
async def test_it_is_ready_from_listening_to_stopping(
    house: SmallHouse, ready: bool, draining: bool, wanted: bool
) -> None:
    doors = service_of(house)
    doors.ready, doors.draining = ready, draining

    assert doors.is_ready is wanted


async def test_uptime_does_not_follow_the_wall_clock(house: SmallHouse) -> None:
    clock = [NOW]
    doors = HouseService(
        version="1.2.3",
        router=house.router,
        routes=house.router,
        providers=house.providers,
        provider_aliases={},
        ledger=MemoryLedger(house.spool.records),
        conditions=lambda: (),
        max_latency_s=2.0,
        in_flight=house.router.in_flight,
        waiting=house.router.waiting,
        notices=Notices(lambda: NOW),
        feedback=FeedbackDesk(
            MemoryLedger(house.spool.records),
            house.desk.quality,
            lambda: NOW,
            lambda *_: None,
            Notes(),
        ),
        new_id=lambda: "new",
        utc=lambda: clock[0],
        models=lambda _: (),
    )
    clock[0] -= 86_400.0

    status = await call(doors, "status")

    assert isinstance(status, results.StatusResult)
    assert (status.started_at, 0.0 <= status.uptime_s < 60.0) == (NOW, True)


async def test_models_are_those_of_every_provider(house: SmallHouse) -> None:
    found = await call(service_of(house), "models")

    assert isinstance(found, ModelsResult)
    names = [row.name for row in found.models if row.kind == "model"]
    assert names == ["one/gpt-4o", "two/gpt-4o"]


async def test_metrics_sum_over_providers(house: SmallHouse) -> None:
    doors = service_of(house)
    await house.answer()
    await house.answer(provider="two")
    metrics = await call(doors, "metrics")

    assert isinstance(metrics, results.MetricsResult)
    assert (metrics.requests, metrics.failures) == (2, 0)
    assert metrics.prompt_tokens == 20
    assert metrics.cost_usd is not None


async def test_history_explain_and_usage_come_from_the_ledger(
    house: SmallHouse,
) -> None:
    doors = service_of(house)
    answer = await house.answer()

    record = await call(doors, "explain", decision_id=answer.decision_id)
    assert record == Explanation.of(house.spool.records[0])
    history = await call(doors, "history", limit=5)
    assert isinstance(history, results.HistoryResult)
    assert history.cursor is None
    usage = await call(doors, "usage", since="7d", by="model")
    assert isinstance(usage, results.UsageResult)
    assert usage.since == NOW - 7 * 86400


async def test_users_see_what_they_asked_and_administrators_everything(
    house: SmallHouse,
) -> None:
    asked: list[object] = []

    class Told(MemoryLedger):
        """Notes whose records are asked for."""

        @override
        async def history(
            self, limit: int = 20, cursor: str | None = None, own: Own | None = None
        ) -> tuple[HistoryEntry, ...]:
            asked.append(own)
            return ()

        @override
        async def usage(
            self,
            since: float | None = None,
            by: UsageGrouping = "provider",
            own: Own | None = None,
        ) -> tuple[UsageRow, ...]:
            asked.append(own)
            return ()

    await house.answer(user="ada")
    await house.answer(user="bob")
    service = service_of(house, ledger=Told(house.spool.records))
    ada = Peer(door="json", user="ada")
    for peer in (ada, PEER):
        for method in ("history", "usage"):
            await call(service, method, peer=peer)
    assert asked == [Own("ada"), Own("ada"), None, None]

    replayed = [
        await call(service, "whatif", peer=p, strategy="cost") for p in (ada, PEER)
    ]
    assert [each.requests for each in replayed if isinstance(each, WhatIf)] == [1, 2]


async def test_an_unknown_decision_is_named(house: SmallHouse) -> None:
    with pytest.raises(InvalidRequest, match="nope"):
        await call(service_of(house), "explain", id="nope")


async def test_the_strategy_is_in_force_when_the_answer_comes(
    house: SmallHouse,
) -> None:
    doors = service_of(house)
    changed = await call(doors, "strategy.set", strategy="cost_optimized")
    weights = house.router.strategy()[1]
    assert changed == results.StrategyResult("cost", weights, True, True)
    await call(doors, "strategy.set", strategy="round_robin")
    assert house.router.strategy()[0] == "round_robin"
    reset = await call(doors, "strategy.set", reset=True)

    assert isinstance(reset, results.StrategyResult)
    assert (reset.strategy, reset.overridden) == ("cost", False)


async def test_resetting_the_strategy_drops_all_that_was_set_at_run_time(
    house: SmallHouse,
) -> None:
    doors = service_of(house)
    before = house.router.strategy()
    changed = await call(doors, "weights.set", cost=5)
    assert isinstance(changed, results.StrategyResult)
    assert (changed.strategy_overridden, changed.weights_overridden) == (False, True)
    await call(doors, "strategy.set", strategy="round_robin")
    await call(doors, "strategy.set", reset=True)

    assert house.router.strategy() == before
    assert not house.router.overridden()


async def test_weights_are_merged_normalised_and_never_all_zero(
    house: SmallHouse,
) -> None:
    doors = service_of(house)
    await call(doors, "weights.set", cost=1, performance=1, availability=2)
    _, weights = house.router.strategy()
    assert (weights.cost, weights.availability) == (0.25, 0.5)
    await call(doors, "weights.set", cost=0.6, performance=0.3, availability=0.1)
    assert house.router.strategy()[1] == Weights(0.6, 0.3, 0.1)
    with pytest.raises(InvalidRequest, match="zero"):
        await call(doors, "weights.set", cost=0, performance=0, availability=0)


async def test_health_checks_all_or_one_by_any_of_its_names(house: SmallHouse) -> None:
    doors = service_of(house)
    every = await call(doors, "health.check")
    one = await call(doors, "health.check", provider="chatgpt")

    assert isinstance(every, results.HealthResult)
    assert isinstance(one, results.HealthResult)
    assert every.healthy
    assert [p.provider for p in one.providers] == ["one"]
    with pytest.raises(InvalidRequest, match="no provider 'three'") as caught:
        await call(doors, "health.check", provider="three")
    assert caught.value.wanted == "one of one, two"


async def test_an_unhealthy_provider_is_checked_again_before_it_is_said(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_check, "BACKOFF_S", 0.0)
    house.transports["one"].models = refusal(401, "invalid_api_key")
    found = await call(service_of(house), "health.check", provider="one", retries=1)

    assert isinstance(found, results.HealthResult)
    assert not found.healthy
    probes = [r for r in house.transports["one"].requests if r.method == "GET"]
    assert len(probes) == 2


async def test_a_draining_daemon_takes_no_requests(house: SmallHouse) -> None:
    doors = service_of(house)
    doors.draining = True

    with pytest.raises(Overloaded, match="draining") as caught:
        doors.route(request(), None)
    assert caught.value.retry_after_s == 1.0


@pytest.mark.parametrize(
    ("latency_s", "limit_s", "passes"),
    [(1.0, 2.0, True), (3.0, 2.0, False), (3.0, None, True), (None, 2.0, True)],
)
def test_a_slow_probe_passes_only_within_the_threshold(
    latency_s: float | None, limit_s: float | None, passes: bool
) -> None:
    probe = ProbeResult(
        provider="one", healthy=True, at=0.0, latency_s=latency_s, probe="models"
    )

    assert probe_passes(probe, limit_s) is passes


async def test_feedback_shows_where_the_providers_are_shown(house: SmallHouse) -> None:
    doors = service_of(house)
    answer = await house.answer()

    given = await call(doors, "feedback", decision_id=answer.decision_id, score=1)
    shown = await call(doors, "providers")
    metrics = await call(doors, "metrics")

    assert isinstance(given, FeedbackResult)
    assert isinstance(shown, results.ProvidersResult)
    assert isinstance(metrics, results.MetricsResult)
    assert shown.quality == metrics.quality == given.quality


async def test_other_rules_are_tried_on_what_is_recorded(house: SmallHouse) -> None:
    for _ in range(3):
        await house.answer()
    doors = service_of(house)
    found = await call(doors, "whatif", strategy="performance")
    later = await call(doors, "whatif", strategy="performance", since=NOW * 2)

    assert isinstance(found, WhatIf)
    assert (found.requests, found.replayed) == (3, 3)
    assert isinstance(later, WhatIf)
    assert later.requests == 0


async def test_rounds_of_consensus_are_reported(house: SmallHouse) -> None:
    await house.answer()
    found = await call(service_of(house), "consensus.report", since=0.0)

    assert isinstance(found, RoundsReport)
    assert (found.requests, found.rows) == (1, ())
