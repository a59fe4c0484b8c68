"""The metrics registry: names, labels, and the Prometheus text of them.

Counters and histograms are fed by finished requests and events; gauges are read when
somebody scrapes. Label sets are bounded: past ``MAX_SERIES`` of one metric, further
ones are counted under ``other``, so that a caller's inventions cannot grow the daemon.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from actors.messages.consensus import ConsensusInfo
from actors.messages.lifecycle import Condition
from actors.messages.provider import BreakerTransition, ProviderSnapshot
from actors.messages.reuse import Reused
from actors.messages.router import QueueExit
from actors.messages.routing import (
    AttemptRecord,
    Priority,
    RequestRecord,
)
from actors.policy.condition_catalogue import CATALOGUE

PREFIX = "gitbridge_"
MAX_SERIES = 500
LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
OVERHEAD_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
BREAKER_VALUE = {"closed": 0, "half_open": 1, "open": 2}

Labels = tuple[str, ...]

_NOTHING = Decimal(0)


class Figure(Struct, frozen=True):
    """One number without labels, read when somebody scrapes."""

    name: str
    help: str
    value: float
    kind: Literal["gauge", "counter"] = "gauge"

    def lines(self) -> Iterable[str]:
        yield f"# HELP {PREFIX}{self.name} {self.help}"
        yield f"# TYPE {PREFIX}{self.name} {self.kind}"
        yield f"{PREFIX}{self.name} {self.value}"


class Gauge(Struct, frozen=True):
    """Numbers by their labels, read when somebody scrapes."""

    name: str
    help: str
    label_names: Labels
    values: Mapping[Labels, float]

    def lines(self) -> Iterable[str]:
        return _gauge(self.name, self.help, self.label_names, self.values)


@dataclass(slots=True)
class Family:
    """One metric and its series. ``buckets`` make it a histogram.

    Histograms sum up in ``nanos``, integers of 1e-9 units: exact, and a tenth of a
    Decimal's cost.
    """

    name: str
    help: str
    label_names: Labels
    buckets: tuple[float, ...] = ()
    values: dict[Labels, Decimal] = field(default_factory=dict)
    counts: dict[Labels, list[int]] = field(default_factory=dict)
    nanos: dict[Labels, int] = field(default_factory=dict)

    def add(self, labels: Labels, amount: Decimal | int = 1) -> None:
        known = self.values.get(labels)
        if known is None:
            labels = self._bounded(labels)
            known = self.values.get(labels, _NOTHING)
        self.values[labels] = known + amount

    def observe(self, labels: Labels, value: float) -> None:
        slots = self.counts.get(labels)
        if slots is None:
            labels = self._bounded(labels)
            slots = self.counts.setdefault(labels, [0] * (len(self.buckets) + 1))
        slots[bisect_left(self.buckets, value)] += 1
        self.nanos[labels] = self.nanos.get(labels, 0) + round(value * 1e9)

    def _bounded(self, labels: Labels) -> Labels:
        """What a new series is counted under."""
        known = self.counts if self.buckets else self.values
        return labels if len(known) < MAX_SERIES else tuple("other" for _ in labels)

    def lines(self) -> Iterable[str]:
        kind = "histogram" if self.buckets else "counter"
        yield f"# HELP {PREFIX}{self.name} {self.help}"
        yield f"# TYPE {PREFIX}{self.name} {kind}"
        for labels in sorted(self.counts):
            yield from self._histogram(labels)
        for labels in sorted(self.values):
            pairs = _pairs(self.label_names, labels)
            yield f"{PREFIX}{self.name}{pairs} {self.values[labels]:f}"

    def _histogram(self, labels: Labels) -> Iterable[str]:
        seen = 0
        names = (*self.label_names, "le")
        edges = (*(f"{edge:g}" for edge in self.buckets), "+Inf")
        for edge, count in zip(edges, self.counts[labels], strict=True):
            seen += count
            pairs = _pairs(names, (*labels, edge))
            yield f"{PREFIX}{self.name}_bucket{pairs} {seen}"
        pairs = _pairs(self.label_names, labels)
        total = Decimal(self.nanos[labels]).scaleb(-9)
        yield f"{PREFIX}{self.name}_sum{pairs} {total.normalize():f}"
        yield f"{PREFIX}{self.name}_count{pairs} {seen}"


class Telemetry:
    """All metrics of the daemon."""

    def __init__(self) -> None:
        who = ("provider", "model")
        self.requests = Family(
            "requests_total",
            "Requests answered or failed.",
            (*who, "task_type", "outcome"),
        )
        self.duration = Family(
            "request_duration_seconds",
            "Whole requests, from arrival to answer.",
            who,
            LATENCY_BUCKETS,
        )
        self.overhead = Family(
            "overhead_seconds",
            "The part of a request not spent waiting for providers.",
            (),
            OVERHEAD_BUCKETS,
        )
        self.first_token = Family(
            "time_to_first_token_seconds",
            "From arrival to the first content of a stream.",
            who,
            LATENCY_BUCKETS,
        )
        self.tokens = Family(
            "tokens_total", "Tokens as providers reported them.", (*who, "kind")
        )
        self.cost = Family("cost_usd_total", "What calls cost, where it is known.", who)
        self.unpriced = Family(
            "unpriced_calls_total", "Calls whose cost is not known.", who
        )
        self.attempts = Family("attempts_total", "Upstream calls.", (*who, "outcome"))
        self.failovers = Family(
            "failovers_total", "Requests that left this provider for another.", who
        )
        self.retries = Family(
            "retries_total", "Calls repeated on the same provider and model.", who
        )
        self.hedges = Family(
            "hedges_total",
            "Calls made beside a slow one: ok is won, cancelled is lost.",
            (*who, "outcome"),
        )
        self.resumes = Family(
            "resumes_total",
            "Calls made to go on with a stream that broke.",
            (*who, "outcome"),
        )
        self.transitions = Family(
            "breaker_transitions_total", "Breakers that changed phase.", (*who, "to")
        )
        self.shed = Family(
            "shed_total", "Requests that got no place in time.", ("reason",)
        )
        self.queue_wait = Family(
            "queue_wait_seconds",
            "Waits for a place of the requests that got one.",
            ("priority",),
            LATENCY_BUCKETS,
        )
        self.consensus = Family(
            "consensus_rounds_total", "Rounds of consensus.", ("method", "outcome")
        )
        self.cache_hits = Family(
            "cache_hits_total", "Requests that were given another's answer.", ("kind",)
        )
        self.cache_saved = Family(
            "cache_saved_usd_total", "What such answers had cost, where known.", ()
        )
        self.tasks = Family("tasks_total", "Tasks that came into a state.", ("state",))
        self.task_attempts = Family(
            "task_attempts_total",
            "Attempts at tasks, by what they came to.",
            ("kind", "state"),
        )
        self.task_wait = Family(
            "task_wait_seconds",
            "From when a task could have begun to its claim.",
            ("priority",),
            LATENCY_BUCKETS,
        )
        self.task_run = Family(
            "task_run_seconds", "Attempts at tasks.", ("priority",), LATENCY_BUCKETS
        )
        self.restarts = Family(
            "actor_restarts_total", "Actors started again by a supervisor.", ("actor",)
        )

    # ---- feeding

    def on_record(self, record: RequestRecord) -> None:
        """Count one finished request and its attempts."""
        who = _asked(record)
        self.requests.add((*who, record.task_type or "", record.outcome))
        self.overhead.observe((), record.overhead_s)
        if record.reused is not None:  # and says nothing of how fast a provider is
            self._on_reused(record.reused, record.outcome)
            return
        self.duration.observe(who, record.latency_s)
        if record.time_to_first_token_s is not None:
            self.first_token.observe(who, record.time_to_first_token_s)
        if record.consensus is not None:
            self.consensus.add((record.consensus.method, record.outcome))
        previous: AttemptRecord | None = None
        for attempt in record.attempts:
            self._on_attempt(attempt, previous)
            previous = attempt

    def _on_reused(self, reused: Reused, outcome: str) -> None:
        if outcome != "ok":
            return
        self.cache_hits.add((reused.kind,))
        if reused.saved_usd is not None:
            self.cache_saved.add((), reused.saved_usd)

    def _on_attempt(
        self, attempt: AttemptRecord, previous: AttemptRecord | None
    ) -> None:
        who = (attempt.provider, attempt.model)
        self.attempts.add((*who, attempt.outcome))
        if attempt.cost_usd is None:
            self.unpriced.add(who)
        else:
            self.cost.add(who, attempt.cost_usd)
        usage = attempt.usage
        for kind, count in (
            ("prompt", usage.prompt_tokens),
            ("completion", usage.completion_tokens),
            ("cached", usage.cached_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            if count:
                self.tokens.add((*who, kind), count)
        if attempt.kind == "hedge":
            self.hedges.add((*who, attempt.outcome))
        elif attempt.kind == "resume":
            self.resumes.add((*who, attempt.outcome))
        elif attempt.kind == "retry":
            self.retries.add(who)
        elif attempt.kind == "failover" and previous is not None:
            self.failovers.add((previous.provider, previous.model))

    def on_queue(self, event: QueueExit) -> None:
        """Count one request that waits for a place no longer."""
        if event.result == "served":
            self.queue_wait.observe((event.priority,), event.waited_s)
        elif event.result != "left":
            self.shed.add((event.result,))

    def on_transition(self, event: BreakerTransition) -> None:
        self.transitions.add((event.provider, event.model, event.after))

    # ---- telling

    def render(
        self,
        snapshots: Iterable[ProviderSnapshot],
        depths: Mapping[str, int],
        waiting: Mapping[Priority, int],
        conditions: Sequence[Condition],
        figures: Iterable[Figure | Gauge],
    ) -> str:
        """The Prometheus text exposition, version 0.0.4."""
        lines: list[str] = []
        for family in vars(self).values():
            assert isinstance(family, Family)
            lines += family.lines()
        providers = list(snapshots)
        lines += _gauge(
            "provider_up",
            "1 healthy, 0 not, absent before the first probe.",
            ("provider",),
            {(s.provider,): int(s.healthy) for s in providers if s.healthy is not None},
        )
        lines += _gauge(
            "breaker_state",
            "0 closed, 1 half-open, 2 open.",
            ("provider", "model"),
            {
                (m.provider, m.model): BREAKER_VALUE[m.breaker]
                for s in providers
                for m in s.models
            },
        )
        lines += _gauge(
            "concurrency_limit",
            "Calls at once, configured or learned; absent while there is no limit.",
            ("provider",),
            {
                (s.provider,): s.concurrency_limit
                for s in providers
                if s.concurrency_limit is not None
            },
        )
        lines += _gauge(
            "provider_in_flight",
            "Calls at the provider.",
            ("provider",),
            {(s.provider,): s.in_flight for s in providers},
        )
        lines += _gauge(
            "queue_depth",
            "Requests that wait for a place.",
            ("priority",),
            {(priority,): depth for priority, depth in waiting.items()},
        )
        lines += _gauge(
            "mailbox_depth",
            "Messages waiting for an actor.",
            ("actor",),
            {(actor,): depth for actor, depth in depths.items()},
        )
        holding = Counter(each.code for each in conditions)
        lines += _gauge(
            "conditions",
            "How many conditions of this code hold, as status lists them.",
            ("code", "severity"),
            {(c, kind.severity): holding[c] for c, kind in CATALOGUE.items()},
        )
        for figure in figures:
            lines += figure.lines()
        return "\n".join(lines) + "\n"


def _asked(record: RequestRecord) -> Labels:
    """Who answered, by the name the model is asked for: that of all other metrics."""
    if record.provider is None:
        return ("none", "none")
    if record.consensus is not None:
        model = _decided_for(record.provider, record.consensus)
        return (record.provider, model or record.model or "none")
    answered = (a.model for a in reversed(record.attempts) if a.outcome == "ok")
    return (record.provider, next(answered, record.model) or "none")


def _decided_for(provider: str, info: ConsensusInfo) -> str | None:
    """Which of its models a round's answer is from: its calls are in other records."""
    members = [b.member for b in info.ballots if info.winner in {None, b.group}]
    if info.winner is None and info.judge is not None:
        members.insert(0, info.judge)  # who wrote it
    named = (name.partition("/") for name in members)
    return next((model for name, _, model in named if name == provider), None)


def _gauge(
    name: str, text: str, label_names: Labels, values: Mapping[Labels, float]
) -> Iterable[str]:
    yield f"# HELP {PREFIX}{name} {text}"
    yield f"# TYPE {PREFIX}{name} gauge"
    for labels, value in sorted(values.items()):
        yield f"{PREFIX}{name}{_pairs(label_names, labels)} {value}"


def _pairs(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{n}="{_escaped(v)}"' for n, v in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
