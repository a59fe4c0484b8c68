"""What a row is made of: requests counted as they end."""

from collections.abc import Sequence
from math import ceil

from actors.messages.routing import AttemptRecord, RequestRecord


class Tally:
    """Requests and their calls.

    ``asked`` is how many there were, ``told`` how many callers heard how theirs ended,
    ``ended`` how many records were written.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.told = 0
        self.ended = 0
        self.answered = 0
        self.first_try = 0
        self.calls = 0
        self.failed = 0
        self.cancelled = 0
        self.latencies_s: list[float] = []

    def add(self, record: RequestRecord) -> None:
        """Count a request. A call that was cancelled has not failed."""
        failed = sum(_failed(attempt) for attempt in record.attempts)
        ok = record.outcome == "ok"
        self.ended += 1
        self.answered += ok
        self.first_try += ok and not failed
        self.calls += len(record.attempts)
        self.failed += failed
        self.cancelled += sum(a.outcome == "cancelled" for a in record.attempts)
        self.latencies_s.append(record.latency_s)

    def merge(self, other: "Tally") -> None:
        """Take another run of the same policy in."""
        self.asked += other.asked
        self.told += other.told
        self.ended += other.ended
        self.answered += other.answered
        self.first_try += other.first_try
        self.calls += other.calls
        self.failed += other.failed
        self.cancelled += other.cancelled
        self.latencies_s += other.latencies_s


def _failed(attempt: AttemptRecord) -> bool:
    return attempt.outcome not in {"ok", "cancelled"}


def row(policy: str, tally: Tally, seeds: Sequence[int]) -> dict[str, object]:
    """The figures of one policy, as printed; the README says what each means."""
    latencies = sorted(tally.latencies_s)
    return {
        "policy": policy,
        "success": _share(tally.answered, tally.asked),
        "first_try": _share(tally.first_try, tally.asked),
        "failed_per_request": _share(tally.failed, tally.asked),
        "p50_s": _quantile(latencies, 0.5),
        "p95_s": _quantile(latencies, 0.95),
        "p99_s": _quantile(latencies, 0.99),
        "extra_calls": _share(tally.calls - tally.asked, tally.asked),
        "cancelled_per_request": _share(tally.cancelled, tally.asked),
        "unanswered": tally.asked - tally.answered,
        "requests": tally.asked,
        "seeds": list(seeds),
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6)


def _quantile(ascending: Sequence[float], share: float) -> float:
    """Nearest rank, in seconds."""
    return round(ascending[ceil(share * len(ascending)) - 1], 3)
