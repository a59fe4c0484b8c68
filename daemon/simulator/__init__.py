"""Pretend OpenAI, xAI and Anthropic servers over real HTTP on loopback.

For the demo and for tests: they speak the providers' own dialects, take time, cost
(pretended) money, enforce rate limits, and fail in all the ways that ``behaviour``
declares, switched while they run. Every answer carries ``x-simulated: 1``.

Flow: ``server`` accepts a request, the dialect (``openai``, ``xai``, ``anthropic``)
reads it, ``answer`` says what comes back, ``faults`` spoils it on the way out.
Needs aiohttp.web and msgspec, and nothing of ``actors``.

    async with simulate(["openai", "xai"]) as providers:
        providers["openai"].base_url

    python -m daemon.simulator openai xai --port 8800
"""

from daemon.simulator.behaviour import Behaviour, Fault, Kind, Latency, RateLimit
from daemon.simulator.catalogue import default_behaviour
from daemon.simulator.server import ProviderSpec, SimulatedProvider, simulate

__all__ = [
    "Behaviour",
    "Fault",
    "Kind",
    "Latency",
    "ProviderSpec",
    "RateLimit",
    "SimulatedProvider",
    "default_behaviour",
    "simulate",
]
