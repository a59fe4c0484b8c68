"""What all requests share, and the decision for one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

from actors.errors import GitBridgeError
from actors.messages.chat import ChatRequest
from actors.messages.provider import ModelSnapshot, TimeoutLimits
from actors.messages.routing import (
    Alias,
    Decision,
    RouteRequest,
    Strategy,
    StreamMode,
    Target,
    TaskRule,
    Weights,
)
from actors.messages.sighting import RankedOn
from actors.policy.attempts import AttemptPlan
from actors.policy.budgets import Budgets
from actors.policy.embedding import check_chat, check_embedding
from actors.policy.naming import Resolution
from actors.policy.patience import hedge_after_s
from actors.policy.quality import QualityBook
from actors.policy.rank_input import KEPT_EXCLUSIONS
from actors.policy.recall import Sightings, ranked_on
from actors.policy.retry_budget import RetryBudget
from actors.policy.retry_rules import Size
from actors.policy.round_robin import RoundRobin
from actors.policy.scoring import Ranking, RankInput, refusal
from actors.policy.tokens import (
    COUNT_MORE,
    bound_tokens,
    likely_tokens,
    longest_input,
    prompt_size,
)
from actors.router.experience import Experience
from actors.router.gate import Gate
from actors.router.lookup import Found, Lookup
from actors.router.purse import Purse
from actors.router.resumption import RefusedPrefixes
from actors.router.settings import RouterSettings, RouterTools

OVERRIDES_KEY = "router-overrides"


class Overrides(Struct, frozen=True):
    """What was changed at run time, kept over a restart; ``None`` is as configured."""

    strategy: Strategy | None = None
    weights: Weights | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One request's decision and the plan of its attempts, or why there is none."""

    decision: Decision
    attempts: AttemptPlan | None
    max_tokens: int | None = None
    mode: StreamMode = "passthrough"
    timeouts: TimeoutLimits | None = None
    error: GitBridgeError | None = None
    purse: Purse | None = None


