"""A transport that plays what the test wrote, in the loop's own time.

Realism: like the real one it fails with ``ProviderError``s, delivers bytes in pieces
with pauses, and is closed when its context is left. It never coalesces or splits the
pieces by itself, and connecting takes no time.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import msgspec

from actors.errors import ProviderError
from actors.wire.base import HttpRequest, Response, ResponseHead, Timeouts

FOREVER_S = 1e9


@dataclass
class Answer:
    """One scripted response: a pause, a head, pieces with pauses, perhaps an error.

    ``refuses`` is raised instead of a head; ``breaks`` after the last piece; ``hangs``
    never ends the body; ``hangs_first`` never sends the head.
    """

    pieces: Sequence[tuple[float, bytes]] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    refuses: ProviderError | None = None
    breaks: ProviderError | None = None
    hangs: bool = False
    hangs_first: bool = False


class FakeResponse:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.head = ResponseHead(answer.status, answer.headers)

    async def chunks(self) -> AsyncIterator[bytes]:
        for pause_s, piece in self._answer.pieces:
            if pause_s:
                await anyio.sleep(pause_s)
            yield piece
        if self._answer.hangs:
            await anyio.sleep(FOREVER_S)
        if self._answer.breaks is not None:
            raise self._answer.breaks

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.chunks()])


class FakeTransport:
    """Plays ``answers`` in order, the last one for ever; remembers what was asked.

    ``open`` counts responses that are not closed yet, ``closed_at`` the loop times at
    which they were.
    """

    def __init__(self, *answers: Answer) -> None:
        self.answers: list[Answer] = list(answers)
        self.requests: list[HttpRequest] = []
        self.models = Answer([(0.0, b'{"object":"list","data":[]}')])
        self.open = 0
        self.closed_at: list[float] = []
        self.on_request: Callable[[HttpRequest], None] = lambda _: None

    def bodies(self) -> list[dict[str, object]]:
        return [msgspec.json.decode(r.body, type=dict[str, object]) for r in self.calls]

    @property
    def calls(self) -> list[HttpRequest]:
        """Everything but health probes."""
        return [r for r in self.requests if r.method == "POST"]

    def send(
        self, request: HttpRequest, timeouts: Timeouts, *, stream: bool
    ) -> AbstractAsyncContextManager[Response]:
        return self._send(request)

    @asynccontextmanager
    async def _send(self, request: HttpRequest) -> AsyncIterator[Response]:
        self.requests.append(request)
        self.on_request(request)
        answer = self._next(request)
        self.open += 1
        try:
            if answer.hangs_first:
                await anyio.sleep(FOREVER_S)
            if answer.after_s:
                await anyio.sleep(answer.after_s)
            if answer.refuses is not None:
                raise answer.refuses
            yield FakeResponse(answer)
        finally:
            self.open -= 1
            self.closed_at.append(anyio.current_time())

    def _next(self, request: HttpRequest) -> Answer:
        if request.method == "GET":
            return self.models
        if len(self.answers) > 1:
            return self.answers.pop(0)
        return self.answers[0]

    async def aclose(self) -> None: ...


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def completion(text: str = "fine", *, after_s: float = 0.0) -> Answer:
    """A whole OpenAI chat completion."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }
    return Answer([(0.0, msgspec.json.encode(body))], after_s=after_s)


def refusal(
    status: int, code: str = "server_error", *, retry_after_s: float | None = None
) -> Answer:
    """An OpenAI error answer."""
    body = {"error": {"message": f"no: {code}", "type": code, "code": code}}
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    return Answer([(0.0, msgspec.json.encode(body))], status=status, headers=headers)


def event(delta: dict[str, object], finish: str | None = None) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def stream(
    *words: str,
    gap_s: float = 0.0,
    whole: bool = True,
    usage: bool = True,
    **rest: object,
) -> Answer:
    """A streamed OpenAI answer; ``whole=False`` ends it before its finish reason."""
    pieces = [(gap_s, event({"role": "assistant", "content": ""}))]
    pieces += [(gap_s, event({"content": word})) for word in words]
    if whole:
        pieces.append((gap_s, event({}, "stop")))
        if usage:
            last = {"id": "chatcmpl-1", "choices": [], "usage": USAGE}
            pieces.append((0.0, b"data: " + msgspec.json.encode(last) + b"\n\n"))
        pieces.append((0.0, b"data: [DONE]\n\n"))
    return Answer(pieces, **rest)  # type: ignore[arg-type]  # passed through as named


def embeddings(*vectors: Sequence[float], prompt_tokens: int = 4) -> Answer:
    """A whole OpenAI answer to a request for vectors."""
    body = {
        "object": "list",
        "model": "gpt-4o",
        "data": [
            {"object": "embedding", "index": place, "embedding": vector}
            for place, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens},
    }
    return Answer([(0.0, msgspec.json.encode(body))])
