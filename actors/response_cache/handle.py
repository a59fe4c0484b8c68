"""What the doors hold of the response cache."""

from functools import partial

from actors.messages.provider import DeltaSink
from actors.messages.routing import RouteRequest, StartSink
from actors.pending import Pending
from actors.response_cache.desk import Desk
from actors.response_cache.messages import CacheMessage, CancelAnswer, StartAnswer
from actors.response_cache.settings import CacheSettings
from actors.runtime import ActorRef


class ResponseCacheHandle:
    """A ``RouteRef`` over the actor's mailbox."""

    def __init__(self, ref: ActorRef[CacheMessage], desk: Desk) -> None:
        self._ref = ref
        self._desk = desk

    def configure(self, settings: CacheSettings) -> None:
        """Go by these from now on; what is under way goes on as it began."""
        self._desk.settings = settings

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None = None,
        on_start: StartSink | None = None,
    ) -> Pending[CacheMessage]:
        longest = self._desk.settings.deadline_s
        return Pending(
            self._ref,
            StartAnswer(request, sink, on_start),
            partial(CancelAnswer, request.request_id),
            min(request.deadline_s or longest, longest),
        )