class Desk:
    """The router's state: strategy, budgets, round-robin order, requests inside.

    ``quality`` is what feedback has taught; whoever takes feedback teaches it.
    ``daily`` are the daily budgets; whoever has the configuration sets their limits.
    """

    def __init__(
        self,
        settings: RouterSettings,
        tools: RouterTools,
        quality: QualityBook | None = None,
        daily: Budgets | None = None,
    ) -> None:
        self.settings = settings
        self.tools = tools
        self.quality = QualityBook() if quality is None else quality
        self.overrides = Overrides()
        self.daily = Budgets() if daily is None else daily
        self.budget = RetryBudget(
            ratio=settings.retry_budget_ratio,
            min_per_s=settings.retry_budget_min_per_s,
        )
        self.hedges = RetryBudget(ratio=settings.hedge, min_per_s=0.0, empty=True)
        self.refused_prefixes = RefusedPrefixes(tools.keeper)
        self.gate = Gate(
            tools.providers,
            max_inside=settings.max_in_flight,
            max_waiting=settings.max_waiting,
            tell=tools.on_queue,
        )
        self._rotation = RoundRobin()
        self._lookup = Lookup(tools.price_of)
        self.sightings = Sightings(tools.new_id)
        self.experience = Experience(tools.providers)

    def configure(self, settings: RouterSettings) -> None:
        """Decide by these from now on; what is inside goes on as it began.

        Whoever waits for a place looks again who might have one.
        """
        self.settings = settings
        self.budget.configure(
            settings.retry_budget_ratio, settings.retry_budget_min_per_s
        )
        self.hedges.configure(settings.hedge, 0.0)
        self.gate.configure(
            max_inside=settings.max_in_flight, max_waiting=settings.max_waiting
        )

    @property
    def strategy(self) -> Strategy:
        return self.overrides.strategy or self.settings.strategy

    @property
    def weights(self) -> Weights:
        return self.overrides.weights or self.settings.weights

    def decide(self, request: RouteRequest, now: float, deadline: float) -> Plan:
        """Rank the candidates and plan the attempts; errors come back in the plan."""
        try:
            found = self.find(request)
        except GitBridgeError as error:
            return Plan(self._undecided(request, error), None, error=error)
        resolution = found.resolution
        strategy = request.strategy or resolution.strategy or self.strategy
        max_tokens = request.chat.max_tokens or resolution.max_tokens
        quality = self.quality_of(request.task_type, found.targets)
        ask = self._rank_input(
            request, resolution, strategy, max_tokens, now=now, quality=quality
        )
        self.sightings.turn_over(now)
        seen = found.sight(self.sightings)
        kept = ranked_on(ask, found.targets, self.sightings.epoch, seen)
        ranking = self.rank(found, ask)
        decision = self._decision(ranking, ask, kept)
        rule = self.settings.tasks.get(request.task_type or "")
        limits = limited_by(request, resolution, rule)
        if limits:
            decision = replace(decision, reason=f"{limits}; {decision.reason}")
        if not ranking.ranked:
            return Plan(decision, None, error=refusal(ranking))
        known = dict(zip(found.targets, found.models, strict=True))
        mode = self._stream_mode(request, resolution.alias)
        if self.settings.hedge > 0.0:
            decision = replace(
                decision,
                hedge_after_s=hedge_after(request, mode, ranking, known, resolution),
            )
        purse = self._purse(request, known, ask) if self.daily.active else None
        plan = self._attempt_plan(
            *(ranking, known, resolution, ask, deadline),
            purse=purse,
            buffered=mode == "buffered",
        )
        timeouts = resolution.alias.timeouts if resolution.alias else None
        return Plan(decision, plan, max_tokens, mode, timeouts, purse=purse)

    def find(self, request: RouteRequest) -> Found:
        """Whom it means; ``Lookup.find`` and the checks say what is raised."""
        snapshots = [p.snapshot() for p in self.tools.providers.values()]
        question = (request.model, request.provider, request.task_type)
        found = self._lookup.find(question, snapshots, self.settings)
        kinds = {each.provider: each.kind for each in snapshots}
        check = check_chat if request.chat.embed is None else check_embedding
        check(
            request.model,
            found.resolution,
            lambda at: self.tools.embeds(kinds[at.provider], at.model),
        )
        return found

    def _purse(
        self,
        request: RouteRequest,
        known: Mapping[Target, ModelSnapshot],
        ask: RankInput,
    ) -> Purse:
        defaults = self.settings.defaults

        def most_tokens(provider: str) -> int | None:
            if request.chat.embed is not None:
                return 0
            told = defaults.get(provider)
            return ask.max_output_tokens or (told.max_tokens if told else None)

        def most_prompt(provider: str) -> int:
            asked = self.tools.providers.get(provider)
            kind = asked.snapshot().kind if asked else "openai"
            if kind not in COUNT_MORE:
                return ask.prompt_tokens_upper
            return bound_tokens(prompt_size(request.chat), kind)

        return Purse(
            self.daily,
            request.user,
            known,
            most_prompt=most_prompt,
            most_tokens=most_tokens,
            expected=round(ask.expected_output_tokens),
            utc=self.tools.utc,
            share=self.tools.budget_share,
        )

    def _stream_mode(self, request: RouteRequest, alias: Alias | None) -> StreamMode:
        of_alias = alias.stream_mode if alias else None
        return request.stream_mode or of_alias or self.settings.stream_mode

    def rank(self, found: Found, ask: RankInput) -> Ranking:
        """Whom to ask, best first; a benchmark ranks by other rules here."""
        return found.ranker.rank(found.models, ask)

    def _rank_input(
        self,
        request: RouteRequest,
        resolution: Resolution,
        strategy: Strategy,
        max_tokens: int | None,
        *,
        now: float,
        quality: Mapping[Target, float],
    ) -> RankInput:
        size = prompt_size(request.chat)
        prompt_tokens = likely_tokens(size, "openai")
        expected, known = self.experience.lengths(request, max_tokens)
        embed = request.chat.embed
        return RankInput(
            strategy=strategy,
            now=now,
            draw=self.tools.draw(),
            weights=self.weights,
            prompt_tokens_estimate=prompt_tokens,
            prompt_tokens_upper=bound_tokens(size, "openai"),
            expected_output_tokens=expected,
            max_output_tokens=0 if embed is not None else max_tokens or 0,
            longest_input=None if embed is None else longest_input(embed),
            budget_usd=request.budget_usd,
            preferred=len(resolution.targets),
            rotation=self._rotation,
            output_tokens=known,
            quality=quality,
            cached=self.experience.cached(request, prompt_tokens, now),
        )

    def quality_of(
        self, task_type: str | None, targets: Sequence[Target]
    ) -> Mapping[Target, float]:
        """How good their answers to such tasks have been, if anybody knows."""
        if self.quality.empty:
            return {}
        providers = self.tools.providers.items()
        simulated = {name for name, each in providers if each.snapshot().simulated}
        return self.quality.of(task_type, targets, simulated)

    def _decision(
        self,
        ranking: Ranking,
        ask: RankInput,
        kept: RankedOn,
    ) -> Decision:
        return Decision(
            decision_id=self.tools.new_id(),
            strategy=ask.strategy,
            weights=ask.weights,
            candidates=ranking.ranked,
            excluded=ranking.excluded[:KEPT_EXCLUSIONS],
            candidate_count=len(kept.sightings),
            ranked_on=kept,
            confidence=ranking.confidence,
            degraded=ranking.degraded,
            draw=ask.draw,
            reason=ranking.reason,
        )

    def _undecided(self, request: RouteRequest, error: GitBridgeError) -> Decision:
        return Decision(
            decision_id=self.tools.new_id(),
            strategy=request.strategy or self.strategy,
            weights=self.weights,
            candidates=(),
            reason=error.message,
        )

    def _attempt_plan(
        self,
        ranking: Ranking,
        known: Mapping[Target, ModelSnapshot],
        resolution: Resolution,
        ask: RankInput,
        deadline: float,
        *,
        purse: Purse | None,
        buffered: bool,
    ) -> AttemptPlan:
        return AttemptPlan(
            self.settings.retry,
            [*ranking.order, *ranking.reserve],
            deadline=deadline,
            ordered=ask.strategy == "priority",
            forced=resolution.forced,
            known=known,
            size=Size(ask.prompt_tokens_estimate, ask.expected_output_tokens),
            budget_usd=ask.budget_usd,
            purse=purse,
            buffered=buffered,
        )


