"""What judges, asks and acts for events, made when there is the first of them.

Imported late: a daemon that hears of no events does not carry it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from actors.actions import ActionPerformer, ActionSettings, ActionTools
from actors.event_router import EventRouter, EventSettings
from actors.messages.threads import ThreadRecorder
from actors.policy.intent import intents
from actors.transport import AiohttpTransport, TransportConfig
from daemon.config import Config
from daemon.event_secrets import EventSecrets
from daemon.ids import utc
from daemon.intake import Intake
from daemon.tasks import Tasks

CONNECTIONS = 16
MAX_ANSWER = 8 << 20


@dataclass(frozen=True, slots=True)
class Parts:
    """They work by what they were last configured with."""

    transport: AiohttpTransport
    router: EventRouter
    actions: ActionPerformer
    intake: Intake

    def configure(self, config: Config) -> None:
        """Judge and act by this from now on."""
        self.router.settings = _events(config)
        self.actions.settings = _actions(config)


def make(
    config: Callable[[], Config],
    tasks: Tasks,
    new_id: Callable[[], str],
    secrets: EventSecrets,
    notes: ThreadRecorder,
) -> Parts:
    """The parts, connected with the queue.

    Args:
        config: Gives the configuration in force.
        tasks: Keeps what comes in.
        new_id: Makes ids.
        secrets: What signs and opens.
        notes: Where it is noted what comes of events.
    """
    transport = AiohttpTransport(
        TransportConfig(connections=CONNECTIONS, max_body_bytes=MAX_ANSWER)
    )
    router = EventRouter(_events(config()), new_id, utc)
    actions = ActionPerformer(
        _actions(config()),
        ActionTools(
            transport=transport,
            utc=utc,
            in_thread=anyio.to_thread.run_sync,
            token=secrets.token,
            secret=secrets.action,
        ),
    )
    intake = Intake(
        router,
        lambda several: tasks.queue().submit(several),
        secret=secrets.webhook,
        repositories=lambda: config().events.github.repositories,
        new_id=new_id,
        utc=utc,
        notes=notes,
    )
    return Parts(transport, router, actions, intake)


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
