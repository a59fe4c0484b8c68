"""A reload: one at a time, told from its beginning to its end, whoever asked."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from actors.errors import ConfigurationRefused, InternalError, Overloaded
from actors.policy.conditions import Troubles
from daemon.config import Config, ProviderConfig, ServeOptions, Settings
from daemon.credentials import Credential, Resolved, Secret
from daemon.fleet import Change
from daemon.provider_files import ProviderFiles
from daemon.provider_watch import ProviderWatch
from daemon.reload import Reloader, key_notes, provider_changes
from daemon.sdnotify import Notifier
from ipc import places
from ipc.control import ProviderChange, ReloadResult
from tests.support.systemd_socket import Listening, listening
from tests.support.waiting import until

PLAIN = "[providers.openai]\n"
BAD = "[routing]\nstrategy = 1\n"


class FakeHouse:
    """Takes configurations: when it is let, and if it is not told to fail."""

    def __init__(self) -> None:
        self.configs: list[Config] = []
        self.error: Exception | None = None
        self.free = anyio.Event()
        self.free.set()
        self.entered = 0

    async def reconfigure(
        self,
        config: Config,
        credentials: dict[str, Credential],
        simulated: Mapping[str, str],
        on_switch: Callable[[], object],
    ) -> dict[str, Change]:
        self.entered += 1
        await self.free.wait()
        if self.error is not None:
            raise self.error
        on_switch()
        self.configs.append(config)
        return {}


class Place:
    """A reloader with everything around it; ``systemd`` hears what it says."""

    def __init__(self, folder: Path, systemd: Listening) -> None:
        self.file = folder / "gitbridge.toml"
        self.file.write_text(PLAIN)
        self.systemd = systemd
        environ = {"OPENAI_API_KEY": "sk-test-key", "HOME": str(folder)}
        options = ServeOptions(config=str(self.file))
        files = ProviderFiles(options, environ=environ, cwd=folder)
        files.look()
        self.house = FakeHouse()
        self.troubles = Troubles()
        self.followed: list[Config] = []
        self.overrides: tuple[object | None, object | None] = None, None
        watch = ProviderWatch(files, files.resolve(), self.house, lambda _: None)
        self.reloader = Reloader(
            options=options,
            environ=environ,
            cwd=folder,
            watch=watch,
            troubles=self.troubles,
            overrides=lambda: self.overrides,
            pretend=self._nobody,
            follow=self.followed.append,
            notifier=Notifier(str(systemd.path), None),
            status=lambda: "1 active",
        )

    @staticmethod
    async def _nobody(config: Config) -> dict[str, str]:
        assert config.providers
        return {}

    def codes(self) -> set[str]:
        return {each.code for each in self.troubles.findings()}

    async def result_into(self, answers: list[ReloadResult]) -> None:
        answers.append(await self.reloader.reload())


@pytest.fixture
async def place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Place]:
    monkeypatch.setattr(places, "SYSTEM_CONFIG", tmp_path / "etc/gitbridge.toml")
    with listening(tmp_path / "n") as systemd:
        made = Place(tmp_path, systemd)
        async with anyio.create_task_group() as group:
            group.start_soon(made.reloader.run)
            yield made
            group.cancel_scope.cancel()


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


async def test_everybody_follows_in_one_moment(
    place: Place, logs: list[EventDict]
) -> None:
    place.file.write_text(f"[server]\ndrain_s = 3\n{PLAIN}")

    result = await place.reloader.reload()

    assert [each.key for each in result.changes] == ["server.drain_s"]
    assert place.reloader.config.server.drain_s == 3.0
    assert place.followed == place.house.configs == [place.reloader.config]
    assert place.systemd.first("RELOADING=1")
    assert place.systemd.said[1:] == ["READY=1\nSTATUS=1 active"]
    assert [line["event"] for line in logs] == ["reloaded"]
    assert logs[0]["changes"] == ["server.drain_s: 30.0 -> 3.0"]


async def test_a_refusal_stands_until_a_reload_works(
    place: Place, logs: list[EventDict]
) -> None:
    place.file.write_text(BAD + "".join(f"a{n} = 1\n" for n in range(5)))
    with pytest.raises(ConfigurationRefused):
        await place.reloader.reload()

    assert place.codes() == {"configuration_refused"}
    [found] = place.troubles.findings()
    assert "and 3 more" in str(found.values["error"])
    assert place.house.entered == 0
    said = place.systemd.said[-1]
    assert said == (
        "READY=1\nSTATUS=configuration refused at the last reload; 1 active"
    )
    assert len(logs[0]["mistakes"]) == 6
    place.file.write_text(PLAIN)
    await place.reloader.reload()
    assert place.codes() == set()
    assert place.systemd.said[-1] == "READY=1\nSTATUS=1 active"


async def test_what_waits_for_a_restart_is_held_back_and_declared(place: Place) -> None:
    for sync, wanted in (("full", {"restart_needed"}), ("normal", set())):
        place.file.write_text(f'[ledger]\nsync = "{sync}"\n{PLAIN}')
        await place.reloader.reload()

        assert place.codes() == wanted
        assert place.reloader.config.ledger.sync == "normal"


async def test_what_was_set_at_run_time_is_noted(place: Place) -> None:
    place.overrides = "cost", object()
    place.file.write_text(
        f'[routing]\nstrategy = "performance"\nweights = {{ cost = 1 }}\n{PLAIN}'
    )
    notes = {c.key: c.note for c in (await place.reloader.reload()).changes}

    assert notes["routing.strategy"] == (
        "a run-time override holds over it; gitbridge strategy --reset drops it"
    )
    assert "weights --reset" in str(notes["routing.weights.cost"])


async def test_whoever_asks_while_one_runs_is_answered_by_the_next(
    place: Place,
) -> None:
    place.house.free = anyio.Event()
    first: list[ReloadResult] = []
    others: list[ReloadResult] = []
    async with anyio.create_task_group() as group:
        group.start_soon(place.result_into, first)
        await until(lambda: place.house.entered == 1)
        place.file.write_text(f"[server]\ndrain_s = 3\n{PLAIN}")
        for _ in range(3):
            group.start_soon(place.result_into, others)
        place.reloader.ask()
        await anyio.sleep(0.02)
        assert place.house.entered == 1
        place.house.free.set()

    assert [each.changes for each in first] == [()]
    assert [len(each.changes) for each in others] == [1, 1, 1]
    assert place.house.entered == 2
    said = [line.split("\n")[0] for line in place.systemd.said]
    assert said == ["RELOADING=1", "READY=1"] * 2


async def test_whoever_asked_may_leave_in_the_middle(place: Place) -> None:
    place.house.free = anyio.Event()
    place.file.write_text(f"[server]\ndrain_s = 3\n{PLAIN}")
    async with anyio.create_task_group() as group:
        group.start_soon(place.reloader.reload)
        await until(lambda: place.house.entered == 1)
        group.cancel_scope.cancel()
    place.house.free.set()

    await until(lambda: place.reloader.config.server.drain_s == 3.0)


async def test_a_bug_is_told_and_the_daemon_goes_on(
    place: Place, logs: list[EventDict]
) -> None:
    place.house.error = RuntimeError("told to")
    with pytest.raises(InternalError):
        await place.reloader.reload()
    assert "reload_bug" in [line["event"] for line in logs]
    assert place.systemd.said[-1].startswith("READY=1")
    place.house.error = None

    assert (await place.reloader.reload()).changes == ()


async def test_while_it_drains_nothing_is_read(
    place: Place, logs: list[EventDict]
) -> None:
    place.reloader.draining = True
    with pytest.raises(Overloaded, match="draining"):
        await place.reloader.reload()
    place.reloader.ask()
    await until(lambda: len(logs) == 2)

    assert {(line["event"], line["reason"]) for line in logs} == {
        ("reload_refused", "draining")
    }
    assert place.systemd.said == []


async def test_a_drain_that_begins_meanwhile_has_the_last_word(place: Place) -> None:
    place.house.free = anyio.Event()
    answers: list[ReloadResult] = []
    async with anyio.create_task_group() as group:
        group.start_soon(place.result_into, answers)
        await until(lambda: place.house.entered == 1)
        place.reloader.draining = True
        place.house.free.set()

    assert len(answers) == 1
    assert not place.systemd.first("READY=1")


# What became of the providers ---------------------------------------------------------


def resolved(**keys: str | None) -> Resolved:
    providers = {
        name: ProviderConfig(kind="openai", model="m", enabled=name != "off")
        for name in keys
    }
    credentials = {
        name: Credential(name, Secret(key) if key else None, f"file {name}")
        for name, key in keys.items()
    }
    settings = Settings(config=Config(providers=providers))
    return Resolved(settings=settings, credentials=credentials)


def test_what_became_of_whom() -> None:
    before = resolved(same="k", rotated="old", gone="k", off="k")
    after = resolved(same="k", rotated="new", came="k", broken="k", off="other")
    found = list(provider_changes(before, after, {"broken": "failed"}))

    def change(name: str, **more: object) -> ProviderChange:
        fields: dict[str, object] = {"provider": name, "key_source": f"file {name}"}
        return ProviderChange(**(fields | more))  # type: ignore[arg-type]  # a test's own words

    assert found == [
        change("rotated", change="changed", new_key=True),
        change("gone", change="removed", key_source=None),
        change("came", change="added"),
        change("broken", change="failed"),
    ]


def test_a_provider_with_other_settings_is_changed() -> None:
    before, after = resolved(one="k"), resolved(one="k")
    after.settings.config.providers["one"] = ProviderConfig(kind="openai", model="n")

    [found] = provider_changes(before, after, {})
    assert (found.change, found.new_key) == ("changed", False)


@pytest.mark.parametrize(
    ("sources", "notes"),
    [
        ({"a": "file /k", "b": ".env B_API_KEY", "c": None}, []),
        (
            {"a": "environment A_API_KEY", "b": "environment B_API_KEY"},
            ["the keys of a, b come from the environment, which is as it was at the"],
        ),
        (
            {"a": "systemd credential keys_a", "b": "CI secret GITHUB_B_API_KEY"},
            [
                "the key of b comes from the environment, which is as it was at the",
                "the key of a comes from systemd credentials, copies made at the",
            ],
        ),
    ],
)
def test_keys_that_only_a_restart_finds(
    sources: dict[str, str | None], notes: list[str]
) -> None:
    keys = {name: Credential(name, None, source) for name, source in sources.items()}

    assert list(key_notes(keys)) == [
        f"{each} start: a new one wants a restart" for each in notes
    ]
