"""The daemon beside bare Python servers, on one core, against a C mock: one table.

Run by ``make bench``: ``python -m benchmarks.gateway [--peers] [--only NAMES] ...``. All
servers are started first; then every measurement goes round them in turn, so that a busy
machine is the same for all. Only ratios within one run mean anything elsewhere. CPU is
user and system time of the whole process tree per request, until the tree is idle
again: what a ledger writes later counts too. Goals that are missed are named; with
``--check`` they fail the run.
"""

import argparse
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benchmarks.gateway.contenders import Contender, Running, contenders
from benchmarks.gateway.load import Load, LoadGenerator, NoCompiler
from benchmarks.gateway.report import Row, Sample, missed, table

ONE = Load(conns=1, secs=1.0)
BUSY = Load(conns=64, secs=1.0)
STREAMS = Load(conns=32, secs=1.5, stream=True)
HELD = Load(conns=256, secs=1.5)
HELD_US = 50_000


def measure(running: Running, load: Load) -> Sample:
    """One load, and what it cost."""
    before = running.cpu_s()
    result = running.load(load)
    cpu_us = (running.cpu_s() - before) / max(1, result.requests) * 1e6
    return Sample(result=result, cpu_us=cpu_us)


def rounds(rows: list[tuple[Running, Row]], load: Load, count: int, into: str) -> None:
    """``count`` measurements of each, in turn; the first is preceded by a warm-up."""
    for number in range(count):
        for running, row in rows:
            if number == 0:
                warm_s = running.contender.warm_s if load is BUSY else 0.3
                running.load(msgspec.structs.replace(load, secs=warm_s))
            getattr(row, into).append(measure(running, load))
        print(f"  {into}, round {number + 1} of {count}", file=sys.stderr)


def remember(rows: list[tuple[Running, Row]], requests: int) -> None:
    """Memory once this many requests have been answered, many at a time.

    Whoever is too slow for that in two minutes is measured after fewer, and says so.
    """
    for running, row in rows:
        if running.pid is None:
            continue
        result = running.load(Load(conns=64, secs=120.0, requests=requests))
        running.cpu_s()  # which waits until it is idle
        row.rss_mb, row.after = running.rss_mb(), result.requests
        print(f"  memory of {row.name} read", file=sys.stderr)


def run(
    chosen: list[Contender], bench: LoadGenerator, *, reps: int, requests: int
) -> list[Row]:
    with ExitStack() as stack:
        mock = bench.mock()
        stack.callback(mock.stop)
        rows: list[tuple[Running, Row]] = []
        for contender in chosen:
            running = Running(contender, bench, mock.address)
            stack.callback(running.stop)
            row = Row(contender, ready_ms=running.ready_ms, idle_mb=running.idle_mb)
            rows.append((running, row))
        print(f"  {len(rows)} contenders started", file=sys.stderr)
        rounds(rows, BUSY, reps, "busy")
        rounds(rows, ONE, max(1, reps // 2), "one")
        rounds(rows, STREAMS, max(1, reps // 2), "streams")
        mock.behave(delay_us=HELD_US)
        rounds(rows, HELD, max(1, reps // 2), "held")
        mock.behave()
        if requests:
            remember(rows, requests)
    return [row for _, row in rows]


def choose(options: argparse.Namespace) -> list[Contender]:
    """Those asked for; a peer that is not installed is left out, with a sentence."""
    chosen = []
    for each in contenders(peers=options.peers):
        if options.only and not any(word in each.name for word in options.only):
            continue
        if each.needs and not shutil.which(os.environ.get(each.needs, "")):
            print(f"{each.name} is left out: set {each.needs} to its program")
            continue
        chosen.append(each)
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(description="the daemon beside bare servers")
    parser.add_argument("--peers", action="store_true", help="other projects too")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="names with this")
    parser.add_argument("--reps", type=int, default=8, help="rounds")
    parser.add_argument(
        "--requests", type=int, default=100_000, help="before memory is read; 0: not"
    )
    parser.add_argument(
        "--check", action="store_true", help="fail where goals are missed"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gitbridge-bench-") as tmp:
        try:
            bench = LoadGenerator(Path(tmp))
        except NoCompiler as error:
            print(f"no gateway benchmark: {error}")
            return 0
        chosen = choose(options)
        if not chosen:
            return 0
        rows = run(chosen, bench, reps=options.reps, requests=options.requests)
    print(table(rows, requests=options.requests, cores=bench.cores))
    sentences = missed(rows)
    print(*sentences, sep="\n")
    return 1 if sentences and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
