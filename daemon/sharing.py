"""What this daemon shares with others on one Redis; nothing where none is configured.

redis-py, nine megabytes of it, is imported only where a URL is configured.
"""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace as replaced
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import structlog

from actors.errors import GitBridgeError
from actors.messages.budgets import BudgetShare
from actors.messages.lifecycle import Finding
from actors.messages.peers import MAX_OPINIONS, Beat, OpenBreaker, PeerRow
from actors.messages.provider import ProviderRef
from actors.messages.reuse import AnswerStore
from actors.policy.budgets import Budgets
from actors.policy.gossip import Rumours
from daemon.config import Config
from daemon.credentials import named_secret
from daemon.ids import utc
from daemon.redis_address import RedisAddress, parse_redis_url
from daemon.release import version
from daemon.telemetry import Gauge

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from actors.provider.shares import RateShare
    from daemon.storage.redis.link import RedisLink
    from daemon.storage.redis.peers import Peers

ID_FILE = "daemon-id"
AFTER_A_BUG_S = 1.0

log = structlog.get_logger()


def redis_address(config: Config, environ: Mapping[str, str]) -> RedisAddress | None:
    """Where the configured Redis is; ``None`` where none is.

    The password is that of the URL, else ``GITBRIDGE_REDIS_PASSWORD``, else the
    credential ``redis_password``.
    """
    if config.queue.url is None:
        return None
    address = parse_redis_url(config.queue.url)
    if address.password is not None:
        return address
    named = named_secret(environ, "GITBRIDGE_REDIS_PASSWORD", "redis_password")
    return address if named is None else replaced(address, password=named)


def own_id(state: Path) -> str:
    """What others know this daemon by: made once, kept in the state folder."""
    file = state / ID_FILE
    try:
        kept = file.read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        kept = ""
    if kept.isalnum() and len(kept) <= 64:
        return kept
    made = secrets.token_hex(8)
    file.write_text(f"{made}\n")
    return made


@dataclass(frozen=True, slots=True)
class Around:
    """What a daemon tells about itself, and whom it asks for health."""

    providers: Mapping[str, ProviderRef]
    in_flight: Callable[[], int]
    tasks: Callable[[], int]


