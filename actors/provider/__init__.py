"""L2: one supervised actor per provider.

It isolates that provider's state (breaker per model, rolling metrics, limits, totals,
health) and its failures: a crash here fails over the requests in flight and touches no
other provider. ``state`` decides and counts, ``call`` makes one upstream call, ``probe``
checks health, ``actor`` is the shell around them, ``handle`` what others hold.

Transport, dialect, prices, clocks and randomness are handed in as ``ProviderTools``.
"""

from actors.provider.actor import ProviderActor
from actors.provider.handle import ProviderHandle, SnapshotCell
from actors.provider.settings import (
    ProviderSettings,
    ProviderTools,
    only_adjusted,
    resumes_as,
)

__all__ = [
    "ProviderActor",
    "ProviderHandle",
    "ProviderSettings",
    "ProviderTools",
    "SnapshotCell",
    "only_adjusted",
    "resumes_as",
]
