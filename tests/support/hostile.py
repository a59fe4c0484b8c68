"""Hostile input: valid bytes of each protocol, spoiled in the ways of an attacker.

Everything follows from the seed. Each ``Attack`` is the pieces that one connection sends
and how it ends; nothing in here knows what the answer should be.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Literal

import msgspec
from msgspec import Struct

Spoken = Literal["http", "json", "msgpack"]
Ending = Literal["wait", "close", "abort", "half_close"]

METHODS = (
    *("hello", "route", "cancel", "status", "providers", "metrics", "history"),
    *("explain", "usage", "strategy.get", "health.check", "nobody.knows"),
)
_WRONG: tuple[object, ...] = (
    *(None, True, -1, 0, 1e308, 2**63, -(2**63), "", "x" * 3000, [], {}, [[]]),
    *({"a": {"b": [None]}}, "\x00", "\u202e", "prompt", ["user"], {"role": 1}),
)
_GARBAGE = (
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b'"\\ud800"', b"\xc0\xaf", b"\xf0\x9f"),
    *(b"\r\n", b"\r\n\r\n", b"{", b"}", b"[", b"\\", b'"', b"\x1b[2J", b"NaN"),
    *(b"\xef\xbb\xbf", b"-1", b"99999999999999999999", b"\x00\xff\xff\xff"),
)


class Attack(Struct, frozen=True):
    """What one connection does: sends the pieces, pausing between them, then ends."""

    spoken: Spoken
    pieces: tuple[bytes, ...]
    pause_s: float
    ending: Ending


SPOKEN: tuple[Spoken, ...] = ("http", "json", "msgpack")


def attacks(seed: int, count: int) -> Iterator[Attack]:
    """``count`` attacks, a third each on HTTP, JSON lines and frames."""
    random = Random(seed)
    for number in range(count):
        yield _attack(random, SPOKEN[number % 3])


def _attack(random: Random, spoken: Spoken) -> Attack:
    document = _document(random)
    valid = _FRAMED[spoken](random, document)
    spoiled = valid
    for _ in range(random.randint(1, 3)):
        spoiled = random.choice(_MUTATIONS)(random, spoiled)
    if random.random() < 0.2:  # something in order first, so that it comes in mid-way
        spoiled = _FRAMED[spoken](random, _request(random)) + spoiled
    endings: tuple[Ending, ...] = ("wait", "close", "abort", "half_close")
    (ending,) = random.choices(endings, (2, 3, 2, 3))
    pause_s = random.choice((0.0, 0.0, 0.0, 0.01))
    return Attack(spoken, tuple(_pieces(random, spoiled)), pause_s, ending)


def oversized(spoken: Spoken) -> Attack:
    """More than anybody is allowed to say at once, and waiting for what comes of it."""
    return Attack(spoken, (_too_much(spoken),), 0.0, "wait")


def _too_much(spoken: Spoken) -> bytes:
    if spoken == "http":
        head = (
            b"POST /rpc HTTP/1.1\r\nhost: localhost\r\ncontent-length: 34000000\r\n\r\n"
        )
        return head + bytes(34_000_000)
    if spoken == "json":
        return b'{"id": 1, "method": "' + b"x" * (17 << 20) + b'"}\n'
    return b"\x00\xff\xff\xff" + b"\xc0" * ((1 << 24) - 1)


# ---- what is spoiled


def _document(random: Random) -> object:
    """A request, or one whose contents are wrong while its bytes are in order."""
    document = _request(random)
    kind = random.randrange(5)
    if kind == 0:
        _replace_something(random, document)
    elif kind == 1:
        return [document, document]
    elif kind == 2:
        document["id"] = random.choice(_WRONG)
    return document


def _request(random: Random) -> dict[str, object]:
    method = random.choice(METHODS)
    params: dict[str, object] = {}
    if method == "route":
        params = {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            ],
            "stream": random.random() < 0.5,
            "max_tokens": 16,
            "metadata": {"from": "hostile"},
            "deadline_s": 2.0,
        }
    elif method in {"explain", "cancel"}:
        params = {"id": "1"}
    # Few different ids: duplicates in flight are common.
    return {
        "jsonrpc": "2.0",
        "id": random.randint(1, 3),
        "method": method,
        "params": params,
    }


def _replace_something(random: Random, document: dict[str, object]) -> None:
    """A wrong value in a random place of the request."""
    place: dict[str, object] = document
    while True:
        key = random.choice(list(place))
        inner = place[key]
        if isinstance(inner, dict) and inner and random.random() < 0.8:
            place = inner
            continue
        place[key] = random.choice(_WRONG)
        return


# ---- in whose words


def _as_json(_random: Random, document: object) -> bytes:
    return msgspec.json.encode(document) + b"\n"


def _as_msgpack(_random: Random, document: object) -> bytes:
    body = msgspec.msgpack.encode(document)
    return len(body).to_bytes(4, "big") + body


def _as_http(random: Random, document: object) -> bytes:
    path = random.choice(
        ("/v1/chat/completions", "/rpc", "/v1/models", "/health", "/api/status", "/%00")
    )
    params = document.get("params") if isinstance(document, dict) else document
    body = msgspec.json.encode(params if path.startswith("/v1") else document)
    method = random.choice(("POST", "POST", "POST", "GET", "PUT", "OPTIONS"))
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        random.choice(("x-gitbridge-strategy: cost", "accept-encoding: gzip", "x: y")),
    ]
    if random.random() < 0.3:
        half = len(body) // 2
        chunks = b"".join(
            b"%x\r\n%b\r\n" % (len(c), c) for c in (body[:half], body[half:]) if c
        )
        lines.append("transfer-encoding: chunked")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + chunks + b"0\r\n\r\n"
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


_FRAMED: dict[Spoken, Callable[[Random, object], bytes]] = {
    "http": _as_http,
    "json": _as_json,
    "msgpack": _as_msgpack,
}


# ---- how it is spoiled


def _flip_bits(random: Random, data: bytes) -> bytes:
    spoiled = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        if spoiled:
            spoiled[random.randrange(len(spoiled))] ^= 1 << random.randrange(8)
    return bytes(spoiled)


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _drop(random: Random, data: bytes) -> bytes:
    start = random.randrange(len(data) + 1)
    return data[:start] + data[start + random.randint(1, 20) :]


def _insert(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(_GARBAGE) + data[at:]


def _repeat(random: Random, data: bytes) -> bytes:
    """The same again: ids in flight twice, heads twice."""
    return data * random.randint(2, 4)


def _bloat(random: Random, data: bytes) -> bytes:
    """A very long run of one byte in the middle."""
    at = random.randrange(len(data) + 1)
    filler = random.choice((b"A", b" ", b"[", b"\x91", b"0", b'{"a":'))
    return data[:at] + filler * random.choice((1000, 9000, 70_000)) + data[at:]


def _lie_about_length(random: Random, data: bytes) -> bytes:
    """Frames and bodies that claim another length than theirs."""
    if data[:1] == b"\x00":
        claimed = random.choice((0, 1, 2, 255, 65_536, 2**24 - 1, 2**24, 2**32 - 1))
        return claimed.to_bytes(4, "big") + data[4:]
    lie = random.choice((b"-1", b"0", b"1", b"99999999999", b"1e3", b"0x10", b"5, 6"))
    return data.replace(b"content-length: ", b"content-length: " + lie, 1)


def _nest(random: Random, data: bytes) -> bytes:
    """Containers in containers, in place of a value: deeper than any stack."""
    depth = random.choice((5, 100, 1100, 30_000))
    if data[:1] == b"\x00":
        body = data[4:].replace(b"\xa5Hello", b"\x91" * depth + b"\x01", 1)
        return len(body).to_bytes(4, "big") + body
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}")))
    nested = opening * depth + b"1" + closing * depth
    return data.replace(b'"Hello"', nested, 1)


def _surrogate(_random: Random, data: bytes) -> bytes:
    """Text that is no Unicode where text must be."""
    if data[:1] == b"\x00":
        return data.replace(b"Hello", b"\xed\xa0\x80He", 1)
    return data.replace(b"Hello", b"\\ud800", 1)


def _as_is(_random: Random, data: bytes) -> bytes:
    return data


_MUTATIONS = (
    *(_flip_bits, _flip_bits, _cut, _drop, _insert, _insert),
    *(_repeat, _bloat, _lie_about_length, _nest, _surrogate, _as_is),
)


def _pieces(random: Random, data: bytes) -> Iterator[bytes]:
    """In one go, or in pieces at random places."""
    if random.random() < 0.6:
        yield data
        return
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randint(1, 5)))
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if start < end:
            yield data[start:end]
