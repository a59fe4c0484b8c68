"""Pretend providers behind the real dialect: a transport without a network."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random

import anyio

from actors.errors import ProviderConnectionError
from actors.wire.base import HttpRequest, Response, ResponseHead, Timeouts
from benchmarks.fault_replay.faults import Fault, Kind
from benchmarks.fault_replay.traces import Latency

FOREVER_S = 1e9
REFUSED_S = 0.01  # a connection refused takes a round trip
SLOW_FACTOR = 8.0
SIGN_OF_LIFE_S = 5.0  # a long answer brings bytes at least this often
MODEL = "llama-2-70b-chat"

_MARK = re.compile(rb"#(\d+) (\d+)#")
_HEADERS = {"content-type": "text/event-stream"}
_FIRST = (
    b'data: {"id":"1","model":"llama-2-70b-chat","choices":[{"index":0,"delta":'
    b'{"role":"assistant","content":"word"},"finish_reason":null}]}\n\n'
)
_MORE = (
    b'data: {"id":"1","choices":[{"index":0,"delta":{"content":" word"},'
    b'"finish_reason":null}]}\n\n'
)
_LAST = (
    b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"1","choices":[],"usage":{"prompt_tokens":%d,'
    b'"completion_tokens":%d,"total_tokens":%d}}\n\ndata: [DONE]\n\n'
)
_MODELS = b'{"object":"list","data":[{"id":"llama-2-70b-chat","object":"model"}]}'
_ERRORS: dict[int, bytes] = {
    429: b'{"error":{"message":"too many requests","type":"rate_limit_exceeded"}}',
    500: b'{"error":{"message":"something broke","type":"server_error"}}',
}
_FAILING: dict[Kind, tuple[float, int]] = {
    "errors_50": (0.5, 500),
    "errors_20": (0.2, 500),
    "limited": (0.7, 429),
}
_CUT_SHARE = 0.5


def prompt_of(number: int, prompt_tokens: int, output_tokens: int) -> str:
    """A prompt of about that size which says what is to be answered."""
    mark = f"#{number} {output_tokens}#"
    return mark + _FILLER[: max(0, 4 * prompt_tokens - len(mark))]


_FILLER = "word" * 8192


class _Body:
    """A response whose head has arrived: pauses, pieces, and perhaps a break."""

    def __init__(
        self, status: int, pieces: Sequence[tuple[float, bytes]], *, breaks: bool
    ) -> None:
        self.head = ResponseHead(status, _HEADERS)
        self._pieces = pieces
        self._breaks = breaks

    async def chunks(self) -> AsyncIterator[bytes]:
        for pause_s, piece in self._pieces:
            if pause_s > 0.0:
                await anyio.sleep(pause_s)
            yield piece
        if self._breaks:
            raise ProviderConnectionError("the connection broke", sent=True)

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.chunks()])


class Upstream:
    """One provider.

    How a call goes is drawn from the seed, the provider, the request and how often this
    provider was asked for it, so that every policy meets the same luck.

    Attributes:
        calls: How many were made, health probes left aside.
        open: How many have not ended.
    """

    def __init__(
        self,
        name: str,
        latencies: Sequence[Latency],
        faults: Sequence[Fault],
        *,
        seed: int,
        start_s: float,
    ) -> None:
        self._name = name
        self._latencies = latencies
        self._faults = [f for f in faults if f.provider == name]
        self._seed = seed
        self._start_s = start_s
        self._asked: dict[int, int] = {}
        self.calls = 0
        self.open = 0

    def send(
        self, request: HttpRequest, timeouts: Timeouts, *, stream: bool
    ) -> AbstractAsyncContextManager[Response]:
        return self._probe() if request.method == "GET" else self._call(request)

    async def aclose(self) -> None: ...

    @asynccontextmanager
    async def _probe(self) -> AsyncIterator[Response]:
        kind = self._fault()
        await self._take(kind, self._latencies[0].ttft_s)
        yield _Body(200, ((0.0, _MODELS),), breaks=False)

    @asynccontextmanager
    async def _call(self, request: HttpRequest) -> AsyncIterator[Response]:
        found = _MARK.search(request.body)
        assert found is not None
        number, tokens = int(found[1]), int(found[2])
        turn = self._asked[number] = self._asked.get(number, 0) + 1
        draws = Random(f"{self._seed} {self._name} {number} {turn}")
        latency, chance = draws.choice(self._latencies), draws.random()
        self.calls += 1
        self.open += 1
        try:
            kind = self._fault()
            pace = SLOW_FACTOR if kind == "slow" else 1.0
            await self._take(kind, pace * latency.ttft_s)
            share, status = _FAILING.get(kind, (0.0, 200)) if kind else (0.0, 200)
            if chance < share:
                yield _Body(status, ((0.0, _ERRORS[status]),), breaks=False)
                return
            rest_s = pace * latency.per_token_s * tokens
            cut = kind == "cut" and chance < _CUT_SHARE
            yield _answer(rest_s, tokens, len(request.body) // 4, cut=cut)
        finally:
            self.open -= 1

    async def _take(self, kind: Kind | None, first_s: float) -> None:
        """The time until the head comes, if one does."""
        if kind == "down":
            await anyio.sleep(REFUSED_S)
            raise ProviderConnectionError("connection refused")
        await anyio.sleep(FOREVER_S if kind == "hang" else first_s)

    def _fault(self) -> Kind | None:
        now = anyio.current_time() - self._start_s
        for fault in self._faults:
            if fault.start_s <= now < fault.end_s:
                return fault.kind
        return None


def _answer(rest_s: float, tokens: int, prompt_tokens: int, *, cut: bool) -> _Body:
    """First token at once, the rest over ``rest_s`` seconds; ``cut`` ends half-way."""
    steps = 1 + int(rest_s / SIGN_OF_LIFE_S)
    step_s = rest_s / steps
    pieces = [(0.0, _FIRST)]
    if cut:
        pieces.append((rest_s / 2.0, _MORE))
        return _Body(200, pieces, breaks=True)
    pieces += [(step_s, _MORE)] * (steps - 1)
    pieces.append((step_s, _LAST % (prompt_tokens, tokens, prompt_tokens + tokens)))
    return _Body(200, pieces, breaks=False)
