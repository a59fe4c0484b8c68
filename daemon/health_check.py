"""Answers ``health.check``: probes providers now, and says what came of it."""

from collections.abc import Mapping
from typing import cast

import anyio

from actors.errors import InvalidRequest
from actors.messages.provider import ProbeResult, ProviderRef
from ipc import methods, results

BACKOFF_S = 1.0


class HealthDesk:
    """Probes on demand.

    Args:
        providers: By name.
        aliases: Further names of them.
        max_latency_s: Slower is unhealthy, where the caller says nothing; may be
            replaced at any time.
    """

    def __init__(
        self,
        providers: Mapping[str, ProviderRef],
        aliases: Mapping[str, str],
        max_latency_s: float,
    ) -> None:
        self._providers = providers
        self._aliases = aliases
        self.max_latency_s = max_latency_s

    async def check(self, params: object) -> results.HealthResult:
        asked = cast("methods.HealthCheckParams", params)
        chosen = self._chosen(asked.provider)
        found: list[ProbeResult | None] = [None] * len(chosen)

        async def check(index: int, provider: ProviderRef) -> None:
            found[index] = await self._check_one(provider, asked)

        async with anyio.create_task_group() as group:
            for index, provider in enumerate(chosen):
                group.start_soon(check, index, provider)
        probes = tuple(result for result in found if result is not None)
        limit_s = asked.max_latency_s or self.max_latency_s
        healthy = all(probe_passes(probe, limit_s) for probe in probes)
        return results.HealthResult(healthy, probes, limit_s)

    def _chosen(self, name: str | None) -> list[ProviderRef]:
        if name is None:
            return list(self._providers.values())
        provider = self._providers.get(self._aliases.get(name, name))
        if provider is None:
            raise InvalidRequest(
                f"there is no provider {name!r}",
                field="provider",
                got=name[:100],
                wanted="one of " + ", ".join(self._providers),
            )
        return [provider]

    async def _check_one(
        self, provider: ProviderRef, asked: methods.HealthCheckParams
    ) -> ProbeResult:
        limit_s = asked.max_latency_s or self.max_latency_s
        for attempt in range(asked.retries + 1):
            result = await provider.check_health(asked.model)
            if probe_passes(result, limit_s) or attempt == asked.retries:
                return result
            await anyio.sleep(BACKOFF_S * 2**attempt)
        raise AssertionError("unreachable")


def probe_passes(probe: ProbeResult, max_latency_s: float | None) -> bool:
    """Healthy, and fast enough where a threshold is given."""
    if not probe.healthy:
        return False
    if max_latency_s is None or probe.latency_s is None:
        return True
    return probe.latency_s <= max_latency_s
