"""Measure consensus on recorded answers.

    python -m benchmarks.consensus --train FILE [--test FILE] [--members a,b,c,d] --json

FILE is JSON lines beside their ``models.json``. Everything is fitted on the train part;
without ``--test`` it is five-fold cross-validation by question. Drives the product's own
code (``actors.policy.voting``).
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.policy.voting.fitting import fit
from actors.policy.voting.planning import Answered, rounds_of
from benchmarks.consensus import scores
from benchmarks.consensus.records import read_models, read_rounds

POOLS = 200
PARTS = 4
FOLDS = 5


class Measured(Struct):
    """One train and test part: its figures, and each verdict's confidence and truth."""

    figures: dict[str, object]
    found: list[tuple[float, bool]]


def measure(
    train: Sequence[Answered],
    test: Sequence[Answered],
    members: Sequence[str],
) -> Measured:
    """Every figure, fitted on ``train`` and taken on ``test``."""
    priors = scores.accuracies(train, members)
    weights = fit(rounds_of(train, members))
    found = scores.verdicts(test, members, weights)
    accuracy, calls, usd = scores.early_stop(test, scores.early_plan(train, members))
    figures: dict[str, object] = {
        "members": list(members),
        "questions": len(test),
        "best_single": max(scores.accuracies(test, members).values()),
        "majority": scores.majority_accuracy(test, members, priors),
        "calibrated": sum(right for _, right in found) / len(found),
        "oracle": scores.oracle_accuracy(test, members),
        "ece": scores.calibration_error(found),
        "early_stop": {"accuracy": accuracy, "calls": calls, "usd_per_1k": usd},
        "usd_per_1k": 1000.0 * sum(scores.mean_usd(test, name) for name in members),
        "n_eff": scores.independent_votes(train, members),
    }
    return Measured(figures, found)


def cross_validate(
    rounds: Sequence[Answered], pool: Sequence[str], members: Sequence[str]
) -> dict[str, object]:
    """Five folds, each question judged by weights that never saw it."""
    halves = rounds[::2], rounds[1::2]  # a fold is too small to tell half a point
    pools = scores.random_pools(pool, POOLS // 2)
    with ProcessPoolExecutor() as workers:
        gaps = [
            *_pool_gaps(workers, halves[0], halves[1], pools),
            *_pool_gaps(workers, halves[1], halves[0], pools),
        ]
        folds = [
            workers.submit(
                measure,
                [each for place, each in enumerate(rounds) if place % FOLDS != fold],
                rounds[fold::FOLDS],
                members,
            )
            for fold in range(FOLDS)
        ]
        parts = [each.result() for each in folds]
        merged = _merged([part.figures for part in parts])
        found = [each for part in parts for each in part.found]
        merged["ece"] = scores.calibration_error(found)
        merged["worst_pool_gap"] = max(each.result() for each in gaps)
    return merged


def _pool_gaps(
    workers: ProcessPoolExecutor,
    train: Sequence[Answered],
    test: Sequence[Answered],
    pools: Sequence[Sequence[str]],
) -> list[Future[float]]:
    """In parts, for all processors to have some."""
    return [
        workers.submit(scores.worst_pool_gap, train, test, pools[part::PARTS])
        for part in range(PARTS)
    ]


def held_out(
    train: Sequence[Answered],
    test: Sequence[Answered],
    pool: Sequence[str],
    members: Sequence[str],
) -> dict[str, object]:
    """All fitted on one file and judged by another."""
    with ProcessPoolExecutor() as workers:
        pools = scores.random_pools(pool, POOLS)
        gaps = _pool_gaps(workers, train, test, pools)
        figures = measure(train, test, members).figures
        figures["worst_pool_gap"] = max(each.result() for each in gaps)
    return figures


def _merged(parts: Sequence[dict[str, object]]) -> dict[str, object]:
    """Means over the folds, weighted by their numbers of questions."""
    merged: dict[str, object] = {"members": parts[0]["members"]}
    sizes = [float(part["questions"]) for part in parts]  # type: ignore[arg-type]
    for name, value in parts[0].items():
        values = [part[name] for part in parts]
        if name == "questions":
            merged[name] = int(sum(sizes))
        elif isinstance(value, dict):
            merged[name] = {
                key: _mean([each[key] for each in values], sizes)  # type: ignore[index]
                for key in value
            }
        elif isinstance(value, float):
            merged[name] = _mean(values, sizes)
    return merged


def _mean(values: Sequence[object], sizes: Sequence[float]) -> float:
    total = sum(float(v) * s for v, s in zip(values, sizes, strict=True))  # type: ignore[arg-type]
    return total / sum(sizes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--members", default="", help="by name, with commas")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    models = read_models(options.train)
    pool = [each.model for each in models]
    named = [name for name in options.members.split(",") if name]
    unknown = sorted(set(named) - set(pool))
    if unknown:
        parser.error(f"--members: {unknown[0]} is none of {', '.join(pool)}")
    train = read_rounds(options.train, models)
    members = named or scores.choose_members(train, pool)
    if options.test is None:
        figures = cross_validate(train, pool, members)
    else:
        test = read_rounds(options.test, models)
        figures = held_out(train, test, pool, members)
    if options.json:
        print(msgspec.json.encode(figures).decode())
    else:
        for name, value in figures.items():
            print(f"{name:16}{value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
