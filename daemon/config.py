"""The configuration as frozen Structs, one per section, with its defaults.

The names are those of the TOML file. What a value must be stands in its type, so that
``config_load`` can check it and say what was wanted. Where a neutral message of that
meaning exists (``Weights``, ``Timeouts``, ``TaskRule``, ``Alias``), the section is one.
Units are in the names: ``_s`` seconds; prices are US dollars per million tokens.
"""

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from actors.messages.chat import ReasoningEffort
from actors.messages.consensus import ConsensusMethod
from actors.messages.provider import Resume, TimeoutLimits
from actors.messages.routing import (
    Alias,
    Strategy,
    StreamMode,
    TaskRule,
    Weights,
)
from actors.wire.base import Timeouts
from actors.wire.presets import PresetName
from daemon.config_events import ActionsConfig, EventsConfig
from daemon.config_threads import ThreadsConfig

ProviderKind = Literal["openai", "xai", "anthropic", "compatible"]
Probe = Literal["models", "completion", "none"]
Tier = Literal["user", "admin"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]
LogFormat = Literal["json", "console"]

Seconds = Annotated[float, Meta(ge=0)]
SomeSeconds = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(gt=0)]
Usd = Decimal  # of at least 0: checked on loading, msgspec bounds no Decimals
Text = Annotated[str, Meta(min_length=1)]


class ServerConfig(Struct, frozen=True, kw_only=True):
    """Where requests come in. ``listen`` is ``HOST:PORT``; ``None`` is off.

    ``max_requests`` are worked on at once, ``max_waiting`` more may wait for a place.
    ``name`` is what other daemons call this one.
    """

    socket: Text | None = None
    socket_mode: Annotated[str, Meta(pattern="^0?[0-7]{3}$")] = "0660"
    listen: Text | None = None
    drain_s: Seconds = 30.0
    max_requests: Count = 1024
    max_waiting: Count = 1024
    name: Annotated[str, Meta(min_length=1, max_length=100)] | None = None

    @property
    def mode(self) -> int:
        """``socket_mode`` as the number ``chmod`` takes."""
        return int(self.socket_mode, 8)

    @property
    def listen_address(self) -> tuple[str, int] | None:
        """``listen`` as host (an IPv6 one without its brackets) and port."""
        if self.listen is None:
            return None
        host, _, port = self.listen.rpartition(":")
        return host.removeprefix("[").removesuffix("]"), int(port)


class AccessToken(Struct, frozen=True, kw_only=True):
    """A caller over TCP. ``sha256`` is the lower-case hex digest of the token."""

    name: Text
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    tier: Tier = "user"
    budget_usd_per_day: Usd | None = None


class AccessConfig(Struct, frozen=True, kw_only=True):
    """Who may do what: by peer credentials on the socket, by token on TCP."""

    admin_users: tuple[Text, ...] = ()
    admin_groups: tuple[Text, ...] = ()
    user_groups: tuple[Text, ...] = ()
    open_loopback: bool = False
    tokens: tuple[AccessToken, ...] = ()


class HybridWeights(Weights, frozen=True):
    """``Weights`` as written; after loading their sum is 1."""

    cost: Seconds = 0.4
    performance: Seconds = 0.3
    availability: Seconds = 0.3


class TaskConfig(TaskRule, frozen=True, kw_only=True):
    """``[routing.tasks.NAME]``; no ``providers`` means all of them."""

    providers: tuple[Text, ...] = ()
    model: Text | None = None
    max_tokens: Count | None = None


class RoutingConfig(Struct, frozen=True, kw_only=True):
    """How candidates are ranked, and what one request may spend in attempts."""

    strategy: Strategy = "hybrid"
    weights: HybridWeights = HybridWeights()
    failure_threshold: Count = 3
    metrics_window: Annotated[int, Meta(ge=1, le=100_000)] = 100
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 4
    deadline_s: SomeSeconds = 600.0
    hedge: Share = 0.0
    adaptive_first_token: bool = True
    stream_upstream: bool = False
    stream_mode: StreamMode = "passthrough"
    content_filter_fallback: bool = False
    tasks: dict[str, TaskConfig] = {}


class HealthConfig(Struct, frozen=True, kw_only=True):
    """The providers' health loop. The ``models`` probe costs nothing."""

    interval_s: SomeSeconds = 60.0
    probe: Probe = "models"
    max_latency_s: SomeSeconds = 2.0


