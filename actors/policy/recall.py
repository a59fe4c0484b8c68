"""A decision made again from what is kept of it, as it was or by other rules.

What is kept, and where:

* Every candidate's figures are a ``Sighting``, written once, when a decision first sees
  them, and numbered within an ``epoch``. A decision names those it saw by number
  (``Decision.ranked_on``), so that what did not change is not written again.
* A sighting travels in the record of whichever request is written next: the record of a
  decision is never on disk before all it saw. In the database ``sightings`` says which
  request's record holds one; it goes when that request is swept.
* An epoch ends after some thousand sightings or some minutes, and then everybody is seen
  again: whoever deletes old requests breaks only what was decided shortly afterwards.

``recall`` puts a decision's candidates and its ``RankInput`` together again; ``rank`` of
that is the decision, to the last figure. For another strategy or other weights::

    recalled = recall(decision, sightings)
    rank(recalled.candidates, replace(recalled.ask, strategy="cost"))

Many decisions in order want ``Recollection``: feed it the records as they were written.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Decision, RequestRecord, Target
from actors.messages.sighting import RankedOn, Sighting
from actors.policy.measures import target_of
from actors.policy.rank_input import Cached, RankInput
from actors.policy.round_robin import RoundRobin

Key = tuple[str, int]
"""Epoch and number of a sighting."""

EPOCH_SIGHTINGS = 5000
EPOCH_S = 600.0
KEPT_EPOCHS = 3


class Recalled(Struct, frozen=True):
    """What a decision was made from: ``rank(candidates, ask)`` makes it again."""

    candidates: tuple[ModelSnapshot, ...]
    ask: RankInput


class Forgotten(Struct, frozen=True):
    """Why a decision cannot be made again, in words."""

    reason: str


class Sightings:
    """Numbers what decisions see, and says what of it is not written yet.

    Args:
        new_epoch: Makes a name for each epoch, never the same twice.
    """

    __slots__ = ("_began", "_known", "_new_epoch", "_seq", "_unwritten", "epoch")

    def __init__(self, new_epoch: Callable[[], str]) -> None:
        self._new_epoch = new_epoch
        self._known: dict[Target, Sighting] = {}
        self._unwritten: list[Sighting] = []
        self._seq = 0
        self._began = 0.0
        self.epoch = ""

    def turn_over(self, now: float) -> None:
        """Begin another epoch when it is time: numbers from before hold no more."""
        long = self._seq >= EPOCH_SIGHTINGS or now - self._began >= EPOCH_S
        if not self.epoch or long:
            self.epoch = self._new_epoch()
            self._known.clear()
            self._seq, self._began = 0, now

    def see(self, snapshot: ModelSnapshot) -> int:
        """The number of these figures; new ones are to be written."""
        target = target_of(snapshot.provider, snapshot.model)
        known = self._known.get(target)
        if known is not None and sighting_of(self.epoch, known.seq, snapshot) == known:
            return known.seq  # what is new of it is nothing that a ranking looks at
        self._seq += 1
        seen = self._known[target] = sighting_of(self.epoch, self._seq, snapshot)
        self._unwritten.append(seen)
        return self._seq

    def take(self) -> tuple[Sighting, ...]:
        """What is to be written, once."""
        if not self._unwritten:
            return ()
        taken = tuple(self._unwritten)
        self._unwritten.clear()
        return taken

    def give_back(self, taken: Iterable[Sighting]) -> None:
        """It could not be written. While that lasts, the oldest is forgotten."""
        self._unwritten[:0] = taken
        del self._unwritten[: max(0, len(self._unwritten) - EPOCH_SIGHTINGS)]


class Recollection:
    """Makes decisions again while their records go by, oldest first."""

    def __init__(self) -> None:
        self._epochs: dict[str, dict[Key, Sighting]] = {}

    def add(self, sightings: Iterable[Sighting]) -> None:
        """Remember these; only the newest epochs are kept."""
        for each in sightings:
            if each.epoch not in self._epochs:
                self._epochs[each.epoch] = {}
                while len(self._epochs) > KEPT_EPOCHS:
                    del self._epochs[next(iter(self._epochs))]
            self._epochs[each.epoch][each.epoch, each.seq] = each

    def recall(self, record: RequestRecord) -> Recalled | Forgotten:
        """The record's decision, and remember what came with the record."""
        self.add(record.sightings)
        on = record.decision.ranked_on
        known = self._epochs.get(on.epoch, {}) if on is not None else {}
        return recall(record.decision, known)


def seen_by(decision: Decision) -> tuple[Key, ...]:
    """The keys of everything that this decision saw."""
    on = decision.ranked_on
    return () if on is None else tuple((on.epoch, seq) for seq in on.sightings)


