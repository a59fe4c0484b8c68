"""What may be typed to watch the daemon, and to be helped at typing."""

from daemon.cli import values
from daemon.cli.arguments import Commands, Parser, add, add_client

SHELLS = ("bash", "zsh", "fish")


def add_live(commands: "Commands[Parser]") -> None:
    """``top`` and ``completion``."""
    examples: tuple[str, ...] = (
        "gitbridge top                  until Ctrl-C",
        "gitbridge top --interval 0.5",
        "gitbridge top --once           what it shows now, for a script or a mail",
    )
    parser = add(
        commands, "top", "watch providers, tasks, spend and requests", examples
    )
    parser.add_argument(
        "--interval",
        metavar="S",
        type=values.seconds,
        default=2.0,
        help="look after so many seconds where nothing happens (default 2)",
    )
    parser.add_argument("--once", action="store_true", help="show it once")
    add_client(parser)

    examples = (
        'eval "$(gitbridge completion bash)"       in ~/.bashrc',
        'eval "$(gitbridge completion zsh)"        in ~/.zshrc, after compinit',
        "gitbridge completion fish > ~/.config/fish/completions/gitbridge.fish",
    )
    parser = add(commands, "completion", "print a shell's completion", examples)
    parser.add_argument("shell", choices=SHELLS, help="which shell")
