"""The performer of tasks of kind ``action``."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from actors.actions.calls import Calls
from actors.actions.commands import run_command
from actors.actions.files import path_below, write_below
from actors.errors import InternalError, InvalidRequest
from actors.messages.actions import (
    ActionDone,
    ActionWork,
    CallUrl,
    CommandRule,
    PostComment,
    RunCommand,
    WriteFile,
)
from actors.messages.tasks import Performed, Task
from actors.policy.classify import values_of
from actors.wire.base import Transport


class ActionSettings(Struct, frozen=True, kw_only=True):
    """What actions may do. ``folders`` are the declared ones, by name."""

    commands: Mapping[str, CommandRule] = {}
    folders: Mapping[str, str] = {}
    github_url: str = "https://api.github.com"


@dataclass(frozen=True, slots=True)
class ActionTools:
    """What actions need of the world.

    ``in_thread`` runs what waits for the disk. ``token`` is GitHub's, ``secret`` signs
    calls; they are asked for anew each time.
    """

    transport: Transport
    utc: Callable[[], float]
    in_thread: Callable[[Callable[[], str]], Awaitable[str]]
    token: Callable[[], str | None]
    secret: Callable[[], str | None]


class ActionPerformer:
    """A ``Performer``. ``settings`` may be replaced at any time."""

    def __init__(self, settings: ActionSettings, tools: ActionTools) -> None:
        self.settings = settings
        self._tools = tools

    async def perform(self, task: Task, tell: Callable[[str], None]) -> Performed:
        """See ``Performer``."""
        try:
            work = msgspec.msgpack.decode(task.spec.payload, type=ActionWork)
        except msgspec.DecodeError as error:
            raise InternalError(f"the action is not understood: {error}") from None
        tell(str(work.action.__struct_config__.tag))
        return Performed(result=msgspec.msgpack.encode(await self._do(work, task)))

    async def _do(self, work: ActionWork, task: Task) -> ActionDone:
        content = work.answer.content
        match work.action:
            case CallUrl() as call:
                return await self._calls().call(call, work, task)
            case PostComment() as comment:
                return await self._calls().comment(comment, work, task)
            case RunCommand(command=name):
                rules = self.settings.commands
                return await run_command(name, rules, content, task.task_id)
            case WriteFile() as file:
                return await self._write(file, work, task)

    def _calls(self) -> Calls:
        tools = self._tools
        return Calls(
            tools.transport,
            tools.utc,
            github_url=self.settings.github_url,
            token=tools.token(),
            secret=tools.secret(),
        )

    async def _write(
        self, action: WriteFile, work: ActionWork, task: Task
    ) -> ActionDone:
        root = self.settings.folders.get(action.folder)
        if root is None:
            known = ", ".join(self.settings.folders)
            raise InvalidRequest(
                f"the folder {action.folder!r} is not declared",
                field="folder",
                got=action.folder[:100],
                wanted=f"one of {known}" if known else "none is declared",
            )
        parts = path_below(action.path, values_of(work.event, work.task_type))
        data = work.answer.content.encode(errors="replace")
        path = await self._tools.in_thread(
            lambda: write_below(root, parts, data, task.task_id)
        )
        return ActionDone(do="write_file", target=path)
