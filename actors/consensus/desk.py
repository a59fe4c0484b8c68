"""Who is asked in a round, and what is known of them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from actors.consensus.settings import MAX_MEMBERS, ConsensusSettings
from actors.errors import InvalidRequest, NoProvider
from actors.messages.consensus import ConsensusAsk, ConsensusMethod
from actors.messages.lifecycle import StateKeeper
from actors.messages.notices import NoticeBoard
from actors.messages.provider import ProviderRef
from actors.messages.router import RecordSpool, RouterRef
from actors.messages.routing import (
    RequestRecord,
    Target,
)
from actors.policy.voting.learned import Learned
from actors.policy.voting.methods import Evidence
from actors.policy.voting.pages import SLOTS
from actors.policy.voting.stopping import cheap_first
from actors.policy.voting.weights import UNKNOWN_ACCURACY

LEARNED_KEYS = {False: "consensus-learned", True: "consensus-learned-simulated"}
"""Where labelled rounds are kept, by whether they were pretended ones, and by slot."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the actor may not make itself.

    ``providers`` and ``aliases`` are as the router knows them. ``on_record`` is told of
    each finished round; it must not block or raise. ``utc`` gives epoch seconds,
    ``draw`` a number in [0, 1), ``quality`` the mean score of answers to a task type by
    target, where any is known. ``notices`` is where it is told how a round goes.
    """

    router: RouterRef
    providers: Mapping[str, ProviderRef]
    aliases: Mapping[str, str]
    spool: RecordSpool
    utc: Callable[[], float]
    draw: Callable[[], float]
    new_id: Callable[[], str]
    on_record: Callable[[RequestRecord], None]
    keeper: StateKeeper
    notices: NoticeBoard
    quality: Callable[[str | None, Sequence[Target]], Mapping[Target, float]]


class Desk:
    """Settings and knowledge shared by all rounds. ``settings`` may be replaced.

    Pretended rounds say nothing about real ones: what labels taught is kept apart.
    """

    def __init__(self, settings: ConsensusSettings, tools: Tools) -> None:
        self.settings = settings
        self.tools = tools
        self._learned = {
            simulated: Learned(tools.keeper.load(f"{key}-{n}") for n in range(SLOTS))
            for simulated, key in LEARNED_KEYS.items()
        }

    @property
    def books(self) -> Iterable[Learned]:
        """Everything learned, of real rounds and of pretended ones."""
        return self._learned.values()

    def learned(self, *, simulated: bool) -> Learned:
        """What rounds of this kind have taught."""
        return self._learned[simulated]

    def learned_of(self, members: Iterable[str]) -> Learned:
        """What counts for a round of these: it is pretended if one of them pretends."""
        refs = (self.tools.providers.get(name.partition("/")[0]) for name in members)
        return self.learned(
            simulated=any(ref is not None and ref.snapshot().simulated for ref in refs)
        )

    def members(self, ask: ConsensusAsk) -> tuple[str, ...]:
        """Everybody to ask, as ``<provider>/<model>``, without doubles.

        Raises:
            InvalidRequest: A name is no provider, or there are too many or too few.
            NoProvider: Nobody was named and no provider has a model to ask for.
        """
        named = ask.members or self.settings.members
        if not named:
            return self._everybody()
        members = tuple(dict.fromkeys(self._member(name) for name in named))
        if not 2 <= len(members) <= MAX_MEMBERS:
            raise InvalidRequest(
                f"a consensus needs 2 to {MAX_MEMBERS} different members",
                field="members",
                got=f"{len(members)}: {', '.join(members)}"[:200],
                wanted=f"2 to {MAX_MEMBERS} providers or <provider>/<model> names",
            )
        return members

    def stand_in(
        self, taken: Collection[str], fallen: Collection[str], task_type: str | None
    ) -> str | None:
        """The best who is well, of none of the ``fallen`` providers and not ``taken``.

        Of default models, configured members and those with labels; who has no prior
        counts as in a vote. Of equals the cheaper, then the first configured.
        """
        found = [
            name
            for name in self._known(task_type)
            if name not in taken
            and name.partition("/")[0] not in fallen
            and self._is_well(name)
        ]
        prices = self.prices(found)
        dearest = max(prices.values(), default=0.0)

        def standing(name: str) -> tuple[float, float]:
            prior = self.prior(name, task_type)
            known = UNKNOWN_ACCURACY if prior is None else prior
            return known, -prices.get(name, dearest)

        return max(found, key=standing, default=None)

    def _known(self, task_type: str | None) -> Iterable[str]:
        """Everybody whom a round may ask without being told to."""
        found: dict[str, None] = {}
        for name in self.settings.members:
            with suppress(InvalidRequest):
                found[self._member(name)] = None
        for name, provider in self.tools.providers.items():
            snapshot = provider.snapshot()
            models = [snapshot.default_model, *(m.model for m in snapshot.models)]
            for model in models:
                member = f"{name}/{model}"
                default = model == snapshot.default_model
                if model and (default or self.prior(member, task_type) is not None):
                    found[member] = None
        return found

    def _is_well(self, member: str) -> bool:
        provider, _, model = member.partition("/")
        snapshot = self.tools.providers[provider].snapshot()
        if snapshot.healthy is False or snapshot.out_of_money:
            return False
        seen = next((each for each in snapshot.models if each.model == model), None)
        return seen is None or (seen.breaker != "open" and not seen.auth_refused)

    def method(self, ask: ConsensusAsk) -> ConsensusMethod:
        return ask.method or self.settings.method

    def quorum(self, ask: ConsensusAsk, members: int) -> int:
        """How many must have answered.

        Raises:
            InvalidRequest: More than there are members.
        """
        if ask.quorum is not None and ask.quorum > members:
            raise InvalidRequest(
                f"a quorum of {ask.quorum} of {members} members cannot be reached",
                field="quorum",
                got=str(ask.quorum),
                wanted=f"at most {members}",
            )
        return min(ask.quorum or self.settings.quorum, members)

    def judge(
        self, ask: ConsensusAsk, members: Sequence[str], task_type: str | None
    ) -> str:
        """Who judges or writes: as asked, as configured, or the best prior.

        Raises:
            InvalidRequest: The name is no provider.
        """
        named = ask.judge or self.settings.judge
        if named:
            return self._member(named, field="judge")
        return max(members, key=lambda name: self.prior(name, task_type) or 0.0)

    def prior(self, member: str, task_type: str | None) -> float | None:
        """How often it is right: as configured, else the quality of its answers."""
        priors = self.settings.priors
        provider, _, model = member.partition("/")
        told = priors.get(member, priors.get(provider))
        if told is not None:
            return told
        target = Target(provider, model)
        return self.tools.quality(task_type, (target,)).get(target)

    def evidence(self, members: Sequence[str], task_type: str | None) -> Evidence:
        known = {name: self.prior(name, task_type) for name in members}
        accuracy = {name: prior for name, prior in known.items() if prior is not None}
        weights = self.learned_of(members).weights
        return Evidence(accuracy=accuracy, weights=weights, task_type=task_type)

    def learn(self, record: RequestRecord, score: float) -> None:
        """A round's answer got this score in [0, 1]; kept over a restart, at once."""
        if record.consensus is None:
            return
        decision_id = record.decision.decision_id
        book = self.learned(simulated=record.simulated)
        book.learn(decision_id, record.consensus, record.task_type, score)
        for slot, page in book.changes().items():
            self.tools.keeper.save(f"{LEARNED_KEYS[record.simulated]}-{slot}", page)

    def order(self, members: Sequence[str], task_type: str | None) -> tuple[str, ...]:
        """Whom a cascade asks first."""
        evidence = self.evidence(members, task_type)
        return cheap_first(members, self.prices(members), evidence.accuracy)

    def _everybody(self) -> tuple[str, ...]:
        members = []
        for name, provider in self.tools.providers.items():
            snapshot = provider.snapshot()
            if snapshot.default_model is not None and snapshot.healthy is not False:
                members.append(f"{name}/{snapshot.default_model}")
        if len(members) < 2:
            raise NoProvider(
                "a consensus needs at least two providers that are well; there "
                + (f"is only {members[0]}" if members else "is none")
            )
        return tuple(members[:MAX_MEMBERS])

    def _member(self, name: str, *, field: str = "members") -> str:
        provider, slash, model = name.partition("/")
        provider = self.tools.aliases.get(provider, provider)
        ref = self.tools.providers.get(provider)
        if ref is None:
            raise InvalidRequest(
                f"there is no provider {provider!r}",
                field=field,
                got=name[:200],
                wanted="one of " + ", ".join(self.tools.providers),
            )
        if not slash:
            model = ref.snapshot().default_model or ""
        return f"{provider}/{model}" if model else provider

    def prices(self, members: Sequence[str]) -> dict[str, float]:
        """What a thousand tokens each way cost, in USD, where it is known."""
        prices: dict[str, float] = {}
        for member in members:
            provider, _, model = member.partition("/")
            ref = self.tools.providers.get(provider)
            found = ref.snapshot().models if ref is not None else ()
            for each in found:
                if each.model != model or each.output_price is None:
                    continue
                prices[member] = float((each.input_price or 0) + each.output_price)
        return prices
