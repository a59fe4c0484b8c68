"""``gitbridge config check``, ``show`` and ``example``."""

import re
import tomllib
from pathlib import Path

import pytest

from actors.errors import Overloaded
from actors.messages.routing import Weights
from daemon.cli.configure import flattened
from daemon.cli.example import EXAMPLE
from daemon.config_load import settings_from
from ipc.results import StrategyResult
from tests.support.cli import FakeDaemon, Machine


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small configuration, in a folder without a ``.env``."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "gitbridge.toml"
    path.write_text('[routing]\nstrategy = "cost"\n[providers.openai]\n')
    return path


def typed_on(file: Path, *argv: str, daemon: FakeDaemon | None = None) -> Machine:
    machine = Machine(daemon)
    machine.environ["OPENAI_API_KEY"] = "sk-real-key-1234"
    machine.code = machine.type("config", *argv, "--config", str(file))
    return machine


def uncommented(example: str) -> str:
    return re.sub(r"(?m)^#(?=\S)", "", example)


def test_every_setting_of_the_example_is_accepted() -> None:
    text = uncommented(EXAMPLE)
    loaded = settings_from(tomllib.loads(text), environ={})

    assert set(loaded.config.providers) == {
        *("openai", "grok", "claude", "local", "workshop", "groq", "azure")
    }
    assert loaded.config.models["review"].candidates == ("claude", "openai/gpt-4o")


def test_the_example_as_it_stands_changes_nothing_but_who_is_listed() -> None:
    plain = settings_from({}, environ={}).config
    shown = settings_from(tomllib.loads(EXAMPLE), environ={}).config

    assert shown.providers == plain.providers
    assert shown.routing.strategy == plain.routing.strategy


def test_the_example_shows_every_key_there_is() -> None:
    tree = tomllib.loads(uncommented(EXAMPLE))
    config = settings_from(tree, environ={}).config
    origins = settings_from(tree, environ={}).origins
    not_shown = {
        re.sub(
            r"^(providers|models|routing\.tasks|queue\.types)\.[^.]+",
            r"\1.NAME",
            each.key,
        )
        for each in flattened(config, origins)
        if each.origin == "default"
    }
    shown = {
        re.sub(
            r"^(providers|models|routing\.tasks|queue\.types)\.[^.]+", r"\1.NAME", key
        )
        for key in origins
    }
    rare = {"routing.tasks.NAME.model"}  # a model for one task type

    assert {k for k in not_shown if not _covered(k, shown)} == rare


def _covered(key: str, shown: set[str]) -> bool:
    table = any(each.startswith(f"{key}.") for each in shown)
    return table or key in shown or key.rpartition(".")[0] in shown


def test_example_prints_the_example() -> None:
    machine = Machine()

    assert machine.type("config", "example") == 0
    assert machine.screen.out == EXAMPLE
    machine = Machine()
    machine.type("config", "example", "--json")
    assert machine.screen.document == {"example": EXAMPLE}


def test_check_says_what_is_on(file: Path) -> None:
    machine = typed_on(file, "check")

    assert machine.code == 0
    assert f"the configuration is fine ({file}); on: openai" in machine.screen.out


def test_check_reads_the_files_of_providers_d_too(file: Path) -> None:
    folder = file.parent / "providers.d"
    folder.mkdir()
    more = folder / "more.toml"
    more.write_text('[providers.more]\npreset = "ollama"\ndiscover = true')
    assert "on: openai, more" in typed_on(file, "check").screen.out
    shown = typed_on(file, "show").screen.out
    assert f"file {more}" in shown
    more.write_text('[providers.more]\npreset = "olama"')
    machine = typed_on(file, "check")

    assert machine.code == 78
    assert f'{more}: providers.more.preset: got "olama"' in machine.screen.err


def test_check_as_json(file: Path) -> None:
    document = typed_on(file, "check", "--json").screen.document

    assert document == {
        "ok": True,
        "path": str(file),
        "providers": ["openai"],
        "warnings": [],
    }


def test_check_says_warnings_beside(file: Path) -> None:
    file.write_text("[providers.openai]\n[providers.grok]\n")
    machine = typed_on(file, "check")

    assert machine.code == 0
    assert "warning: provider grok is left out" in machine.screen.err


def test_check_of_a_wrong_file_is_78(file: Path) -> None:
    file.write_text("[routing]\nstrategie = 1\n")
    machine = typed_on(file, "check")

    assert machine.code == 78
    assert "routing.strategie: got 1, unknown key" in machine.screen.err
    assert machine.screen.out == ""


