"""Reading the configuration again while requests run: all of it, or nothing.

    SIGHUP, method reload --> read and check everything (in a thread)
                                | a mistake: nothing changes; a condition says so
                                +--> switch: providers, routing, access, logs, limits

One at a time, in a task of its own: whoever asked may leave in the middle. Who asks while
one runs is answered by the next. What is in flight ends under the settings it began with.
"""

import gc
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import anyio
import anyio.to_thread
import structlog

from actors.errors import (
    ConfigurationRefused,
    GitBridgeError,
    InternalError,
    Overloaded,
)
from actors.policy.conditions import Troubles
from daemon.config import Config, ProviderConfig, ServeOptions
from daemon.config_diff import as_started, diff, sentence
from daemon.config_whole import read_whole, told
from daemon.credentials import Credential, Resolved
from daemon.fleet import Change
from daemon.provider_files import ProviderFiles
from daemon.provider_watch import ProviderWatch
from daemon.sdnotify import Notifier
from ipc.control import ProviderChange, ProviderFate, ReloadResult

SHOWN_MISTAKES = 3
"""How many of them stand in a condition's text; the answer and the log have all."""

_REFUSED = "configuration refused at the last reload"

log = structlog.get_logger()


class _Wish:
    """Somebody waits for a reload that has not begun yet."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.outcome: ReloadResult | GitBridgeError | None = None


class Reloader:
    """Reads the configuration again, and has everybody follow.

    Args:
        options: The flags of this start: they hold over every file.
        environ: The environment of this start.
        cwd: The working directory at start.
        watch: Follows ``providers.d``; is given the new files.
        troubles: Where a refused configuration is declared.
        overrides: Strategy and weights as set at run time, ``None`` where they are not.
        pretend: Base URLs of pretend providers, by the name of the one each replaces.
        follow: Takes the new configuration in the moment of the switch; must not fail.
        notifier: Tells systemd.
        status: How the daemon is, in one line.

    Attributes:
        draining: Set once the daemon stops: from then on every reload is refused.
    """

    def __init__(
        self,
        *,
        options: ServeOptions,
        environ: Mapping[str, str],
        cwd: Path,
        watch: ProviderWatch,
        troubles: Troubles,
        overrides: Callable[[], tuple[object | None, object | None]],
        pretend: Callable[[Config], Awaitable[Mapping[str, str]]],
        follow: Callable[[Config], object],
        notifier: Notifier,
        status: Callable[[], str],
    ) -> None:
        self._options = options
        self._environ = environ
        self._cwd = cwd
        self._watch = watch
        self._troubles = troubles
        self._overrides = overrides
        self._pretend = pretend
        self._follow = follow
        self._notifier = notifier
        self._status = status
        self._started = watch.resolved.settings.config
        self._asked = anyio.Event()
        self._waiting: list[_Wish] = []
        self._refused = False
        self.draining = False

    @property
    def config(self) -> Config:
        """What is in effect: what only a restart changes is as it was at the start."""
        return as_started(self._watch.resolved.settings.config, self._started)

    def ask(self) -> None:
        """Have it done soon; many who ask at once have one wish."""
        self._asked.set()

    async def reload(self) -> ReloadResult:
        """Have it done, and wait for it.

        Raises:
            ConfigurationRefused: Something is wrong in it; nothing has changed.
            Overloaded: The daemon is stopping.
            InternalError: A bug of ours.
        """
        self._refuse_while_draining()
        wish = _Wish()
        self._waiting.append(wish)
        self.ask()
        await wish.done.wait()
        if isinstance(wish.outcome, ReloadResult):
            return wish.outcome
        assert wish.outcome is not None
        raise wish.outcome

    async def run(self) -> None:
        """Do what is asked for; never ends, and is never cut short in the middle."""
        while True:
            await self._asked.wait()
            self._asked = anyio.Event()
            waiting, self._waiting = self._waiting, []
            with anyio.CancelScope(shield=True):
                outcome = await self._outcome()
            for wish in waiting:
                wish.outcome = outcome
                wish.done.set()

    async def _outcome(self) -> ReloadResult | GitBridgeError:
        try:
            return await self._once()
        except (ConfigurationRefused, Overloaded) as error:
            return error  # it has been told
        except Exception:
            log.exception("reload_bug")
            return InternalError("the reload failed in the daemon; see its log")

    async def _once(self) -> ReloadResult:
        self._refuse_while_draining()
        self._notifier.reloading()
        try:
            result = await self._reloaded()
        except ConfigurationRefused as error:
            self._tell_refused(error)
            raise
        finally:
            if not self.draining:  # it says so itself
                self._notifier.ready(self._status_now())
        self._tell(result)
        # What a reload replaces is full of cycles, for which the daemon seldom looks.
        gc.collect()
        return result

    def _refuse_while_draining(self) -> None:
        if self.draining:
            log.warning("reload_refused", reason="draining", mistakes=[])
            raise Overloaded(
                "the daemon is draining: the configuration is not read again, the next "
                "daemon does that when it starts"
            )

    async def _reloaded(self) -> ReloadResult:
        async with self._watch.changing:
            files, after = await anyio.to_thread.run_sync(self._read)
            before = self._watch.resolved
            config = after.settings.config
            changes = diff(self.config, config, after.settings.origins, self._notes())
            urls = await self._pretend(config)
            done = await self._watch.adopt(
                files, after, urls, on_switch=lambda: self._follow(config)
            )
        behind = tuple(each.key for each in changes if each.restart)
        self._declare("restart_needed", keys=", ".join(behind))
        self._declare("configuration_refused", error="")
        self._refused = False
        return ReloadResult(
            path=after.settings.path,
            changes=changes,
            providers=tuple(provider_changes(before, after, done)),
            restart_needed=behind,
            key_notes=tuple(key_notes(after.credentials)),
            warnings=after.warnings,
        )

    def _read(self) -> tuple[ProviderFiles, Resolved]:
        return read_whole(self._options, environ=self._environ, cwd=self._cwd)

    def _notes(self) -> dict[str, str]:
        """What was set at run time holds over the new values."""
        strategy, weights = self._overrides()
        text = "a run-time override holds over it; gitbridge {} --reset drops it"
        notes: dict[str, str] = {}
        if strategy is not None:
            notes["routing.strategy"] = text.format("strategy")
        if weights is not None:
            notes["routing.weights"] = text.format("weights")
        return notes

    # ---- telling

    def _tell(self, result: ReloadResult) -> None:
        log.info(
            "reloaded",
            path=result.path,
            changes=[sentence(each) for each in result.changes],
            providers=[f"{each.provider} {each.change}" for each in result.providers],
            restart_needed=list(result.restart_needed),
        )

    def _tell_refused(self, error: ConfigurationRefused) -> None:
        lines = [told(each) for each in error.mistakes]
        log.warning("reload_refused", reason="mistakes", mistakes=lines)
        more = len(lines) - SHOWN_MISTAKES
        shown = [*lines[:SHOWN_MISTAKES], *([f"and {more} more"] if more > 0 else [])]
        self._declare("configuration_refused", error="; ".join(shown))
        self._refused = True

    def _declare(self, code: str, **values: str) -> None:
        """It holds with these values; without any, it does not hold."""
        if any(values.values()):
            self._troubles.declare(code, **values)
        else:
            self._troubles.withdraw(code)

    def _status_now(self) -> str:
        text = self._status()
        if not self._refused or _REFUSED in text:
            return text
        return f"{_REFUSED}; {text}"  # something graver stands in its place


def provider_changes(
    before: Resolved, after: Resolved, done: Mapping[str, Change]
) -> Iterator[ProviderChange]:
    """What became of which provider, by its own settings and its key.

    Args:
        before: Until now.
        after: From now on.
        done: What the house did; only its failures are news.
    """
    old, new = before.settings.config, after.settings.config
    was, now = old.enabled_providers, new.enabled_providers
    for name in dict.fromkeys((*was, *now)):
        key, other = after.credentials.get(name), before.credentials.get(name)
        new_key = _secret(key) != _secret(other)
        change = _change(was.get(name), now.get(name), new_key=new_key)
        if name in now and done.get(name) == "failed":
            change = "failed"
        if change is not None:
            yield ProviderChange(
                provider=name,
                change=change,
                key_source=key.source if key else None,
                new_key=new_key and change == "changed",
            )


def _change(
    was: ProviderConfig | None, now: ProviderConfig | None, *, new_key: bool
) -> ProviderFate | None:
    if was is None:
        return "added"
    if now is None:
        return "removed"
    return "changed" if new_key or was != now else None


def _secret(credential: Credential | None) -> str | None:
    secret = credential.secret if credential else None
    return secret.reveal() if secret else None


def key_notes(credentials: Mapping[str, Credential]) -> Iterator[str]:
    """Sentences about keys that a reload finds as they were at the start."""
    for kind, why in (
        ("environment", "the environment, which is as it was at the start"),
        ("CI secret", "the environment, which is as it was at the start"),
        ("systemd credential", "systemd credentials, copies made at the start"),
    ):
        names = [n for n, c in credentials.items() if (c.source or "").startswith(kind)]
        if names:
            keys = "the key of" if len(names) == 1 else "the keys of"
            come = "comes" if len(names) == 1 else "come"
            yield (
                f"{keys} {', '.join(names)} {come} from {why}: "
                "a new one wants a restart"
            )
