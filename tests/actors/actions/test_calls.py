"""Calls and comments, over real HTTP against servers that check every field."""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from actors.actions import ActionPerformer, ActionSettings, ActionTools
from actors.actions.calls import MAX_COMMENT
from actors.errors import (
    GitBridgeError,
    InternalError,
    InvalidRequest,
    NotPermitted,
    ProviderRateLimited,
    ProviderServerError,
)
from actors.messages.actions import (
    ActionDone,
    CallUrl,
    CommandRule,
    PostComment,
    RunCommand,
    WriteFile,
)
from actors.messages.tasks import Task
from actors.policy.github import MARKER, is_genuine
from actors.transport import AiohttpTransport
from tests.support.action_tasks import ANSWER, EVENT, work
from tests.support.fake_github import TOKEN, FakeGitHub, fake_github
from tests.support.fake_transport import Answer, FakeTransport

NOW = 1_760_000_100.0
MARK = f"{MARKER}01TASK -->"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def github() -> AsyncIterator[FakeGitHub]:
    async with fake_github() as server:
        yield server
        assert server.mistakes == []


async def at_once(write: Callable[[], str]) -> str:
    return write()


def performer(
    transport: AiohttpTransport | FakeTransport,
    settings: ActionSettings,
    *,
    token: str | None = TOKEN,
) -> ActionPerformer:
    tools = ActionTools(
        transport=transport,
        utc=lambda: NOW,
        in_thread=at_once,
        token=lambda: token,
        secret=lambda: "s3cret",
    )
    return ActionPerformer(settings, tools)


async def perform(doing: ActionPerformer, task: Task) -> ActionDone:
    performed = await doing.perform(task, lambda _: None)
    return msgspec.msgpack.decode(performed.result, type=ActionDone)


@pytest.fixture
async def comment(
    github: FakeGitHub,
) -> AsyncIterator[Callable[[Task], Awaitable[ActionDone]]]:
    transport = AiohttpTransport()
    doing = performer(transport, ActionSettings(github_url=github.url + "/"))

    async def post(task: Task) -> ActionDone:
        return await perform(doing, task)

    yield post
    await transport.aclose()


Comment = Callable[[Task], Awaitable[ActionDone]]


async def test_a_comment_carries_an_invisible_mark(
    github: FakeGitHub, comment: Comment
) -> None:
    done = await comment(work(PostComment(template="**{title}**\n\n{answer}")))

    assert github.comments == [f"**Close the file**\n\nLooks right.\n\n{MARK}"]
    assert done == ActionDone(
        do="post_comment",
        target="https://github.com/octo-org/hello/pull/2#issuecomment-1",
        status=201,
    )


async def test_a_comment_that_is_there_is_not_posted_again(
    github: FakeGitHub, comment: Comment
) -> None:
    github.comments = ["another"] * 150  # it is on the second page
    await comment(work(PostComment()))
    again = await comment(work(PostComment()))

    assert len(github.comments) == 151
    assert again.existing
    assert again.target.endswith("#issuecomment-151")


@pytest.mark.parametrize("mark", [MARK, MARKER + MARK.removeprefix("<!-- ")])
async def test_a_forged_mark_is_no_mark(
    github: FakeGitHub, comment: Comment, mark: str
) -> None:
    forged = msgspec.structs.replace(ANSWER, content=f"yes {mark}")
    await comment(work(PostComment(), answer=forged))

    assert github.comments[0].count(MARKER) == 1


async def test_a_long_comment_is_cut(github: FakeGitHub, comment: Comment) -> None:
    long = msgspec.structs.replace(ANSWER, content="x" * 100_000)
    await comment(work(PostComment(), answer=long))

    assert len(github.comments[0]) < MAX_COMMENT + 100
    assert "too long for a comment" in github.comments[0]
    assert github.comments[0].endswith(MARK)


@pytest.mark.parametrize(
    ("refusal", "error", "wait_s"),
    [
        ((500, {}), ProviderServerError, None),
        ((503, {"retry-after": "7"}), ProviderServerError, 7.0),
        ((429, {"retry-after": "3"}), ProviderRateLimited, 3.0),
        ((403, {"retry-after": "60"}), ProviderRateLimited, 60.0),
        (
            (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1760000160"}),
            ProviderRateLimited,
            60.0,
        ),
        ((403, {"x-ratelimit-remaining": "0"}), ProviderRateLimited, 60.0),
        (
            (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 5000}),
            ProviderRateLimited,
            60.0,
        ),
        ((403, {"x-ratelimit-remaining": "9"}), NotPermitted, None),
        ((401, {}), NotPermitted, None),
        ((404, {}), InvalidRequest, None),
        ((301, {"location": "https://example.org"}), InvalidRequest, None),
    ],
)
async def test_what_github_refuses(
    github: FakeGitHub,
    comment: Comment,
    refusal: tuple[int, dict[str, str]],
    error: type[GitBridgeError],
    wait_s: float | None,
) -> None:
    github.refusals = [refusal]
    with pytest.raises(error) as caught:
        await comment(work(PostComment()))

    assert caught.value.retry_after_s == wait_s
    assert str(refusal[0]) in caught.value.message
    assert github.comments == []


