"""Replay a production trace through our policies and others', with injected faults.

``python -m benchmarks.fault_replay --trace CSV --latency CSV --seeds N [--json]``; what
it assumes and what the figures mean stand in README.md beside it.
"""

import argparse
import os
import sys
from pathlib import Path
from time import process_time

import msgspec
import structlog

from benchmarks.fault_replay.baselines import RULES
from benchmarks.fault_replay.faults import schedule
from benchmarks.fault_replay.figures import Tally, row
from benchmarks.fault_replay.traces import (
    Arrival,
    Latencies,
    Unreadable,
    read_arrivals,
    read_latencies,
)
from benchmarks.fault_replay.virtual_time import run
from benchmarks.fault_replay.world import Callers, Policy, replay

SHARED = Path(os.environ.get("GITBRIDGE_SHARED", "../shared"))
TRACE = SHARED / "datasets/trace_azure_llm_2023/conv_dev.csv"
LATENCY = SHARED / "datasets/latency_llmperf/dev.csv"
HELP = "set GITBRIDGE_SHARED, or give --trace and --latency."
COLUMNS = (
    "success",
    "first_try",
    "failed_per_request",
    "p50_s",
    "p95_s",
    "p99_s",
    "extra_calls",
)


def policies(hedge: float, retry_budget: float) -> list[Policy]:
    """Every row: ours as shipped, ours with the flags, then the baselines."""
    ours = [
        Policy("gitbridge"),
        Policy("gitbridge_flags", hedge=hedge, retry_budget=retry_budget),
    ]
    others = [Policy(name, retry_budget=retry_budget, rules=name) for name in RULES]
    return ours + others


def measure(
    policy: Policy,
    arrivals: list[Arrival],
    latencies: Latencies,
    seeds: range,
    callers: Callers,
) -> dict[str, object]:
    """The row of one policy over all seeds."""
    started, whole = process_time(), Tally()
    for seed in seeds:
        length_s = arrivals[-1].at_s
        faults = schedule(sorted(latencies), length_s, seed)
        whole.merge(
            run(replay(policy, arrivals, latencies, faults, seed=seed, callers=callers))
        )
    took_s = process_time() - started
    print(f"{policy.name}: {took_s:.1f} s of CPU", file=sys.stderr)
    return row(policy.name, whole, seeds)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fault_replay",
        description="Replay a trace with injected faults through routing policies.",
    )
    add = parser.add_argument
    add("--trace", type=Path, default=TRACE, help="CSV: t_s, in_tok, out_tok")
    add("--latency", type=Path, default=LATENCY, help="CSV of the llmperf leaderboard")
    add("--size", default="70b", help="which models of it (70b)")
    add("--seeds", type=int, default=5, help="how many runs each (5)")
    add("--first-seed", type=int, default=1, help="of the seeds, counting up (1)")
    add("--hedge", type=float, default=0.05, help="share of hedges with the flags")
    add("--retry-budget", type=float, default=0.2, help="share of retries, likewise")
    add("--policies", help="only these, by comma")
    add("--requests", type=int, help="only the first so many requests of the trace")
    add("--timeout", type=float, default=30.0, help="seconds for one call (30)")
    add("--deadline", type=float, default=120.0, help="seconds for a request (120)")
    add("--json", action="store_true", help="one JSON object instead of a table")
    return parser.parse_args(argv)


def chosen(options: argparse.Namespace) -> list[Policy]:
    """Raises ``Unreadable`` for a name that is no policy."""
    known = {p.name: p for p in policies(options.hedge, options.retry_budget)}
    if options.policies is None:
        return list(known.values())
    wanted = options.policies.split(",")
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise Unreadable(
            f"no policy {', '.join(unknown)}; there are {', '.join(known)}"
        )
    return [known[name] for name in wanted]


def table(rows: list[dict[str, object]]) -> str:
    lines = ["".join(f"{name:>20}" for name in ("policy", *COLUMNS))]
    lines += [
        "".join(f"{r[name]!s:>20}" for name in ("policy", *COLUMNS)) for r in rows
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    try:
        picked = chosen(options)
        arrivals = read_arrivals(options.trace)[: options.requests]
        latencies = read_latencies(options.latency, options.size)
    except Unreadable as error:
        print(f"fault_replay: {error}", file=sys.stderr)
        print(f"The data is looked for in {SHARED}; {HELP}", file=sys.stderr)
        return 64
    callers = Callers(options.timeout, options.deadline)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    rows = [measure(p, arrivals, latencies, seeds, callers) for p in picked]
    if not options.json:
        print(table(rows))
        return 0
    result = {
        "trace": options.trace.name,
        "latency": options.latency.name,
        "providers": sorted(latencies),
        "hedge": options.hedge,
        "retry_budget": options.retry_budget,
        "rows": rows,
    }
    print(msgspec.json.encode(result).decode())
    return 0


if __name__ == "__main__":
    # Every failed call is logged, thousands of them.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    sys.exit(main())