class RetryConfig(Struct, frozen=True, kw_only=True):
    """Repeats on the same provider, and the daemon-wide budget for them."""

    max_retries: Annotated[int, Meta(ge=0, le=100)] = 3
    base_delay_s: Seconds = 1.0
    max_delay_s: Seconds = 30.0
    same_first: Literal["auto"] | Annotated[int, Meta(ge=0, le=100)] = "auto"
    wait_retry_after_s: Seconds = 5.0
    budget_ratio: Share = 0.1
    budget_min_per_s: Seconds = 1.0


class BreakerConfig(Struct, frozen=True, kw_only=True):
    """When a provider's model is left alone; see ``routing.failure_threshold`` too."""

    open_s: SomeSeconds = 5.0
    open_max_s: SomeSeconds = 15.0
    failure_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.4
    slow_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.6
    min_calls: Count = 10


class TimeoutsConfig(Timeouts, frozen=True, kw_only=True):
    """``first_token_s`` and ``idle_s`` hold for streams only."""

    connect_s: SomeSeconds = 5.0
    first_token_s: SomeSeconds = 60.0
    idle_s: SomeSeconds = 60.0
    total_s: SomeSeconds = 600.0


class PriceConfig(Struct, frozen=True, kw_only=True):
    """US dollars per million tokens, in place of what the price table says."""

    input: Usd
    output: Usd
    cached_input: Usd | None = None
    cache_write: Usd | None = None


class LimitsConfig(Struct, frozen=True, kw_only=True):
    """What may be asked of a provider at once and a minute; ``None``: no limit."""

    concurrency: Count | None = None
    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None


class ProviderConfig(Struct, frozen=True, kw_only=True):
    """``[providers.NAME]``. After loading ``base_url`` and ``models`` are filled.

    ``base_url`` includes the version prefix and has no trailing slash. ``model`` is
    asked for when a request names none and is the first of ``models``; ``temperature``,
    ``max_tokens`` and ``reasoning_effort`` hold for requests that do not say.
    ``preset`` names a compatible server whose address and ways are known;
    ``api_version`` is Azure's. With ``discover`` the server says which models it has,
    and ``models`` may stay empty.
    """

    kind: ProviderKind
    preset: PresetName | None = None
    api_version: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,40}$")] | None = None
    base_url: Text | None = None
    allow_http: bool = False
    model: Text | None = None
    models: tuple[Text, ...] = ()
    discover: bool = False
    resume: Resume = "auto"
    api_key_file: Text | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Count | None = None
    reasoning_effort: ReasoningEffort | None = None
    timeouts: TimeoutsConfig = TimeoutsConfig()
    context_window: Count | None = None
    price: PriceConfig | None = None
    limits: LimitsConfig = LimitsConfig()
    weight: Annotated[float, Meta(gt=0)] = 1.0
    tags: tuple[Text, ...] = ()
    enabled: bool = True

    @property
    def server(self) -> str:
        """What speaks there, as dialects and prices are looked up: preset or kind."""
        return self.preset or self.kind


class AliasTimeouts(TimeoutLimits, frozen=True, kw_only=True):
    """In place of the providers' own, where they are said."""

    connect_s: SomeSeconds | None = None
    first_token_s: SomeSeconds | None = None
    idle_s: SomeSeconds | None = None
    total_s: SomeSeconds | None = None


class AliasConfig(Alias, frozen=True, kw_only=True):
    """``[models.NAME]``: a model name of your own."""

    candidates: tuple[Text, ...]
    timeouts: AliasTimeouts | None = None
    max_tokens: Count | None = None


class ConsensusConfig(Struct, frozen=True, kw_only=True):
    """Asking several models; ``members`` empty means every provider's default model.

    ``embeddings`` names a model by which texts are compared; it wants a threshold.
    """

    method: ConsensusMethod = "auto"
    members: tuple[Text, ...] = ()
    quorum: Count = 2
    judge: Text | None = None
    deadline_s: SomeSeconds = 120.0
    priors: dict[str, Share] = {}
    replace: bool | None = None
    embeddings: Text | None = None
    embeddings_threshold: Annotated[float, Meta(gt=0, le=1)] | None = None


class LedgerConfig(Struct, frozen=True, kw_only=True):
    """``full`` also survives a power cut. ``None`` days: everything is kept."""

    sync: Literal["normal", "full"] = "normal"
    retention_days: Annotated[float, Meta(gt=0)] | None = None


