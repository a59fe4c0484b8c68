"""Actions over HTTP: call a URL, post a comment on GitHub."""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from actors.errors import (
    GitBridgeError,
    InvalidRequest,
    NotPermitted,
    ProviderRateLimited,
    ProviderServerError,
)
from actors.messages.actions import ActionDone, ActionWork, CallUrl, PostComment
from actors.messages.tasks import Task
from actors.policy.classify import fill, values_of
from actors.policy.github import MARKER, signature
from actors.wire.base import HttpRequest, Response, ResponseHead, Timeouts, Transport
from actors.wire.retry_after import parse_retry_after

SIGNATURE: Final = "x-gitbridge-signature-256"
GITHUB_TIMEOUT_S: Final = 30.0
PAGE: Final = 100
MAX_PAGES: Final = 20
CLOCKS_APART_S: Final = 900.0
"""How far GitHub's clock may be behind ours."""

MAX_COMMENT: Final = 65_000
"""Characters; GitHub takes 65,536."""

T = TypeVar("T")
_DIGITS: Final = 12
"""Of epoch seconds at most."""

_REPOSITORY: Final = re.compile(
    r"[A-Za-z0-9_-][A-Za-z0-9._-]*/(?!\.\.?$)[A-Za-z0-9._-]+"
)
_NO_MARK: Final = MARKER.replace(":", ": ")
"""Makes no mark with what stands around it either."""

_CUT: Final = "\n\n(The rest was left out: it is too long for a comment.)"


class _Call(Struct, frozen=True, kw_only=True):
    """What a called URL gets, as JSON."""

    task_id: str
    task_type: str
    event: object
    answer: object


class _Comment(Struct):
    html_url: str = ""
    body: str | None = None


class Calls:
    """Performs the actions that go over HTTP.

    ``secret`` signs calls and ``token`` is GitHub's; each is ``None`` where there is
    none. ``utc`` gives epoch seconds.
    """

    def __init__(
        self,
        transport: Transport,
        utc: Callable[[], float],
        *,
        github_url: str,
        token: str | None,
        secret: str | None,
    ) -> None:
        self._transport = transport
        self._utc = utc
        self._github_url = github_url.rstrip("/")
        self._token = token
        self._secret = secret

    async def call(self, action: CallUrl, work: ActionWork, task: Task) -> ActionDone:
        """POST the answer; any 2xx will do, and a redirect is not followed."""
        document = _Call(
            task_id=task.task_id,
            task_type=work.task_type,
            event=work.event,
            answer=work.answer,
        )
        body = msgspec.json.encode(document)
        own = {
            "content-type": "application/json",
            "idempotency-key": task.task_id,
        }
        if self._secret is not None:
            own[SIGNATURE] = signature(self._secret, body)
        given = {name.lower(): value for name, value in action.headers.items()}
        request = HttpRequest("POST", action.url, {**given, **own}, body)
        where = action.url.partition("?")[0]
        async with self._send(request, action.timeout_s) as response:
            self._check(response.head, where)
            status = response.head.status
        return ActionDone(do="call_url", target=where, status=status)

    async def comment(
        self, action: PostComment, work: ActionWork, task: Task
    ) -> ActionDone:
        """Comment once: one that carries this task's mark already is found first."""
        url = self._comments_url(work)
        mark = f"{MARKER}{task.task_id} -->"
        found = await self._find(url, mark, task.spec.created_at)
        if found is not None:
            return ActionDone(do="post_comment", target=found, existing=True)
        body = msgspec.json.encode({"body": f"{_text(action, work)}\n\n{mark}"})
        request = HttpRequest("POST", url, self._headers(), body)
        async with self._send(request, GITHUB_TIMEOUT_S) as response:
            self._check(response.head, "GitHub")
            made = _decoded(await response.read(), _Comment)
            status = response.head.status
        return ActionDone(do="post_comment", target=made.html_url, status=status)

    async def _find(self, url: str, mark: str, since: float) -> str | None:
        at = datetime.fromtimestamp(since - CLOCKS_APART_S, UTC)
        when = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        for page in range(1, MAX_PAGES + 1):
            query = f"?since={when}&per_page={PAGE}&page={page}"
            request = HttpRequest("GET", url + query, self._headers())
            async with self._send(request, GITHUB_TIMEOUT_S) as response:
                self._check(response.head, "GitHub")
                comments = _decoded(await response.read(), list[_Comment])
            for each in comments:
                if mark in (each.body or ""):
                    return each.html_url
            if len(comments) < PAGE:
                break
        return None

    def _comments_url(self, work: ActionWork) -> str:
        event = work.event
        if event.number is None or not _REPOSITORY.fullmatch(event.repository or ""):
            raise InvalidRequest(
                f"{event.name} has no issue or pull request to comment on",
                field="number" if event.number is None else "repository",
                got=str(event.repository)[:200],
                wanted="an event with owner/name and a number",
            )
        return (
            f"{self._github_url}/repos/{event.repository}/issues/{event.number}"
            "/comments"
        )

    def _headers(self) -> dict[str, str]:
        if self._token is None:
            raise NotPermitted(
                "there is no token for GitHub: set GITHUB_TOKEN, or the credential"
                " github_token"
            )
        return {
            "accept": "application/vnd.github+json",
            "authorization": f"Bearer {self._token}",
            "content-type": "application/json",
            "x-github-api-version": "2022-11-28",
        }

    def _send(
        self, request: HttpRequest, total_s: float
    ) -> AbstractAsyncContextManager[Response]:
        timeouts = Timeouts(connect_s=min(10.0, total_s), total_s=total_s)
        return self._transport.send(request, timeouts, stream=False)

    def _check(self, head: ResponseHead, where: str) -> None:
        if not 200 <= head.status < 300:
            raise _refusal(head, where, self._utc())


def _refusal(head: ResponseHead, where: str, now: float) -> GitBridgeError:
    """The error of an answer that is none, retryable where waiting helps."""
    status, headers = head.status, head.headers
    said = f"{where} answered {status}"
    wait_s = _wait_s(headers, now)
    if status == 429 or (status == 403 and wait_s is not None):
        return ProviderRateLimited(said, retry_after_s=wait_s, status=status)
    if status >= 500 or status in {408, 409, 425}:
        return ProviderServerError(said, retry_after_s=wait_s, status=status)
    if status in {401, 403}:
        return NotPermitted(f"{said}: our token or signature is refused")
    if 300 <= status < 400:
        return InvalidRequest(f"{said}: redirects are not followed, name the last URL")
    return InvalidRequest(said)


def _wait_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait, in either of GitHub's ways of saying it."""
    told = parse_retry_after(headers, now)
    if told is not None or headers.get("x-ratelimit-remaining") != "0":
        return told
    reset = headers.get("x-ratelimit-reset", "")
    at = int(reset) if reset.isdecimal() and len(reset) <= _DIGITS else None
    return 60.0 if at is None else max(1.0, at - now)


def _text(action: PostComment, work: ActionWork) -> str:
    values = values_of(work.event, work.task_type)
    # A stranger, or a model that was talked into it, must not forge our mark.
    values["answer"] = work.answer.content
    text = fill(action.template, values).replace(MARKER, _NO_MARK)
    if len(text) <= MAX_COMMENT:
        return text
    return text[: MAX_COMMENT - len(_CUT)] + _CUT


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProviderServerError(
            f"GitHub's answer is not understood: {error}"
        ) from None
