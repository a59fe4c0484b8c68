"""redis-py's client for an address, with nothing in it that waits or repeats by itself.

Time-outs, retries and the number of connections are the link's business: redis-py would
repeat a write whose answer was lost.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from daemon.redis_address import RedisAddress

CLIENT_NAME = "gitbridge"

Argument = bytes | str | int | float


class Client(Protocol):
    """What the link wants of redis-py."""

    async def execute_command(self, *args: Argument) -> object: ...

    async def aclose(self) -> None: ...


class _Pipeline(Protocol):
    def execute_command(self, *args: Argument) -> object: ...

    async def execute(self, *, raise_on_error: bool) -> Sequence[object]: ...


class _Single(Client, Protocol):
    """A client of one server: all but a cluster's."""

    def pipeline(self, *, transaction: bool) -> _Pipeline: ...


class _Sentinels(Protocol):
    def master_for(self, master: str) -> _Single: ...

    async def aclose(self) -> None: ...


class _Maker(Protocol):
    """redis-py's classes as we use them: with options by name."""

    def __call__(self, **options: object) -> Client: ...


class _SentinelMaker(Protocol):
    def __call__(
        self, sentinels: Sequence[tuple[str, int]], **options: object
    ) -> _Sentinels: ...


class _Nodes(Client, Protocol):
    async def initialize(self) -> object: ...


class _ClusterMaker(Protocol):
    def __call__(self, **options: object) -> _Nodes: ...


class _Watched:
    """A master by its sentinels; closes their connections too."""

    def __init__(self, sentinels: _Sentinels, master: str) -> None:
        self._sentinels = sentinels
        self._client = sentinels.master_for(master)

    async def execute_command(self, *args: Argument) -> object:
        return await self._client.execute_command(*args)

    def pipeline(self, *, transaction: bool) -> _Pipeline:
        return self._client.pipeline(transaction=transaction)

    async def aclose(self) -> None:
        await self._client.aclose()
        await self._sentinels.aclose()


class _Cluster:
    """A cluster that is looked at once before several calls are under way.

    redis-py's first commands would each look at it, and close one another's connections.
    """

    def __init__(self, cluster: _Nodes) -> None:
        self._cluster = cluster
        self._looking = asyncio.Lock()
        self._known = False

    async def execute_command(self, *args: Argument) -> object:
        if not self._known:
            async with self._looking:
                if not self._known:
                    await self._cluster.initialize()
                    self._known = True
        return await self._cluster.execute_command(*args)

    async def aclose(self) -> None:
        await self._cluster.aclose()


async def replicated(
    client: Client, replicas: int, wait_ms: int, *command: Argument
) -> tuple[object, int]:
    """A command, and how many replicas have what it wrote, waiting for so many of them.

    Both go over one connection: ``WAIT`` is for what was written on its own. The answer
    may be an exception of redis-py's. Not for a cluster.
    """
    pipeline = cast("_Single", client).pipeline(transaction=False)
    pipeline.execute_command(*command)
    pipeline.execute_command("WAIT", replicas, wait_ms)
    answer, have = await pipeline.execute(raise_on_error=False)
    return answer, have if isinstance(have, int) else 0


def make_client(address: RedisAddress, timeout_s: float) -> Client:
    """A client that connects at its first command. ``timeout_s`` bounds each step."""
    steps: dict[str, object] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    tls = _tls(address)
    login: dict[str, object] = {
        "username": address.user,
        "password": address.password,
        "client_name": CLIENT_NAME,
    }
    if address.shape == "sentinel":
        guard = {**steps, **tls, "password": address.sentinel_password}
        watch = cast("_SentinelMaker", Sentinel)(
            address.hosts,
            sentinel_kwargs=guard,
            **{**steps, **tls, **login, "db": address.db},
        )
        return _Watched(watch, address.master or "")
    if address.shape == "cluster":
        cluster = cast("_ClusterMaker", RedisCluster)(
            startup_nodes=[ClusterNode(host, port) for host, port in address.hosts],
            reinitialize_steps=1,
            **{**steps, **tls, **login},
        )
        return _Cluster(cluster)
    where: dict[str, object] = {"unix_socket_path": address.path}
    if address.hosts:
        where = {"host": address.hosts[0][0], "port": address.hosts[0][1]}
    options = {**steps, **tls, **login, **where, "db": address.db}
    return cast("_Maker", Redis)(**options)


def _tls(address: RedisAddress) -> Mapping[str, object]:
    if not address.tls:
        return {}
    files = {
        "ssl_ca_certs": address.ca,
        "ssl_certfile": address.cert,
        "ssl_keyfile": address.key,
    }
    named = {name: str(path) for name, path in files.items() if path is not None}
    return {"ssl": True, "ssl_cert_reqs": "required", **named}
