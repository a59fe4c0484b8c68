"""The candidates of a request side by side, in columns, kept from request to request.

A request is scored with a few passes over lists of numbers. What they hold follows from
each candidate's snapshot, so it is worked out only when that is another object than
last time, and put into the columns in place. Only when somebody comes, goes, or cannot
be chosen any more are the columns laid out anew.
"""

from collections.abc import Sequence
from itertools import compress, count, repeat
from math import inf
from operator import is_not

from actors.messages.provider import ModelSnapshot
from actors.policy.eligibility import Groups
from actors.policy.measures import GATE_HIGH, Measured
from actors.policy.rank_input import RankInput


class Columns:
    """Those who may be chosen, one list for each number.

    Attributes:
        items: Who it is, in the order of the candidates.
        preferred: So many of them, the first ones, are no others' substitutes.
        targets: Their targets.
        weights: Their shares of the turns.
        strangers: The places of those whose price is unknown.
        freshness: How much their latencies count; unknown, they count as infinite.
        availability: In [0, 1].
    """

    __slots__ = (
        "_asked",
        "_inputs",
        "_known",
        "_leads",
        "_outputs",
        "_paces",
        "availability",
        "freshness",
        "items",
        "preferred",
        "strangers",
        "targets",
        "weights",
    )

    def __init__(self, items: list[Measured]) -> None:
        self._asked: RankInput | None = None
        self._known: list[float] = []  # the lengths for what was asked last
        self.items = items
        self.preferred = sum(not item.rest for item in items)
        self.targets = [item.target for item in items]
        self.weights = [item.weight for item in items]
        self.availability = [item.availability for item in items]
        self.strangers = [n for n, item in enumerate(items) if not item.priced]
        self._inputs = [item.input_usd for item in items]
        self._outputs = [item.output_usd for item in items]
        self._leads = [item.lead_s if item.timed else inf for item in items]
        self._paces = [item.token_s for item in items]
        self.freshness = [item.speed_weight for item in items]

    def put(self, place: int, item: Measured) -> None:
        """Take the newer measurements of the candidate that has this place."""
        self.items[place] = item
        self.weights[place] = item.weight
        self.availability[place] = item.availability
        self._inputs[place] = item.input_usd
        self._outputs[place] = item.output_usd
        self._leads[place] = item.lead_s if item.timed else inf
        self._paces[place] = item.token_s
        self.freshness[place] = item.speed_weight

    def charges(self, ask: RankInput) -> list[float]:
        """Expected US dollars of the request, infinite where the price is unknown."""
        # Floats: CPython multiplies a float by an int far slower than by a float.
        prompt = float(ask.prompt_tokens_estimate)
        output = float(ask.expected_output_tokens)
        if ask.output_tokens:
            lengths = self.lengths(ask)
            rates = zip(self._inputs, self._outputs, lengths, strict=True)
            charges = [given * prompt + got * length for given, got, length in rates]
        else:
            charges = [
                given * prompt + got * output
                for given, got in zip(self._inputs, self._outputs, strict=True)
            ]
        for place in self.strangers:
            charges[place] = inf
        return charges

    def latencies(self, ask: RankInput) -> list[float]:
        """Predicted seconds of the request, infinite where that is unknown."""
        output = float(ask.expected_output_tokens)
        if ask.output_tokens:
            lengths = self.lengths(ask)
            paces = zip(self._leads, self._paces, lengths, strict=True)
            return [lead + pace * length for lead, pace, length in paces]
        return [
            lead + pace * output
            for lead, pace in zip(self._leads, self._paces, strict=True)
        ]

    def lengths(self, ask: RankInput) -> list[float]:
        """The output tokens expected of each."""
        if ask is not self._asked:
            default = repeat(ask.expected_output_tokens)
            self._asked = ask
            known = map(ask.output_tokens.get, self.targets, default)
            self._known = list(map(float, known))
        return self._known

    def qualities(self, ask: RankInput) -> list[float]:
        """Quality / best quality; who has none yet counts as 1."""
        found = list(map(ask.quality.get, self.targets, repeat(1.0)))
        best = max(found)
        return [quality / best for quality in found] if best > 0.0 else found


