"""The secrets of events and actions: where they are looked for, and who must not tell.

Each is looked for anew when it is needed: in the environment, in a ``.env`` file in the
working directory (as it was at the start), then among systemd's credentials. Whatever is
found is masked in logs from then on, and so is what in the configuration opens doors:
headers and URLs of actions, variables of commands.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from daemon.config import Config
from daemon.credentials import named_secret
from daemon.dotenv import parse_dotenv
from daemon.key_names import EVENT_SECRETS
from daemon.secret_parts import in_named, in_url


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
        for variable in EVENT_SECRETS:
            self._find(variable)

    def webhook(self) -> str | None:
        """What GitHub signs with."""
        return self._find("GITBRIDGE_WEBHOOK_SECRET")

    def token(self) -> str | None:
        """GitHub's, for its API."""
        return self._find("GITHUB_TOKEN")

    def action(self) -> str | None:
        """What our calls are signed with."""
        return self._find("GITBRIDGE_ACTION_SECRET")

    def learn_of(self, config: Config) -> None:
        """What in rules and actions must not be seen either."""
        for rule in config.events.github.rules:
            for action in rule.actions:
                for secret in (*in_url(action.url or ""), *in_named(action.headers)):
                    self._learn(secret)
        for command in config.actions.commands.values():
            for secret in in_named(command.env):
                self._learn(secret)

    def _find(self, variable: str) -> str | None:
        value = named_secret(self._environ, variable, EVENT_SECRETS[variable])
        if value is not None:
            self._learn(value)
        return value


def _read_dotenv(path: Path) -> Mapping[str, str]:
    """Of the file only what is ours; what is wrong with it is told with the keys."""
    try:
        text = path.read_text(encoding="utf-8")
        return parse_dotenv(text, EVENT_SECRETS.__contains__)[0]
    except (OSError, UnicodeDecodeError):
        return {}
