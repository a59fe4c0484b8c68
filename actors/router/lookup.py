"""Whom a request means, remembered from request to request.

What a name means changes only with what providers list and with the configuration, so
the same question is looked up once. What is remembered for it: its meaning, where its
candidates stand among the providers' snapshots, and the ranker that knows them.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import compress, count
from operator import is_not

from actors.messages.provider import ModelSnapshot, ProviderSnapshot
from actors.policy.measures import target_of
from actors.policy.naming import Resolution, candidates, resolve
from actors.policy.pricing import PriceOf, unpriced
from actors.policy.recall import Sightings
from actors.policy.scoring import Ranker
from actors.router.settings import RouterSettings

KEPT = 256
"""So many questions are remembered: callers may invent names."""

Question = tuple[str | None, str | None, str | None]
"""Model, provider and task type as asked for."""

_Place = tuple[int, int]


class Found:
    """Who is meant.

    Attributes:
        resolution: What the name means.
        targets: The candidates, the preferred first.
        models: Their snapshots as of now.
        ranker: Ranks exactly these.
    """

    __slots__ = (
        "_catalogues",
        "_epoch",
        "_places",
        "_seen",
        "_sightings",
        "models",
        "ranker",
        "resolution",
        "targets",
    )

    def __init__(
        self,
        resolution: Resolution,
        snapshots: Sequence[ProviderSnapshot],
        catalogues: list[object],
        price_of: PriceOf,
    ) -> None:
        self.resolution = resolution
        self.models = candidates(resolution, snapshots, price_of)
        self.targets = [target_of(each.provider, each.model) for each in self.models]
        self.ranker = Ranker()
        self._catalogues = catalogues
        self._places = _places(self.models, snapshots)
        self._epoch = ""
        self._seen: list[ModelSnapshot] = []
        self._sightings: list[int] = []

    def still_holds(
        self, snapshots: Sequence[ProviderSnapshot], catalogues: list[object]
    ) -> bool:
        """Bring the snapshots up to date; false when names may mean others by now."""
        if self._places is None or catalogues != self._catalogues:
            return False
        self.models = [snapshots[one].models[two] for one, two in self._places]
        return True

    def sight(self, sightings: Sightings) -> tuple[int, ...]:
        """The numbers of the figures as they are now, one for each candidate."""
        if self._epoch != sightings.epoch:
            self._epoch = sightings.epoch
            self._sightings = [sightings.see(each) for each in self.models]
        else:
            for place in compress(count(), map(is_not, self.models, self._seen)):
                self._sightings[place] = sightings.see(self.models[place])
        self._seen = self.models
        return tuple(self._sightings)


class Lookup:
    """Answers who is meant; the newest questions are remembered.

    Args:
        price_of: What models cost that have not been called yet.
    """

    def __init__(self, price_of: PriceOf = unpriced) -> None:
        self._price_of = price_of
        self._known: OrderedDict[Question, Found] = OrderedDict()
        self._settings: RouterSettings | None = None

    def find(
        self,
        question: Question,
        snapshots: Sequence[ProviderSnapshot],
        settings: RouterSettings,
    ) -> Found:
        """See ``naming.resolve``, also for what it raises."""
        if settings is not self._settings:
            self._settings = settings
            self._known.clear()
        catalogues: list[object] = [each.catalogue_version for each in snapshots]
        catalogues += [each.provider for each in snapshots]
        known = self._known.get(question)
        if known is not None and known.still_holds(snapshots, catalogues):
            return known
        return self._look_up(question, snapshots, settings, catalogues)

    def _look_up(
        self,
        question: Question,
        snapshots: Sequence[ProviderSnapshot],
        settings: RouterSettings,
        catalogues: list[object],
    ) -> Found:
        model, provider, task_type = question
        if provider is not None:
            provider = settings.provider_aliases.get(provider, provider)
        rule = settings.tasks.get(task_type or "")
        resolution = resolve(model, provider, snapshots, settings.aliases, rule)
        found = Found(resolution, snapshots, catalogues, self._price_of)
        self._known.pop(question, None)
        self._known[question] = found
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return found


def _places(
    models: Sequence[ModelSnapshot], snapshots: Sequence[ProviderSnapshot]
) -> list[_Place] | None:
    """Where each candidate stands; ``None`` if one is of a model not called yet."""
    where = {
        id(model): (one, two)
        for one, snapshot in enumerate(snapshots)
        for two, model in enumerate(snapshot.models)
    }
    places = [where.get(id(model)) for model in models]
    known = [place for place in places if place is not None]
    return known if len(known) == len(places) else None