class CacheConfig(Struct, frozen=True, kw_only=True):
    """Answers that are given again. ``shared``: to everybody, not only to who asked."""

    enabled: bool = False
    ttl_s: SomeSeconds = 3_600.0
    max_bytes: Annotated[int, Meta(ge=1_000, le=1 << 40)] = 32 * 1024 * 1024
    shared: bool = False


class BudgetsConfig(Struct, frozen=True, kw_only=True):
    """US dollars a UTC day, of the daemon and of each user. ``None``: no limit."""

    usd_per_day: Usd | None = None
    per_user_usd_per_day: Usd | None = None


class TaskTypeConfig(Struct, frozen=True, kw_only=True):
    """``[queue.types.NAME]``: tasks of a type at once, and what answers must be.

    ``pattern`` is a regular expression to be found in the answer, ``required`` are keys
    of the JSON object that it must be.
    """

    concurrency: Count | None = None
    pattern: Text | None = None
    required: tuple[Text, ...] = ()


class QueueConfig(Struct, frozen=True, kw_only=True):
    """Durable tasks. ``lease_s`` after a crash of its worker a task is resumed.

    What a task came to is kept for ``keep_s`` after its end. ``url`` is of the Redis that
    daemons share, whether the tasks are there or not; so many of its ``replicas`` must
    have a task before it is said to be kept.
    """

    backend: Literal["sqlite", "redis"] = "sqlite"
    url: Text | None = None
    lease_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 5
    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 8
    keep_s: SomeSeconds = 604800.0
    replicas: Annotated[int, Meta(ge=0, le=10)] = 0
    types: dict[str, TaskTypeConfig] = {}


class LogConfig(Struct, frozen=True, kw_only=True):
    """What goes to stdout. ``prompts`` can only be off as yet; keys never get in."""

    level: LogLevel = "info"
    format: LogFormat = "json"
    prompts: bool = False


class Config(Struct, frozen=True, kw_only=True):
    """Everything. ``provider_aliases`` are further names of configured providers."""

    server: ServerConfig = ServerConfig()
    access: AccessConfig = AccessConfig()
    routing: RoutingConfig = RoutingConfig()
    health: HealthConfig = HealthConfig()
    retry: RetryConfig = RetryConfig()
    breaker: BreakerConfig = BreakerConfig()
    providers: dict[str, ProviderConfig] = {}
    models: dict[str, AliasConfig] = {}
    consensus: ConsensusConfig = ConsensusConfig()
    cache: CacheConfig = CacheConfig()
    budgets: BudgetsConfig = BudgetsConfig()
    ledger: LedgerConfig = LedgerConfig()
    queue: QueueConfig = QueueConfig()
    threads: ThreadsConfig = ThreadsConfig()
    events: EventsConfig = EventsConfig()
    actions: ActionsConfig = ActionsConfig()
    log: LogConfig = LogConfig()

    @property
    def enabled_providers(self) -> dict[str, ProviderConfig]:
        """Those that are switched on, in the order of the file."""
        return {name: p for name, p in self.providers.items() if p.enabled}

    @property
    def provider_aliases(self) -> dict[str, str]:
        """Other names callers may use for a provider: ``chatgpt`` is ``openai``.

        And the other way round, where it is configured under that name.
        """
        names = ("chatgpt", "openai")
        for other, name in (names, names[::-1]):
            if name in self.providers and other not in self.providers:
                return {other: name}
        return {}


class Settings(Struct, frozen=True, kw_only=True):
    """A loaded configuration and where every value in it came from.

    ``origins`` maps a dotted key to ``flag --listen``, ``environment NAME`` or ``file``;
    a key that is not in it has its default. ``path`` is the file that was read.
    ``automatic`` says that the file configures no provider and keys decide about the
    built-in ones; ``added`` are those of ``providers.d``. ``warnings`` are sentences for
    the log.
    """

    config: Config
    origins: dict[str, str] = {}
    path: str | None = None
    automatic: bool = False
    added: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class ServeOptions(Struct, frozen=True, kw_only=True):
    """The flags of ``gitbridge serve``."""

    config: str | None = None
    socket: str | None = None
    state_dir: str | None = None
    listen: str | None = None
    simulate: bool = False
    check: bool = False


class HealthOptions(Struct, frozen=True, kw_only=True):
    """The flags of ``gitbridge health``. ``max_latency_s`` of ``None``: as configured."""

    provider: str | None = None
    model: str | None = None
    max_latency_s: float | None = None
    retries: int = 3
    as_json: bool = False
    config: str | None = None
    socket: str | None = None
    state_dir: str | None = None
