"""L2: the router actor: folds provider snapshots into a ranking and runs requests.

It isolates the state all requests share: strategy and weights, the round-robin order,
the retry budget, how many requests are in flight. ``desk`` holds that state and
decides; ``run`` carries one request from its arrival to its record; ``records`` builds
what is written down and answered; ``actor`` is the shell, ``handle`` what the doors
hold. Streamed deltas go from the provider straight to the caller.
"""

from actors.router.actor import RouterActor
from actors.router.handle import RouterHandle
from actors.router.settings import ProviderDefaults, RouterSettings, RouterTools

__all__ = [
    "ProviderDefaults",
    "RouterActor",
    "RouterHandle",
    "RouterSettings",
    "RouterTools",
]
