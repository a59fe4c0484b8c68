"""Files that add providers: what counts, what is refused, what is seen to change."""

import os
from pathlib import Path

import pytest

from daemon.config import ServeOptions
from daemon.credentials import Resolved
from daemon.exits import ConfigError
from daemon.provider_files import ProviderFiles, load_all
from ipc import places

LOCAL = '[providers.{name}]\npreset = "ollama"\nmodel = "{model}"\n'


@pytest.fixture(autouse=True)
def no_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine's own /etc is none of these tests' business."""
    monkeypatch.setattr(places, "SYSTEM_CONFIG", tmp_path / "etc/gitbridge.toml")


class Folder:
    """A configuration with its ``providers.d``, and what is made of them."""

    def __init__(self, root: Path, config: str) -> None:
        self.config = root / "gitbridge.toml"
        self.config.write_text(config)
        self.files = root / "providers.d"
        self.files.mkdir()
        self.root = root
        self.environ = {"HOME": str(root / "home"), "OPENAI_API_KEY": "sk-test-key"}
        self._looked: ProviderFiles | None = None

    @property
    def looked(self) -> ProviderFiles:
        if self._looked is None:
            flags = ServeOptions(config=str(self.config))
            self._looked = ProviderFiles(flags, environ=self.environ, cwd=self.root)
        return self._looked

    def write(self, name: str, text: str) -> Path:
        """As programs should: beside it, then renamed."""
        path = self.files / name
        beside = path.with_suffix(".new")
        beside.write_text(text)
        return beside.rename(path)

    def local(self, name: str, model: str = "m") -> Path:
        return self.write(f"{name}.toml", LOCAL.format(name=name, model=model))

    def start(self) -> Resolved:
        self.looked.look()
        return self.looked.resolve()

    def on(self) -> list[str]:
        settings = self.looked.resolve_again().settings
        return list(settings.config.enabled_providers)

    def model(self, provider: str) -> str | None:
        return self.looked.settings().config.providers[provider].model

    def wrong(self) -> list[str]:
        return [
            f"{c.values['path']}: {c.values['error']}"
            for c in self.looked.findings()
            if c.code == "provider_file_refused"
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, "[providers.openai]\n")


def test_files_add_their_providers_at_start(folder: Folder) -> None:
    folder.local("b")
    folder.local("a")
    resolved = folder.start()

    assert list(resolved.settings.config.enabled_providers) == ["openai", "a", "b"]
    assert set(resolved.credentials) == {"openai", "a", "b"}
    origins = resolved.settings.origins
    assert origins["providers.a.model"] == f"file {folder.files / 'a.toml'}"
    assert origins.get("providers.openai.model") is None


def test_files_come_change_and_go(folder: Folder) -> None:
    folder.start()
    assert not folder.looked.look()
    path = folder.local("a")
    assert folder.looked.look()
    assert folder.on() == ["openai", "a"]
    assert not folder.looked.look()
    folder.local("a", "other")
    assert folder.looked.look()
    assert folder.model("a") == "other"
    path.unlink()
    assert folder.looked.look()

    assert folder.on() == ["openai"]


def test_a_rename_is_seen_though_size_and_time_are_the_same(folder: Folder) -> None:
    path = folder.local("a", "one")
    folder.start()
    before = path.stat()
    folder.local("a", "two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert path.stat().st_size == before.st_size
    assert folder.looked.look()
    assert folder.model("a") == "two"


@pytest.mark.parametrize("name", [".hidden.toml", "a.toml.new", "a.txt", "folder.toml"])
def test_what_is_no_file_of_ours_is_passed_over(folder: Folder, name: str) -> None:
    if name == "folder.toml":
        (folder.files / name).mkdir()
    else:
        (folder.files / name).write_text("nonsense")
    (folder.files / "dangling.toml").symlink_to("nowhere")
    folder.start()

    assert folder.on() == ["openai"]
    assert folder.wrong() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[providers.a", "is no TOML"),
        ("\udcff", "is not UTF-8"),
        ("[routing]\nstrategy='cost'", "routing: wanted only [providers.NAME] tables"),
        ("providers = 3", "providers: got 3, wanted"),
        ("[providers]\na = 3", "providers.a: got 3, wanted"),
        ('[providers.a]\npreset = "olama"', 'providers.a.preset: got "olama", wanted'),
        (
            '[providers.a]\npreset = "ollama"',
            "providers.a.model: is missing for this kind: wanted model",
        ),
        (
            '[providers.openai]\nmodel = "x"',
            'providers.openai: got "openai", wanted a name that is not configured',
        ),
        (
            LOCAL.format(name="a", model="m") + "api_key_file = 'none'",
            "cannot be read: No such file",
        ),
    ],
)
def test_a_wrong_file_changes_nothing_and_says_what_is_wrong(
    folder: Folder, text: str, said: str
) -> None:
    path = folder.local("a")
    folder.local("b")
    folder.start()
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert folder.looked.look()

    assert folder.on() == ["openai", "a", "b"]
    [finding] = folder.looked.findings()
    assert finding.code == "provider_file_refused"
    assert (finding.subject, finding.values["path"]) == (str(path), path)
    assert said in str(finding.values["error"])
    assert not folder.looked.look()
    folder.local("a", "better")
    assert folder.looked.look()
    assert folder.looked.findings() == ()
    assert folder.model("a") == "better"


def test_a_wrong_file_at_start_keeps_nobody_from_starting(folder: Folder) -> None:
    folder.write("a.toml", "[providers.a")
    resolved = folder.start()

    assert list(resolved.settings.config.enabled_providers) == ["openai"]
    assert "is no TOML" in folder.wrong()[0]


def test_without_any_provider_the_error_names_the_files_refused(
    tmp_path: Path,
) -> None:
    folder = Folder(tmp_path, "[providers.openai]\nenabled = false")
    folder.write("a.toml", "[providers.a")
    with pytest.raises(ConfigError, match=r"none is configured.*\n.*is no TOML"):
        folder.start()


def test_a_name_is_free_again_when_its_file_lets_go_of_it(folder: Folder) -> None:
    first = folder.local("x")
    folder.start()
    folder.write("a.toml", LOCAL.format(name="x", model="mine"))
    folder.looked.look()
    assert str(first) in folder.wrong()[0]
    first.unlink()
    assert folder.looked.look()

    assert folder.model("x") == "mine"
    assert folder.wrong() == []


def test_a_provider_may_move_from_file_to_file_at_once(folder: Folder) -> None:
    later = folder.local("z")
    folder.start()
    folder.write("a.toml", LOCAL.format(name="z", model="moved"))
    later.write_text("")
    folder.looked.look()

    assert folder.wrong() == []
    assert folder.model("z") == "moved"


def test_an_alias_of_the_configuration_keeps_its_name(tmp_path: Path) -> None:
    folder = Folder(tmp_path, '[providers.openai]\n[models]\nfast = ["openai"]')
    folder.start()
    folder.local("fast")
    folder.looked.look()

    assert "models.fast: wanted a name" in folder.wrong()[0]


def test_rules_may_name_providers_that_come_later(tmp_path: Path) -> None:
    rules = '[routing.tasks.t]\nproviders = ["a"]\n[models]\nfast = ["a/m"]'
    folder = Folder(tmp_path, f"[providers.openai]\n{rules}")
    resolved = folder.start()
    assert any("fast" in warning for warning in resolved.warnings)
    assert resolved.settings.config.routing.tasks["t"].providers == ()
    path = folder.local("a")
    folder.looked.look()
    assert folder.looked.resolve_again().settings.config.routing.tasks[
        "t"
    ].providers == ("a",)
    path.unlink()
    folder.looked.look()

    assert folder.on() == ["openai"]


def test_without_the_folder_rules_name_only_who_is_there(tmp_path: Path) -> None:
    folder = Folder(tmp_path, '[providers.openai]\n[models]\nfast = ["a/m"]')
    folder.files.rmdir()
    with pytest.raises(ConfigError, match="wanted a configured provider"):
        folder.start()


def test_a_folder_made_later_is_seen(folder: Folder) -> None:
    folder.files.rmdir()
    folder.start()
    folder.files.mkdir()
    folder.local("a")
    folder.looked.look()

    assert folder.on() == ["openai", "a"]


def test_the_systems_folder_counts_too(folder: Folder, tmp_path: Path) -> None:
    system = tmp_path / "etc/providers.d"
    system.mkdir(parents=True)
    (system / "s.toml").write_text(LOCAL.format(name="s", model="m"))
    folder.local("z")
    folder.start()

    assert folder.on() == ["openai", "z", "s"]


def test_a_folder_that_cannot_be_read_keeps_what_it_held(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.local("a")
    folder.start()
    real = os.listdir

    def listdir(path: Path) -> list[str]:
        if path == folder.files:
            raise PermissionError(13, "Permission denied")
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", listdir)
        assert folder.looked.look()
        assert folder.on() == ["openai", "a"]
        assert folder.wrong() == [
            f"{folder.files}: the folder cannot be read: Permission denied"
        ]
        assert not folder.looked.look()
    assert folder.looked.look()
    assert folder.wrong() == []


# Keys


GROQ = '[providers.g]\npreset = "groq"\nmodel = "m"\n'


def test_keys_are_found_as_for_all_others(folder: Folder) -> None:
    (folder.root / ".env").write_text("GROQ_API_KEY=gsk-from-env-file\n")
    folder.start()
    folder.write("g.toml", GROQ)
    folder.looked.look()
    found = folder.looked.resolve_again().credentials["g"]

    assert found.source == ".env GROQ_API_KEY"
    assert found.secret is not None


def test_without_its_key_a_provider_is_left_out_until_there_is_one(
    folder: Folder,
) -> None:
    folder.start()
    folder.write("g.toml", GROQ)
    folder.looked.look()
    assert folder.on() == ["openai"]
    [finding] = folder.looked.findings()
    assert (finding.code, finding.provider) == ("provider_left_out", "g")
    warnings = folder.looked.resolve_again().warnings
    assert any("set G_API_KEY or GROQ_API_KEY" in line for line in warnings)
    (folder.root / ".env").write_text("GROQ_API_KEY=gsk-from-env-file\n")
    assert folder.looked.look()

    assert folder.on() == ["openai", "g"]
    assert folder.looked.findings() == ()


def test_a_provider_left_out_at_start_is_a_condition_too(folder: Folder) -> None:
    folder.write("g.toml", GROQ)
    resolved = folder.start()

    assert any("provider g is left out" in line for line in resolved.warnings)
    assert [c.code for c in folder.looked.findings()] == ["provider_left_out"]


def test_a_key_file_is_beside_its_provider_file(folder: Folder) -> None:
    (folder.files / "g.key").write_text("gsk-in-a-file")
    (folder.files / "g.key").chmod(0o600)
    folder.write("g.toml", f'{GROQ}api_key_file = "g.key"')
    folder.start()

    found = folder.looked.resolve_again().credentials["g"]
    assert found.source == f"file {folder.files / 'g.key'}"


def test_the_others_keys_are_not_looked_for_again(folder: Folder) -> None:
    folder.start()
    del folder.environ["OPENAI_API_KEY"]
    folder.local("a")
    folder.looked.look()

    assert folder.on() == ["openai", "a"]


def test_built_in_providers_stay_on_by_their_keys(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "")
    folder.write("g.toml", GROQ)
    resolved = folder.start()
    assert list(resolved.settings.config.enabled_providers) == ["openai"]
    assert "g" in resolved.settings.config.providers
    folder.write("openai.toml", '[providers.openai]\nmodel = "gpt-5"')
    folder.looked.look()

    assert folder.wrong()[1:] == []  # nothing but the missing key
    assert folder.model("openai") == "gpt-5"


# Before it starts


def test_checking_is_strict(folder: Folder) -> None:
    folder.local("a")
    flags = ServeOptions(config=str(folder.config))
    settings = load_all(flags, environ=folder.environ, cwd=folder.root)
    assert list(settings.config.enabled_providers) == ["openai", "a"]
    folder.write("b.toml", "[providers.b")

    with pytest.raises(ConfigError, match=r"b\.toml.*is no TOML"):
        load_all(flags, environ=folder.environ, cwd=folder.root)