class Board:
    """Candidates in a fixed order, with what was worked out of their snapshots."""

    __slots__ = (
        "_doubtful",
        "_items",
        "_places",
        "_preferred",
        "_snapshots",
        "_until",
        "columns",
        "groups",
        "smallest_window",
        "unnamed",
    )

    def __init__(self) -> None:
        self._snapshots: list[ModelSnapshot] = []
        self._items: list[Measured] = []
        self._preferred: int | None = None
        self._until = 0.0
        self._places: list[int] = []  # in the columns; -1 if it may not be chosen
        self._doubtful = False  # somebody may be chosen of whom the gates have doubts
        self.columns = Columns([])
        self.groups = Groups([])
        self.smallest_window = inf
        self.unnamed = False

    @property
    def items(self) -> Sequence[Measured]:
        """Everybody, in the order given."""
        return self._items

    def look(
        self, candidates: Sequence[ModelSnapshot], now: float, preferred: int | None
    ) -> None:
        """Take the candidates as they are now; loop time goes forward only."""
        known = self._snapshots
        if preferred != self._preferred or len(known) != len(candidates):
            self._preferred = preferred
            self._begin(candidates, now)
            return
        due = now >= self._until
        changed = list(compress(count(), map(is_not, candidates, known)))
        if due:
            items = self._items
            seen = frozenset(changed)
            changed += [
                place
                for place, item in enumerate(items)
                if now >= item.until and place not in seen
            ]
        if changed:
            self._take(candidates, changed, now)

    def _begin(self, candidates: Sequence[ModelSnapshot], now: float) -> None:
        self._snapshots = list(candidates)
        self._items = [
            self._measured(each, n, now) for n, each in enumerate(candidates)
        ]
        self._lay_out()

    def _measured(self, snapshot: ModelSnapshot, place: int, now: float) -> Measured:
        item = Measured(snapshot, now)
        item.rest = self._preferred is not None and place >= self._preferred
        return item

    def _take(
        self, candidates: Sequence[ModelSnapshot], changed: list[int], now: float
    ) -> None:
        in_place = True
        columns, items = self.columns, self._items
        for place in changed:
            snapshot = candidates[place]
            before = items[place]
            item = self._measured(snapshot, place, now)
            self._snapshots[place] = snapshot
            items[place] = item
            in_place = (
                in_place
                and self._places[place] >= 0
                and item.plain
                and before.plain
                and item.priced == before.priced
                and snapshot.context_window == before.snapshot.context_window
            )
            if in_place:
                columns.put(self._places[place], item)
        if not (in_place and self._gates_hold()):
            self._lay_out()
        elif now >= self._until:
            self._until = min((item.until for item in items), default=inf)
        else:
            self._until = min(self._until, *(items[n].until for n in changed))

    def _gates_hold(self) -> bool:
        """Those who were left aside, if any, still are, because another one is well."""
        if self._doubtful:
            return False
        if len(self.columns.items) == len(self._items):
            return True
        self.groups.best = max(self.columns.availability, default=0.0)
        return self.groups.best >= GATE_HIGH

    def _lay_out(self) -> None:
        items = self._items
        self.groups = Groups(items)
        self.columns = Columns(self.groups.eligible)
        chosen = {item: place for place, item in enumerate(self.columns.items)}
        self._places = [chosen.get(item, -1) for item in items]
        self._doubtful = not all(item.plain for item in self.columns.items)
        windows = [item.snapshot.context_window for item in items]
        self.smallest_window = min((w for w in windows if w is not None), default=inf)
        self.unnamed = not all(item.snapshot.model for item in items)
        self._until = min((item.until for item in items), default=inf)
