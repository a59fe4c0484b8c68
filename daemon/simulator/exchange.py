"""One request to a pretend provider, from its first byte to its last."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from decimal import Decimal
from itertools import islice
from random import Random
from typing import Final

import anyio
from aiohttp import web
from msgspec import json

from daemon.simulator import embeddings
from daemon.simulator.answer import Answer, Ask, Refusal, answer, prompt_hash
from daemon.simulator.behaviour import Behaviour, Fault, Latency
from daemon.simulator.dialect import Allowance, Event, Ids, SimDialect
from daemon.simulator.faults import FaultBox, instead, spoiled_plain, spoiled_stream
from daemon.simulator.rate import RateWindow
from daemon.simulator.stats import Exchange, Stats

SIMULATED: Final = {"x-simulated": "1"}
_BURST: Final = 8
_DROPPING: Final = ("reset", "hang_up", "cut", "cut_reset", "wrong_length")


_Serve = Callable[[web.Request, Ids, Exchange], Awaitable[web.StreamResponse]]


class Exchanger:
    """Answers requests as one provider; ``behaviour`` may be replaced at any time."""

    def __init__(self, name: str, dialect: SimDialect, behaviour: Behaviour) -> None:
        self.name = name
        self.dialect = dialect
        self.behaviour = behaviour
        self.stats = Stats()
        self._faults = FaultBox()
        self._random = Random(f"{behaviour.seed}:{name}")  # noqa: S311 - to be repeatable
        self._number = 0
        self._window = RateWindow()

    def behave(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._faults.renew()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a chat request, count it and log it."""
        return await self._counted(request, self._chat)

    async def embed(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for vectors; it counts, and fails, like one to chat."""
        return await self._counted(request, self._embed)

    async def _counted(self, request: web.Request, serve: _Serve) -> web.StreamResponse:
        ids = self._ids()
        exchange = Exchange(
            id=ids.token, client_id=request.headers.get("x-client-request-id")
        )
        self.stats.begin(exchange)
        try:
            response = await serve(request, ids, exchange)
            exchange.status = response.status
        except Refusal as refusal:
            exchange.ending = "faulted" if exchange.fault else "refused"
            exchange.status = refusal.status
            exchange.cost_usd = Decimal(0)
            return self._refused(refusal, ids)
        except (asyncio.CancelledError, ConnectionError):
            ours = exchange.fault in _DROPPING or self.behaviour.down
            exchange.ending = "faulted" if ours else "aborted"
            # Nobody is there any more: to aiohttp everything else is an error to log.
            raise asyncio.CancelledError from None
        finally:
            self.stats.end(exchange)
        return response

    async def models(self, request: web.Request) -> web.StreamResponse:
        """List the models, for free."""
        self.stats.models_requests += 1
        ids = self._ids()
        try:
            await self._maybe_fault(request, "models")
            self._check_key(request)
            await self._wait(self.behaviour.models_latency)
        except Refusal as refusal:
            return self._refused(refusal, ids)
        headers = SIMULATED | self.dialect.headers(ids, Allowance())
        return _json(self.dialect.models(self.behaviour), headers)

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        """Answer for a path that does not exist."""
        message = f"Invalid URL ({request.method} {request.path})"
        return self._refused(Refusal(404, "not_found", message), self._ids())

    async def _chat(
        self, request: web.Request, ids: Ids, exchange: Exchange
    ) -> web.StreamResponse:
        body = await _read(request)
        fault = await self._maybe_fault(request, "chat", exchange)
        self._check_key(request)
        allowance = self._window.take(self.behaviour.rate_limit, anyio.current_time())
        ask = self.dialect.parse(self.behaviour, body, request.headers)
        given = answer(self.name, ask, self.behaviour)
        _note(exchange, ask, given)
        await self._wait(self.behaviour.latency)
        headers = SIMULATED | self.dialect.headers(ids, allowance)
        if ask.stream:
            events = self.dialect.stream(ask, given, ids)
            response = await self._stream(request, headers, events, fault)
        else:
            whole = self.dialect.plain(ask, given, ids)
            response = await self._plain(request, headers, whole, fault)
        exchange.ending = "faulted" if fault else "answered"
        return response

    async def _embed(
        self, request: web.Request, ids: Ids, exchange: Exchange
    ) -> web.StreamResponse:
        body = await _read(request)
        fault = await self._maybe_fault(request, "chat", exchange)
        self._check_key(request)
        allowance = self._window.take(self.behaviour.rate_limit, anyio.current_time())
        wanted = embeddings.parse(self.behaviour, body)
        exchange.prompt_hash = prompt_hash("\n".join(wanted.texts))
        exchange.model = wanted.model.id
        exchange.prompt_tokens = wanted.prompt_tokens
        exchange.cost_usd = wanted.cost_usd
        await self._wait(self.behaviour.latency)
        headers = SIMULATED | self.dialect.headers(ids, allowance)
        response = await self._plain(request, headers, embeddings.whole(wanted), fault)
        exchange.ending = "faulted" if fault else "answered"
        return response

    async def _plain(
        self,
        request: web.Request,
        headers: dict[str, str],
        whole: dict[str, object],
        fault: Fault | None,
    ) -> web.StreamResponse:
        if fault is None:
            return _json(whole, headers)
        headers = headers | {"Content-Type": "application/json"}
        return await spoiled_plain(fault, request, headers, json.encode(whole))

    async def _stream(
        self,
        request: web.Request,
        headers: dict[str, str],
        events: Iterable[Event],
        fault: Fault | None,
    ) -> web.StreamResponse:
        headers = headers | {
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache",
        }
        if fault is not None and fault.kind == "wrong_length":
            events = tuple(events)
            promised = sum(len(event.data) for event in events) + 64
            headers["Content-Length"] = str(promised)
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        async for data in self._sent(request, events, fault):
            await response.write(data)
        await response.write_eof()
        return response

    async def _sent(
        self, request: web.Request, events: Iterable[Event], fault: Fault | None
    ) -> AsyncIterator[bytes]:
        if fault is not None:
            paced = self._paced(events)
            async for data in spoiled_stream(fault, request, paced, self.dialect):
                yield data
        elif self.behaviour.token_gap.median_s > 0:
            async for event in self._paced(events):
                yield event.data
        else:
            left = iter(events)
            while burst := b"".join(event.data for event in islice(left, _BURST)):
                yield burst

    async def _paced(self, events: Iterable[Event]) -> AsyncIterator[Event]:
        first = True
        for event in events:
            if event.token and not first:
                await self._wait(self.behaviour.token_gap)
            first = first and not event.token
            yield event

    async def _maybe_fault(
        self, request: web.Request, scope: str, exchange: Exchange | None = None
    ) -> Fault | None:
        fault = self._faults.draw(self.behaviour, scope, self._random)
        if fault is not None:
            self.stats.faults[fault.kind] += 1
            if exchange is not None:
                exchange.fault = fault.kind
            await instead(fault, request)
        return fault

    def _check_key(self, request: web.Request) -> None:
        wanted = self.behaviour.api_key
        if wanted is None:
            return
        key = self.dialect.key(request.headers)
        if key is None:
            raise self.dialect.no_key()
        if key != wanted:
            raise self.dialect.wrong_key(key)

    def _refused(self, refusal: Refusal, ids: Ids) -> web.Response:
        headers = SIMULATED | self.dialect.headers(ids, Allowance())
        headers |= self.dialect.error_headers(refusal)
        if refusal.retry_after_s is not None:
            headers["retry-after"] = f"{refusal.retry_after_s:g}"
        return _json(self.dialect.error(refusal, ids), headers, refusal.status)

    async def _wait(self, latency: Latency) -> None:
        if latency.median_s > 0:
            await anyio.sleep(latency.sample(self._random.gauss(0.0, 1.0)))

    def _ids(self) -> Ids:
        self._number += 1
        return Ids(self._number, f"{self._random.getrandbits(128):032x}")


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refusal(413, "too_large", "The request is too large.") from None


def _note(exchange: Exchange, ask: Ask, given: Answer) -> None:
    exchange.prompt_hash = prompt_hash(ask.prompt)
    exchange.model = ask.model.id
    exchange.stream = ask.stream
    exchange.prompt_tokens = given.prompt_tokens
    exchange.completion_tokens = given.completion_tokens + given.reasoning_tokens
    exchange.cost_usd = given.cost_usd


def _json(
    body: dict[str, object], headers: dict[str, str], status: int = 200
) -> web.Response:
    return web.Response(
        body=json.encode(body),
        status=status,
        headers=headers,
        content_type="application/json",
    )
