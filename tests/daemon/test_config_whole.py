"""Everything is read again, and everything that is wrong is listed at once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.errors import ConfigurationRefused, Mistake
from daemon.config import ServeOptions
from daemon.config_whole import read_whole, told
from daemon.credentials import Resolved
from ipc import places

KEY = {"OPENAI_API_KEY": "sk-test-key"}


class Place:
    """A configuration file and a ``providers.d``."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "gitbridge.toml"
        self.folder = folder / "providers.d"
        self.folder.mkdir()
        self.file.write_text("[providers.openai]\n")

    def read(
        self, environ: Mapping[str, str] = KEY, *, simulate: bool = False
    ) -> Resolved:
        options = ServeOptions(config=str(self.file), simulate=simulate)
        cwd = self.file.parent
        _, resolved = read_whole(options, environ=environ, cwd=cwd)
        return resolved

    def mistakes(self, environ: Mapping[str, str] = KEY) -> tuple[Mistake, ...]:
        with pytest.raises(ConfigurationRefused) as caught:
            self.read(environ)
        message = caught.value.message
        assert message.splitlines()[0].endswith("nothing has changed:")
        assert all(told(each) in message for each in caught.value.mistakes)
        return caught.value.mistakes


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    monkeypatch.setattr(places, "SYSTEM_CONFIG", tmp_path / "etc/gitbridge.toml")
    return Place(tmp_path)


def test_all_of_it_is_read(place: Place) -> None:
    (place.folder / "box.toml").write_text(
        '[providers.box]\npreset = "ollama"\nmodel = "m"\n'
    )
    resolved = place.read({**KEY, "SMARTROUTER_STRATEGY": "cost"})

    assert list(resolved.settings.config.enabled_providers) == ["openai", "box"]
    assert resolved.settings.config.routing.strategy == "cost"
    assert resolved.secrets() == ["sk-test-key"]


def test_every_mistake_of_every_file_is_listed(place: Place) -> None:
    place.file.write_text("[routing]\nstrategy = 1\nhedging = 2\n[providers.openai]\n")
    for name, text in (("a", "[providers.a]\nkind = 1\n"), ("b", "[log]\n")):
        (place.folder / f"{name}.toml").write_text(text)
    (place.folder / ".hidden.toml").write_text("nonsense")
    (place.folder / "no-toml").write_text("nonsense")
    files = {(m.file, m.key) for m in place.mistakes()}

    assert files == {
        (str(place.file), "routing.strategy"),
        (str(place.file), "routing.hedging"),
        (str(place.folder / "a.toml"), "providers.a.kind"),
        (str(place.folder / "b.toml"), "log"),
    }


def test_a_file_of_a_folder_that_does_not_fit_is_refused_by_itself(
    place: Place,
) -> None:
    (place.folder / "twice.toml").write_text("[providers.openai]\n")
    [mistake] = place.mistakes()

    assert mistake.file == str(place.folder / "twice.toml")
    assert mistake.key == "providers.openai"
    assert "a name that is not configured already" in told(mistake)


def test_a_value_of_the_environment_is_no_mistake_of_the_file(place: Place) -> None:
    [mistake] = place.mistakes({**KEY, "SMARTROUTER_METRICS_WINDOW": "many"})

    assert mistake.file is None
    assert mistake.origin == "environment SMARTROUTER_METRICS_WINDOW"
    assert told(mistake) == (
        "environment SMARTROUTER_METRICS_WINDOW: routing.metrics_window: "
        'got "many", wanted a number'
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [("[routing", "is no TOML"), ("\udcff", "is not UTF-8"), (None, "there is no")],
)
def test_a_file_that_cannot_be_read_is_one_mistake(
    place: Place, text: str | None, said: str
) -> None:
    if text is None:
        place.file.unlink()
    else:
        place.file.write_bytes(text.encode(errors="surrogateescape"))
    [mistake] = place.mistakes()

    assert mistake.key is mistake.got is None
    assert said in told(mistake)
    assert str(place.file) in told(mistake)


def test_all_key_files_that_cannot_be_used_are_listed(place: Place) -> None:
    place.file.write_text(
        '[providers.openai]\napi_key_file = "none"\n'
        '[providers.claude]\napi_key_file = "empty"\n'
        '[providers.grok]\napi_key_file = "fine"\n'
    )
    (place.file.parent / "empty").write_text("")
    (place.file.parent / "fine").write_text("xai-a-key")
    mistakes = place.mistakes()

    assert [m.key for m in mistakes] == [
        "providers.openai.api_key_file",
        "providers.claude.api_key_file",
    ]
    assert "xai-a-key" not in str(mistakes)


def test_without_any_key_it_says_how_to_give_one(place: Place) -> None:
    [mistake] = place.mistakes({})

    assert "Set OPENAI_API_KEY" in told(mistake)
    assert "\n" not in told(mistake)


def test_pretended_providers_need_no_key(place: Place) -> None:
    assert place.read({}, simulate=True).secrets() == []