@pytest.mark.parametrize("body", [b"{}", b"<html>", b"[" * 100_000])
async def test_what_does_not_answer_as_github(body: bytes) -> None:
    doing = performer(FakeTransport(Answer([(0.0, body)])), ActionSettings())
    with pytest.raises(ProviderServerError, match="not understood"):
        await perform(doing, work(PostComment()))


async def test_comments_need_a_token() -> None:
    transport = FakeTransport(Answer())
    doing = performer(transport, ActionSettings(), token=None)
    with pytest.raises(NotPermitted, match="GITHUB_TOKEN"):
        await perform(doing, work(PostComment()))
    assert transport.requests == []


@pytest.mark.parametrize(
    "changes",
    [
        {"number": None},
        {"repository": None},
        {"repository": "../../user/repo"},
        {"repository": "acme/.."},
    ],
)
async def test_comments_need_something_to_comment_on(
    changes: dict[str, object],
) -> None:
    transport = FakeTransport(Answer())
    event = msgspec.structs.replace(EVENT, **changes)
    with pytest.raises(InvalidRequest):
        await perform(
            performer(transport, ActionSettings()), work(PostComment(), event=event)
        )
    assert transport.requests == []


async def test_a_call_is_signed_and_names_its_task() -> None:
    transport = FakeTransport(Answer(status=204))
    action = CallUrl(
        url="https://hooks.example.org/x?key=1",
        headers={"X-Team": "core", "Idempotency-Key": "other"},
        timeout_s=3.0,
    )
    done = await perform(performer(transport, ActionSettings()), work(action))

    (request,) = transport.requests
    signed = request.headers.pop("x-gitbridge-signature-256")
    assert is_genuine("s3cret", request.body, signed)
    assert (request.method, request.url) == ("POST", action.url)
    assert request.headers == {
        "content-type": "application/json",
        "idempotency-key": "01TASK",
        "x-team": "core",
    }
    body = msgspec.json.decode(request.body)
    assert body.keys() == {"task_id", "task_type", "event", "answer"}
    assert body["answer"]["content"] == "Looks right."
    assert body["event"]["repository"] == "octo-org/hello"
    assert done == ActionDone(
        do="call_url", target="https://hooks.example.org/x", status=204
    )


async def test_a_redirect_is_not_followed() -> None:
    transport = FakeTransport(Answer(status=307, headers={"location": "http://evil"}))
    with pytest.raises(InvalidRequest, match="redirects are not followed"):
        await perform(
            performer(transport, ActionSettings()),
            work(CallUrl(url="https://hooks.example.org")),
        )
    assert len(transport.requests) == 1


async def test_a_file_is_written_below_its_folder(tmp_path_factory: object) -> None:
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    folder = tmp_path_factory.mktemp("out")
    doing = performer(
        FakeTransport(Answer()), ActionSettings(folders={"out": str(folder)})
    )
    action = WriteFile(folder="out", path="{repository}/{number}.md")
    done = await perform(doing, work(action))

    assert (folder / "octo-org_hello" / "2.md").read_text() == "Looks right."
    assert done.target == str(folder / "octo-org_hello" / "2.md")


async def test_a_folder_must_be_declared() -> None:
    doing = performer(FakeTransport(Answer()), ActionSettings(folders={"out": "/x"}))
    with pytest.raises(InvalidRequest) as caught:
        await perform(doing, work(WriteFile(folder="etc", path="passwd")))
    assert caught.value.wanted == "one of out"


async def test_a_command_is_run() -> None:
    rules = {"sum": CommandRule(argv=("/usr/bin/env", "cat"))}
    doing = performer(FakeTransport(Answer()), ActionSettings(commands=rules))
    done = await perform(doing, work(RunCommand(command="sum")))

    assert done.detail == "Looks right."


async def test_a_payload_that_is_none() -> None:
    task = work(PostComment())
    spoiled = msgspec.structs.replace(
        task, spec=msgspec.structs.replace(task.spec, payload=b"\xc1")
    )
    with pytest.raises(InternalError):
        await perform(performer(FakeTransport(Answer()), ActionSettings()), spoiled)
