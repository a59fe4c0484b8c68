"""GitHub's webhooks -> events, and whether they are genuine."""

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.errors import InvalidRequest
from actors.messages.events import Event
from actors.policy.github import (
    MARKER,
    MAX_LINE,
    MAX_TEXT,
    is_genuine,
    read_event,
    signature,
)
from tests.support.github_payloads import payload


def read(kind: str, body: bytes) -> Event:
    event = read_event(kind, "d1", body, 5.0)
    assert event is not None
    return event


def test_the_documented_signature() -> None:
    # The test values of GitHub's page on validating deliveries.
    secret, body = "It's a Secret to Everybody", b"Hello, World!"
    known = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert signature(secret, body) == known
    assert is_genuine(secret, body, known)


@pytest.mark.parametrize(
    "given_signature", ["", "sha256=", "sha1=abc", "757107ea", "sha256=é", "\udc80"]
)
def test_what_is_not_the_signature(given_signature: str) -> None:
    assert not is_genuine("s", b"{}", given_signature)


@given(st.text(min_size=1), st.binary(), st.binary())
def test_a_signature_is_of_one_body(secret: str, body: bytes, other: bytes) -> None:
    secret = secret.encode(errors="replace").decode()

    assert is_genuine(secret, body, signature(secret, body))
    assert is_genuine(secret, other, signature(secret, body)) is (other == body)


def test_push() -> None:
    assert read("push", payload("push")) == Event(
        id="d1",
        source="github",
        name="push",
        at=5.0,
        repository="octo-org/hello",
        title="Fix the off-by-one in the pager",
        text="0d1a26e67d8f Fix the off-by-one in the pager\n\nThe last page was never"
        " shown.",
        paths=("src/pager.py", "tests/test_pager.py"),
        sender="mona",
        url="https://github.com/octo-org/hello/compare/6113728f27ae...0d1a26e67d8f",
        ref="refs/heads/main",
    )


def test_a_push_without_commits_has_no_paths() -> None:
    body = b'{"ref":"refs/heads/x","deleted":true,"repository":{"full_name":"a/b"}}'
    event = read("push", body)

    assert (event.title, event.paths, event.sender) == ("", (), None)


def test_pull_request() -> None:
    assert read("pull_request", payload("pull_request")) == Event(
        id="d1",
        source="github",
        name="pull_request.opened",
        at=5.0,
        repository="octo-org/hello",
        number=2,
        title="Close the file on every path",
        text="The handle leaked when parsing failed.",
        labels=("bug",),
        sender="mona",
        url="https://github.com/octo-org/hello/pull/2",
    )


def test_issues() -> None:
    event = read("issues", payload("issues"))

    assert (event.name, event.number, event.text) == ("issues.opened", 1, "")
    assert event.title == "The export crashes on an empty table"


def test_issue_comment() -> None:
    event = read("issue_comment", payload("issue_comment"))

    assert (event.name, event.number) == ("issue_comment.created", 1)
    assert event.text == "How can I work around this?"
    assert event.labels == ("bug",)
    assert event.url is not None
    assert event.url.endswith("#issuecomment-492700400")


def test_our_own_comment_is_no_news() -> None:
    document = msgspec.json.decode(payload("issue_comment"))
    document["comment"]["body"] = f"Looks good.\n\n{MARKER}01JD -->"

    assert read_event("issue_comment", "d1", msgspec.json.encode(document), 5.0) is None


def test_release() -> None:
    event = read("release", payload("release"))

    assert (event.name, event.title, event.ref) == (
        "release.published",
        "v1.3.0",
        "v1.3.0",
    )


@pytest.mark.parametrize("kind", ["ping", "star", ""])
def test_other_kinds_are_left_alone(kind: str) -> None:
    assert read_event(kind, "d1", b"{}", 5.0) is None


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("push", b"{}", "repository"),
        ("issues", b'{"repository":{"full_name":"a/b"}}', "issue"),
        ("issues", b'{"repository":3}', "repository"),
        (
            "issues",
            b'{"repository":{"full_name":"a/b"},"issue":{"title":"x","number":%d}}'
            % (1 << 64),
            "issue.number",
        ),
        ("pull_request", b'{"repository":{"full_name":"a/b"}}', "pull_request"),
        ("release", b'{"repository":{"full_name":"a/b"}}', "release"),
        ("issue_comment", b'{"repository":{"full_name":"a/b"}}', "comment"),
        ("push", b"[]", None),
        ("push", b"payload=%7B%7D", None),
        ("push", b"[" * 100_000, None),
    ],
)
def test_what_github_does_not_send(kind: str, body: bytes, field: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_event(kind, "d1", body, 5.0)

    assert caught.value.field == field


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_refused(body: bytes) -> None:
    try:
        read_event("issues", "d1", body, 5.0)
    except InvalidRequest as error:
        assert "payload" in error.message  # noqa: PT017 - either outcome is right


def test_long_texts_are_cut() -> None:
    document = msgspec.json.decode(payload("issues"))
    document["issue"]["body"] = "x" * (MAX_TEXT + 1)
    event = read("issues", msgspec.json.encode(document))

    assert len(event.text) == MAX_TEXT
    assert event.text.endswith("x…")


@pytest.mark.parametrize("kind", ["push", "issues", "release"])
def test_long_titles_are_cut(kind: str) -> None:
    """A commit's first line and a release's name are as long as their writers like."""
    document = msgspec.json.decode(payload(kind))
    if kind == "push":
        document["commits"][-1]["message"] = "x" * 100_000
    else:
        name = {"issues": ("issue", "title"), "release": ("release", "name")}[kind]
        document[name[0]][name[1]] = "x" * 100_000
    event = read(kind, msgspec.json.encode(document))

    assert event.title == "x" * MAX_LINE
