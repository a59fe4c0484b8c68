"""Events and actions, as the doors and the queue know them; made when first needed."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from actors.messages.tasks import Performed, Performer, Task
from actors.messages.threads import ThreadRecorder
from daemon.config import Config
from daemon.event_secrets import EventSecrets
from daemon.ids import utc
from daemon.tasks import Tasks
from daemon.threads import NotedPerformer
from ipc.events import Delivery, PublishParams, PublishResult
from ipc.methods import Peer

if TYPE_CHECKING:
    from daemon.event_parts import Parts


class Eventing:
    """Takes events in, and has the queue work on them.

    Args:
        config: As loaded.
        tasks: The queue; it gets performers for events and actions.
        new_id: Makes ids.
        secrets: What signs and opens.
        notes: Where it is noted what comes of events.
    """

    def __init__(
        self,
        config: Config,
        tasks: Tasks,
        new_id: Callable[[], str],
        secrets: EventSecrets,
        notes: ThreadRecorder,
    ) -> None:
        self._config = config
        self._tasks = tasks
        self._new_id = new_id
        self._secrets = secrets
        self._notes = notes
        self._made: Parts | None = None
        secrets.learn_of(config)
        judging = _Late(lambda: self._parts().router)
        acting = _Late(lambda: self._parts().actions)
        tasks.performers["event"] = NotedPerformer(judging, notes)
        tasks.performers["action"] = NotedPerformer(acting, notes)

    def configure(self, config: Config) -> None:
        """Judge and act by this from now on."""
        self._config = config
        self._secrets.learn_of(config)
        if self._made is not None:
            self._made.configure(config)

    async def receive(self, delivery: Delivery) -> PublishResult:
        """A webhook of GitHub's; see ``ipc.events.Receive``."""
        return await self._parts().intake.receive(delivery)

    async def publish(self, params: object, peer: Peer) -> PublishResult:
        """Answers ``events.publish``."""
        told = cast("PublishParams", params)
        return await self._parts().intake.publish(told, peer.user)

    async def watch(self) -> None:
        """Take events from the configured folder, for ever."""
        folder = self._config.events.folder
        if folder is None:
            return
        from daemon.event_folder import EventFolder  # noqa: PLC0415 - where there is one

        await EventFolder(
            Path(folder),
            lambda told: self._parts().intake.publish(told, None, "folder"),
            utc,
        ).run()

    async def aclose(self) -> None:
        if self._made is not None:
            await self._made.transport.aclose()

    def _parts(self) -> "Parts":
        if self._made is None:
            from daemon import event_parts  # noqa: PLC0415 - for those who use events

            self._made = event_parts.make(
                lambda: self._config,
                self._tasks,
                self._new_id,
                self._secrets,
                self._notes,
            )
        return self._made


class _Late:
    """A ``Performer`` that is made when there is something for it to do."""

    def __init__(self, performer: Callable[[], Performer]) -> None:
        self._performer = performer

    async def perform(self, task: Task, tell: Callable[[str], None]) -> Performed:
        """See ``Performer``."""
        return await self._performer().perform(task, tell)
