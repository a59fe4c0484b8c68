"""What may be typed, and what is said when it may not."""

import pytest

from daemon.cli.parser import build_parser

COMMANDS = (
    "serve", "ask", "status", "providers", "models", "metrics", "history", "explain", "usage",
    "strategy", "weights", "health", "config", "service",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args([command, "--help"])
    shown = capsys.readouterr().out

    assert ended.value.code == 0
    assert "examples:" in shown
    assert f"gitbridge {command}" in shown


def test_the_help_lists_every_command_and_the_exit_codes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--help"])
    shown = capsys.readouterr().out

    assert all(f"\n    {command}" in shown for command in COMMANDS)
    assert "69 daemon not reachable" in shown


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["nonsense"], "got 'nonsense', wanted one of serve, ask"),
        (["ask"], "the following arguments are required: PROMPT"),
        (["ask", "x", "--strategy", "cheap"], "got 'cheap', wanted one of cost, perf"),
        (["ask", "x", "--max-tokens", "0"], "got '0', wanted a whole number from 1"),
        (
            ["ask", "x", "--temperature", "-1"],
            "got '-1', wanted a number of at least 0",
        ),
        (["ask", "x", "--temperature", "nan"], "got 'nan', wanted a number"),
        (["ask", "x", "--budget", "inf"], "got 'inf', wanted a number"),
        (["ask", "x", "--deadline", "0"], "got '0', wanted seconds above 0"),
        (["history", "--limit", "x"], "got 'x', wanted a whole number from 1"),
        (
            ["history", "--limit", "9" * 20],
            "wanted a whole number from 1 of at most 18 digits",
        ),
        (["ask", "x", "--deadline", "-1"], "got '-1', wanted seconds above 0"),
        (["ask", "x", "--deadline", "inf"], "got 'inf', wanted seconds above 0"),
        (["ask", "x", "--deadline", "soon"], "got 'soon', wanted seconds above 0"),
        (["health", "--retries", "11"], "got '11', wanted a whole number from 0 to 10"),
        (["weights", "--cost", "much"], "got 'much', wanted a number of at least 0"),
        (["usage", "--by", "day"], "got 'day', wanted one of provider, model"),
        (["config", "fix"], "got 'fix', wanted one of check, show"),
        (["histroy"], "completion; did you mean history? (see gitbridge --help)"),
        (["tasks", "lst"], "wait; did you mean list? (see gitbridge tasks --help)"),
        (
            ["ask", "--strem", "x"],
            (
                "gitbridge ask: unrecognized arguments: --strem; did you mean --stream?"
                " (see gitbridge ask --help)"
            ),
        ),
        (["ask", "x", "--max-token=5"], "did you mean --max-tokens?"),
        (["--vresion"], "gitbridge: unrecognized arguments: --vresion; did you mean"),
        (["tasks", "list", "--xyz"], "--xyz (see gitbridge tasks list --help)"),
        (
            ["ask", "two", "words"],
            "unrecognized arguments: words; words that belong together want quotes",
        ),
    ],
)
def test_a_usage_error_is_one_line_and_64(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(argv)
    shown = capsys.readouterr().err

    assert ended.value.code == 64
    assert said in shown
    assert shown.count("\n") == 1


def test_the_seeds_spellings_of_a_strategy_are_taken() -> None:
    parse = build_parser().parse_args

    assert parse(["strategy", "cost_optimized"]).name == "cost"
    assert parse(["ask", "x", "--strategy", "ROUND-ROBIN"]).strategy == "round_robin"
