"""Which requests are the same, what is kept, and how it is told again."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from actors.errors import ErrorKind, InvalidRequest
from actors.messages.chat import (
    ChatRequest,
    Delta,
    EmbedAsk,
    FinishReason,
    Message,
    ResponseFormat,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    Usage,
)
from actors.messages.consensus import ConsensusAsk
from actors.messages.provider import RateLimits
from actors.messages.reuse import CacheUse, Reused
from actors.messages.routing import (
    AttemptSummary,
    ErrorInfo,
    RouteRequest,
    RouteResult,
)
from actors.policy import reuse
from actors.policy.reuse import Kept

CHAT = ChatRequest(messages=(Message("user", "hello"),))
ASKED = RouteRequest(request_id="r1", chat=CHAT, user="ann")
RESULT = RouteResult(
    request_id="r1",
    content="blue",
    finish_reason="stop",
    provider="one",
    model="m",
    usage=Usage(3, 4),
    cost_usd=Decimal("0.001"),
    cost_source="table",
    latency_s=1.5,
    overhead_s=0.001,
    decision_id="d1",
    attempts=(AttemptSummary(provider="one", model="m", outcome="ok", latency_s=1.4),),
    confidence=0.7,
    rate_limits=RateLimits(),
)


def chat(**changes: object) -> ChatRequest:
    return replace(CHAT, **changes)


def printed(
    request: RouteRequest = ASKED, scope: str = "", *, shared: bool = False
) -> bytes:
    return reuse.fingerprint(request, scope, shared=shared)


# ---- fingerprints


def test_a_fingerprint_is_32_bytes_and_the_same_each_time() -> None:
    again = RouteRequest(
        request_id="r2",
        chat=ChatRequest(messages=(Message("user", "hello"),)),
        user="ann",
    )

    assert len(printed()) == 32
    assert printed(again) == printed()


CHANGES: list[dict[str, object]] = [
    {"messages": (Message("user", "hello "),)},
    {"messages": (Message("system", "hello"),)},
    {"messages": (Message("user", (TextPart("hello"),)),)},
    {"messages": (Message("user", "hello"), Message("user", ""))},
    {"max_tokens": 10},
    {"temperature": 0.0},
    {"temperature": 0.5},
    {"top_p": 0.5},
    {"stop": ("x",)},
    {"seed": 1},
    {"tools": (Tool("f"),)},
    {"tools": (Tool("f", parameters={"type": "object"}),)},
    {"tool_choice": ToolChoice("none")},
    {"parallel_tool_calls": True},
    {"response_format": ResponseFormat("json_object")},
    {"reasoning_effort": "low"},
    {"user": "somebody"},
    {"extra": {"logprobs": True}},
    {"extra": {"logprobs": False}},
    {"continues": True},
    {"embed": EmbedAsk(inputs=("hello",))},
    {"embed": EmbedAsk(inputs=("hello", ""))},
    {"embed": EmbedAsk(inputs=((1, 2),))},
    {"embed": EmbedAsk(inputs=("hello",), dimensions=8)},
]


def test_whatever_changes_an_answer_changes_the_fingerprint() -> None:
    requests = [ASKED]
    requests += [replace(ASKED, chat=chat(**change)) for change in CHANGES]
    requests += [
        replace(ASKED, model="m"),
        replace(ASKED, model="n"),
        replace(ASKED, provider="m"),
        replace(ASKED, strategy="cost"),
        replace(ASKED, task_type="code_review"),
        replace(ASKED, consensus=ConsensusAsk()),
        replace(ASKED, consensus=ConsensusAsk(method="judge")),
        replace(ASKED, user="bob"),
        replace(ASKED, user=None),
    ]
    found = [printed(request) for request in requests]
    found += [printed(scope="other"), printed(shared=True)]

    assert len(set(found)) == len(found)


def test_every_field_of_a_chat_is_in_the_fingerprint() -> None:
    changed = {name for change in CHANGES for name in change}

    assert changed == set(ChatRequest.__struct_fields__)


@pytest.mark.parametrize(
    "change",
    [
        {"stream": True},
        {"stream_mode": "buffered"},
        {"deadline_s": 3.0},
        {"budget_usd": Decimal(1)},
        {"priority": "high"},
        {"metadata": {"trace": "x"}},
        {"door": "http"},
        {"cache": "refresh"},
        {"idempotency_key": "k"},
        {"parent_id": "p"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_how_an_answer_is_delivered_does_not(change: dict[str, object]) -> None:
    assert printed(replace(ASKED, **change)) == printed()


def test_a_shared_answer_is_for_whoever_asks_the_same() -> None:
    bobs = replace(ASKED, user="bob")

    assert printed(bobs, shared=True) == printed(shared=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def shuffled(value: object) -> object:
    """The same JSON with every object's fields in another order."""
    if isinstance(value, dict):
        return {name: shuffled(each) for name, each in reversed(value.items())}
    if isinstance(value, list):
        return [shuffled(each) for each in value]
    return value


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_the_order_of_fields_does_not_count(document: dict[str, object]) -> None:
    other = shuffled(document)
    mine = replace(ASKED, chat=chat(extra=document))
    theirs = replace(ASKED, chat=chat(extra=other))

    assert printed(mine) == printed(theirs)