class Sharing:
    """See the module.

    Attributes:
        link: The way to Redis; ``None`` where nothing is shared, and so are the others.
        rates: Requests and tokens a minute that are kept together.
    """

    def __init__(self, config: Config, state: Path, link: "RedisLink | None") -> None:
        self.link = link
        self._name = config.server.name or socket.gethostname()
        self._state = state
        self._peers: Peers | None = None
        self._group: TaskGroup | None = None
        self._rumours = Rumours()
        self._started_at = utc()
        self.rates: RateShare | None = None

    def start(self, group: "TaskGroup") -> None:
        """Where what goes on beside requests runs."""
        self._group = group
        if self.link is not None:
            from daemon.storage.redis.rates import SharedRates  # noqa: PLC0415 - see above

            self.rates = SharedRates(
                self.link,
                daemons=self._daemons,
                clock=anyio.current_time,
                spawn=group.start_soon,
            )

    def share_budgets(self, budgets: Budgets) -> BudgetShare | None:
        """Keep these together with the others, from now on."""
        if self.link is None or self._group is None:
            return None
        from daemon.storage.redis.budgets import SharedBudgets  # noqa: PLC0415 - as above

        shared = SharedBudgets(
            self.link, budgets, own_id(self._state), daemons=self._daemons, utc=utc
        )
        self._group.start_soon(_go_on, shared.run)
        return shared

    def share_answers(self, own: AnswerStore) -> AnswerStore:
        """Give answers again that others got, too."""
        if self.link is None:
            return own
        from daemon.storage.redis.answers import SharedAnswers  # noqa: PLC0415 - as above

        return SharedAnswers(self.link, own)

    def _daemons(self) -> int:
        """How many share, this one included, as last known."""
        return 1 if self._peers is None else 1 + self._peers.alive

    def spawn(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Let it go on beside requests until the end."""
        assert self._group is not None, "nothing is shared"
        self._group.start_soon(_go_on, work)

    def connect(self, around: Around) -> None:
        """Tell others of this daemon from now on, and hear of them."""
        if self.link is None or self._group is None:
            return
        from daemon.storage.redis.peers import Peers  # noqa: PLC0415 - see above

        me = own_id(self._state)
        self._peers = Peers(
            self.link,
            lambda: self._beat(me, around),
            lambda beats: self._heard(beats, around.providers),
            clock=anyio.current_time,
            utc=utc,
            sleep=anyio.sleep,
        )
        self._group.start_soon(_go_on, self._peers.run)

    def peers(self) -> tuple[PeerRow, ...]:
        """The other daemons."""
        return () if self._peers is None else self._peers.rows()

    def findings(self) -> tuple[Finding, ...]:
        """Redis, while it is away; another daemon that goes by our id."""
        link, found = self.link, []
        if link is not None and link.reason is not None:
            found.append(
                Finding(
                    code="redis_away",
                    values={"address": str(link.address), "error": link.reason},
                )
            )
        if self._peers is not None and self._peers.has_double:
            file = str(self._state / ID_FILE)
            found.append(Finding(code="daemon_id_taken", values={"file": file}))
        return tuple(found)

    def figures(self) -> tuple[Gauge, ...]:
        """For whoever scrapes; without values where nothing is shared."""
        up: dict[tuple[str, ...], float] = {}
        alive: dict[tuple[str, ...], float] = {}
        if self.link is not None:
            up[()] = 0.0 if self.link.away else 1.0
            alive[()] = float(sum(row.alive for row in self.peers()))
        return (
            Gauge("redis_up", "Whether Redis answers.", (), up),
            Gauge("peers", "Other daemons on the same Redis.", (), alive),
        )

    # ---- gossip

    def _beat(self, me: str, around: Around) -> Beat:
        return Beat(
            id=me,
            name=self._name[:200],
            version=version(),
            started_at=self._started_at,
            in_flight=around.in_flight(),
            tasks=around.tasks(),
            open=tuple(
                OpenBreaker(model.provider, model.model[:200])
                for provider in around.providers.values()
                for model in provider.snapshot().models
                if model.breaker != "closed"
            )[:MAX_OPINIONS],
        )

    def _heard(
        self, beats: tuple[Beat, ...], providers: Mapping[str, ProviderRef]
    ) -> None:
        own = {
            (model.provider, model.model): model.breaker
            for provider in providers.values()
            for model in provider.snapshot().models
        }
        for name in self._rumours.hear(beats, own, anyio.current_time()):
            provider = providers.get(name)
            if provider is not None and self._group is not None:
                log.info("peer_hint", provider=name)
                self._group.start_soon(_look, provider)


async def _go_on(job: Callable[[], Coroutine[object, object, None]]) -> None:
    """Begin again what never ends by itself: a bug in it must not end the daemon."""
    while True:
        try:
            await job()
        except Exception:
            log.exception("sharing_bug")
        await anyio.sleep(AFTER_A_BUG_S)


async def _look(provider: ProviderRef) -> None:
    with suppress(GitBridgeError):  # it was taken out of the configuration meanwhile
        await provider.check_health()


@asynccontextmanager
async def open_sharing(
    config: Config, state: Path, environ: Mapping[str, str] = os.environ
) -> AsyncIterator[Sharing]:
    """Look after the link, and after what uses it, until the end."""
    address = redis_address(config, environ)
    if address is None:
        yield Sharing(config, state, None)
        return
    from daemon.storage.redis.link import RedisLink  # noqa: PLC0415 - 9 MB

    async with RedisLink(address) as link, anyio.create_task_group() as group:
        sharing = Sharing(config, state, link)
        sharing.start(group)
        yield sharing
        group.cancel_scope.cancel()
