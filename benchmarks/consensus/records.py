"""Recorded answers of several models to the same questions, with the right one."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.policy.voting.planning import Answered
from actors.policy.voting.weights import length_of

ABSTAINED = "-"
CHARS_PER_TOKEN = 4
"""The records count tokens as quarters of characters."""


class Model(Struct):
    """One row of ``models.json``; prices in USD per million tokens."""

    model: str
    usd_per_mtok_in: float
    usd_per_mtok_out: float


class Row(Struct):
    """One question. ``pred`` has one character a model, ``-`` for no answer."""

    id: int
    cat: str
    gold: str
    in_tok: int
    pred: str
    out_tok: list[int]


def read_models(beside: Path) -> list[Model]:
    """``models.json`` in the folder of a file of rows."""
    path = beside.parent / "models.json"
    return msgspec.json.decode(path.read_bytes(), type=list[Model])


def read_rounds(path: Path, models: Sequence[Model]) -> list[Answered]:
    """Every line as a labelled round."""
    decoder = msgspec.json.Decoder(Row)
    lines = path.read_bytes().splitlines()
    return [_round(decoder.decode(line), models) for line in lines if line.strip()]


def _round(row: Row, models: Sequence[Model]) -> Answered:
    said = {}
    usd = {}
    for place, model in enumerate(models):
        if row.pred[place] != ABSTAINED:
            said[model.model] = row.pred[place]
        usd[model.model] = (
            row.in_tok * model.usd_per_mtok_in
            + row.out_tok[place] * model.usd_per_mtok_out
        ) / 1e6
    lengths = {
        model.model: length_of(CHARS_PER_TOKEN * tokens)
        for model, tokens in zip(models, row.out_tok, strict=True)
    }
    return Answered(
        said=said, right=row.gold, task_type=row.cat, usd=usd, lengths=lengths
    )
