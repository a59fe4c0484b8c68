"""The response cache, started when a request first has to do with it."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from actors.messages.provider import DeltaSink
from actors.messages.reuse import AnswerStore
from actors.messages.routing import (
    RouteHandle,
    RouteRef,
    RouteRequest,
    StartSink,
)
from actors.router.desk import Desk as Routing
from actors.runtime import ActorSystem, ChildSpec, SupervisorSpec
from daemon.config import Config
from daemon.ids import utc
from daemon.storage.answers import MemoryAnswers
from daemon.telemetry import Figure

if TYPE_CHECKING:
    from actors.response_cache import CacheSettings, Desk, ResponseCacheHandle
    from daemon.storage.repeats import SqliteRepeats


class Caching:
    """A ``RouteRef``: what has to do with the cache goes there, all else straight on.

    Args:
        system: Where the actor lives, under a supervisor of its own.
        config: As loaded.
        routes: Who answers what has to be asked.
        routing: The router's desk, whose tools it shares.
        repeats: Keeps the answers of idempotency keys.
        simulated: Whether pretend providers stand in for others.
        share: What keeps answers together with other daemons, given what keeps ours.
    """

    def __init__(
        self,
        system: ActorSystem,
        config: Config,
        routes: RouteRef,
        routing: Routing,
        repeats: AnswerStore,
        *,
        simulated: bool,
        share: Callable[[AnswerStore], AnswerStore] = lambda own: own,
    ) -> None:
        self._system = system
        self._routes = routes
        self._routing = routing
        self._repeats = repeats
        self._simulated = simulated
        self._config = config
        self._answers = MemoryAnswers(config.cache.max_bytes)
        self._shared = share(self._answers)
        self._handle: ResponseCacheHandle | None = None
        self._desk: Desk | None = None

    def configure(self, config: Config) -> None:
        """Go by this from now on; what is kept stays, as far as it has room."""
        self._config = config
        self._answers.entries.resize(config.cache.max_bytes)
        if self._handle is not None:
            self._handle.configure(self._settings())

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None = None,
        on_start: StartSink | None = None,
    ) -> RouteHandle:
        if not self._concerned(request):
            return self._routes.route(request, sink, on_start)
        if self._handle is None:
            self._handle = self._start()
        return self._handle.route(request, sink, on_start)

    def _concerned(self, request: RouteRequest) -> bool:
        if request.idempotency_key is not None:
            return True
        wanted = request.cache != "off" and not request.durable
        return self._config.cache.enabled and wanted

    def figures(self) -> tuple[Figure, ...]:
        """For whoever scrapes."""
        entries = self._answers.entries
        misses, evicted = self._desk.misses if self._desk else 0, entries.evicted
        return (
            Figure("cache_entries", "Answers that are kept.", len(entries)),
            Figure("cache_bytes", "What they take.", entries.size_bytes),
            Figure(
                "cache_misses_total", "Looked for, and not there.", misses, "counter"
            ),
            Figure("cache_evictions_total", "Gone to make room.", evicted, "counter"),
        )

    def _start(self) -> "ResponseCacheHandle":
        from actors import response_cache  # noqa: PLC0415 - who never asks need not carry it

        tools, routing = self._routing.tools, self._routing
        self._desk = desk = response_cache.Desk(
            self._settings(),
            response_cache.CacheTools(
                routes=self._routes,
                answers=self._shared,
                repeats=self._repeats,
                spool=tools.spool,
                utc=tools.utc,
                new_id=tools.new_id,
                on_record=tools.on_record,
                strategy=lambda: (routing.strategy, routing.weights),
            ),
        )
        child = ChildSpec(
            id="response_cache",
            factory=lambda: response_cache.ResponseCacheActor(desk),
        )
        self._system.start(SupervisorSpec(id="caching", children=(child,)))
        return response_cache.ResponseCacheHandle(
            self._system.ref("response_cache"), desk
        )

    def _settings(self) -> "CacheSettings":
        from actors.response_cache import CacheSettings  # noqa: PLC0415 - see above

        told = self._config.cache
        return CacheSettings(
            enabled=told.enabled,
            ttl_s=told.ttl_s,
            shared=told.shared,
            scope=scope_of(self._config, simulated=self._simulated),
            deadline_s=self._config.routing.deadline_s,
        )


class Repeats:
    """An ``AnswerStore`` for idempotency keys, opened when there is a first one.

    Args:
        state: The state folder.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._opened: SqliteRepeats | None = None

    async def get(self, key: bytes) -> bytes | None:
        """See ``AnswerStore``."""
        return await self._store().get(key)

    async def put(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """See ``AnswerStore``."""
        await self._store().put(key, value, ttl_s)

    async def close(self) -> None:
        """Let go of the file."""
        if self._opened is not None:
            await self._opened.close()

    def _store(self) -> "SqliteRepeats":
        if self._opened is None:
            from daemon.storage.repeats import (  # noqa: PLC0415 - for those who use it
                SqliteRepeats,
            )

            self._opened = SqliteRepeats(self._state, utc)
        return self._opened


@asynccontextmanager
async def open_repeats(state: Path) -> AsyncIterator[Repeats]:
    """Leave it after the actors that use it."""
    repeats = Repeats(state)
    try:
        yield repeats
    finally:
        await repeats.close()


def scope_of(config: Config, *, simulated: bool) -> str:
    """What the configuration says about who answers, and how: 64 hexadecimal digits.

    Daemons of the same configuration have the same.
    """
    told = (
        config.providers,
        config.models,
        config.routing.tasks,
        config.consensus,
        simulated,
    )
    written = msgspec.json.encode(told, order="sorted")
    return hashlib.sha256(written).hexdigest()
