"""The router actor: a mailbox around the desk and the requests in flight."""

import msgspec
import structlog
from typing_extensions import override

from actors.router.desk import OVERRIDES_KEY, Desk, Overrides
from actors.router.messages import (
    CancelRoute,
    RouterMessage,
    SetOverrides,
    StartRoute,
)
from actors.router.run import RequestRun
from actors.runtime import Actor, Reply

log = structlog.get_logger(actor="router")


class RouterActor(Actor[RouterMessage]):
    """Starts a run per request, finds it again when the caller leaves."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._runs: dict[str, RequestRun] = {}

    @override
    def on_start(self) -> None:
        try:
            self._desk.refused_prefixes.load()
        except msgspec.DecodeError:
            log.warning("refused_prefixes_unreadable")
        kept = self._desk.tools.keeper.load(OVERRIDES_KEY)
        if kept is None:
            return
        try:
            self._desk.overrides = msgspec.msgpack.decode(kept, type=Overrides)
        except msgspec.DecodeError:
            log.warning("overrides_unreadable")

    @override
    def handle(self, message: RouterMessage, reply: Reply) -> None:
        match message:
            case StartRoute():
                self._start(message, reply)
            case CancelRoute():
                run = self._runs.get(message.request_id)
                if run is not None:
                    run.cancel(interrupted=message.interrupted)
            case SetOverrides():
                self._override(message)
                if reply.wanted:
                    reply.send(None)

    def _start(self, message: StartRoute, reply: Reply) -> None:
        context = self.context
        run = RequestRun(self._desk, message, context.backend, context.spawn)
        self._runs[message.request.request_id] = run
        self.context.spawn(self._run(run, message, reply), name="request")

    async def _run(self, run: RequestRun, message: StartRoute, reply: Reply) -> None:
        try:
            reply.send(await run.run())
        finally:
            del self._runs[message.request.request_id]

    def _override(self, message: SetOverrides) -> None:
        desk = self._desk
        before = desk.overrides
        desk.overrides = Overrides(
            strategy=message.strategy if message.change_strategy else before.strategy,
            weights=message.weights if message.change_weights else before.weights,
        )
        desk.tools.keeper.save(OVERRIDES_KEY, msgspec.msgpack.encode(desk.overrides))
        log.info(
            "strategy_changed",
            strategy=desk.strategy,
            weights=msgspec.to_builtins(desk.weights),
        )
