"""A provider that answers, refuses, hangs, drips, cuts and lies, as its mood and a seed say."""

from collections.abc import Callable
from random import Random

import msgspec
from typing_extensions import override

from actors.errors import ProviderConnectionError, ProviderTimeout
from actors.wire.base import HttpRequest
from tests.support.fake_transport import (
    Answer,
    FakeTransport,
    completion,
    event,
    refusal,
    stream,
)

Make = Callable[[Random, bool], Answer]


def _well(draws: Random, streamed: bool) -> Answer:
    if streamed:
        gap_s = draws.choice((0.0, 0.05, 0.5))
        words = [f"w{n}" for n in range(draws.randint(1, 4))]
        return stream(*words, gap_s=gap_s, usage=draws.random() < 0.8)
    return completion("fine", after_s=draws.choice((0.0, 0.2, 1.0)))


def _slow(draws: Random, streamed: bool) -> Answer:
    if streamed:
        return stream("slow", "ly", gap_s=draws.uniform(3.0, 20.0))
    return completion("slowly", after_s=draws.uniform(5.0, 60.0))


def _refused(draws: Random, _: bool) -> Answer:
    return Answer(refuses=ProviderConnectionError("refused"))


def _stale(draws: Random, _: bool) -> Answer:
    return Answer(refuses=ProviderConnectionError("closed", reused=True))


def _no_head_in_time(draws: Random, _: bool) -> Answer:
    return Answer(after_s=draws.uniform(0.0, 9.0), refuses=ProviderTimeout("no head"))


def _status(draws: Random, _: bool) -> Answer:
    status = draws.choice((400, 401, 402, 404, 413, 500, 502, 503, 529))
    return refusal(status, f"code_{status}")


def _limited(draws: Random, _: bool) -> Answer:
    wait_s = draws.choice((None, 0.0, 0.5, 3.0, 40.0, 1e9, -5.0))
    return refusal(429, "rate_limit_exceeded", retry_after_s=wait_s)


def _hangs(draws: Random, streamed: bool) -> Answer:
    if streamed and draws.random() < 0.5:
        return Answer([(0.1, event({"content": "half"}))], hangs=True)
    return Answer(hangs_first=draws.random() < 0.5, hangs=True)


def _cut(draws: Random, streamed: bool) -> Answer:
    broken = ProviderConnectionError("cut", sent=True)
    if draws.random() < 0.5:
        return stream("half", whole=False, breaks=broken)
    return stream("half", "way", gap_s=draws.uniform(0.0, 2.0), whole=False)


_MAD_USAGE = (
    b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":-5,"completion_tokens":1e30}}\n\ndata: [DONE]\n\n'
)


def _lies(draws: Random, streamed: bool) -> Answer:
    bodies: tuple[bytes, ...] = (
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"error":{"message":"overloaded","type":"overloaded_error"}}',
        b'{"choices":[]}',
        b'{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}',
        b"data: {nonsense\n\n",
        b'data: {"error":{"message":"no","code":500}}\n\n',
        msgspec.json.encode({"choices": [{"message": 7, "finish_reason": 7}]}),
        _MAD_USAGE,
    )
    return Answer([(draws.choice((0.0, 1.0)), draws.choice(bodies))])


MOODS: dict[str, tuple[Make, ...]] = {
    "well": (_well, _well, _well, _well, _well, _well, _status),
    "dying": (_refused, _refused, _hangs, _cut, _stale, _no_head_in_time),
    "slow": (_slow, _slow, _well, _hangs),
    "lying": (_lies, _lies, _cut, _well, _stale),
    "limited": (_limited, _limited, _well),
    "mixed": (
        _well,
        _well,
        _slow,
        _refused,
        _stale,
        _no_head_in_time,
        _status,
        _limited,
        _hangs,
        _cut,
        _lies,
    ),
}


class ChaosTransport(FakeTransport):
    """One provider, in a mood that may change while it runs.

    Attributes:
        mood: Which answers it draws from.
        seen: Calls that came, by the request they were made for; probes left aside.
        stale: How many ended as a kept-alive connection does that was closed meanwhile.
    """

    def __init__(self, draws: Random) -> None:
        super().__init__(Answer())
        self._draws = draws
        self.mood = draws.choice(tuple(MOODS))
        self.seen: dict[str, int] = {}
        self.stale = 0

    @override
    def _next(self, request: HttpRequest) -> Answer:
        self.requests.clear()
        self.closed_at.clear()
        draws = self._draws
        if request.method == "GET":
            well = self.mood == "well" or draws.random() < 0.5
            return self.models if well else _refused(draws, False)
        body = msgspec.json.decode(request.body, type=dict[str, object])
        [message] = msgspec.convert(body["messages"], list[dict[str, str]])
        asked_for = message["content"]
        self.seen[asked_for] = self.seen.get(asked_for, 0) + 1
        make = draws.choice(MOODS[self.mood])
        self.stale += make is _stale
        return make(draws, bool(body.get("stream")))
