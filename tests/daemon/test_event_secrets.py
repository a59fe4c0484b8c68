"""Where the secrets of events come from, and that each of them is masked."""

from pathlib import Path

import pytest

from daemon.config import Config
from daemon.config_events import (
    ActionConfig,
    ActionsConfig,
    CommandConfig,
    EventsConfig,
    GitHubConfig,
    RuleConfig,
)
from daemon.event_secrets import EventSecrets
from daemon.redaction import MASK, Redactor


def secrets(
    folder: Path, learned: list[str], environ: dict[str, str] | None = None
) -> EventSecrets:
    return EventSecrets(environ or {}, folder, learned.append)


def test_the_environment_comes_before_the_file_before_systemds(tmp_path: Path) -> None:
    learned: list[str] = []
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name in ("github_webhook", "github_token", "action_secret"):
        (credentials / name).write_text(f"{name} of systemd\n")
    (tmp_path / ".env").write_text(
        "GITBRIDGE_WEBHOOK_SECRET='webhook of .env'\nexport GITHUB_TOKEN=token-of-.env\n"
        "PATH=/nowhere\n"
    )
    environ = {
        "CREDENTIALS_DIRECTORY": str(credentials),
        "GITBRIDGE_WEBHOOK_SECRET": "webhook of the environment",
    }
    found = secrets(tmp_path, learned, environ)
    here = ["webhook of the environment", "token-of-.env", "action_secret of systemd"]
    assert learned == here  # at the start, before the first line that may tell one
    assert [found.webhook(), found.token(), found.action()] == here


def test_the_file_is_as_it_was_at_the_start_and_systemds_are_as_now(
    tmp_path: Path,
) -> None:
    learned: list[str] = []
    file = tmp_path / ".env"
    file.write_text("GITHUB_TOKEN=first-token\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    found = secrets(tmp_path, learned, environ)
    file.write_text("GITHUB_TOKEN=second-token\n")
    assert found.token() == "first-token"
    assert found.action() is None
    (tmp_path / "action_secret").write_text("turned up")
    assert found.action() == "turned up"
    assert learned[-1] == "turned up"


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"", b"no assignment\n"])
def test_nothing_found_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / ".env").write_bytes(content)
    learned: list[str] = []
    found = secrets(tmp_path, learned)
    assert (found.webhook(), found.token(), found.action()) == (None, None, None)
    assert learned == []


def test_what_opens_doors_in_rules_is_masked(tmp_path: Path) -> None:
    url = (
        "https://me:a-pass%20word@hooks.example/services/T0ABCDEF1234567890/short"
        "?token=in-the-query&v=1"
    )
    headers = {
        "Authorization": "Bearer the-bearer-token",
        "X-Api-Key": "the-api-key",
        "Accept": "application/json",
    }
    action = ActionConfig(do="call_url", url=url, headers=headers)
    rules = (RuleConfig(actions=(action, ActionConfig(do="post_comment"))),)
    command = CommandConfig(argv=("/bin/true",), env={"API_KEY": "in-the-variable"})
    config = Config(
        events=EventsConfig(github=GitHubConfig(rules=rules)),
        actions=ActionsConfig(commands={"c": command}),
    )
    redactor = Redactor()
    EventSecrets({}, tmp_path, redactor.add).learn_of(config)
    said = redactor.text(
        f"{url} a-pass word the-bearer-token the-api-key in-the-variable"
    )
    assert "services" in said
    assert "short" in said
    for each in ("a-pass", "T0ABCDEF", "in-the-query", "the-bearer", "in-the-v"):
        assert each not in said
    assert said.count(MASK) == 7
    assert redactor.text("application/json https") == "application/json https"
