"""What a provider's error means: its words, its class, whose fault, how long to wait.

One reading for every dialect, because compatible servers mix them: the error may be an
object, a string, a list or a page of HTML, in an error response, in a 200 body or in a
200 stream. ``error_markers`` holds the words that tell the classes apart.
"""

import re
from typing import ClassVar, NoReturn

from msgspec import Struct

from actors.errors import (
    ErrorKind,
    FailureClass,
    Owner,
    ProviderAuthError,
    ProviderError,
    ProviderModelNotFound,
    ProviderOverloaded,
    ProviderQuotaExceeded,
    ProviderRateLimited,
    ProviderResponseError,
    ProviderServerError,
    ProviderTimeout,
)
from actors.messages.provider import Failure
from actors.wire import error_markers as markers
from actors.wire.base import ResponseHead
from actors.wire.rate_limits import read_rate_limits, used_up_s
from actors.wire.retry_after import parse_retry_after, retry_info_s, should_retry
from actors.wire.tolerant import ANY, decode, mapping, sequence, text

MAX_MESSAGE_CHARS = 1000
MAX_PLAIN_CHARS = 300
MAX_BODY_BYTES = 1024 * 1024

_TAG = re.compile(r"<[^<>]*>")
_CALLERS_FAULT: frozenset[FailureClass] = frozenset(
    {"bad_request", "context_too_long", "content_filtered", "cancelled"}
)


class ErrorDetail(Struct, frozen=True):
    """What an error body says.

    ``codes`` are all machine-readable words in it as they came, the most telling first
    and bare numbers last; ``status`` is an HTTP status named inside the body, where one is;
    ``retry_after_s`` is how long it says to wait (Google).
    """

    message: str
    codes: tuple[str, ...] = ()
    status: int | None = None
    retry_after_s: float | None = None

    @property
    def code(self) -> str | None:
        return self.codes[0] if self.codes else None


class ProviderRejection(ProviderError):
    """Raised when an answer that began as a success says the request is at fault."""

    kind: ClassVar[ErrorKind] = "invalid_request"
    owner: ClassVar[Owner] = "caller"
    retryable: ClassVar[bool] = False
    failure: ClassVar[FailureClass] = "bad_request"


class ProviderContextRejection(ProviderRejection):
    """Raised when it says that the request is longer than the model's window."""

    kind: ClassVar[ErrorKind] = "context_too_long"
    failure: ClassVar[FailureClass] = "context_too_long"


class ProviderContentRejection(ProviderRejection):
    """Raised when it says that a content policy refuses the request."""

    kind: ClassVar[ErrorKind] = "content_filtered"
    failure: ClassVar[FailureClass] = "content_filtered"


_ERRORS: dict[FailureClass, type[ProviderError]] = {
    "timeout": ProviderTimeout,
    "rate_limit": ProviderRateLimited,
    "quota": ProviderQuotaExceeded,
    "auth": ProviderAuthError,
    "overloaded": ProviderOverloaded,
    "server_error": ProviderServerError,
    "bad_response": ProviderResponseError,
    "model_not_found": ProviderModelNotFound,
    "bad_request": ProviderRejection,
    "context_too_long": ProviderContextRejection,
    "content_filtered": ProviderContentRejection,
}


def decode_failure(head: ResponseHead, body: bytes, now: float) -> Failure:
    """The failure that a non-2xx answer means. Never raises, whatever the body.

    ``now`` is UTC epoch seconds, for Retry-After dates.
    """
    detail = read_error(body)
    failure = classify(head.status, detail)
    return Failure(
        failure=failure,
        message=_sentence(head.status, detail, failure),
        owner=owner_of(failure),
        status=head.status,
        code=detail.code,
        retry_after_s=_retry_after_s(head, detail, failure, now),
        should_retry=should_retry(head.headers),
    )


def _retry_after_s(
    head: ResponseHead, detail: ErrorDetail, failure: FailureClass, now: float
) -> float | None:
    """What the server says outright, else when what is used up comes back."""
    said = parse_retry_after(head.headers, now) or detail.retry_after_s
    if said is None and failure == "rate_limit":
        return used_up_s(read_rate_limits(head.headers, now))
    return said


def raise_in_answer(error: object) -> NoReturn:
    """Raise what ``error``, found inside an answer that began with 200, means.

    Raises:
        ProviderError: Always; its ``failure`` is the class.
    """
    detail = read_error_value(error)
    failure = classify(200, detail)
    raise _ERRORS[failure](
        _sentence(detail.status, detail, failure), status=detail.status
    )


