"""The process: prepares, opens the house, listens, and stops in order.

    prepare (config, keys, logs, locks) -> sockets -> house -> READY -> doors -> stop

The sockets listen before the doors are there: whoever connects meanwhile waits in the
kernel's queue, so that nobody is refused while aiohttp's server is being imported.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
import structlog
import uvloop

from actors.errors import LedgerRefused
from actors.runtime import RestartsExceeded
from daemon.allocator import limit_freed_memory, return_memory_when_idle
from daemon.config import Config, ServeOptions
from daemon.credentials import Resolved
from daemon.descriptors import raise_limit
from daemon.doors import OpenDoors, open_doors, open_sockets
from daemon.event_secrets import EventSecrets
from daemon.exits import EXIT_BUG, EXIT_CONFIG, EXIT_OK, EXIT_TRY_LATER, ConfigError
from daemon.heartbeat import ask_for_time, keep_informed, status_line
from daemon.house import House, open_house
from daemon.lifecycle import AlreadyRunning, StateLock, watch_signals
from daemon.logs import LogPipeline, configure_logging
from daemon.paths import server_socket, state_folder
from daemon.provider_files import ProviderFiles
from daemon.provider_watch import ProviderWatch
from daemon.reload import Reloader
from daemon.sdnotify import Notifier, take_environment
from daemon.simulated import NoPretenders, Pretenders
from daemon.stacks import dump_stacks_on_signals
from ipc.control import DrainResult
from ipc.sockets import AddressTaken, ListenError, SecondDaemon

CLOSE_S = 60.0
"""How long the ledger and what else has to be written may take, for systemd."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is known before anything is opened."""

    files: ProviderFiles
    resolved: Resolved
    state: Path
    options: ServeOptions
    environ: Mapping[str, str]
    cwd: Path


def serve(options: ServeOptions) -> int:
    """Run the daemon until it is told to stop; returns the exit code."""
    try:
        plan = prepare(options, take_environment(os.environ))
        if options.check:
            plan.files.raise_refused()
            for warning in plan.resolved.warnings:
                print(f"warning: {warning}", file=sys.stderr)  # noqa: T201 - likewise
            names = ", ".join(plan.resolved.settings.config.enabled_providers)
            print(f"configuration ok; providers: {names}")  # noqa: T201 - the answer
            return EXIT_OK
        return _run(plan)
    except (AlreadyRunning, SecondDaemon, AddressTaken) as error:
        return _refuse(error, EXIT_TRY_LATER)
    except (ConfigError, LedgerRefused, ListenError) as error:
        return _refuse(error, EXIT_CONFIG)


def _run(plan: Plan) -> int:
    limit_freed_memory()
    raise_limit()
    dump_stacks_on_signals()
    pipeline = configure_logging(
        plan.resolved.settings.config.log, secrets=plan.resolved.secrets()
    )
    try:
        return uvloop.run(_serve(plan, pipeline))
    except asyncio.CancelledError:  # told to stop at once, before it was ready
        return EXIT_OK
    except RestartsExceeded as error:
        log.critical("gave_up", error=str(error))
        return EXIT_BUG
    finally:
        pipeline.close()


def _refuse(error: Exception, code: int) -> int:
    print(f"gitbridge: {error}", file=sys.stderr)  # noqa: T201 - why there is no daemon
    return code


def prepare(options: ServeOptions, environ: Mapping[str, str]) -> Plan:
    """Read the configuration and find the keys; opens nothing.

    Raises:
        ConfigError: Something is wrong with them.
    """
    cwd = Path.cwd()
    files = ProviderFiles(options, environ=environ, cwd=cwd, simulate=options.simulate)
    files.look()
    resolved = files.resolve()
    state = state_folder(options.state_dir, environ)
    return Plan(files, resolved, state, options, environ, cwd)


class _Asked:
    """What signals ask for: to drain, then to stop now; to reload."""

    def __init__(self) -> None:
        self.stop = anyio.Event()
        self.draining = anyio.CancelScope()
        self._reload = anyio.Event()
        self._starting = asyncio.current_task()

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        watch_signals(
            loop.add_signal_handler, self.stop.set, self._now, self._reload_soon
        )

    def _reload_soon(self) -> None:
        self._reload.set()  # many signals at once are one wish

    async def next_reload(self) -> None:
        """Wait until somebody asks for one."""
        await self._reload.wait()
        self._reload = anyio.Event()

    def started(self) -> None:
        self._starting = None

    def _now(self) -> None:
        if self._starting is None:
            self.draining.cancel()
        else:
            self._starting.cancel()