def test_check_without_a_key_is_78_unless_simulated(file: Path) -> None:
    machine = Machine()

    assert machine.type("config", "check", "--config", str(file)) == 78
    assert "--simulate" in machine.screen.err
    assert machine.type("config", "check", "--simulate", "--config", str(file)) == 0


def test_show_names_values_origins_and_key_sources_never_keys(file: Path) -> None:
    machine = Machine()
    machine.environ |= {"OPENAI_API_KEY": "sk-real-key-1234", "OPENAI_MODEL": "gpt-x"}
    machine.type("config", "show", "--config", str(file))
    lines = [" ".join(line.split()) for line in machine.screen.out.splitlines()]

    assert 'routing.strategy "cost" file' in lines
    assert 'providers.openai.model "gpt-x" environment OPENAI_MODEL' in lines
    assert "server.drain_s 30 default" in lines
    assert "key of openai *** environment OPENAI_API_KEY" in lines
    assert "sk-real" not in machine.screen.out + machine.screen.err


def test_show_as_json(file: Path) -> None:
    document = typed_on(file, "show", "--json").screen.document

    assert isinstance(document, dict)
    assert document["path"] == str(file)
    assert {
        "key": "routing.strategy",
        "value": "cost",
        "origin": "file",
    } in document["values"]
    assert document["keys"] == [
        {"provider": "openai", "source": "environment OPENAI_API_KEY"}
    ]


def test_show_says_where_the_daemon_listens_and_keeps_its_state(file: Path) -> None:
    machine = Machine()
    machine.environ |= {"GITBRIDGE_SOCKET": "/e.sock"}
    machine.type("config", "show", "--config", str(file), "--state-dir", "/s")
    lines = [" ".join(line.split()) for line in machine.screen.out.splitlines()]

    assert lines[:2] == [f"file: {file}", "state: /s"]
    assert 'server.socket "/e.sock" environment GITBRIDGE_SOCKET' in lines
    machine = Machine()
    machine.environ |= {"GITBRIDGE_SOCKET": "/e.sock"}
    machine.type("config", "show", "--config", str(file), "--socket", "/f.sock")
    lines = [" ".join(line.split()) for line in machine.screen.out.splitlines()]
    assert 'server.socket "/f.sock" flag --socket' in lines


def test_money_is_a_number_for_programs_and_people(file: Path) -> None:
    file.write_text("[providers.openai]\nprice = { input = 2.5, output = 10 }\n")
    document = typed_on(file, "show", "--json").screen.document
    lines = typed_on(file, "show").screen.out.splitlines()

    assert isinstance(document, dict)
    assert {
        "key": "providers.openai.price.input",
        "value": 2.5,
        "origin": "file",
    } in document["values"]
    assert "providers.openai.price.input 2.5 file" in [
        " ".join(line.split()) for line in lines
    ]


def test_show_says_what_was_set_at_run_time(file: Path) -> None:
    override = StrategyResult("priority", Weights(), True, strategy_overridden=True)
    machine = typed_on(file, "show", daemon=FakeDaemon({"strategy.get": override}))
    lines = [" ".join(line.split()) for line in machine.screen.out.splitlines()]

    assert 'routing.strategy "priority" run-time override' in lines
    assert "routing.weights.cost 0.4 default" in lines


def test_show_says_so_even_where_it_is_the_configured_value(file: Path) -> None:
    override = StrategyResult("cost", Weights(), True, True, True)
    machine = typed_on(file, "show", daemon=FakeDaemon({"strategy.get": override}))
    lines = [" ".join(line.split()) for line in machine.screen.out.splitlines()]

    assert 'routing.strategy "cost" run-time override' in lines
    assert "routing.weights.cost 0.4 run-time override" in lines


@pytest.mark.parametrize(
    "answer", [StrategyResult("priority", Weights()), Overloaded("busy"), {"odd": 1}]
)
def test_show_without_an_override_shows_the_configuration(
    file: Path, answer: object
) -> None:
    machine = typed_on(file, "show", daemon=FakeDaemon({"strategy.get": answer}))
    lines = [" ".join(line.split()) for line in machine.screen.out.splitlines()]

    assert machine.code == 0
    assert 'routing.strategy "cost" file' in lines


def test_show_says_warnings_beside(file: Path) -> None:
    file.write_text('[server]\nlisten = "127.0.0.1:1"\n')

    assert "warning: server.listen is on" in typed_on(file, "show").screen.err
