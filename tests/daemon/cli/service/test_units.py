"""The program's path in a unit."""

import pytest

from daemon.cli.connection import CommandFailed
from daemon.cli.service.units import OURS, quoted, shipped, unit_text


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("/opt/gitbridge/bin/gitbridge", "/opt/gitbridge/bin/gitbridge"),
        ("/opt/my tools/gitbridge", '"/opt/my tools/gitbridge"'),
        ("/opt/100%/gitbridge", "/opt/100%%/gitbridge"),
    ],
)
def test_a_path_stands_in_a_unit_as_systemd_reads_it(word: str, written: str) -> None:
    assert quoted(word) == written


@pytest.mark.parametrize("word", ['/a"b', "/a\\b", "/$HOME/b", "/a\nb", "/a'b"])
def test_a_path_that_no_unit_can_have_is_refused(word: str) -> None:
    with pytest.raises(CommandFailed, match="cannot be in a unit"):
        quoted(word)


def test_every_command_of_a_unit_starts_this_program() -> None:
    for scope in ("system", "user"):
        text = unit_text(scope, "gitbridge.service", ["/p/python", "-m", "daemon"])

        assert "ExecStart=/p/python -m daemon serve\n" in text
        assert "/usr/bin/gitbridge" not in text
        assert text.startswith(OURS)


def test_a_package_without_its_units_says_so() -> None:
    with pytest.raises(CommandFailed, match=r"lacks its systemd files: no x\.service"):
        shipped("x.service")