def raise_if_error(body: bytes) -> None:
    """Raise what ``body`` means if it is nothing but an error; else do nothing.

    Raises:
        ProviderError: It is one; its ``failure`` is the class.
    """
    try:
        value = decode(ANY, body, "the answer")
    except ProviderResponseError:
        return
    first = mapping(value[0] if isinstance(value, list) and value else value)
    if first.get("error") or first.get("type") == "error":
        raise_in_answer(first)


def owner_of(failure: FailureClass) -> Owner:
    """Whose fault a failure of this class is."""
    if failure in _CALLERS_FAULT:
        return "caller"
    return "us" if failure == "internal" else "provider"


def read_error(body: bytes) -> ErrorDetail:
    """What an error body says, whatever its dialect or format. Never raises."""
    if len(body) <= MAX_BODY_BYTES:
        try:
            return read_error_value(decode(ANY, body, "the error"))
        except ProviderResponseError:
            pass
    plain = body[: MAX_PLAIN_CHARS * 16].decode("utf-8", "replace")
    words = " ".join(_TAG.sub(" ", plain).split())
    return ErrorDetail(words[:MAX_PLAIN_CHARS] or "an empty body")


def read_error_value(value: object) -> ErrorDetail:
    """What a decoded error says: the whole body, or just what its ``error`` held.

    Candidates in the order of provider-apis section 6, "Robust error extraction".
    """
    if isinstance(value, list):
        value = value[0] if value else None
    body = mapping(value)
    error = body.get("error", value if isinstance(value, str) else None)
    inner = mapping(error) or body
    message = (
        text(mapping(error).get("message"))
        or text(error)
        or text(body.get("message"))
        or _validation(body.get("detail"))
        or text(mapping(next(iter(sequence(body.get("errors"))), None)).get("message"))
        or "no message"
    )
    return ErrorDetail(
        message[:MAX_MESSAGE_CHARS],
        _codes(inner, body),
        _status(inner),
        retry_info_s(inner.get("details")),
    )


def classify(status: int, detail: ErrorDetail) -> FailureClass:
    """The class of an error (provider-apis 1.4 and 1.5).

    A ``status`` of 200 means the error came inside an answer: then the status the body
    names counts, and without one its words.
    """
    if status < 300:
        status = detail.status or 0
    words = {code.lower() for code in detail.codes}
    message = detail.message.lower()
    for rule in markers.RULES:
        if rule.statuses and status not in rule.statuses:
            continue
        if words & rule.codes or any(phrase in message for phrase in rule.phrases):
            return rule.failure
    return markers.by_status(status)


def _sentence(status: int | None, detail: ErrorDetail, failure: FailureClass) -> str:
    longest = 24 if failure == "auth" else MAX_MESSAGE_CHARS
    said = " ".join(_masked(word, longest) for word in detail.message.split(" "))
    start = " ".join(dict.fromkeys(str(x) for x in (status, detail.code) if x))
    return f"{start}: {said}" if start else said


def _masked(word: str, longest: int) -> str:
    """``word`` unless it may be (part of) a key: errors about keys quote them."""
    bare = word.strip("\"'.,:;()")
    key_like = "***" in bare or bare.startswith(("sk-", "xai-", "gsk_"))
    return "[key]" if key_like or len(bare) >= longest else word


def _validation(detail: object) -> str | None:
    """FastAPI's ``detail``: text, or a list of what is wrong where."""
    if isinstance(detail, list):
        first = mapping(detail[0] if detail else None)
        loc = (x for x in sequence(first.get("loc"))[:8] if isinstance(x, str | int))
        where = ".".join(str(part)[:100] for part in loc)
        said = text(first.get("msg"))
        return f"{where}: {said}" if where and said else said
    return text(detail)


def _codes(inner: dict[str, object], body: dict[str, object]) -> tuple[str, ...]:
    candidates: list[object] = [
        inner.get("code"),
        mapping(inner.get("details")).get("error_code"),
        inner.get("type"),
        body.get("code"),
        body.get("type"),
        inner.get("status"),
        mapping(inner.get("innererror")).get("code"),
        *(mapping(item).get("reason") for item in sequence(inner.get("details"))[:8]),
    ]
    found = (
        str(x)[:100]
        for x in candidates
        if (isinstance(x, str) and x)
        or (isinstance(x, int) and not isinstance(x, bool))
    )
    return tuple(sorted(dict.fromkeys(found), key=str.isdigit))


def _status(inner: dict[str, object]) -> int | None:
    for name in ("status_code", "code", "status"):
        value = inner.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value[:4])
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    return None
