"""What a provider quotes of our key is taken out before anybody else sees it.

Errors about keys repeat them, and so may the ids of a server that echoes what it was
sent. From here on these words go to callers, logs and the ledger.
"""

from typing import overload

from msgspec.structs import replace

from actors.messages.chat import Completion
from actors.messages.provider import Failure, Outcome

MASK = "[key]"
SHORTEST_KEY = 4
"""A shorter one is a word that stands in many a sentence, and no secret."""

SHORTEST_START = 8
"""So much of a key at the end of a text that was cut is masked too."""


def discreet(outcome: Outcome, key: str | None) -> Outcome:
    """The outcome without ``key`` in anything that was said about the call.

    An answer's text stays: it is the caller's, whatever is in it.
    """
    if key is None or len(key) < SHORTEST_KEY:
        return outcome
    request_id = outcome.provider_request_id
    if outcome.failure is None and not _in_ids(outcome.completion, request_id, key):
        return outcome
    return replace(
        outcome,
        failure=discreet_failure(outcome.failure, key),
        completion=_discreet_completion(outcome.completion, key),
        provider_request_id=_without(request_id, key),
    )


def discreet_failure(failure: Failure | None, key: str | None) -> Failure | None:
    """The failure without ``key`` in its words."""
    if failure is None or key is None or len(key) < SHORTEST_KEY:
        return failure
    return replace(
        failure,
        message=_without(failure.message, key),
        code=_without(failure.code, key),
    )


def _in_ids(completion: Completion | None, request_id: str | None, key: str) -> bool:
    if request_id is not None and key in request_id:
        return True
    if completion is None:
        return False
    return any(
        key in name for name in (completion.response_id, completion.model) if name
    )


def _discreet_completion(completion: Completion | None, key: str) -> Completion | None:
    if completion is None:
        return None
    return replace(
        completion,
        response_id=_without(completion.response_id, key),
        model=_without(completion.model, key),
    )


@overload
def _without(text: str, key: str) -> str: ...
@overload
def _without(text: str | None, key: str) -> str | None: ...
def _without(text: str | None, key: str) -> str | None:
    if not text:
        return text
    text = text.replace(key, MASK)
    for length in range(min(len(key), len(text)), SHORTEST_START - 1, -1):
        if text.endswith(key[:length]):
            return text[:-length] + MASK
    return text
