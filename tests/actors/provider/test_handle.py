"""What others hold of a provider."""

from actors.messages.provider import ProviderSnapshot
from actors.provider import SnapshotCell


def snapshot(version: int, restarts: int) -> ProviderSnapshot:
    return ProviderSnapshot(
        provider="p",
        kind="openai",
        version=version,
        models=(),
        default_model=None,
        restarts=restarts,
    )


def test_a_snapshot_is_built_when_it_is_looked_at_and_something_changed() -> None:
    built: list[int] = []
    version = 1

    def build() -> ProviderSnapshot:
        built.append(version)
        return snapshot(version, 0)

    cell = SnapshotCell(snapshot(-1, 0))
    cell.bind(lambda: version, build)
    cell.get()
    cell.get()
    version = 2
    cell.get()

    assert built == [1, 2]


def test_after_a_restart_the_new_life_is_seen_whatever_its_version() -> None:
    cell = SnapshotCell(snapshot(-1, 0))
    cell.bind(lambda: 3, lambda: snapshot(3, 0))
    assert cell.get().restarts == 0
    cell.freeze()
    assert cell.get().restarts == 0
    cell.bind(lambda: 3, lambda: snapshot(3, 1))

    assert cell.get().restarts == 1
