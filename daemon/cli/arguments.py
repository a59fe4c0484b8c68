"""What all commands have in common where they are typed: help, places, mistakes."""

import argparse
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NoReturn, TypeVar, overload

from typing_extensions import override

from daemon.cli import values
from daemon.exits import EXIT_USAGE
from ipc import fields

N = TypeVar("N")


class CommandsFormatter(argparse.RawDescriptionHelpFormatter):
    """Has room for the longest command, which stands deeper than argparse reckons."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = len("    consensus")


class Parser(argparse.ArgumentParser):
    """Says what was wrong in one line and exits with 64, not argparse's 2."""

    @override
    def error(self, message: str) -> NoReturn:
        message = _CHOICE.sub(_as_ours, message)
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise UsageError(f"{self.prog}: {message}")

    @overload
    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: None = None
    ) -> tuple[argparse.Namespace, list[str]]: ...

    @overload
    def parse_known_args(
        self, args: Iterable[str] | None, namespace: N
    ) -> tuple[N, list[str]]: ...

    @overload
    def parse_known_args(self, *, namespace: N) -> tuple[N, list[str]]: ...

    @override
    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: object = None
    ) -> tuple[object, list[str]]:
        """Each command says itself what it does not know, and what may have been meant."""
        found, left = super().parse_known_args(args, namespace)
        if left:
            hint = _hint(left, self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(left)}{hint}")
        return found, left


def _hint(left: Sequence[str], flags: Collection[str]) -> str:
    for word in left:
        if word.startswith("-"):
            return fields.nearest(word.partition("=")[0], flags)
    return "; words that belong together want quotes around them"


_CHOICE: Final = re.compile(r"invalid choice: (.*) \(choose from (.*)\)$", re.DOTALL)


def _as_ours(found: "re.Match[str]") -> str:
    """A wrong choice in argparse's words, in those of every other mistake."""
    choices = found[2].replace("'", "")
    hint = fields.nearest(found[1].strip("'"), choices.split(", "))
    return f"got {found[1]}, wanted one of {choices}{hint}"


class UsageError(SystemExit):
    """Raised when what was typed cannot be understood; it has been said already.

    Attributes:
        message: What was wrong.
    """

    def __init__(self, message: str) -> None:
        super().__init__(EXIT_USAGE)
        self.message = message


Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name


def add(
    commands: "Commands[Parser]",
    name: str,
    summary: str,
    examples: Sequence[str],
) -> Parser:
    """A command with its help and examples."""
    lines = "\n".join(f"  {each}" for each in examples)
    return commands.add_parser(
        name,
        help=summary,
        description=summary[:1].upper() + summary[1:] + ".",
        epilog=f"examples:\n{lines}",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_places(parser: argparse.ArgumentParser) -> None:
    """Where the daemon, its configuration and its state are."""
    places = parser.add_argument_group("where things are")
    places.add_argument("--socket", metavar="P", help="the daemon's Unix socket")
    places.add_argument("--config", metavar="F", help="the configuration file")
    places.add_argument("--state-dir", metavar="D", help="the state folder")


def add_client(parser: argparse.ArgumentParser) -> None:
    """What every command takes that asks the daemon."""
    parser.add_argument(
        "--json", action="store_true", help="one JSON document on stdout, nothing else"
    )
    add_places(parser)


def add_page(parser: argparse.ArgumentParser) -> None:
    """Which part of a long list."""
    parser.add_argument(
        "--limit",
        metavar="N",
        type=values.positive_int,
        default=20,
        help="so many of them (default 20, at most 1000)",
    )
    parser.add_argument("--cursor", metavar="C", help="from the page before")


def add_strategy(
    parser: argparse.ArgumentParser, flag: str, nargs: str | None = None
) -> None:
    """A strategy by any of its spellings."""
    parser.add_argument(
        flag,
        metavar="S" if flag.startswith("-") else "NAME",
        nargs=nargs,
        type=values.strategy,
        help=", ".join(values.STRATEGIES),
    )


def add_thread(parser: argparse.ArgumentParser) -> None:
    """The thread that what is asked becomes part of."""
    words = "keep a record of it in this thread, a name of your own"
    parser.add_argument("--thread", metavar="NAME", help=words)
