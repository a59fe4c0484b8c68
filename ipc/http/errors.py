"""An ``ErrorInfo`` as OpenAI would answer it: status, headers and body."""

import math
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from actors.errors import ErrorKind, GitBridgeError
from actors.messages.provider import RateLimits
from actors.messages.routing import ErrorInfo, error_info
from ipc.http.schema import ErrorBody, ErrorDetail, ErrorFacts

JSON: Final = "application/json"

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class Manner(Struct, frozen=True):
    """How a kind of error looks over HTTP."""

    status: int
    type: str


MANNERS: Final[Mapping[ErrorKind, Manner]] = {
    "invalid_request": Manner(400, "invalid_request_error"),
    "unknown_model": Manner(404, "invalid_request_error"),
    "not_permitted": Manner(403, "permission_error"),
    "budget_exceeded": Manner(402, "insufficient_quota"),
    "deadline_exceeded": Manner(504, "timeout_error"),
    "overloaded": Manner(503, "service_unavailable_error"),
    "no_provider": Manner(503, "service_unavailable_error"),
    "rate_limited": Manner(429, "rate_limit_error"),
    "provider_error": Manner(502, "api_error"),
    "context_too_long": Manner(400, "invalid_request_error"),
    "content_filtered": Manner(400, "invalid_request_error"),
    "cancelled": Manner(499, "request_cancelled"),
    "interrupted": Manner(503, "service_unavailable_error"),
    "internal": Manner(500, "server_error"),
}


class HttpError(Exception):
    """Raised where a request ends with this error, and a status of its own.

    Attributes:
        info: The error.
        status: The HTTP status; ``None`` for the one of the kind.
        type: OpenAI's type, likewise.
        headers: Further headers.
    """

    def __init__(
        self,
        error: GitBridgeError,
        status: int | None,
        *,
        error_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error.message)
        self.info = error_info(error)
        self.status = status
        self.type = error_type
        self.headers = headers or {}


class Reply(Struct, frozen=True):
    """A whole answer, ready to be sent."""

    status: int
    headers: dict[str, str]
    body: bytes


def error_reply(
    info: ErrorInfo,
    *,
    request_id: str | None = None,
    status: int | None = None,
    error_type: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """The answer that tells this error.

    Retry-After (whole seconds, rounded up) goes with it where somebody said how long,
    and ``x-should-retry: false``, which OpenAI's SDKs obey, where no repetition helps.
    """
    manner = MANNERS[info.kind]
    head = {
        "content-type": JSON,
        "x-gitbridge-error-kind": info.kind,
        **(headers or {}),
    }
    if info.retryable and info.retry_after_s is not None:
        head["retry-after"] = str(math.ceil(info.retry_after_s))
    if not info.retryable:
        head["x-should-retry"] = "false"
    head |= rate_limit_headers(info.rate_limits)
    if info.provider is not None:
        head["x-gitbridge-provider"] = plain(info.provider)
    if info.decision_id is not None:
        head["x-gitbridge-decision"] = plain(info.decision_id)
        head["x-gitbridge-attempts"] = str(len(info.attempts))
    if request_id is not None:
        head["x-request-id"] = plain(request_id)
    return Reply(status or manner.status, head, error_body(info, error_type))


def rate_limit_headers(limits: RateLimits | None) -> dict[str, str]:
    """What a provider said of our limits with it, in OpenAI's words for that."""
    if limits is None:
        return {}
    head: dict[str, str] = {}
    for what, each in (("requests", limits.requests), ("tokens", limits.tokens)):
        for name, value in (("limit", each.limit), ("remaining", each.remaining)):
            if value is not None:
                head[f"x-ratelimit-{name}-{what}"] = f"{value:.0f}"
        if each.reset_s is not None:
            head[f"x-ratelimit-reset-{what}"] = f"{max(0.0, each.reset_s):.3f}s"
    return head


def error_body(info: ErrorInfo, error_type: str | None = None) -> bytes:
    """The JSON of an error, for a body or for the last event of a stream."""
    wanted = info.wanted
    said = not wanted or wanted in info.message
    detail = ErrorDetail(
        message=info.message if said else f"{info.message}; wanted {wanted}",
        type=error_type or MANNERS[info.kind].type,
        param=info.field,
        code=info.kind,
    )
    facts = ErrorFacts(
        retryable=info.retryable,
        retry_after_s=info.retry_after_s,
        provider=info.provider,
        decision=info.decision_id,
        attempts=info.attempts,
    )
    return _ENCODER.encode(ErrorBody(detail, facts))


def plain(text: str) -> str:
    """Text that may stand in a header: anything but printable ASCII becomes ``?``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
