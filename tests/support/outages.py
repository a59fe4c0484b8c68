"""Three pretend providers that take turns in failing, in every way that is declared.

The phases go by the number of the question, not by time, so that a fast machine and a
slow one go through the same.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from daemon.simulator import Fault, Latency, ProviderSpec, SimulatedProvider, simulate
from tests.support.daemon_process import configuration

LAP = 1000
"""Questions in which the victim goes through all phases; the next lap has another."""

CONFIG = """
[routing]
strategy = "round_robin"
deadline_s = 10.0
[retry]
base_delay_s = 0.02
[breaker]
open_s = 0.2
open_max_s = 0.5
"""
SPECS = (
    ProviderSpec(name="openai", kind="openai"),
    ProviderSpec(name="grok", kind="xai"),
    ProviderSpec(name="claude", kind="anthropic"),
)

PHASES: Mapping[int, Sequence[Fault]] = {
    0: (),
    150: (Fault(kind="down"),),
    300: (),
    400: (Fault(kind="hang"),),
    500: (Fault(kind="status", status=429, retry_after_s=0.2),),
    650: (Fault(kind="cut", probability=0.5), Fault(kind="cut_reset")),
    850: (),
}
"""From which question of a lap on the lap's victim suffers from what."""

FAULTS = frozenset({"hang", "status", "cut", "cut_reset"})
"""Those of them that the pretend provider itself counts."""


class Outages:
    """The providers and who of them is the victim when."""

    def __init__(self, providers: Mapping[str, SimulatedProvider]) -> None:
        self.providers = providers
        self._names = list(providers)

    @property
    def config(self) -> str:
        return configuration(self.providers, CONFIG)

    def victim(self, number: int) -> str:
        """Who suffers while this question is asked."""
        return self._names[number // LAP % len(self._names)]

    def forced(self, number: int) -> str | None:
        """Some ask for the victim by name, so that each fault strikes somebody."""
        return self.victim(number) if number % 7 == 0 else None

    async def on_start(self, number: int) -> None:
        """To be awaited before each question: changes the world where it is time."""
        faults = PHASES.get(number % LAP)
        if faults is not None:
            await self.providers[self.victim(number)].fail(*faults)

    async def strike(self, victim: str, faults: Sequence[Fault]) -> None:
        """Only this one suffers, and from this."""
        await self.calm()
        await self.providers[victim].fail(*faults)

    async def calm(self) -> None:
        """Everybody is well again."""
        for provider in self.providers.values():
            await provider.fail()


@asynccontextmanager
async def outages() -> AsyncIterator[Outages]:
    """Run the providers; they answer after some milliseconds."""
    async with simulate(SPECS) as providers:
        for provider in providers.values():
            await provider.change(latency=Latency(0.005, 0.5))
        yield Outages(providers)
