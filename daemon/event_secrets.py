"""The secrets of events and actions: where they are looked for, and who must not tell.

Each is looked for anew when it is needed: in the environment, in a ``.env`` file in the
working directory (as it was at the start), then among systemd's credentials. Whatever is
found is masked in logs from then on, and so is what in the configuration opens doors:
headers and URLs of actions, variables of commands.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from daemon.config import Config
from daemon.credentials import named_secret
from daemon.dotenv import parse_dotenv
from daemon.secret_parts import in_named, in_url

WEBHOOK: Final = ("GITBRIDGE_WEBHOOK_SECRET", "github_webhook")
TOKEN: Final = ("GITHUB_TOKEN", "github_token")
ACTION: Final = ("GITBRIDGE_ACTION_SECRET", "action_secret")
_ALL: Final = (WEBHOOK, TOKEN, ACTION)


class EventSecrets:
    """What the webhook, GitHub and called URLs are shown, and know.

    Args:
        environ: The environment.
        cwd: Where a ``.env`` file may be.
        learn: Takes each secret, so that it is masked in logs.
    """

    def __init__(
        self, environ: Mapping[str, str], cwd: Path, learn: Callable[[str], object]
    ) -> None:
        set_here = {name: value for name, value in environ.items() if value.strip()}
        self._environ = {**_read_dotenv(cwd / ".env"), **set_here}
        self._learn = learn
        for variable, credential in _ALL:
            self._find(variable, credential)

    def webhook(self) -> str | None:
        """What GitHub signs with."""
        return self._find(*WEBHOOK)

    def token(self) -> str | None:
        """GitHub's, for its API."""
        return self._find(*TOKEN)

    def action(self) -> str | None:
        """What our calls are signed with."""
        return self._find(*ACTION)

    def learn_of(self, config: Config) -> None:
        """What in rules and actions must not be seen either."""
        for rule in config.events.github.rules:
            for action in rule.actions:
                for secret in (*in_url(action.url or ""), *in_named(action.headers)):
                    self._learn(secret)
        for command in config.actions.commands.values():
            for secret in in_named(command.env):
                self._learn(secret)

    def _find(self, variable: str, credential: str) -> str | None:
        value = named_secret(self._environ, variable, credential)
        if value is not None:
            self._learn(value)
        return value


def _read_dotenv(path: Path) -> Mapping[str, str]:
    """Of the file only what is ours; what is wrong with it is told with the keys."""
    names = {variable for variable, _ in _ALL}
    try:
        return parse_dotenv(path.read_text(encoding="utf-8"), names.__contains__)[0]
    except (OSError, UnicodeDecodeError):
        return {}
