"""What the router is told, and the tools it is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec import Struct

from actors.messages.budgets import BudgetShare
from actors.messages.chat import ReasoningEffort
from actors.messages.lifecycle import StateKeeper
from actors.messages.provider import ProviderRef
from actors.messages.router import QueueExit, RecordSpool
from actors.messages.routing import (
    Alias,
    RequestRecord,
    Strategy,
    StreamMode,
    TaskRule,
    Weights,
)
from actors.policy.attempts import RetryConfig
from actors.policy.pricing import PriceOf, unpriced


class ProviderDefaults(Struct, frozen=True, kw_only=True):
    """Parameters a provider is asked with where the request does not say."""

    temperature: float | None = None
    max_tokens: int | None = None
    reasoning_effort: ReasoningEffort | None = None


class RouterSettings(Struct, frozen=True, kw_only=True):
    """The configured routing. ``provider_aliases`` are other names of providers.

    ``hedge`` is the share of requests that may have a second call beside the first.
    ``stream_upstream``: providers stream to us whether or not the caller wants that.
    ``max_in_flight`` requests are worked on at once, ``max_waiting`` more may wait.
    """

    strategy: Strategy = "hybrid"
    weights: Weights = Weights()
    tasks: dict[str, TaskRule] = {}
    aliases: dict[str, Alias] = {}
    provider_aliases: dict[str, str] = {}
    retry: RetryConfig = RetryConfig()
    retry_budget_ratio: float = 0.1
    retry_budget_min_per_s: float = 1.0
    max_in_flight: int = 1024
    max_waiting: int = 1024
    deadline_s: float = 600.0
    stream_mode: StreamMode = "passthrough"
    hedge: float = 0.0
    stream_upstream: bool = False
    defaults: dict[str, ProviderDefaults] = {}


@dataclass(frozen=True, slots=True)
class RouterTools:
    """What the router may not make itself.

    ``providers`` are the typed handles by name. ``spool`` takes a record before its
    answer leaves. ``on_record`` is told of each finished request, ``on_queue`` of each
    that no longer waits for a place; neither may block or raise. ``utc`` gives epoch
    seconds, ``draw`` a number in [0, 1). ``embeds`` says of a kind's model whether it
    gives vectors, ``None`` where nobody knows; ``price_of`` what a model costs that has
    not been called yet. ``budget_share`` is where daily budgets are kept together with
    other daemons.
    """

    providers: Mapping[str, ProviderRef]
    spool: RecordSpool
    keeper: StateKeeper
    utc: Callable[[], float]
    draw: Callable[[], float]
    new_id: Callable[[], str]
    on_record: Callable[[RequestRecord], None]
    on_queue: Callable[[QueueExit], None] = lambda _: None
    price_of: PriceOf = unpriced
    embeds: Callable[[str, str], bool | None] = lambda _kind, _model: None
    budget_share: BudgetShare | None = None
