"""Pretend providers in the place of the configured ones: ``serve --simulate``."""

from contextlib import AsyncExitStack

import structlog

from daemon.config import Config

log = structlog.get_logger()


class Pretenders:
    """Starts them as they are needed; they stay until ``stack`` is closed."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._urls: dict[tuple[str, str, tuple[str, ...]], str] = {}

    async def urls(self, config: Config) -> dict[str, str]:
        """The base URL of one for each enabled provider, by its name."""
        from daemon import simulator  # noqa: PLC0415 - rarely wanted

        urls: dict[str, str] = {}
        for name, provider in config.enabled_providers.items():
            kind = "openai" if provider.kind == "compatible" else provider.kind
            known = name, kind, provider.models
            if known not in self._urls:
                behaviour = simulator.default_behaviour(kind, provider.models)
                spec = simulator.ProviderSpec(name=name, kind=kind, behaviour=behaviour)
                started = await self._stack.enter_async_context(
                    simulator.simulate([spec])
                )
                self._urls[known] = started[name].base_url
                control = started[name].control_url
                log.info("simulating", provider=name, control_url=control)
            urls[name] = self._urls[known]
        return urls


class NoPretenders:
    """Nobody pretends: every provider is asked where it is configured."""

    async def urls(self, config: Config) -> dict[str, str]:
        """None."""
        del config
        return {}
