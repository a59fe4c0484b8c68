"""The files are followed: what is told, what is logged, what is kept secret."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from daemon import provider_watch
from daemon.config import Config, ServeOptions
from daemon.credentials import Credential
from daemon.fleet import Change
from daemon.provider_files import ProviderFiles
from daemon.provider_watch import ProviderWatch
from ipc import places
from tests.support.waiting import until

GROQ = '[providers.g]\npreset = "groq"\nmodel = "m"\napi_key_file = "key"\n'


class FakeHouse:
    """Takes configurations; fails when told to."""

    def __init__(self) -> None:
        self.providers: list[str] = []
        self.changes: dict[str, Change] = {}
        self.error: Exception | None = None
        self.times = 0

    async def reconfigure(
        self,
        config: Config,
        credentials: dict[str, Credential],
        simulated: Mapping[str, str],
        on_switch: Callable[[], object],
    ) -> dict[str, Change]:
        self.times += 1
        if self.error is not None:
            raise self.error
        self.providers = list(config.enabled_providers)
        on_switch()
        return self.changes


class Watched:
    def __init__(self, folder: Path) -> None:
        self.files = folder / "providers.d"
        self.files.mkdir()
        (self.files / "key").write_text("gsk-secret-key")
        config = folder / "gitbridge.toml"
        config.write_text("[providers.openai]")
        environ = {"OPENAI_API_KEY": "sk-test-key", "HOME": str(folder)}
        looked = ProviderFiles(
            ServeOptions(config=str(config)), environ=environ, cwd=folder
        )
        looked.look()
        self.house = FakeHouse()
        self.learned: list[str] = []
        resolved = looked.resolve()
        self.watch = ProviderWatch(looked, resolved, self.house, self.learned.append)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Watched:
    monkeypatch.setattr(places, "SYSTEM_CONFIG", tmp_path / "etc/gitbridge.toml")
    return Watched(tmp_path)


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


def events(logs: list[EventDict]) -> list[str]:
    return [str(line["event"]) for line in logs]


async def test_without_a_change_nothing_is_done(
    watched: Watched, logs: list[EventDict]
) -> None:
    await watched.watch.look()

    assert watched.house.times == 0
    assert logs == []


async def test_a_new_file_is_followed_and_its_key_is_learned_first(
    watched: Watched, logs: list[EventDict]
) -> None:
    (watched.files / "g.toml").write_text(GROQ)
    watched.house.changes = {"g": "added"}
    await watched.watch.look()

    assert watched.house.providers == ["openai", "g"]
    assert "gsk-secret-key" in watched.learned
    assert [e for e in events(logs) if e != "configuration"] == [
        "credential",
        "provider_added",
    ]


async def test_changes_are_told_by_name(
    watched: Watched, logs: list[EventDict]
) -> None:
    (watched.files / "g.toml").write_text(GROQ)
    watched.house.changes = {"a": "changed", "b": "removed", "c": "failed"}
    await watched.watch.look()
    told = [(e["event"], e.get("provider")) for e in logs if "provider" in e]

    assert told == [
        ("credential", "a"),
        ("provider_changed", "a"),
        ("provider_removed", "b"),
    ]


async def test_a_refused_file_is_told_once_and_is_a_condition(
    watched: Watched, logs: list[EventDict]
) -> None:
    bad = watched.files / "bad.toml"
    bad.write_text("[providers.x")
    for _ in range(3):
        await watched.watch.look()
    assert events(logs) == ["provider_file_refused"]
    assert logs[0]["path"] == str(bad)
    assert [c.code for c in watched.watch.findings()] == ["provider_file_refused"]
    bad.unlink()
    await watched.watch.look()

    assert watched.watch.findings() == ()


async def test_warnings_are_told_once(watched: Watched, logs: list[EventDict]) -> None:
    (watched.files / "g.toml").write_text(GROQ.replace("api_key_file", "#"))
    await watched.watch.look()
    (watched.files / "h.toml").write_text("")
    await watched.watch.look()

    assert events(logs) == ["configuration"]
    assert "provider g is left out" in logs[0]["text"]
    assert [c.code for c in watched.watch.findings()] == ["provider_left_out"]


async def test_a_bug_is_told_and_what_was_missed_is_done_next_time(
    watched: Watched, logs: list[EventDict]
) -> None:
    (watched.files / "g.toml").write_text(GROQ)
    watched.house.error = RuntimeError("told to")
    await watched.watch.look()
    assert "provider_files_bug" in events(logs)
    watched.house.error = None
    await watched.watch.look()
    assert watched.house.providers == ["openai", "g"]
    await watched.watch.look()

    assert watched.house.times == 2


async def test_it_looks_again_and_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_watch, "POLL_S", 0.01)
    async with anyio.create_task_group() as group:
        group.start_soon(watched.watch.run)
        for name in "ab":
            file = watched.files / f"{name}.toml"
            file.write_text(f'[providers.{name}]\npreset = "ollama"\nmodel = "m"')
            await until(lambda: name in watched.house.providers)  # noqa: B023 - at once
        group.cancel_scope.cancel()
