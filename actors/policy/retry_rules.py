"""The numbers and words of the retry rules; ``attempts`` applies them."""

from typing import Literal

from msgspec import Struct

from actors.errors import FailureClass, GitBridgeError
from actors.messages.provider import Failure
from actors.messages.routing import Target

Ends = Literal["nothing", "candidate", "provider", "request"]

ENDS: dict[FailureClass, Ends] = {
    "connect": "nothing",
    "timeout": "candidate",
    "rate_limit": "nothing",
    "quota": "provider",
    "auth": "provider",
    "overloaded": "nothing",
    "server_error": "nothing",
    "bad_response": "nothing",
    "model_not_found": "candidate",
    "bad_request": "request",
    "context_too_long": "candidate",
    "content_filtered": "request",
    "cancelled": "request",
    "internal": "candidate",
}
"""What a failure makes an end of, for this request."""

BREAKER_FAILURES: frozenset[FailureClass] = frozenset(
    {"connect", "timeout", "overloaded", "server_error", "bad_response"}
)


def ends_what(failure: Failure, *, ordered: bool) -> Ends:
    """What a failure makes an end of; ``ordered``: the caller gave the order."""
    if failure.failure == "timeout" and not ordered:
        ends: Ends = "nothing"  # where we rank, a repeat comes last anyway
    else:
        ends = ENDS[failure.failure]
    refused = ends == "nothing" and failure.should_retry is False
    return "candidate" if refused else ends


class RetryConfig(Struct, frozen=True, kw_only=True):
    """The ``[retry]`` section and its neighbours in ``[routing]``."""

    max_attempts: int = 4
    max_retries: int = 3
    base_delay_s: float = 1.0
    max_delay_s: float = 30.0
    same_first: Literal["auto"] | int = "auto"
    wait_retry_after_s: float = 5.0
    content_filter_fallback: bool = False
    adaptive_first_token: bool = True


class Call(Struct, frozen=True):
    """Wait ``delay_s`` seconds, then call ``target``.

    ``repeat`` says that it was called before. ``counts`` says that a failure may add
    to the provider's consecutive failures: no earlier one of this request did.
    ``hedge``: at once, beside the call under way.
    """

    target: Target
    delay_s: float = 0.0
    repeat: bool = False
    counts: bool = True
    hedge: bool = False


class Size(Struct, frozen=True, gc=False):
    """A request in tokens: the likely prompt and the expected answer."""

    prompt_tokens: int = 0
    output_tokens: int = 0


NO_SIZE = Size()


class Queue(Struct, frozen=True):
    """Wait for a place at any of these providers: each is full, and nobody else is left.

    Then ask the plan whom to call there.
    """

    providers: frozenset[str]


class GiveUp(Struct, frozen=True):
    """End the request with this error."""

    error: GitBridgeError