async def _serve(plan: Plan, pipeline: LogPipeline) -> int:
    asked = _Asked()
    asked.listen()
    _tell_start(plan)
    notifier = Notifier.from_environ(plan.environ)
    config = plan.resolved.settings.config
    async with AsyncExitStack() as stack:
        lock = StateLock(plan.state)
        lock.acquire()
        stack.callback(lock.release)
        path = server_socket(
            plan.options.socket, plan.environ, config.server.socket, plan.state
        )
        sockets = stack.enter_context(open_sockets(config, path, plan.environ))
        pretend = Pretenders(stack) if plan.options.simulate else NoPretenders()
        simulated = await pretend.urls(config)
        house = await stack.enter_async_context(
            open_house(
                config,
                plan.resolved.credentials,
                plan.state,
                simulated=simulated,
                direct=pipeline.direct,
                masked=pipeline.redactor.masked,
                log_lines_dropped=lambda: pipeline.dropped,
            )
        )
        watch = ProviderWatch(plan.files, plan.resolved, house, pipeline.redactor.add)
        house.conditions.reporters.append(watch.findings)
        snapshots = [each.snapshot() for each in house.providers.values()]
        notifier.ready(status_line(0, snapshots, house.conditions.look()))
        doors = await stack.enter_async_context(
            open_doors(
                config,
                house,
                sockets,
                EventSecrets(plan.environ, plan.cwd, pipeline.redactor.add),
            )
        )

        def follow(changed: Config) -> None:
            doors.configure(changed)
            pipeline.set_level(changed.log.level)

        reloader = Reloader(
            options=plan.options,
            environ=plan.environ,
            cwd=plan.cwd,
            watch=watch,
            troubles=house.conditions.troubles,
            overrides=house.router.overrides,
            pretend=pretend.urls,
            follow=follow,
            notifier=notifier,
            status=lambda: _status(house, doors),
        )
        doors.service.serve("reload", lambda _: reloader.reload())
        log.info(
            "ready",
            socket=sockets.path,
            listen=sockets.listen,
            providers=list(house.providers),
            simulated=bool(simulated),
            pid=os.getpid(),
        )
        _collect_seldom()
        asked.started()
        # With pretended providers files are looked at when somebody asks for it.
        look = None if plan.options.simulate else watch.run
        await _until_stopped(reloader, house, doors, notifier, asked, look=look)
    log.info("stopped", log_lines_dropped=pipeline.dropped)
    return EXIT_OK


def _collect_seldom() -> None:
    # What was made so far lives as long as the daemon: no need to look at it again.
    gc.collect()
    gc.freeze()
    # Requests leave hardly any cycles behind: looking for them after every 700 objects,
    # as is the default, costs a twentieth of everything.
    gc.set_threshold(20_000, 20, 20)


def _tell_start(plan: Plan) -> None:
    for warning in plan.resolved.warnings:
        log.warning("configuration", text=warning)
    for name, credential in plan.resolved.credentials.items():
        log.info("credential", provider=name, source=credential.source)


async def _until_stopped(
    reloader: Reloader,
    house: House,
    doors: OpenDoors,
    notifier: Notifier,
    asked: _Asked,
    *,
    look: Callable[[], Coroutine[object, object, None]] | None,
) -> None:
    """Run until somebody asks for the end, then drain. ``look`` never ends by itself."""

    async def drain_soon(_params: object) -> DrainResult:
        asked.stop.set()
        others = max(0, doors.in_flight - 1)  # without the one who asks
        return DrainResult(in_flight=others, drain_s=reloader.config.server.drain_s)

    doors.service.serve("drain", drain_soon)
    async with anyio.create_task_group() as group:
        group.start_soon(_watch_system, house)
        group.start_soon(keep_informed, notifier, lambda: _status(house, doors))
        group.start_soon(house.self_watch.run)
        group.start_soon(house.conditions.run)
        group.start_soon(reloader.run)
        group.start_soon(_reload_when_asked, asked, reloader)
        async with anyio.create_task_group() as running:
            running.start_soon(house.prices.run)
            running.start_soon(house.budgeting.run)
            running.start_soon(doors.watch)
            running.start_soon(return_memory_when_idle, lambda: doors.in_flight)
            if look is not None:
                running.start_soon(look)
            await asked.stop.wait()
            reloader.draining = True
            running.cancel_scope.cancel()
        group.start_soon(ask_for_time, notifier)
        await _drain(reloader.config.server.drain_s, house, doors, notifier, asked)
        group.cancel_scope.cancel()
    notifier.extend(CLOSE_S)


async def _drain(
    drain_s: float,
    house: House,
    doors: OpenDoors,
    notifier: Notifier,
    asked: _Asked,
) -> None:
    log.info("draining", in_flight=doors.in_flight, drain_s=drain_s)
    notifier.stopping(f"draining {doors.in_flight} requests")
    house.fleet.rest()
    await house.tasks.rest()
    with asked.draining:
        left = await doors.drain(drain_s)
        if left:
            log.warning("drain_incomplete", interrupted=left)
    if asked.draining.cancelled_caught:
        log.warning("drain_cut_short", in_flight=doors.in_flight)


async def _reload_when_asked(asked: _Asked, reloader: Reloader) -> None:
    while True:
        await asked.next_reload()
        reloader.ask()


async def _watch_system(house: House) -> None:
    """Ends the process when a supervisor has given up."""
    await house.system.failed


def _status(house: House, doors: OpenDoors) -> str:
    return status_line(
        house.router.in_flight(),
        doors.service.snapshots(),
        house.conditions.look(),
        draining=doors.service.draining,
    )
