"""Daemons on one Redis tell each other that they are there, and what they see.

Each writes its newest word and reads everybody's in the same round trip. A state that is
said again every second needs no channel: who was away has missed nothing, and a message
that is lost misleads nobody.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog

from actors.errors import GitBridgeError
from actors.messages.peers import BEAT_VERSION, MAX_BEAT_BYTES, Beat, PeerRow
from daemon.storage.redis.link import RedisLink
from daemon.storage.redis.scripts import packaged

BEAT_S: Final = 1.0
ALIVE_S: Final = 5.0
FORGOTTEN_S: Final = 60.0

_BEAT = packaged("beat")

log = structlog.get_logger()


class Peers:
    """Who else is there.

    Args:
        link: The way to Redis.
        me: What this daemon says about itself now.
        heard: Told, after every round, what those who are alive say.
        clock: A clock that never jumps.
        utc: UTC epoch seconds.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        link: RedisLink,
        me: Callable[[], Beat],
        heard: Callable[[tuple[Beat, ...]], None],
        *,
        clock: Callable[[], float],
        utc: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._link = link
        self._me = me
        self._heard = heard
        self._clock = clock
        self._utc = utc
        self._sleep = sleep
        self._key = link.key("peers")
        self._found: tuple[tuple[Beat, float], ...] = ()  # and its age then
        self._at = 0.0
        self._bad: set[str] = set()
        self._said = b""
        self._doubted_at: float | None = None

    async def run(self) -> None:
        """Say and hear, for ever."""
        while True:
            await self.beat()
            await self._sleep(BEAT_S)

    async def beat(self) -> None:
        """One round; none while Redis is away."""
        me = self._me()
        said = msgspec.json.encode(me)
        args = (me.id, said, int(FORGOTTEN_S * 1000))
        try:
            answer = await self._link.run(_BEAT, [self._key], args)
        except GitBridgeError:
            return  # the link has told
        match answer:
            case [bytes() as before, list() as rows]:
                self._look_for_a_double(before, said)
            case _:
                rows = []
        read = (self._read(row) for row in rows)
        self._found = tuple(each for each in read if each is not None)
        self._at = self._clock()
        self._heard(tuple(beat for beat, age_s in self._found if age_s < ALIVE_S))

    def rows(self) -> tuple[PeerRow, ...]:
        """Everybody else, by name."""
        since_s = self._clock() - self._at
        now = self._utc()
        rows = [
            PeerRow(
                id=beat.id,
                name=beat.name,
                version=beat.version,
                started_at=beat.started_at,
                uptime_s=max(0.0, now - beat.started_at),
                in_flight=beat.in_flight,
                tasks=beat.tasks,
                last_seen_s=age_s + since_s,
                alive=age_s + since_s < ALIVE_S,
            )
            for beat, age_s in self._found
            if age_s + since_s < FORGOTTEN_S
        ]
        return tuple(sorted(rows, key=lambda row: (row.name, row.id)))

    @property
    def alive(self) -> int:
        """How many others were alive when last heard of, even if Redis is away now."""
        return sum(age_s < ALIVE_S for _, age_s in self._found)

    @property
    def has_double(self) -> bool:
        """Another daemon goes by our id: it has a copy of our state folder."""
        at = self._doubted_at
        return at is not None and self._clock() - at < FORGOTTEN_S

    def _look_for_a_double(self, before: bytes, said: bytes) -> None:
        """What is there in our name must be what we said last, if we said anything."""
        if self._said and before.partition(b":")[2] not in {b"", self._said}:
            self._doubted_at = self._clock()
        self._said = said

    def _read(self, row: object) -> tuple[Beat, float] | None:
        """One that can be understood. Newer versions may add, and may not change."""
        match row:
            case [bytes() as id_, int() as age_ms, bytes() as said]:
                pass
            case _:
                return None
        name = id_.decode(errors="replace")[:100]
        try:
            if len(said) > MAX_BEAT_BYTES:
                raise msgspec.ValidationError("too long")
            beat = msgspec.json.decode(said, type=Beat)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._tell_once(name, str(error))
            return None
        if beat.v != BEAT_VERSION or beat.id != name:
            self._tell_once(name, f"version {beat.v} of {beat.id}")
            return None
        self._bad.discard(name)
        return beat, age_ms / 1000.0

    def _tell_once(self, peer: str, error: str) -> None:
        if peer not in self._bad and len(self._bad) < 100:
            self._bad.add(peer)
            log.warning("peer_not_understood", peer=peer, error=error[:200])
