"""The pretend providers' HTTP servers.

Each has two ports: its own, which is closed while it is ``down``, and one for control
that always answers. ``/_sim/...`` works on both.
"""

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from aiohttp import web
from msgspec import Struct, structs

from daemon.simulator import embeddings
from daemon.simulator.anthropic import Anthropic
from daemon.simulator.behaviour import Behaviour, Fault, Kind
from daemon.simulator.catalogue import DEFAULTS
from daemon.simulator.control import Control
from daemon.simulator.dialect import SimDialect
from daemon.simulator.exchange import Exchanger
from daemon.simulator.openai import OpenAI
from daemon.simulator.stats import Stats
from daemon.simulator.xai import XAI

LOOPBACK: Final = "127.0.0.1"
MAX_BODY_BYTES: Final = 32 << 20

DIALECTS: Final[dict[Kind, SimDialect]] = {
    "openai": OpenAI(),
    "xai": XAI(),
    "anthropic": Anthropic(),
}


class ProviderSpec(Struct, frozen=True, kw_only=True):
    """A provider to pretend. Port 0 takes any free one."""

    name: str
    kind: Kind
    behaviour: Behaviour | None = None
    port: int = 0


class SimulatedProvider:
    """The handle on one running pretend provider."""

    def __init__(self, spec: ProviderSpec) -> None:
        self.name = spec.name
        self.kind = spec.kind
        behaviour = spec.behaviour or DEFAULTS[spec.kind]
        self._exchanger = Exchanger(spec.name, DIALECTS[spec.kind], behaviour)
        self._socket = _bound(spec.port)
        self._port: int = self._socket.getsockname()[1]
        self._control_port = 0
        self._site: web.SockSite | None = None
        self._runner = web.AppRunner(
            self._app(),
            handler_cancellation=True,
            shutdown_timeout=0.0,
            access_log=None,
        )
        control = web.Application()
        Control(self).add_to(control)
        self._control = web.AppRunner(control, shutdown_timeout=0.0, access_log=None)

    @property
    def base_url(self) -> str:
        """Version prefix included, no slash at the end; the same after an outage."""
        return f"http://{LOOPBACK}:{self._port}/v1"

    @property
    def control_url(self) -> str:
        """Put ``/behaviour``, ``/stats`` or ``/reset`` behind it."""
        return f"http://{LOOPBACK}:{self._control_port}/_sim"

    @property
    def behaviour(self) -> Behaviour:
        return self._exchanger.behaviour

    @property
    def stats(self) -> Stats:
        return self._exchanger.stats

    def reset_stats(self) -> None:
        running = self._exchanger.stats.in_flight
        self._exchanger.stats = Stats(in_flight=running)

    async def apply(self, behaviour: Behaviour) -> None:
        """Behave so from now on; counted faults start anew."""
        self._exchanger.behave(behaviour)
        await self._open_or_close()

    async def change(self, **fields: object) -> None:
        """``apply`` the behaviour with these fields replaced."""
        await self.apply(structs.replace(self.behaviour, **fields))

    async def fail(self, *faults: Fault) -> None:
        """Have these faults and no others; without any, be healthy again."""
        await self.change(faults=faults)

    async def start(self) -> None:
        await self._runner.setup()
        await self._control.setup()
        site = web.TCPSite(self._control, LOOPBACK, 0)
        await site.start()
        self._control_port = self._control.addresses[0][1]
        await self._open_or_close()

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._control.cleanup()
        self._socket.close()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        Control(self).add_to(app)
        exchanger = self._exchanger
        app.router.add_post(exchanger.dialect.chat_path, exchanger.chat)
        if self.kind == "openai":
            app.router.add_post(embeddings.PATH, exchanger.embed)
        app.router.add_get("/v1/models", exchanger.models)
        app.router.add_route("*", "/{path:.*}", exchanger.unknown)
        return app

    async def _open_or_close(self) -> None:
        if self.behaviour.down and self._site is not None:
            await self._site.stop()
            self._site = None
            # bound but not listening: refuses connections and keeps the port ours
            self._socket.close()
            self._socket = _bound(self._port)
            self._drop_connections()
        elif not self.behaviour.down and self._site is None:
            self._site = web.SockSite(self._runner, self._socket)
            await self._site.start()

    def _drop_connections(self) -> None:
        server = self._runner.server
        for connection in list(server.connections) if server else ():
            if connection.transport is not None:
                connection.transport.abort()


def _bound(port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((LOOPBACK, port))
    return opened


@asynccontextmanager
async def simulate(
    specs: Iterable[Kind | ProviderSpec],
) -> AsyncIterator[dict[str, SimulatedProvider]]:
    """Run pretend providers; the keys are their names (the kind, unless named)."""
    providers: dict[str, SimulatedProvider] = {}
    async with AsyncExitStack() as stack:
        for given in specs:
            spec = (
                ProviderSpec(name=given, kind=given)
                if isinstance(given, str)
                else given
            )
            provider = SimulatedProvider(spec)
            stack.push_async_callback(provider.stop)
            await provider.start()
            providers[spec.name] = provider
        yield providers
