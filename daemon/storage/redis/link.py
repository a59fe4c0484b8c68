"""The one way to Redis: every call is bounded, and while it is away calls fail at once.

    near --a call fails or takes too long--> away --a small write works--> near

While it is away nobody waits for it: calls raise ``QueueUnavailable`` without being
sent, and one task asks again, first soon, then every ``PROBE_MAX_S``. What was under way
fails with it; whether a write whose answer was lost has happened nobody knows, so
nothing is ever sent twice. A client's connections are thrown away with the trouble: a
fail-over is then found by asking the sentinels, or the cluster, anew.

A caller that is cancelled leaves its call to its own short end, so that no connection is
left with half an answer in it.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import anyio
import structlog
from redis.exceptions import (
    ClusterDownError,
    ClusterError,
    ConnectionError as RedisConnectionError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError as RedisTimeoutError,
    TryAgainError,
)

from actors.errors import GitBridgeError, InternalError, QueueUnavailable
from daemon.redis_address import RedisAddress
from daemon.storage.redis.clients import Argument, Client, make_client, replicated
from daemon.storage.redis.scripts import Script

TIMEOUT_S: Final = 1.0
PROBE_MIN_S: Final = 0.1
PROBE_MAX_S: Final = 2.0
CONNECTIONS: Final = 8
PREFIX: Final = "gitbridge"

AWAY: Final = (
    RedisConnectionError,  # also: no such user, a wrong password, still loading
    RedisTimeoutError,
    RedisClusterException,
    ClusterError,
    ClusterDownError,
    MasterDownError,
    TryAgainError,
    ReadOnlyError,
    OutOfMemoryError,
    NoPermissionError,
    OSError,  # TimeoutError too
    RuntimeError,  # uvloop's word for a connection that was closed meanwhile
)
"""A server that is there but takes no writes is as good as away."""

_CONNECTING: Final = re.compile(r"^Error -?\d+ connecting to \S+\. ")
"""How redis-py begins: with an address that we have said already."""

_REFUSALS: Final = ("MISCONF", "NOREPLICAS")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LinkChange:
    """Redis went away, for this reason; or came back, after so many seconds."""

    away: bool
    reason: str
    lasted_s: float = 0.0


class RedisLink:
    """See the module. An async context manager: inside it looks after itself.

    Args:
        address: Where Redis is.
        timeout_s: How long one call may take, waiting for a connection included.
        connections: How many calls are under way at once.
        prefix: Of every key.
        clock: A clock that never jumps, in seconds.
        sleep: Waits so many seconds.
        connect: Makes a client; a test's own.

    Attributes:
        on_change: Each is told when Redis goes away or comes back; must not raise.
    """

    def __init__(
        self,
        address: RedisAddress,
        *,
        timeout_s: float = TIMEOUT_S,
        connections: int = CONNECTIONS,
        prefix: str = PREFIX,
        clock: Callable[[], float] = anyio.current_time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        connect: Callable[[RedisAddress, float], Client] = make_client,
    ) -> None:
        self.address = address
        self.on_change: list[Callable[[LinkChange], None]] = []
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(connections)
        self._prefix = prefix
        self._clock = clock
        self._sleep = sleep
        self._connect = connect
        self._client: Client | None = None
        self._running: set[asyncio.Task[object]] = set()
        self._stack = AsyncExitStack()
        self._trouble = asyncio.Event()
        self._reason: str | None = None
        self._away_at = 0.0
        self._probe_key = self.key("probe")
        self._closed = False

    @property
    def away(self) -> bool:
        """Calls fail at once."""
        return self._reason is not None

    @property
    def reason(self) -> str | None:
        """Why it is away; ``None`` while it is not."""
        return self._reason

    def key(self, *parts: str, tag: str = "all") -> str:
        """``gitbridge:{tag}:part:part``: keys of one tag live in one slot."""
        return ":".join((self._prefix, f"{{{tag}}}", *parts))

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[Argument] = (),
        *,
        timeout_s: float | None = None,
        replicas: int = 0,
    ) -> object:
        """Run a script; one round trip, but for the first time on each server.

        Args:
            script: What to run.
            keys: ``KEYS``, all with one tag.
            args: ``ARGV``.
            timeout_s: Shorter or longer than usual.
            replicas: How many of them must have what it writes, for half that time.

        Returns:
            What it returns: int, bytes, list or ``None``.

        Raises:
            QueueUnavailable: Redis is away, or did not answer in time: it may have run.
                Or it has run, and too few replicas have it.
            InternalError: The script failed.
        """
        rest = (len(keys), *keys, *args)
        limit_s = self._timeout_s if timeout_s is None else timeout_s

        async def send(client: Client, *command: Argument) -> object:
            if not replicas:
                return await client.execute_command(*command)
            wait_ms = max(1, int(limit_s * 500.0))
            answer, have = await replicated(client, replicas, wait_ms, *command)
            if isinstance(answer, Exception):
                raise answer
            if have < replicas:
                raise QueueUnavailable(
                    f"of Redis's replicas {have} have what was written, {replicas}"
                    " were wanted"
                )
            return answer

        async def job(client: Client) -> object:
            try:
                return await send(client, "EVALSHA", script.sha, *rest)
            except NoScriptError:  # it has not run
                return await send(client, "EVAL", script.text, *rest)

        at = keys[0] if keys else None
        return await self._bounded(job, timeout_s, script.name, at)

    async def call(self, *args: Argument, timeout_s: float | None = None) -> object:
        """One command, as redis-py takes its answer apart. Raises as ``run`` does."""
        at = str(args[1]) if len(args) > 1 else None
        return await self._bounded(
            lambda client: client.execute_command(*args), timeout_s, str(args[0]), at
        )

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(anyio.create_task_group())
        self._stack.callback(group.cancel_scope.cancel)
        group.start_soon(self._keep)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        try:
            await self._stack.aclose()
        finally:
            with anyio.CancelScope(shield=True):
                await self._drop_client()

    # ---- calling

    async def _bounded(
        self,
        job: Callable[[Client], Coroutine[object, object, object]],
        timeout_s: float | None,
        name: str,
        key: str | None,
    ) -> object:
        if self._closed:
            raise QueueUnavailable("the daemon is stopping")
        if self._reason is not None:
            raise self._unavailable()
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        task = asyncio.ensure_future(self._limited(job, limit_s))
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        except TimeoutError:
            self._lost(f"no answer within {limit_s:g} s", key)
        except AWAY as error:
            self._lost(self._said(error), key)
        except ResponseError as error:
            if not str(error).startswith(_REFUSALS):
                raise InternalError(f"{name}: {self._said(error)}") from None
            self._lost(self._said(error), key)
        except RedisError as error:
            raise InternalError(f"{name}: {self._said(error)}") from None
        raise self._unavailable()

    async def _limited(
        self, job: Callable[[Client], Coroutine[object, object, object]], limit_s: float
    ) -> object:
        async with asyncio.timeout(limit_s), self._places:
            if self._closed:
                raise QueueUnavailable("the daemon is stopping")
            if self._client is None:
                self._client = self._connect(self.address, self._timeout_s)
            return await job(self._client)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen: perhaps nobody waits for it any more

    def _unavailable(self) -> QueueUnavailable:
        return QueueUnavailable(
            f"Redis at {self.address} cannot be reached now: {self._reason}",
            retry_after_s=PROBE_MAX_S,
        )

    def _said(self, error: BaseException) -> str:
        text = _CONNECTING.sub("", str(error)).rstrip(".") or type(error).__name__
        for secret in self.address.secrets:
            text = text.replace(secret, "***")
        return text[:300]

    # ---- away and back

    def _lost(self, reason: str, key: str | None) -> None:
        if self._reason is not None:
            return
        self._reason, self._away_at = reason, self._clock()
        self._probe_key = f"{key or self.key()}:probe"  # the same slot of a cluster
        self._trouble.set()
        log.warning("redis_away", address=str(self.address), error=reason)
        self._tell(LinkChange(away=True, reason=reason))

    def _back(self) -> None:
        reason, self._reason = self._reason or "", None
        lasted_s = self._clock() - self._away_at
        self._trouble.clear()
        log.info("redis_back", address=str(self.address), lasted_s=round(lasted_s, 3))
        self._tell(LinkChange(away=False, reason=reason, lasted_s=lasted_s))

    def _tell(self, change: LinkChange) -> None:
        for each in self.on_change:
            each(change)

    async def _keep(self) -> None:
        """Look once now, then whenever there is trouble until it is over."""
        while True:
            error = await self._probe()
            if error is not None:
                self._lost(error, None)
            if self._reason is not None:
                await self._wait_until_back()
            await self._trouble.wait()

    async def _wait_until_back(self) -> None:
        pause_s = PROBE_MIN_S
        while True:
            await self._drop_client()
            await self._sleep(pause_s)
            if await self._probe() is None:
                self._back()
                return
            pause_s = min(pause_s * 2.0, PROBE_MAX_S)

    async def _probe(self) -> str | None:
        """A small write; says what is wrong."""
        task = asyncio.ensure_future(
            self._limited(
                lambda client: client.execute_command(
                    "SET", self._probe_key, 1, "PX", 1000
                ),
                self._timeout_s,
            )
        )
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            await asyncio.shield(task)
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except (RedisError, GitBridgeError, OSError, RuntimeError) as error:
            return self._said(error)
        return None

    async def _drop_client(self) -> None:
        """What is under way on its connections ends first, or fails."""
        client, self._client = self._client, None
        if client is None:
            return
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=self._timeout_s)
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.aclose()
        except (RedisError, OSError, RuntimeError) as error:
            log.debug("redis_not_closed", error=self._said(error))
