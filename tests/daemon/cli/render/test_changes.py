"""What a reload changed, for people."""

from daemon.cli.render.changes import reloaded
from daemon.cli.render.table import no_colours
from ipc.control import ProviderChange, ReloadResult, SettingChange


def test_nothing_new_is_one_line() -> None:
    result = ReloadResult(path=None, changes=(), providers=())

    shown = reloaded(result, no_colours)
    assert shown == "reloaded (no file, all defaults): nothing has changed"


def test_values_are_shown_as_in_the_file_and_nothing_as_a_dash() -> None:
    changes = (
        SettingChange(key="server.drain_s", before=30.0, after=5.0, origin="file"),
        SettingChange(
            key="routing.strategy", before="cost", after=None, origin="x", note="held"
        ),
    )
    result = ReloadResult(path="/c", changes=changes, providers=())
    lines = [line.split() for line in reloaded(result, no_colours).splitlines()]

    assert lines == [
        ["reloaded", "(/c)"],
        [],
        ["key", "before", "now", "from"],
        ["server.drain_s", "30", "5", "file"],
        ["routing.strategy", '"cost"', "-", "x", "held"],
    ]


def test_a_provider_with_a_new_key_says_so() -> None:
    changed = ProviderChange(
        provider="openai", change="changed", key_source="file /k", new_key=True
    )
    result = ReloadResult(path="/c", changes=(), providers=(changed,))

    assert reloaded(result, no_colours).splitlines()[-1] == (
        "provider openai changed, with a new key, key from file /k"
    )