def recall(
    decision: Decision, sightings: Mapping[Key, Sighting]
) -> Recalled | Forgotten:
    """What the decision was made from.

    Args:
        decision: As it was recorded.
        sightings: At least those of ``seen_by(decision)`` that are still there.
    """
    on, draw = decision.ranked_on, decision.draw
    if on is None or draw is None:
        return Forgotten("nobody was ranked for it")
    found = [sightings.get((on.epoch, seq)) for seq in on.sightings]
    candidates = tuple([snapshot_of(each) for each in found if each is not None])
    if len(candidates) < len(found):
        lost = len(found) - len(candidates)
        return Forgotten(
            f"the figures of {lost} of its candidates are not kept any more"
        )
    return Recalled(candidates, _ask(decision, on, draw, candidates))


def _ask(
    decision: Decision,
    on: RankedOn,
    draw: float,
    candidates: tuple[ModelSnapshot, ...],
) -> RankInput:
    targets = [target_of(each.provider, each.model) for each in candidates]
    rotation = None
    if on.credits:
        rotation = RoundRobin()
        rotation.load(targets, on.credits)
    return RankInput(
        strategy=decision.strategy,
        now=on.now,
        draw=draw,
        weights=decision.weights,
        prompt_tokens_estimate=on.prompt_tokens,
        prompt_tokens_upper=on.prompt_tokens_upper,
        expected_output_tokens=on.expected_output_tokens,
        max_output_tokens=on.max_output_tokens,
        longest_input=on.longest_input,
        budget_usd=on.budget_usd,
        preferred=on.preferred,
        rotation=rotation,
        output_tokens=_known(targets, on.output_tokens),
        quality=_known(targets, on.quality),
        cached=None
        if on.cached is None
        else Cached(targets[on.cached[0]], on.cached[1]),
        exploration=on.exploration,
    )


def _known(
    targets: list[Target], values: tuple[float | None, ...]
) -> dict[Target, float]:
    if not values:
        return {}
    pairs = zip(targets, values, strict=True)
    return {target: value for target, value in pairs if value is not None}


def ranked_on(
    ask: RankInput, targets: list[Target], epoch: str, sightings: tuple[int, ...]
) -> RankedOn:
    """What is kept of a ranking's input; before the ranking takes its turn."""
    turns: tuple[float, ...] = ()
    if ask.strategy == "round_robin" and ask.rotation is not None:
        turns = ask.rotation.credits(targets)
    cached: tuple[int, int] | None = None
    if ask.cached is not None and ask.cached.target in targets:
        cached = targets.index(ask.cached.target), ask.cached.tokens
    return RankedOn(
        epoch=epoch,
        sightings=sightings,
        now=ask.now,
        preferred=len(targets) if ask.preferred is None else ask.preferred,
        prompt_tokens=ask.prompt_tokens_estimate,
        prompt_tokens_upper=ask.prompt_tokens_upper,
        expected_output_tokens=ask.expected_output_tokens,
        max_output_tokens=ask.max_output_tokens,
        longest_input=ask.longest_input,
        budget_usd=ask.budget_usd,
        exploration=ask.exploration,
        output_tokens=_values(ask.output_tokens, targets),
        quality=_values(ask.quality, targets),
        credits=turns,
        cached=cached,
    )


def _values(
    known: Mapping[Target, float], targets: list[Target]
) -> tuple[float | None, ...]:
    return tuple(map(known.get, targets)) if known else ()


_COMMON = tuple(
    name
    for name in Sighting.__struct_fields__
    if name not in {"epoch", "seq", "provider", "model"}
)


def sighting_of(epoch: str, seq: int, s: ModelSnapshot) -> Sighting:
    """What a ranking looks at of a snapshot."""
    return Sighting(
        epoch,
        seq,
        s.provider,
        s.model,
        s.breaker,
        s.breaker_cause,
        s.breaker_open_until,
        s.probe_permit_free,
        s.blocked_until,
        s.in_flight,
        s.provider_in_flight,
        s.concurrency_limit,
        s.calls,
        s.success_rate,
        s.success_alpha,
        s.success_beta,
        s.last_call_at,
        s.latency_avg_s,
        s.time_to_first_token_s,
        s.seconds_per_token,
        s.input_price,
        s.output_price,
        s.cached_input_price,
        s.context_window,
        s.healthy,
        s.auth_refused,
        s.weight,
    )


def snapshot_of(seen: Sighting) -> ModelSnapshot:
    """The snapshot again, as far as a ranking looks at it."""
    figures: dict[str, object] = {name: getattr(seen, name) for name in _COMMON}
    snapshot = ModelSnapshot(provider=seen.provider, model=seen.model)
    return replace(snapshot, **figures)
