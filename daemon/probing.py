"""``gitbridge health`` without a daemon: probes over transports of its own."""

import os
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import structlog
import uvloop
from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.provider import ProbeResult
from actors.policy.pricing import PriceBook
from actors.provider import ProviderTools
from actors.provider.probe import judged_for, probe_models
from actors.runtime import current_backend
from actors.transport import AiohttpTransport
from actors.wire.catalogue import dialect_for
from daemon.assembly import provider_settings
from daemon.cli.health import run_health
from daemon.config import Config, HealthOptions, ServeOptions
from daemon.credentials import Resolved
from daemon.health_log import HealthLog
from daemon.ids import id_maker, utc
from daemon.paths import state_folder
from daemon.provider_files import ProviderFiles


def check_health(
    options: HealthOptions, environ: Mapping[str, str] = os.environ
) -> int:
    """Probe the providers and print the verdicts; returns the exit code.

    Raises:
        ConfigError: The configuration is wrong, or there is no key.
        InvalidRequest: There is no provider of the name asked for.
    """
    # Stdout is the answer's alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    flags = ServeOptions(config=options.config)
    files = ProviderFiles(flags, environ=environ, cwd=Path.cwd())
    files.look()
    resolved = files.resolve()
    health_log = HealthLog(state_folder(options.state_dir, environ) / "logs")
    if options.max_latency_s is None:
        limit_s = resolved.settings.config.health.max_latency_s
        options = replace(options, max_latency_s=limit_s)

    def probe(names: Sequence[str] | None) -> Sequence[ProbeResult]:
        return uvloop.run(probe_once(resolved, options, names))

    return run_health(probe, options, on_result=health_log.append)


class _NothingKept:
    """Keeps nothing: a process that only probes has no state."""

    def load(self, key: str) -> bytes | None:
        del key
        return None

    def save(self, key: str, state: bytes) -> None:
        """Leave it."""


async def probe_once(
    resolved: Resolved, options: HealthOptions, names: Sequence[str] | None
) -> list[ProbeResult]:
    """Probe these providers (``None``: the one asked for, or all) at the same time.

    Raises:
        InvalidRequest: There is no provider of the name asked for.
    """
    config = resolved.settings.config
    asked = names or _chosen(options, config)
    results: dict[str, ProbeResult] = {}

    async def probe(name: str) -> None:
        settings = provider_settings(
            name, config.providers[name], config, resolved.credentials.get(name)
        )
        transport = AiohttpTransport(provider=name)
        tools = ProviderTools(
            dialect=dialect_for(settings.kind),
            transport=transport,
            prices=PriceBook(),
            utc=utc,
            draw=random.random,
            new_id=id_maker(utc),
            keeper=_NothingKept(),
            on_event=lambda _event: None,
        )
        try:
            result = await probe_models(settings, tools, current_backend())
            results[name] = judged_for(result, options.model)
        finally:
            await transport.aclose()

    async with anyio.create_task_group() as group:
        for name in asked:
            group.start_soon(probe, name)
    return [results[name] for name in asked]


def _chosen(options: HealthOptions, config: Config) -> list[str]:
    enabled = list(config.enabled_providers)
    if options.provider is None:
        return enabled
    name = config.provider_aliases.get(options.provider, options.provider)
    if name not in enabled:
        raise InvalidRequest(
            f"there is no provider {options.provider!r}",
            field="provider",
            got=options.provider,
            wanted="one of " + ", ".join(enabled),
        )
    return [name]