def hedge_after(
    request: RouteRequest,
    mode: StreamMode,
    ranking: Ranking,
    known: Mapping[Target, ModelSnapshot],
    resolution: Resolution,
) -> float | None:
    """After how many seconds to ask a second one beside the first; ``None``: never.

    A request with tools is answered once, a provider that was named is not left, and
    whoever is asked although in doubt is the last one anyway. What the caller gets
    piece by piece is hedged until its first one, everything else until it is whole.
    """
    if request.chat.tools or resolution.forced or ranking.degraded:
        return None
    pool = [known[candidate.target] for candidate in ranking.ranked]
    if len({model.provider for model in pool}) < 2:
        return None
    in_pieces = request.stream and mode != "buffered"
    return hedge_after_s(pool, stream=in_pieces, max_tokens=request.chat.max_tokens)


def limited_by(
    request: RouteRequest, resolution: Resolution, rule: TaskRule | None
) -> str:
    """What left only some providers to choose from, in words; empty if nothing did."""
    if request.provider is not None:
        return f"the caller asked for provider {request.provider}"
    if resolution.alias is not None:
        return f"{request.model} names {', '.join(resolution.alias.candidates)}"
    if resolution.named:
        return f"the caller asked for model {request.model}"
    if rule is not None and rule.providers and resolution.others:
        return f"{request.task_type} goes to {', '.join(rule.providers)} first"
    return ""


def fill_defaults(
    settings: RouterSettings, target: Target, chat: ChatRequest, max_tokens: int | None
) -> ChatRequest:
    """The request as that provider is asked: what it does not say, the defaults do."""
    if chat.embed is not None:
        return chat
    defaults = settings.defaults.get(target.provider)
    temperature, effort = chat.temperature, chat.reasoning_effort
    tokens = max_tokens
    if defaults is not None:
        temperature = defaults.temperature if temperature is None else temperature
        effort = defaults.reasoning_effort if effort is None else effort
        tokens = defaults.max_tokens if tokens is None else tokens
    return replace(
        chat, temperature=temperature, reasoning_effort=effort, max_tokens=tokens
    )
