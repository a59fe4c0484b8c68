"""Health probes without a daemon: one round, over transports of its own."""

import random
from collections.abc import Sequence

import anyio

from actors.errors import InvalidRequest
from actors.messages.provider import ProbeResult
from actors.policy.pricing import PriceBook
from actors.provider import ProviderTools
from actors.provider.probe import probe_models
from actors.runtime import current_backend
from actors.transport import AiohttpTransport
from actors.wire.catalogue import dialect_for
from daemon.assembly import provider_settings
from daemon.config import HealthOptions
from daemon.credentials import Resolved
from daemon.ids import id_maker, utc


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
    asked = names or _chosen(list(config.enabled_providers), options, config)
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
            results[name] = await probe_models(settings, tools, current_backend())
        finally:
            await transport.aclose()

    async with anyio.create_task_group() as group:
        for name in asked:
            group.start_soon(probe, name)
    return [results[name] for name in asked]


def _chosen(enabled: list[str], options: HealthOptions, config: object) -> list[str]:
    del config
    if options.provider is None:
        return enabled
    if options.provider not in enabled:
        raise InvalidRequest(
            f"there is no provider {options.provider!r}",
            field="provider",
            got=options.provider,
            wanted="one of " + ", ".join(enabled),
        )
    return [options.provider]
