"""Completion, as real shells read it."""

import shutil
import subprocess

import pytest

from daemon.cli.completion import commands_of, script
from daemon.cli.parser import build_parser
from tests.support.cli import Machine

PRINT = """
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
_gitbridge; printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(*typed: str) -> list[str]:
    """What bash offers for the last word."""
    told = script("bash", build_parser()) + PRINT
    ran = subprocess.run(
        ["bash", "-c", told, "bash", "gitbridge", *typed],
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ran.stderr == ""
    return ran.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["sta"], ["status"]),
        (["ask", "--str"], ["--strategy", "--stream"]),
        (["ask", "--strategy", "p"], ["performance", "priority"]),
        (["strategy", "co"], ["cost"]),
        (["config", "sh"], ["show"]),
        (["usage", "--by", "m"], ["model"]),
        (["tasks", "w"], ["wait"]),
        (["tasks", "list", "--stat"], ["--state", "--state-dir"]),
        (["tasks", "submit", "--stat"], ["--state-dir"]),
        (["tasks", "list", "--state", "dea"], ["dead"]),
        (["threads", "export", "--form"], ["--format"]),
        (["threads", "list", "--form"], []),
        (["events", "pub"], ["publish"]),
        (["completion", ""], ["--help", "-h", "bash", "fish", "zsh"]),
        (["ask", "--model", "x"], []),
        (["nonsense", "x"], []),
    ],
)
def test_bash_offers_what_the_parser_takes(
    typed: list[str], offered: list[str]
) -> None:
    assert sorted(completed(*typed)) == sorted(offered)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_every_command_is_offered() -> None:
    names = [command.name for command in commands_of(build_parser())]

    assert {"serve", "ask", "top", "completion"} <= set(names)
    assert completed("") == names


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_itself_finds_nothing_wrong_with_it(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    subprocess.run(
        [program, "-n"],
        input=script(shell, build_parser()),
        check=True,
        text=True,
        timeout=20,
    )


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ask --strategy p", ["performance", "priority"]),
        ("tasks w", ["wait"]),
        ("tasks list --stat", ["--state", "--state-dir"]),
        ("tasks submit --stat", ["--state-dir"]),
        ("threads list --form", []),
        ("threads export --form", ["--format"]),
    ],
)
def test_fish_offers_what_the_parser_takes(typed: str, expected: list[str]) -> None:
    program = shutil.which("fish")
    if program is None:
        pytest.skip("there is no fish")
    told = script("fish", build_parser()) + f"\ncomplete -C'gitbridge {typed}'"
    ran = subprocess.run(
        [program, "--no-config", "-c", told],
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    offered = [line.partition("\t")[0] for line in ran.stdout.splitlines()]
    assert sorted(offered) == expected


def test_it_is_printed_without_a_daemon() -> None:
    machine = Machine()
    assert machine.type("completion", "fish") == 0
    assert "complete -c gitbridge" in machine.screen.out
