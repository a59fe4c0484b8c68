"""Measure consensus on the raw texts that models wrote.

    python -m benchmarks.consensus_text --data FILE --json

FILE is JSON lines of questions, each with its models' raw answers and the letter the
data's makers took each for. Says how often the product's own reading of an answer
(``actors.policy.compare``) gives the stored letter, and how well votes on what was read
do beside votes on the stored letters. Weights are fitted five-fold by question.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.policy.compare.clusters import Answer, group_answers
from actors.policy.compare.options import options_of
from actors.policy.voting.fitting import fit
from actors.policy.voting.planning import Answered, rounds_of
from benchmarks.consensus import scores

FOLDS = 5


class Said(Struct):
    """One model's answer; ``pred`` is the stored letter, ``None`` for none."""

    model: str
    pred: str | None
    text: str


class Row(Struct):
    """One question with the right letter and what each model said."""

    id: int
    cat: str
    prompt: str
    gold: str
    answers: list[Said]


def read_rows(path: Path) -> list[Row]:
    decoder = msgspec.json.Decoder(Row)
    return [decoder.decode(line) for line in path.read_bytes().splitlines() if line]


def letters_read(row: Row) -> list[str | None]:
    """What the product takes each answer for."""
    answers = [Answer(said.text) for said in row.answers]
    grouping = group_answers(answers, options_of(row.prompt))
    return [None if each is None else each.key for each in grouping.readings]


def as_round(row: Row, letters: Sequence[str | None]) -> Answered:
    pairs = zip(row.answers, letters, strict=True)
    said = {said.model: letter for said, letter in pairs if letter is not None}
    return Answered(said=said, right=row.gold, task_type=row.cat)


def votes(rounds: Sequence[Answered], pool: Sequence[str]) -> dict[str, object]:
    """Accuracies over all rounds, each judged by weights that never saw it."""
    found: list[tuple[float, bool]] = []
    members = scores.choose_members(rounds, pool)
    for fold in range(FOLDS):
        train = [each for place, each in enumerate(rounds) if place % FOLDS != fold]
        weights = fit(rounds_of(train, members))
        found += scores.verdicts(rounds[fold::FOLDS], members, weights)
    priors = scores.accuracies(rounds, members)
    return {
        "best_single": max(priors.values()),
        "majority": scores.majority_accuracy(rounds, members, priors),
        "calibrated": sum(right for _, right in found) / len(found),
        "ece": scores.calibration_error(found),
    }


def measure(rows: Sequence[Row]) -> dict[str, object]:
    read = [letters_read(row) for row in rows]
    stored = [[said.pred for said in row.answers] for row in rows]
    pairs = [
        (mine, theirs)
        for ours, given in zip(read, stored, strict=True)
        for mine, theirs in zip(ours, given, strict=True)
        if theirs is not None
    ]
    pool = list(dict.fromkeys(said.model for row in rows for said in row.answers))
    by_text = [as_round(row, letters) for row, letters in zip(rows, read, strict=True)]
    by_letter = [as_round(row, given) for row, given in zip(rows, stored, strict=True)]
    return {
        "questions": len(rows),
        "answers": len(pairs),
        "extraction": sum(mine == theirs for mine, theirs in pairs) / len(pairs),
        "text": votes(by_text, pool),
        "letters": votes(by_letter, pool),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    figures = measure(read_rows(options.data))
    if options.json:
        print(msgspec.json.encode(figures).decode())
    else:
        for name, value in figures.items():
            print(f"{name:12}{value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
