"""How long a call may keep us waiting before something is done about it.

Two answers, both from what was measured of the models themselves:

* a hedge: after the best p95 among all candidates a second one is asked beside the
  first (the tail at scale). The pool's best, because a slow provider's own tail says
  nothing of what others could do meanwhile.
* a deadline for the first token of a stream, where somebody else stands ready: twice
  the model's own p95, between 2 and 10 seconds, and never below 1.25 times that p95, so
  that a model which thinks for a minute first is left to do so. A prompt far longer
  than those measured (4 times the average, and 4000 tokens) makes it longer in
  proportion.
"""

from collections.abc import Iterable

from actors.messages.provider import ModelSnapshot

MIN_ANSWERS = 20
"""Fewer say nothing about a p95."""

HEDGE_FLOOR_S = 0.5
FIRST_TOKEN_FACTOR = 2.0
FIRST_TOKEN_MIN_S = 2.0
FIRST_TOKEN_MAX_S = 10.0
_MARGIN = 1.25
_KNOWN_PROMPT, _KNOWN_SPREAD = 4000.0, 4.0  # below either a p95 covers it


def hedge_after_s(
    pool: Iterable[ModelSnapshot], *, stream: bool, max_tokens: int | None
) -> float | None:
    """Seconds after which a hedge is worth it; ``None`` when too little is known.

    Args:
        pool: Who could answer.
        stream: Wait for the first token, otherwise for the whole answer.
        max_tokens: The most the answer may be long, if that is said.
    """
    waits = [_usual_s(model, stream=stream, max_tokens=max_tokens) for model in pool]
    best = min((wait for wait in waits if wait is not None), default=None)
    return None if best is None else max(HEDGE_FLOOR_S, best)


def _usual_s(
    model: ModelSnapshot, *, stream: bool, max_tokens: int | None
) -> float | None:
    """Seconds within which 95 % of the model's answers of that length come."""
    first_s = model.ttft_p95_s if model.ttft_samples >= MIN_ANSWERS else None
    if stream:
        return first_s
    whole_s, pace_s = model.latency_p95_s, model.seconds_per_token
    if whole_s is None or model.calls - model.failures < MIN_ANSWERS:
        return None
    if max_tokens is None or pace_s is None:
        return whole_s
    return min(whole_s, (first_s or 0.0) + pace_s * max_tokens)


def first_token_s(model: ModelSnapshot, prompt_tokens: int) -> float | None:
    """Seconds a stream's first token may take; ``None`` when too little is known."""
    p95_s = model.ttft_p95_s
    if p95_s is None or model.ttft_samples < MIN_ANSWERS:
        return None
    twice_s = min(FIRST_TOKEN_FACTOR * p95_s, FIRST_TOKEN_MAX_S)
    limit_s = max(twice_s, FIRST_TOKEN_MIN_S, _MARGIN * p95_s)
    known = max(_KNOWN_PROMPT, _KNOWN_SPREAD * (model.ttft_prompt_tokens or 0.0))
    return limit_s * max(1.0, prompt_tokens / known)
