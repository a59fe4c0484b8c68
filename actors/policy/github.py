"""GitHub's webhooks: whether one is genuine, and which event it tells.

Sources: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
and https://docs.github.com/webhooks/webhook-events-and-payloads. Only fields that are
used are looked at; everything else may come and go.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.events import Event

MAX_TEXT: Final = 60_000
"""Characters of a text that are kept; about what one comment may have on GitHub."""

MAX_PATHS: Final = 3_000
MAX_LINE: Final = 1_000
"""Characters of a title."""

MARKER: Final = "<!-- gitbridge:task="
"""How our own comments begin their invisible mark; they are no news to us."""

T = TypeVar("T")
_PREFIX: Final = "sha256="


def signature(secret: str, body: bytes) -> str:
    """``sha256=<hex>``: the HMAC-SHA-256 of the body, as ``X-Hub-Signature-256``."""
    return _PREFIX + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_genuine(secret: str, body: bytes, given: str) -> bool:
    """Whether a signature is the body's; takes as long whichever it is."""
    return hmac.compare_digest(
        signature(secret, body).encode(), given.encode(errors="replace")
    )


class _Named(Struct):
    login: str | None = None
    name: str | None = None


class _Repository(Struct):
    full_name: str


class _Commit(Struct):
    id: str
    message: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()


class _Entry(Struct):
    """An issue or a pull request."""

    number: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    title: str
    body: str | None = None
    html_url: str | None = None
    labels: tuple[_Named, ...] = ()


class _Comment(Struct):
    body: str | None = None
    html_url: str | None = None


class _Release(Struct):
    tag_name: str
    name: str | None = None
    body: str | None = None
    html_url: str | None = None


class _Payload(Struct):
    repository: _Repository | None = None
    sender: _Named | None = None
    action: str | None = None
    ref: str | None = None
    compare: str | None = None
    commits: tuple[_Commit, ...] = ()
    issue: _Entry | None = None
    pull_request: _Entry | None = None
    comment: _Comment | None = None
    release: _Release | None = None


_DECODER: Final = msgspec.json.Decoder(_Payload)


def read_event(kind: str, delivery: str, body: bytes, at: float) -> Event | None:
    """The event that a webhook tells.

    Args:
        kind: ``X-GitHub-Event``.
        delivery: ``X-GitHub-Delivery``.
        body: The JSON as it came.
        at: When it came, UTC epoch seconds.

    Returns:
        ``None`` for what says nothing new: kinds that are not known, and our comments.

    Raises:
        InvalidRequest: The body is not what GitHub sends for this kind.
    """
    reader = _READERS.get(kind)
    if reader is None:
        return None
    payload = _decoded(body)
    if payload.comment is not None and MARKER in (payload.comment.body or ""):
        return None
    repository = _needed(payload.repository, "repository", kind)
    event = Event(
        id=delivery,
        source="github",
        name=f"{kind}.{payload.action}" if payload.action else kind,
        at=at,
        repository=repository.full_name,
        sender=payload.sender.login if payload.sender is not None else None,
    )
    return reader(event, payload)


def _decoded(body: bytes) -> _Payload:
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        field = path.strip("`").removeprefix("$.") or None
        message = f"the payload is not GitHub's: {error}"
        raise InvalidRequest(message, field=field, wanted=reason) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"the payload is not JSON: {error}") from None


def _needed(part: T | None, name: str, kind: str) -> T:
    if part is None:
        raise InvalidRequest(
            f"the payload of {kind} has no {name}",
            field=name,
            got="nothing",
            wanted="an object",
        )
    return part


def _push(event: Event, payload: _Payload) -> Event:
    commits = payload.commits
    touched = (c.added + c.removed + c.modified for c in commits)
    paths = sorted({path for each in touched for path in each})
    told = "\n\n".join(f"{c.id[:12]} {c.message}" for c in commits)
    return replace(
        event,
        title=_first_line(commits[-1].message) if commits else "",
        text=_cut(told),
        paths=tuple(paths[:MAX_PATHS]),
        url=payload.compare,
        ref=payload.ref,
    )


def _pull_request(event: Event, payload: _Payload) -> Event:
    return _entry(event, _needed(payload.pull_request, "pull_request", "pull_request"))


def _issues(event: Event, payload: _Payload) -> Event:
    return _entry(event, _needed(payload.issue, "issue", "issues"))


def _issue_comment(event: Event, payload: _Payload) -> Event:
    comment = _needed(payload.comment, "comment", "issue_comment")
    entry = _entry(event, _needed(payload.issue, "issue", "issue_comment"))
    return replace(entry, text=_cut(comment.body or ""), url=comment.html_url)


def _release(event: Event, payload: _Payload) -> Event:
    release = _needed(payload.release, "release", "release")
    return replace(
        event,
        title=_line(release.name or release.tag_name),
        text=_cut(release.body or ""),
        url=release.html_url,
        ref=release.tag_name,
    )


def _entry(event: Event, entry: _Entry) -> Event:
    return replace(
        event,
        number=entry.number,
        title=_line(entry.title),
        text=_cut(entry.body or ""),
        labels=tuple(label.name for label in entry.labels if label.name),
        url=entry.html_url,
    )


def _first_line(text: str) -> str:
    return _line(text.partition("\n")[0])


def _line(text: str) -> str:
    """A title: whoever may push, or make a release, writes it as long as they like."""
    return text.strip()[:MAX_LINE]


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


_READERS: Final[Mapping[str, Callable[[Event, _Payload], Event]]] = {
    "push": _push,
    "pull_request": _pull_request,
    "issues": _issues,
    "issue_comment": _issue_comment,
    "release": _release,
}
