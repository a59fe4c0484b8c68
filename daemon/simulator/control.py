"""``/_sim/...``: a pretend provider's behaviour and counters over HTTP."""

from collections import deque
from typing import Protocol

import msgspec
from aiohttp import web
from msgspec import json

from daemon.simulator.behaviour import Behaviour, changed
from daemon.simulator.stats import Stats


class Controlled(Protocol):
    """What can be controlled."""

    @property
    def behaviour(self) -> Behaviour: ...

    @property
    def stats(self) -> Stats: ...

    async def apply(self, behaviour: Behaviour) -> None: ...

    def reset_stats(self) -> None: ...


class Control:
    """Handlers for one provider."""

    def __init__(self, provider: Controlled) -> None:
        self._provider = provider

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/_sim/behaviour", self.show)
        app.router.add_post("/_sim/behaviour", self.change)
        app.router.add_get("/_sim/stats", self.stats)
        app.router.add_post("/_sim/reset", self.reset)

    async def show(self, _request: web.Request) -> web.Response:
        return _answer(self._provider.behaviour)

    async def change(self, request: web.Request) -> web.Response:
        """Replace the fields named in the body; the rest stays."""
        try:
            behaviour = changed(self._provider.behaviour, await request.read())
        except msgspec.DecodeError as error:
            return _answer({"error": str(error)}, 400)
        await self._provider.apply(behaviour)
        return _answer(behaviour)

    async def stats(self, _request: web.Request) -> web.Response:
        return _answer(self._provider.stats)

    async def reset(self, _request: web.Request) -> web.Response:
        self._provider.reset_stats()
        return _answer(self._provider.stats)


def _encode(value: object) -> object:
    if isinstance(value, deque):
        return list(value)
    raise NotImplementedError(type(value))


def _answer(body: object, status: int = 200) -> web.Response:
    return web.Response(
        body=json.encode(body, enc_hook=_encode),
        status=status,
        content_type="application/json",
        headers={"x-simulated": "1"},
    )
