"""The benchmarks of consensus, on a small made-up set of answers."""

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from benchmarks.consensus.records import read_models, read_rounds
from benchmarks.consensus.scores import calibration_error

ROOT = Path(__file__).parents[2]
ACCURACY = {"good": 0.8, "fair": 0.7, "fine": 0.7, "poor": 0.5, "weak": 0.4}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    models = [
        {"model": name, "usd_per_mtok_in": right, "usd_per_mtok_out": 4 * right}
        for name, right in ACCURACY.items()
    ]
    (tmp_path / "models.json").write_bytes(msgspec.json.encode(models))
    random = Random(7)
    rows = []
    for number in range(400):
        said = [
            "A" if random.random() < p else random.choice("BC-")
            for p in ACCURACY.values()
        ]
        row = {"id": number, "cat": random.choice(["law", "math"]), "prompt": "?"}
        row |= {"gold": "A", "in_tok": 100, "pred": "".join(said), "out_tok": [50] * 5}
        rows.append(msgspec.json.encode(row))
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(rows) + b"\n")
    return path


def figures(module: str, *argv: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", module, *argv, "--json"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=dict[str, Any])


@pytest.mark.slow
def test_consensus_prints_one_object_whose_figures_stand_in_order(data: Path) -> None:
    found = figures("benchmarks.consensus", "--train", str(data), "--test", str(data))

    assert set(found) == {
        *("members", "questions", "best_single", "majority", "calibrated", "oracle"),
        *("ece", "early_stop", "usd_per_1k", "worst_pool_gap", "n_eff"),
    }
    assert found["members"] == ["good", "fair", "fine", "poor"]
    assert found["best_single"] < found["calibrated"] < found["oracle"]
    assert 2.0 <= found["early_stop"]["calls"] <= 4.0


@pytest.mark.slow
def test_cross_validation_judges_every_question_once(data: Path) -> None:
    found = figures(
        "benchmarks.consensus", "--train", str(data), "--members", "good,fair,fine"
    )

    assert found["questions"] == 400
    assert found["members"] == ["good", "fair", "fine"]


def test_a_member_that_is_not_in_the_data_is_a_usage_error(data: Path) -> None:
    argv = ["--train", str(data), "--members", "nobody", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.consensus", *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "nobody is none of good, fair" in done.stderr


def test_rounds_know_who_abstained_and_what_each_costs(data: Path) -> None:
    rounds = read_rounds(data, read_models(data))

    assert len(rounds) == 400
    assert all("-" not in each.said.values() for each in rounds)
    assert rounds[0].usd["good"] == pytest.approx((100 * 0.8 + 50 * 3.2) / 1e6)


def test_calibration_error_is_none_where_claims_are_true() -> None:
    assert calibration_error([(0.5, True), (0.5, False)]) == 0.0
    assert calibration_error([(0.9, False)]) == pytest.approx(0.9)


@pytest.mark.slow
def test_consensus_text_reads_letters_and_votes(tmp_path: Path) -> None:
    prompt = "Which?\nA. left\nB. right"
    rows = [
        {
            "id": number,
            "cat": "law",
            "prompt": prompt,
            "gold": "A",
            "answers": [
                {"model": "m1", "pred": "A", "text": "The answer is (A)."},
                {"model": "m2", "pred": "B", "text": "I take B"},
                {"model": "m3", "pred": None, "text": "No idea."},
                {"model": "m4", "pred": "A", "text": r"\boxed{A}"},
            ],
        }
        for number in range(60)
    ]
    path = tmp_path / "texts.jsonl"
    path.write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    found = figures("benchmarks.consensus_text", "--data", str(path))

    assert found["extraction"] == 1.0
    assert found["text"] == found["letters"]
