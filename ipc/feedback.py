"""What callers thought of an answer, and what that says about who gave it."""

from typing import Annotated

from msgspec import Meta, Struct


class FeedbackParams(Struct, frozen=True, forbid_unknown_fields=True):
    """A score in [0, 1] for the answer of a decision; a later one replaces it.

    ``task_type`` is that of the request unless said.
    """

    decision_id: Annotated[str, Meta(min_length=1)]
    score: Annotated[float, Meta(ge=0, le=1)]
    task_type: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    comment: Annotated[str, Meta(max_length=2000)] | None = None


class QualityRow(Struct, frozen=True, kw_only=True):
    """How good a model's answers to a type of task are, by ``labels`` scores.

    ``quality`` is the expected score of the next answer, in (0, 1): older labels count
    less, and a prior of three labels with a mean of two thirds is in it.
    """

    provider: str
    model: str
    task_type: str | None
    quality: float
    labels: int
    simulated: bool = False


class FeedbackResult(Struct, frozen=True, kw_only=True):
    """What was written down; ``replaced`` is the score it had before, if any.

    ``quality`` is of everybody who gave the answer: one, or in a round of consensus all
    whose answer won.
    """

    decision_id: str
    score: float
    replaced: float | None
    quality: tuple[QualityRow, ...]
