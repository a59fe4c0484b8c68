"""``gitbridge completion``: what shells need to complete commands, flags and values.

Made from the parser, so that it knows what the parser knows and nothing else.
"""

import argparse
from collections.abc import Iterator, Mapping
from shlex import quote

from msgspec import Struct

from daemon.cli import values


class Flag(Struct, frozen=True):
    """A flag; ``wanted`` are its values, ``None``: it takes none, empty: any."""

    names: tuple[str, ...]
    help: str
    wanted: tuple[str, ...] | None


class Command(Struct, frozen=True):
    """A command, its flags, and the words that may stand where it wants one.

    ``actions`` are what it does, each with flags of its own; their names are ``words``.
    """

    name: str
    help: str
    flags: tuple[Flag, ...]
    words: tuple[str, ...]
    actions: tuple["Command", ...] = ()


def commands_of(parser: argparse.ArgumentParser) -> tuple[Command, ...]:
    """Every command that the parser knows."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            return _below(action)
    return ()


def _below(
    action: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> tuple[Command, ...]:
    helps = {each.dest: each.help or "" for each in action._choices_actions}  # noqa: SLF001 - likewise
    known: Mapping[str, argparse.ArgumentParser] = action.choices
    return tuple(
        _command(name, helps.get(name, ""), each) for name, each in known.items()
    )


def _command(name: str, summary: str, parser: argparse.ArgumentParser) -> Command:
    flags: list[Flag] = []
    words: list[str] = []
    actions: tuple[Command, ...] = ()
    for action in parser._actions:  # noqa: SLF001 - see above
        wanted = _values(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - see above
            actions = _below(action)
        if not action.option_strings:
            words += wanted
            continue
        takes_none = action.nargs == 0
        told = action.help or ""
        flags.append(
            Flag(tuple(action.option_strings), told, None if takes_none else wanted)
        )
    return Command(name, summary, tuple(flags), tuple(words), actions)


def _values(action: argparse.Action) -> tuple[str, ...]:
    if action.choices is not None:
        return tuple(map(str, action.choices))
    return values.STRATEGIES if action.type is values.strategy else ()


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """The completion for ``bash``, ``zsh`` or ``fish``."""
    commands = commands_of(parser)
    if shell == "fish":
        return "\n".join(_fish(commands)) + "\n"
    return (_BASH if shell == "bash" else _ZSH).format(
        names=_words([each.name for each in commands]),
        doing="|".join(each.name for each in commands if each.actions),
        cases="\n".join(
            line
            for command in commands
            for line in (
                *(
                    line
                    for action in command.actions
                    for line in _cases(action, f"{command.name} {action.name}")
                ),
                *_cases(command, command.name),
            )
        ),
    )


_BASH = """\
# bash completion for gitbridge
_gitbridge() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
  local command="" wanted=""
  (( COMP_CWORD > 1 )) && command="${{COMP_WORDS[1]}}"
  case "$command" in
    {doing}) (( COMP_CWORD > 2 )) && command="$command ${{COMP_WORDS[2]}}" ;;
  esac
  case "$command $before" in
    " "*) wanted={names} ;;
{cases}
  esac
  COMPREPLY=($(compgen -W "$wanted" -- "$current"))
}}
complete -o default -F _gitbridge gitbridge
"""

_ZSH = """\
#compdef gitbridge
_gitbridge() {{
  local before="${{words[CURRENT-1]}}" command="" wanted=""
  (( CURRENT > 2 )) && command="${{words[2]}}"
  case "$command" in
    {doing}) (( CURRENT > 3 )) && command="$command ${{words[3]}}" ;;
  esac
  case "$command $before" in
    " "*) wanted={names} ;;
{cases}
  esac
  if [[ -n "$wanted" ]]; then
    compadd -- ${{=wanted}}
  else
    _files
  fi
}}
compdef _gitbridge gitbridge
"""


def _cases(command: Command, typed: str) -> Iterator[str]:
    """First what a flag wants, then what the command may be given."""
    for flag in command.flags:
        if flag.wanted is not None:
            told = "|".join(quote(f"{typed} {name}") for name in flag.names)
            yield f"    {told}) wanted={_words(flag.wanted)} ;;"
    given = [*command.words, *(n for flag in command.flags for n in flag.names)]
    yield f"    {quote(typed + ' ')}*) wanted={_words(given)} ;;"


def _words(words: "list[str] | tuple[str, ...]") -> str:
    return quote(" ".join(words))


def _fish(commands: tuple[Command, ...]) -> Iterator[str]:
    yield "# fish completion for gitbridge"
    for command in commands:
        told = f"-a {quote(command.name)} -d {_fish_text(command.help)}"
        yield f"complete -c gitbridge -f -n __fish_use_subcommand {told}"
        yield from _fish_within(command)


def _fish_within(command: Command) -> Iterator[str]:
    seen = f"__fish_seen_subcommand_from {command.name}"
    if not command.actions:
        yield from _fish_given(command, seen)
        return
    chosen = f"__fish_seen_subcommand_from {' '.join(command.words)}"
    yield from _fish_given(command, f"{seen}; and not {chosen}")
    for action in command.actions:
        yield from _fish_given(
            action, f"{seen}; and __fish_seen_subcommand_from {action.name}"
        )


def _fish_given(command: Command, when: str) -> Iterator[str]:
    """Its words and flags, where ``when`` holds."""
    seen = f"-n {quote(when)}"
    if command.words:
        yield f"complete -c gitbridge -f {seen} -a {_words(command.words)}"
    for flag in command.flags:
        names = " ".join(
            f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
            for name in flag.names
        )
        wanted = _fish_wanted(flag)
        yield f"complete -c gitbridge {seen} {names} {wanted}-d {_fish_text(flag.help)}"


def _fish_wanted(flag: Flag) -> str:
    if flag.wanted is None:
        return ""
    return f"-x -a {_words(flag.wanted)} " if flag.wanted else "-r "


def _fish_text(text: str) -> str:
    """Within single quotes fish knows two escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
