"""What a pretend provider has seen, counted and logged.

The log tells what was billed, to compare with what a ledger says was paid.
"""

from collections import Counter, deque
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct, field

LOG_LENGTH: Final = 20_000

Ending = Literal["running", "answered", "refused", "faulted", "aborted"]


class Exchange(Struct, kw_only=True):
    """One request to chat or for vectors. ``ending`` is ``aborted`` when the client left early.

    ``cost_usd`` is what the provider bills: all of it once an answer has begun.
    ``client_id`` is the client's own id for the request, if it sent one.
    """

    id: str
    client_id: str | None = None
    prompt_hash: str | None = None
    model: str | None = None
    stream: bool = False
    status: int | None = None
    fault: str | None = None
    ending: Ending = "running"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal = Decimal(0)


class Stats(Struct, kw_only=True):
    """Since the start or the last reset. ``requests`` counts chat requests."""

    requests: int = 0
    models_requests: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    billed_usd: Decimal = Decimal(0)
    log: deque[Exchange] = field(default_factory=lambda: deque(maxlen=LOG_LENGTH))

    @property
    def aborted(self) -> int:
        return self.endings["aborted"]

    def begin(self, exchange: Exchange) -> None:
        self.requests += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        self.log.append(exchange)

    def end(self, exchange: Exchange) -> None:
        self.in_flight -= 1
        self.endings[exchange.ending] += 1
        self.billed_usd += exchange.cost_usd
        if exchange.status is not None:
            self.statuses[exchange.status] += 1
