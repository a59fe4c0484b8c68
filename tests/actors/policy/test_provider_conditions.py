"""What snapshots say is wrong."""

from actors.messages.lifecycle import Finding
from actors.messages.provider import (
    BreakerPhase,
    Failure,
    ModelSnapshot,
    ProbeResult,
    ProviderSnapshot,
)
from actors.policy.provider_conditions import provider_findings, why_unusable

NOW = 1000.0


def model(
    provider: str,
    breaker: BreakerPhase = "closed",
    *,
    until: float = 0.0,
    refused: bool = False,
) -> ModelSnapshot:
    return ModelSnapshot(
        provider=provider,
        model="m",
        breaker=breaker,
        breaker_open_until=until,
        auth_refused=refused,
    )


def provider(
    name: str = "p",
    *models: ModelSnapshot,
    healthy: bool | None = True,
    probe: ProbeResult | None = None,
    out_of_money: bool = False,
) -> ProviderSnapshot:
    return ProviderSnapshot(
        provider=name,
        kind="openai",
        version=1,
        models=models or (model(name),),
        default_model="m",
        healthy=healthy,
        last_probe=probe,
        out_of_money=out_of_money,
    )


def failed(failure: str = "connect") -> ProbeResult:
    return ProbeResult(
        provider="p",
        healthy=False,
        at=0.0,
        latency_s=None,
        probe="models",
        failure=Failure(
            failure=failure,  # type: ignore[arg-type]  # a test's own words
            message="refused",
            owner="provider",
        ),
    )


def codes(*snapshots: ProviderSnapshot, now: float = NOW) -> list[tuple[str, str]]:
    return [(f.code, f.provider or "") for f in provider_findings(snapshots, now)]


WELL = provider("well")


def test_providers_that_are_well_or_unknown_are_no_news() -> None:
    assert codes() == []
    assert codes(WELL, provider(healthy=None)) == []


def test_a_key_that_a_call_was_refused_for() -> None:
    ill = provider("p", model("p", refused=True), healthy=False)

    assert codes(WELL, ill) == [("provider_key_refused", "p")]


def test_a_key_that_a_probe_was_refused_for_where_no_model_is_known() -> None:
    ill = ProviderSnapshot(
        provider="p",
        kind="openai",
        version=1,
        models=(),
        default_model=None,
        healthy=False,
        last_probe=failed("auth"),
    )

    assert codes(WELL, ill) == [("provider_key_refused", "p")]


def test_an_account_without_money() -> None:
    assert codes(WELL, provider(out_of_money=True, healthy=False)) == [
        ("provider_out_of_money", "p")
    ]


def test_a_probe_that_fails_says_why() -> None:
    [found] = provider_findings((WELL, provider(healthy=False, probe=failed())), NOW)
    [bare] = provider_findings((WELL, provider(healthy=False)), NOW)

    assert found == Finding(
        code="provider_unhealthy", values={"error": "connect: refused"}, provider="p"
    )
    assert bare.values == {"error": "no reason is known"}


def test_breakers_are_told_by_model_until_they_are_closed() -> None:
    ill = provider("p", model("p", "half_open"), model("p", "open", until=NOW + 1))
    found = provider_findings((WELL, ill), NOW)

    assert [(f.code, f.model) for f in found] == [("breaker_open", "m")] * 2
    assert [f.values["phase"] for f in found] == ["half-open", "open"]


def test_nobody_left_is_told_with_each_ones_reason() -> None:
    everybody = (
        provider("a", model("a", refused=True)),
        provider("b", out_of_money=True),
        provider("c", healthy=False),
        provider("d", model("d", "open", until=NOW + 1)),
    )
    found = provider_findings(everybody, NOW)

    assert found[-1].code == "all_providers_down"
    assert found[-1].values == {
        "count": 4,
        "reasons": "a: key refused, b: out of money, c: health check fails,"
        " d: breaker open",
    }
    assert all(f.code != "all_providers_down" for f in provider_findings((*everybody, WELL), NOW))  # fmt: skip


def test_a_breaker_whose_time_is_over_lets_the_next_request_through() -> None:
    ill = provider("p", model("p", "open", until=NOW))

    assert why_unusable(ill, NOW) is None
    assert why_unusable(ill, NOW - 1) == "breaker open"


def test_a_provider_without_models_cannot_be_asked() -> None:
    empty = ProviderSnapshot(
        provider="p", kind="openai", version=1, models=(), default_model=None
    )

    assert why_unusable(empty, NOW) == "no model known"
