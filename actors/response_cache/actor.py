"""The actor: a mailbox around the requests that may be given another's answer."""

from typing_extensions import override

from actors.response_cache.desk import Desk
from actors.response_cache.messages import CacheMessage, CancelAnswer, StartAnswer
from actors.response_cache.run import CachedRun
from actors.runtime import Actor, Reply


class ResponseCacheActor(Actor[CacheMessage]):
    """Starts a run per request, finds it again when the caller leaves."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._runs: dict[str, CachedRun] = {}

    @override
    def on_start(self) -> None:
        self._desk.forget_calls()  # those of an actor that has crashed

    @override
    def handle(self, message: CacheMessage, reply: Reply) -> None:
        match message:
            case StartAnswer():
                run = CachedRun(self._desk, message, self.context.backend)
                self._runs[message.request.request_id] = run
                self.context.spawn(self._run(run, message, reply), name="cached")
            case CancelAnswer():
                found = self._runs.get(message.request_id)
                if found is not None:
                    found.cancel(interrupted=message.interrupted)

    async def _run(self, run: CachedRun, message: StartAnswer, reply: Reply) -> None:
        try:
            outcome = await run.run()
            if message.request.idempotency_key is not None:
                await run.settle()  # a kill right after the answer must not lose it
            reply.send(outcome)
            await run.settle()
        finally:
            del self._runs[message.request.request_id]
