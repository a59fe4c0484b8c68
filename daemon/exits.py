"""How a process of ours ends: exit codes, and what is wrong with a configuration."""

from msgspec import Struct

from actors.errors import CallerError

EXIT_OK = 0
EXIT_FAILED = 1  # the thing asked for failed
EXIT_USAGE = 64
EXIT_UNREACHABLE = 69  # the daemon is not running
EXIT_BUG = 70
EXIT_TRY_LATER = 75
EXIT_NOT_PERMITTED = 77
EXIT_CONFIG = 78


class Problem(Struct, frozen=True):
    """One thing wrong with the configuration.

    ``key`` is the dotted path, ``got`` the value as shown to people (never a key),
    ``text`` what was wanted or why not, ``origin`` where the value came from.
    """

    key: str
    got: str | None
    text: str
    origin: str | None = None

    def sentence(self) -> str:
        got = f"got {self.got}, " if self.got is not None else ""
        where = f" ({self.origin})" if self.origin else ""
        return f"{self.key}: {got}{self.text}{where}"


class ConfigError(CallerError):
    """Raised when the daemon cannot start as configured; the process exits with 78.

    Attributes:
        problems: All that were found, in the order of the file.
        exit_code: The process's exit status.
    """

    exit_code = EXIT_CONFIG

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        lines = [message, *(f"  {problem.sentence()}" for problem in problems)]
        super().__init__("\n".join(lines))
        self.problems = problems
