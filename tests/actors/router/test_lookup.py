"""Whom a request means, remembered while that cannot have changed."""

import pytest
from msgspec.structs import replace

from actors.errors import UnknownModel
from actors.messages.provider import ModelSnapshot, ProviderSnapshot
from actors.messages.routing import Alias, TaskRule
from actors.router.lookup import KEPT, Lookup
from actors.router.settings import RouterSettings

SETTINGS = RouterSettings(
    provider_aliases={"chatgpt": "one"},
    aliases={"fast": Alias(candidates=("two",))},
    tasks={"review": TaskRule(providers=("two",))},
)
AUTO = (None, None, None)


def provider(name: str, version: int = 1, calls: int = 0) -> ProviderSnapshot:
    return ProviderSnapshot(
        provider=name,
        kind="openai",
        version=1,
        models=(ModelSnapshot(provider=name, model="m", calls=calls),),
        default_model="m",
        catalogue_version=version,
    )


BOTH = [provider("one"), provider("two", 2)]


def test_the_same_question_is_looked_up_once_and_its_snapshots_are_of_now() -> None:
    lookup = Lookup()
    first = lookup.find(AUTO, BOTH, SETTINGS)

    again = lookup.find(AUTO, [provider("one", calls=7), BOTH[1]], SETTINGS)

    assert again is first
    assert [model.calls for model in again.models] == [7, 0]
    assert [target.provider for target in again.targets] == ["one", "two"]


@pytest.mark.parametrize(
    "snapshots",
    [
        [provider("one", 9), BOTH[1]],
        [BOTH[0]],
        [BOTH[0], replace(BOTH[1], provider="three")],
    ],
    ids=["another list", "a provider gone", "another provider in its place"],
)
def test_it_is_looked_up_again_when_names_may_mean_others(
    snapshots: list[ProviderSnapshot],
) -> None:
    lookup = Lookup()
    first = lookup.find(AUTO, BOTH, SETTINGS)

    again = lookup.find(AUTO, snapshots, SETTINGS)

    assert again is not first
    assert [t.provider for t in again.targets] == [s.provider for s in snapshots]


def test_another_configuration_begins_anew() -> None:
    lookup = Lookup()
    before = lookup.find(("fast", None, None), BOTH, SETTINGS)
    changed = replace(SETTINGS, aliases={"fast": Alias(candidates=("one",))})

    after = lookup.find(("fast", None, None), BOTH, changed)

    assert [t.provider for t in before.targets] == ["two"]
    assert [t.provider for t in after.targets] == ["one"]


def test_aliases_of_providers_and_rules_of_tasks_are_heeded() -> None:
    lookup = Lookup()

    forced = lookup.find((None, "chatgpt", None), BOTH, SETTINGS)
    ruled = lookup.find((None, None, "review"), BOTH, SETTINGS)

    assert [t.provider for t in forced.targets] == ["one"]
    assert [t.provider for t in ruled.targets] == ["two", "one"]
    assert len(ruled.resolution.targets) == 1


def test_a_model_never_called_is_looked_up_each_time() -> None:
    lookup = Lookup()
    new = ("one/new", None, None)
    first = lookup.find(new, BOTH, SETTINGS)

    assert [model.model for model in first.models] == ["new"]
    assert lookup.find(new, BOTH, SETTINGS) is not first


def test_a_name_that_nobody_serves_is_not_remembered() -> None:
    lookup = Lookup()
    with pytest.raises(UnknownModel):
        lookup.find(("nope", None, None), BOTH, SETTINGS)

    assert len(lookup._known) == 0


def test_only_the_newest_questions_are_remembered() -> None:
    lookup = Lookup()
    for number in range(2 * KEPT):
        lookup.find((f"one/{number}", None, None), BOTH, SETTINGS)

    assert len(lookup._known) == KEPT
