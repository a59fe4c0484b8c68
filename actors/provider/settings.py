"""What a provider actor is told about its provider, and the tools it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from actors.messages.chat import ContinuesAs
from actors.messages.lifecycle import StateKeeper
from actors.messages.provider import BreakerTransition, ProbeResult, Resume
from actors.policy.breaker import Breaker, BreakerConfig
from actors.policy.limits import LimitConfig
from actors.policy.pricing import PriceBook
from actors.provider.shares import RateShare
from actors.wire.base import Dialect, Endpoint, Timeouts, Transport


class ProviderSettings(Struct, frozen=True, kw_only=True):
    """One provider as configured. ``models`` starts with the default one.

    With ``discover`` the models list says which models there are; ``models`` may be
    empty then, and the default is the first one listed. ``context_windows`` are those
    configured or known, in tokens by model, ``found_window`` that of models found; for
    the others the models list says.
    """

    name: str
    kind: str
    models: tuple[str, ...]
    endpoint: Endpoint
    timeouts: Timeouts = Timeouts()
    breaker: BreakerConfig = BreakerConfig()
    limits: LimitConfig = LimitConfig()
    metrics_window: int = 100
    weight: float = 1.0
    context_windows: dict[str, int] = {}
    found_window: int | None = None
    probe: Literal["models", "completion", "none"] = "models"
    probe_interval_s: float = 60.0
    simulated: bool = False
    discover: bool = False
    resume: Resume = "auto"

    @property
    def default_model(self) -> str | None:
        return self.models[0] if self.models else None

    @property
    def kept_as(self) -> str:
        """The key of its kept state: what was pretended is no experience."""
        return f"simulated:{self.name}" if self.simulated else self.name


def resumes_as(
    settings: ProviderSettings, dialect: Dialect
) -> Callable[[str], ContinuesAs | None]:
    """What ``ProviderRef.resumes_as`` answers for this provider."""

    def answer(model: str) -> ContinuesAs | None:
        if settings.resume == "off":
            return None
        if settings.resume == "restart":
            return "none"
        return dialect.continues_as(settings.endpoint, model)

    return answer


ADJUSTABLE = (
    *("timeouts", "breaker", "metrics_window", "weight"),
    *("probe", "probe_interval_s"),
)
"""What a running actor can be told anew: nothing it has learned depends on it."""


def only_adjusted(before: ProviderSettings, after: ProviderSettings) -> bool:
    """Whether nothing but what is ``ADJUSTABLE`` differs."""
    changes = {name: getattr(after, name) for name in ADJUSTABLE}
    return replace(before, **changes) == after


ProviderEvent = BreakerTransition | ProbeResult


@dataclass(frozen=True, slots=True)
class ProviderTools:
    """What the actor may not make itself: I/O, prices, clocks, randomness.

    ``utc`` gives epoch seconds, ``draw`` a number in [0, 1). ``on_event`` is told of
    breaker transitions and probes; it must not block or raise. ``breaker`` is the kind
    that is made for each model: one under watch in tests and simulations. ``shares`` is
    where rates are kept together with other daemons.
    """

    dialect: Dialect
    transport: Transport
    prices: PriceBook
    utc: Callable[[], float]
    draw: Callable[[], float]
    new_id: Callable[[], str]
    keeper: StateKeeper
    on_event: Callable[[ProviderEvent], None]
    breaker: type[Breaker] = Breaker
    shares: RateShare | None = None
