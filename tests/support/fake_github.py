"""The part of GitHub's REST API that has comments, checked field by field.

Realism: paths, statuses, headers, bodies and paging are those of the documentation of
the issue comments API; a request that lacks what GitHub wants, or has what it does not
know, is refused as GitHub would, and kept in ``mistakes``. Time stands still, so that
``since`` is checked for its form only.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

TOKEN = "ghp_made_up_for_tests"
PATH = "/repos/octo-org/hello/issues/2/comments"
HEADERS = {
    "accept": "application/vnd.github+json",
    "authorization": f"Bearer {TOKEN}",
    "x-github-api-version": "2022-11-28",
    "content-type": "application/json",
}
SINCE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


async def _at_once(_what: str) -> None: ...


class FakeGitHub:
    """``refusals`` are answered first, one by one: (status, headers).

    ``pause`` is waited for with ``listed`` or ``posted`` before that is answered.
    """

    def __init__(self) -> None:
        self.comments: list[str] = []
        self.listed = 0
        self.mistakes: list[str] = []
        self.refusals: list[tuple[int, dict[str, str]]] = []
        self.url = ""
        self.pause: Callable[[str], Awaitable[None]] = _at_once

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if self.refusals:
            status, headers = self.refusals.pop(0)
            return web.json_response({"message": "no"}, status=status, headers=headers)
        self._check(request, body)
        if self.mistakes:
            return web.json_response({"message": self.mistakes[-1]}, status=422)
        if request.method == "GET":
            page = self._list(request)
            await self.pause("listed")
            return page
        self.comments.append(msgspec.json.decode(body)["body"])
        await self.pause("posted")
        return web.json_response(self._row(len(self.comments)), status=201)

    def _check(self, request: web.BaseRequest, body: bytes) -> None:
        for name, value in HEADERS.items():
            if request.headers.get(name) != value:
                self.mistakes.append(f"{name}: {request.headers.get(name)}")
        if not request.headers.get("user-agent"):
            self.mistakes.append("no user-agent")  # GitHub answers 403
        if request.path != PATH:
            self.mistakes.append(request.path)
        if request.method == "GET":
            self._check_query(dict(request.query), body)
        elif request.method == "POST" and not request.query_string:
            self._check_body(msgspec.json.decode(body))
        else:
            self.mistakes.append(f"{request.method} ?{request.query_string}")

    def _check_query(self, query: dict[str, str], body: bytes) -> None:
        if not SINCE.fullmatch(query.pop("since", "")):
            self.mistakes.append("since")
        if query.pop("per_page", "") != "100" or query.keys() != {"page"} or body:
            self.mistakes.append(f"query {query}")

    def _check_body(self, document: dict[str, object]) -> None:
        text = document.pop("body", None)
        if document or not isinstance(text, str) or not 0 < len(text) <= 65_536:
            self.mistakes.append(f"body {document}")

    def _list(self, request: web.BaseRequest) -> web.StreamResponse:
        self.listed += 1
        start = (int(request.query["page"]) - 1) * 100
        rows = range(start + 1, min(start + 100, len(self.comments)) + 1)
        return web.json_response([self._row(number) for number in rows])

    def _row(self, number: int) -> dict[str, object]:
        where = f"https://github.com/octo-org/hello/pull/2#issuecomment-{number}"
        body = self.comments[number - 1]
        return {"id": number, "html_url": where, "body": body, "user": {"login": "b"}}


@asynccontextmanager
async def fake_github() -> AsyncIterator[FakeGitHub]:
    """One that listens on a loopback port of its own."""
    github = FakeGitHub()
    runner = web.ServerRunner(web.Server(github.answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = runner.addresses[0]
    github.url = f"http://{address[0]}:{address[1]}"
    try:
        yield github
    finally:
        await runner.cleanup()