@given(st.lists(JSON, max_size=3), st.lists(JSON, max_size=3))
def test_different_documents_have_different_fingerprints(
    one: list[object], two: list[object]
) -> None:
    mine = printed(replace(ASKED, chat=chat(extra={"x": one})))
    theirs = printed(replace(ASKED, chat=chat(extra={"x": two})))

    same = msgspec.json.encode(one, order="sorted") == msgspec.json.encode(
        two, order="sorted"
    )
    assert (mine == theirs) == same


def test_what_json_cannot_say_has_a_fingerprint_all_the_same() -> None:
    half = replace(ASKED, chat=chat(extra={"text": "\ud800"}))
    other = replace(ASKED, chat=chat(extra={"text": "\ud801"}))

    assert printed(half) == printed(half)
    assert printed(half) != printed(other)


def test_what_no_model_sees_does_not_count() -> None:
    """OpenAI's ``metadata`` is passed on, and ``auto`` is what no name means as well."""
    tagged = replace(ASKED, chat=chat(extra={"metadata": {"ticket": "1"}, "x": 1}))
    other = replace(ASKED, chat=chat(extra={"metadata": {"ticket": "2"}, "x": 1}))
    bare = replace(ASKED, chat=chat(extra={"x": 1}), model="auto")

    assert printed(tagged) == printed(other) == printed(bare)
    assert printed(bare) != printed(replace(bare, chat=chat(extra={"x": 2})))


def test_how_vectors_are_written_does_not_count() -> None:
    ask = EmbedAsk(inputs=("hello",))
    numbers = replace(ASKED, chat=chat(messages=(), embed=ask))
    packed = replace(ASKED, chat=chat(messages=(), embed=replace(ask, base64=True)))

    assert printed(numbers) == printed(packed)


def test_a_body_is_the_same_for_whoever_asks_it() -> None:
    bobs = replace(ASKED, user="bob", deadline_s=3.0)

    assert reuse.body_print(bobs) == reuse.body_print(ASKED)
    assert reuse.body_print(replace(ASKED, model="m")) != reuse.body_print(ASKED)


def test_keys_are_each_owners_own() -> None:
    keys = {
        reuse.repeat_key("ann", "k"),
        reuse.repeat_key("bob", "k"),
        reuse.repeat_key(None, "k"),
        reuse.repeat_key("ann", "l"),
    }

    assert len(keys) == 4


# ---- what the cache has to do with a request


@pytest.mark.parametrize(
    ("enabled", "asked", "tools", "durable", "use"),
    [
        (True, None, False, False, "on"),
        (True, "on", False, False, "on"),
        (True, "off", False, False, "off"),
        (True, "refresh", False, False, "refresh"),
        (False, None, False, False, "off"),
        (False, "on", False, False, "off"),
        (True, None, True, False, "off"),
        (True, "on", True, False, "on"),
        (True, "refresh", True, False, "refresh"),
        (True, "on", False, True, "off"),
    ],
)
def test_what_a_request_wants_of_the_cache(
    *, enabled: bool, asked: CacheUse | None, tools: bool, durable: bool, use: CacheUse
) -> None:
    request = RouteRequest(
        request_id="r",
        chat=chat(tools=(Tool("f"),) if tools else ()),
        cache=asked,
        durable=durable,
    )

    assert reuse.cache_use(request, enabled=enabled) == use


CALL = (ToolCall("c1", "f"),)


@pytest.mark.parametrize(
    ("finish", "content", "calls", "refused", "kept"),
    [
        ("stop", "blue", (), None, True),
        ("stop", "", (), None, False),
        ("stop", None, (), None, False),
        ("stop", "blue", (), "no", False),
        ("length", "blu", (), None, False),
        ("content_filter", "b", (), None, False),
        ("tool_calls", None, CALL, None, True),
        ("tool_calls", None, (), None, False),
    ],
)
def test_only_whole_answers_are_kept(
    finish: FinishReason,
    content: str | None,
    calls: tuple[ToolCall, ...],
    refused: str | None,
    *,
    kept: bool,
) -> None:
    result = replace(
        RESULT,
        finish_reason=finish,
        content=content,
        tool_calls=calls,
        refusal=refused,
    )

    assert reuse.worth_keeping(result) == kept


