"""Events and actions, wired: rules and secrets to what judges, asks and acts."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import anyio

from actors.actions import ActionPerformer, ActionSettings, ActionTools
from actors.event_router import EventRouter, EventSettings
from actors.policy.intent import intents
from actors.transport import AiohttpTransport, TransportConfig
from daemon.config import Config
from daemon.credentials import read_key
from daemon.event_folder import EventFolder
from daemon.ids import utc
from daemon.intake import Intake
from daemon.tasks import Tasks
from ipc.events import PublishParams, PublishResult
from ipc.methods import Peer

CONNECTIONS = 16
MAX_ANSWER = 8 << 20


class Eventing:
    """Takes events in, and has the queue work on them.

    Args:
        config: As loaded.
        tasks: The queue; it gets performers for events and actions.
        new_id: Makes ids.
        environ: Where secrets are named.
    """

    def __init__(
        self,
        config: Config,
        tasks: Tasks,
        new_id: Callable[[], str],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._config = config
        self._transport = AiohttpTransport(
            TransportConfig(connections=CONNECTIONS, max_body_bytes=MAX_ANSWER)
        )
        self._router = EventRouter(_events(config), new_id, utc)
        self._actions = ActionPerformer(
            _actions(config),
            ActionTools(
                transport=self._transport,
                utc=utc,
                in_thread=anyio.to_thread.run_sync,
                token=lambda: secret(environ, "GITHUB_TOKEN", "github_token"),
                secret=lambda: secret(
                    environ, "GITBRIDGE_ACTION_SECRET", "action_secret"
                ),
            ),
        )
        tasks.performers["event"] = self._router
        tasks.performers["action"] = self._actions
        self.intake = Intake(
            self._router,
            lambda several: tasks.queue().submit(several),
            secret=lambda: secret(
                environ, "GITBRIDGE_WEBHOOK_SECRET", "github_webhook"
            ),
            repositories=lambda: self._config.events.github.repositories,
            new_id=new_id,
            utc=utc,
        )

    def configure(self, config: Config) -> None:
        """Judge and act by this from now on."""
        self._config = config
        self._router.settings = _events(config)
        self._actions.settings = _actions(config)

    async def publish(self, params: object, peer: Peer) -> PublishResult:
        """Answers ``events.publish``."""
        return await self.intake.publish(cast("PublishParams", params), peer.user)

    async def watch(self) -> None:
        """Take events from the configured folder, for ever."""
        folder = self._config.events.folder
        if folder is None:
            return
        await EventFolder(
            Path(folder),
            lambda told: self.intake.publish(told, None, "folder"),
            utc,
        ).run()

    async def aclose(self) -> None:
        await self._transport.aclose()


def secret(environ: Mapping[str, str], variable: str, credential: str) -> str | None:
    """A secret by its variable, or else by its systemd credential."""
    value = environ.get(variable, "").strip()
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if value or not folder:
        return value or None
    try:
        return read_key(Path(folder) / credential) or None
    except OSError:
        return None


def _events(config: Config) -> EventSettings:
    told = config.events
    return EventSettings(
        rules=tuple(each.rule() for each in told.github.rules),
        guess=(lambda text: intents().guess(text)) if told.classify else None,
        max_attempts=config.queue.max_attempts,
    )


def _actions(config: Config) -> ActionSettings:
    told = config.actions
    return ActionSettings(
        commands=told.commands, folders=told.folders, github_url=told.github_url
    )