def test_vectors_are_worth_keeping_and_come_back_as_they_were() -> None:
    vectors = replace(RESULT, content=None, tool_calls=(), vectors=(b"12345678",))
    written = reuse.write_kept(Kept(b"asked", 5.0, vectors))
    again = reuse.read_kept(written)

    assert reuse.worth_keeping(vectors)
    assert again is not None
    assert again.result is not None
    assert again.result.vectors == vectors.vectors


# ---- what is kept


def test_what_is_written_is_read_again_without_what_was_of_its_moment() -> None:
    data = reuse.write_kept(Kept(b"asked", 5.0, RESULT))

    assert reuse.read_kept(data) == Kept(
        b"asked", 5.0, replace(RESULT, attempts=(), rate_limits=None)
    )


def test_a_beginning_is_written_too() -> None:
    assert reuse.read_kept(reuse.write_kept(Kept(b"a", 5.0))) == Kept(b"a", 5.0)


def test_what_cannot_be_written_is_not() -> None:
    impossible = replace(RESULT, usage=Usage(prompt_tokens=1 << 70))

    assert reuse.write_kept(Kept(b"asked", 5.0, impossible)) is None


@pytest.mark.parametrize("data", [None, b"", b"nonsense", b"\xc1"])
def test_what_is_nothing_of_ours_is_not_there(data: bytes | None) -> None:
    assert reuse.read_kept(data) is None


def test_a_key_is_for_one_thing() -> None:
    reuse.same_as_before("k", b"one", b"one")

    with pytest.raises(InvalidRequest, match="idempotency_key 'k'") as caught:
        reuse.same_as_before("k", b"one", b"two")
    assert (caught.value.field, caught.value.got) == ("idempotency_key", "k")


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("deadline_exceeded", True),
        ("cancelled", True),
        ("budget_exceeded", True),
        ("overloaded", True),
        ("provider_error", False),
        ("interrupted", False),
        ("invalid_request", False),
    ],
)
def test_whose_failure_it_is(kind: ErrorKind, *, own: bool) -> None:
    error = ErrorInfo(kind=kind, message="", owner="us", retryable=False)

    assert reuse.own_failure(error) == own


# ---- how it is told


def test_what_is_given_again_cost_nothing_and_keeps_what_was_said() -> None:
    request = RouteRequest(request_id="r9", chat=CHAT)
    given_again = reuse.given_again(
        RESULT,
        request,
        decision_id="d9",
        latency_s=0.1,
        overhead_s=0.1,
        first_token_s=None,
    )

    assert (given_again.request_id, given_again.decision_id) == ("r9", "d9")
    assert (given_again.cost_usd, given_again.cost_source) == (Decimal(0), "free")
    assert given_again.cached
    assert given_again.attempts == ()
    assert given_again.confidence is None
    assert (given_again.content, given_again.usage) == ("blue", Usage(3, 4))


@pytest.mark.parametrize(
    ("reused", "reason"),
    [
        (
            Reused(kind="joined", request_id="r1"),
            "joined the call of request r1, which asked the same and was under way",
        ),
        (
            Reused(kind="cached", request_id="r1", age_s=12.4),
            "from the cache: the answer of request r1, 12 s ago",
        ),
        (
            Reused(kind="repeated", request_id="r1"),
            "a repeat by its idempotency key: the answer of request r1",
        ),
    ],
)
def test_a_decision_that_asked_nobody_says_why(reused: Reused, reason: str) -> None:
    assert reuse.told_why(reused) == reason


@given(st.text(max_size=50), st.integers(1, 100))
def test_a_stream_told_again_is_the_whole_text(text: str, times: int) -> None:
    content = text * times
    told = list(reuse.deltas_of(replace(RESULT, content=content)))

    assert "".join(delta.content or "" for delta in told) == content
    assert all(len(d.content or "") <= reuse.PIECE_CHARS for d in told)


def test_everything_of_an_answer_is_told() -> None:
    whole = replace(RESULT, content="a", reasoning="r", refusal="no", tool_calls=CALL)
    told = list(reuse.deltas_of(whole))

    assert [d.model for d in told] == ["m", None, None, None]
    assert told[0] == Delta(reasoning="r", model="m")
    assert told[1:3] == [Delta(content="a"), Delta(refusal="no")]
    (piece,) = told[3].tool_calls
    assert (piece.index, piece.id, piece.name, piece.arguments) == (0, "c1", "f", "{}")


def test_an_answer_of_tool_calls_alone_names_its_model() -> None:
    only = replace(RESULT, content=None, finish_reason="tool_calls", tool_calls=CALL)
    refused = replace(RESULT, content=None, refusal="no")

    assert [d.model for d in reuse.deltas_of(only)] == ["m"]
    assert [d.model for d in reuse.deltas_of(refused)] == ["m"]
