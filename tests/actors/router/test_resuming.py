"""Streams that break when the caller has a part of them, in mode ``resume``."""

from collections.abc import Callable

import anyio
import pytest
from msgspec import structs
from msgspec.structs import replace

from actors.messages.chat import Delta
from actors.messages.routing import ErrorInfo, RouteResult
from actors.policy.attempts import RetryConfig
from actors.provider import ProviderSettings
from actors.provider.actor import Crash
from actors.router import RouterSettings
from tests.support.fake_transport import (
    USAGE,
    Answer,
    FakeTransport,
    completion,
    event,
    refusal,
    stream,
)
from tests.support.small_house import (
    MemoryKeeper,
    SmallHouse,
    provider,
    request,
    small_house,
)

TOLD = "The quick brown fox jumps over the lazy dog"
REST = " and then goes home to sleep until the morning."
BREAK = {"whole": False, "usage": False}
RESUME = RouterSettings(
    strategy="priority", stream_mode="resume", retry=RetryConfig(same_first=0)
)

Heard = tuple[RouteResult | ErrorInfo, str, list[Delta]]


def kinds(first: str, second: str, **given: object) -> dict[str, ProviderSettings]:
    return {
        "one": provider("one", kind=first, **given),
        "two": provider("two", kind=second, **given),
    }


def two(first: Answer, *second: Answer) -> dict[str, FakeTransport]:
    return {"one": FakeTransport(first), "two": FakeTransport(*second)}


async def heard(house: SmallHouse, **given: object) -> Heard:
    result, deltas, _ = await house.stream(**given)
    return result, "".join(d.content or "" for d in deltas), deltas


def outcomes(result: RouteResult | ErrorInfo) -> list[tuple[str, str, str]]:
    return [(a.provider, a.kind, a.outcome) for a in result.attempts]


def last_message(house: SmallHouse, name: str) -> dict[str, object]:
    messages = house.transports[name].bodies()[-1]["messages"]
    assert isinstance(messages, list)
    return dict(messages[-1])


async def test_another_goes_on_where_it_takes_the_beginning() -> None:
    transports = two(stream(TOLD[:20], TOLD[20:], **BREAK), stream(REST))
    kinds_ = kinds("compatible", "groq")
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        result, text, deltas = await heard(house)

        assert isinstance(result, RouteResult)
        assert text == result.content == TOLD + REST
        assert result.finish_reason == "stop"
        assert outcomes(result) == [
            ("one", "first", "bad_response"),
            ("two", "resume", "ok"),
        ]
        assert last_message(house, "two") == {"role": "assistant", "content": TOLD}
        assert [d.model for d in deltas if d.model] == ["gpt-4o-2024-08-06"] * 2
        first, second = house.spool.records[-1].attempts
        assert first.cost_source == "estimated"
        assert result.cost_usd == (first.cost_usd or 0) + (second.cost_usd or 0)
        told = first.usage.completion_tokens
        assert told is not None
        assert result.usage.completion_tokens == told + USAGE["completion_tokens"]


async def test_the_first_token_was_that_of_the_first_call() -> None:
    transports = two(stream(TOLD, gap_s=1.0, **BREAK), stream(REST, gap_s=5.0))
    kinds_ = kinds("compatible", "groq")
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        result, _, _ = await heard(house)

        assert isinstance(result, RouteResult)
        assert result.time_to_first_token_s == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("kind", "answer", "marks"),
    [
        ("mistral", TOLD + REST, {"prefix": True}),
        ("vllm", REST, {}),
        ("ollama", REST, {}),
    ],
)
async def test_each_server_in_its_own_way(
    kind: str, answer: str, marks: dict[str, object]
) -> None:
    transports = two(stream(TOLD, **BREAK), stream(answer[:30], answer[30:]))
    kinds_ = kinds("compatible", kind)
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        _, text, _ = await heard(house)

        assert text == TOLD + REST
        beginning = {"role": "assistant", "content": TOLD}
        assert last_message(house, "two") == beginning | marks
        body = house.transports["two"].bodies()[-1]
        assert body.get("continue_final_message") == (True if kind == "vllm" else None)


def anthropic(*texts: str) -> Answer:
    """A streamed answer of Claude's."""

    def line(kind: str, body: str) -> bytes:
        return f'event: {kind}\ndata: {{"type":"{kind}"{body}}}\n\n'.encode()

    words = [
        line(
            "content_block_delta",
            f',"index":0,"delta":{{"type":"text_delta","text":"{text}"}}',
        )
        for text in texts
    ]
    begin = (
        ',"message":{"id":"m","type":"message","role":"assistant","model":"claude",'
        '"content":[],"usage":{"input_tokens":5,"output_tokens":1}}'
    )
    block = ',"index":0,"content_block":{"type":"text","text":""}'
    end = ',"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}'
    lines = [
        line("message_start", begin),
        line("content_block_start", block),
        *words,
        line("content_block_stop", ',"index":0'),
        line("message_delta", end),
        line("message_stop", ""),
    ]
    return Answer([(0.0, each) for each in lines])


async def test_claude_goes_on_from_a_prefill_without_white_space_at_its_end() -> None:
    transports = two(stream(TOLD + " ", **BREAK), anthropic(REST))
    kinds_ = kinds("compatible", "anthropic")
    kinds_["two"] = provider("two", kind="anthropic", models=("claude-sonnet-4-5",))
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        result, text, _ = await heard(house)

        assert text == TOLD + REST
        assert isinstance(result, RouteResult)
        content = last_message(house, "two")["content"]
        assert content == [{"type": "text", "text": TOLD}]


async def test_a_model_known_to_take_no_beginning_is_asked_anew() -> None:
    transports = two(stream(TOLD, **BREAK), anthropic(TOLD + REST))
    kinds_ = kinds("compatible", "anthropic")
    kinds_["two"] = provider("two", kind="anthropic", models=("claude-sonnet-5-5",))
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        _, text, _ = await heard(house)

        assert text == TOLD + REST
        assert last_message(house, "two")["role"] == "user"


async def test_whoever_takes_a_beginning_is_asked_before_those_who_do_not() -> None:
    transports = two(stream(TOLD, **BREAK), stream("never asked")) | {
        "three": FakeTransport(stream(REST))
    }
    kinds_ = kinds("compatible", "compatible")
    kinds_["three"] = provider("three", kind="groq")
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        result, text, _ = await heard(house)

        assert text == TOLD + REST
        assert [a.provider for a in result.attempts] == ["one", "three"]


async def test_an_answer_anew_is_skipped_as_far_as_it_is_the_same() -> None:
    transports = two(stream(TOLD, **BREAK), stream(TOLD[:10], TOLD[10:] + REST))
    async with small_house(transports, settings=RESUME) as house:
        result, text, _ = await heard(house)

        assert isinstance(result, RouteResult)
        assert text == result.content == TOLD + REST
        assert last_message(house, "two")["role"] == "user"


async def test_a_different_answer_is_stopped_and_the_break_is_told() -> None:
    other = stream("Something", " else", gap_s=1.0)
    transports = two(stream(TOLD, **BREAK), other)
    kinds_ = kinds("compatible", "compatible")
    settings = RouterSettings(
        strategy="priority",
        stream_mode="resume",
        retry=RetryConfig(same_first=0, max_retries=0),
    )
    async with small_house(transports, settings=settings, providers=kinds_) as house:
        began = anyio.current_time()
        result, text, _ = await heard(house)

        assert isinstance(result, ErrorInfo)
        assert result.kind == "provider_error"
        assert result.provider == "one"
        assert "without a finish reason" in result.message
        assert text == TOLD
        assert anyio.current_time() - began == pytest.approx(2.0)  # at its first word
        assert transports["two"].open == 0
        assert outcomes(result) == [
            ("one", "first", "bad_response"),
            ("two", "resume", "bad_response"),
        ]
        assert "differs" in (house.spool.records[-1].attempts[1].message or "")
        assert house.snapshot("two").models[0].failures == 0  # no fault of its


async def test_a_refused_beginning_is_never_shown_and_asked_for_once() -> None:
    keeper = MemoryKeeper()
    no = refusal(400, "invalid_request_error")
    transports = two(stream(TOLD, **BREAK), no, stream(TOLD + REST))
    kinds_ = kinds("compatible", "groq")
    async with small_house(
        transports, settings=RESUME, providers=kinds_, keeper=keeper
    ) as house:
        result, text, _ = await heard(house)

        assert isinstance(result, RouteResult)
        assert text == TOLD + REST
        roles = [b["messages"][-1]["role"] for b in transports["two"].bodies()]  # type: ignore[index]  # a JSON body
        assert roles == ["assistant", "user"]
    transports = two(stream(TOLD, **BREAK), stream(TOLD + REST))
    async with small_house(
        transports, settings=RESUME, providers=kinds_, keeper=keeper
    ) as house:
        await heard(house)

        assert [m["role"] for m in [last_message(house, "two")]] == ["user"]


async def test_one_that_begins_anew_is_remembered_too() -> None:
    anew = stream(
        "The quick brown fox sleeps", " and sleeps and sleeps", " and dreams."
    )
    transports = two(stream(TOLD, **BREAK), anew)
    kinds_ = kinds("compatible", "groq")
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        result, text, _ = await heard(house)

        assert isinstance(result, ErrorInfo)
        assert text == TOLD
        await heard(house)
        assert last_message(house, "two")["role"] == "user"


async def test_it_goes_on_again_when_the_second_breaks_too() -> None:
    middle = REST + " It dreams of hens and geese, and of a farmer who sleeps."
    transports = two(stream(TOLD, **BREAK), stream(middle, **BREAK)) | {
        "three": FakeTransport(stream(" The end."))
    }
    kinds_ = kinds("compatible", "groq") | {"three": provider("three", kind="groq")}
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        result, text, _ = await heard(house)

        assert isinstance(result, RouteResult)
        assert text == result.content == TOLD + middle + " The end."
        assert last_message(house, "three")["content"] == TOLD + middle
        assert result.usage.completion_tokens == (
            sum(
                a.usage.completion_tokens or 0 for a in house.spool.records[-1].attempts
            )
        )


CALL: dict[str, object] = {
    "tool_calls": [
        {"index": 0, "id": "c", "type": "function", "function": {"name": "f"}}
    ]
}


@pytest.mark.parametrize("delta", [CALL, {"refusal": "I will"}])
async def test_a_tool_call_or_a_refusal_that_has_begun_is_not_gone_on_with(
    delta: dict[str, object],
) -> None:
    begun = Answer([(0.0, event({"content": "Let me "})), (0.0, event(delta))])
    transports = two(begun, stream("never"))
    kinds_ = kinds("compatible", "groq")
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        result, _, _ = await heard(house)

        assert isinstance(result, ErrorInfo)
        assert result.kind == "provider_error"
        assert transports["two"].calls == []


async def test_a_call_of_a_tool_may_follow_what_was_told() -> None:
    calling = Answer(
        [
            (0.0, event({"content": REST})),
            (0.0, event(CALL)),
            (0.0, event({}, "tool_calls")),
            (0.0, b"data: [DONE]\n\n"),
        ]
    )
    transports = two(stream(TOLD, **BREAK), calling)
    kinds_ = kinds("compatible", "groq")
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        result, text, deltas = await heard(house)

        assert isinstance(result, RouteResult)
        assert (text, result.finish_reason) == (TOLD + REST, "tool_calls")
        assert [c.name for c in result.tool_calls] == ["f"]
        assert any(d.tool_calls for d in deltas)


async def test_reasoning_is_not_gone_on_with_and_not_told_twice() -> None:
    thinking = Answer([(0.0, event({"reasoning_content": "Hm. "}))])
    second = stream("Yes.")
    pieces = [(0.0, event({"reasoning_content": "Aha. "})), *second.pieces]
    transports = two(thinking, Answer(pieces))
    async with small_house(transports, settings=RESUME) as house:
        result, text, deltas = await heard(house)

        assert isinstance(result, RouteResult)
        assert text == "Yes."
        assert [d.reasoning for d in deltas if d.reasoning] == ["Hm. "]
        assert result.reasoning == "Hm. "


async def test_a_refusal_in_place_of_going_on_does_not_fit() -> None:
    refusing = Answer(
        [
            (0.0, event({"refusal": "No."})),
            (0.0, event({}, "stop")),
            (0.0, b"data: [DONE]\n\n"),
        ]
    )
    transports = two(stream(TOLD, **BREAK), refusing)
    async with small_house(transports, settings=RESUME) as house:
        result, text, _ = await heard(house)

        assert isinstance(result, ErrorInfo)
        assert text == TOLD


async def test_a_provider_that_is_off_goes_on_with_nothing() -> None:
    transports = two(stream(TOLD, **BREAK), stream(REST))
    kinds_ = kinds("compatible", "groq", resume="off")
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        result, text, _ = await heard(house)

        assert isinstance(result, ErrorInfo)
        assert text == TOLD
        assert transports["two"].calls == []


async def test_restart_asks_for_no_beginning() -> None:
    transports = two(stream(TOLD, **BREAK), stream(TOLD + REST))
    kinds_ = kinds("compatible", "groq", resume="restart")
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        _, text, _ = await heard(house)

        assert text == TOLD + REST
        assert last_message(house, "two")["role"] == "user"


async def test_what_is_left_of_the_tokens_is_asked_for() -> None:
    transports = two(stream(TOLD, **BREAK), stream(REST))
    kinds_ = kinds("compatible", "groq")
    chat = request(prompt="x").chat
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        await heard(house, chat=replace(chat, max_tokens=100))

        body = transports["two"].bodies()[-1]
        assert body["max_tokens"] == 100 - len(TOLD) // 4


@pytest.mark.parametrize("mode", ["passthrough", "buffered"])
async def test_other_modes_go_on_with_nothing(mode: str) -> None:
    transports = two(stream(TOLD, **BREAK), stream("Anew."))
    kinds_ = kinds("compatible", "groq")
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        _, text, _ = await heard(house, stream_mode=mode)

        assert text == (TOLD if mode == "passthrough" else "Anew.")


async def test_a_request_without_a_stream_is_not_concerned() -> None:
    transports = two(completion("whole"), completion())
    async with small_house(transports, settings=RESUME) as house:
        assert (await house.answer()).content == "whole"


async def test_a_hedge_that_won_and_broke_is_gone_on_with() -> None:
    settings = structs.replace(RESUME, hedge=1.0)
    transports = two(stream("a", gap_s=0.5), stream("b", gap_s=0.5))
    kinds_ = kinds("compatible", "groq")
    async with small_house(transports, settings=settings, providers=kinds_) as house:
        for name in ("one", "two"):
            for _ in range(20):
                await heard(house, provider=name)
        role, said, *_ = stream("late").pieces
        transports["one"].answers = [Answer([role, (30.0, said[1])])]
        transports["two"].answers = [stream(TOLD, **BREAK), stream(REST)]
        result, text, _ = await heard(house)

        assert isinstance(result, RouteResult)
        assert text == result.content == TOLD + REST
        assert outcomes(result) == [
            ("one", "first", "cancelled"),
            ("two", "hedge", "bad_response"),
            ("two", "resume", "ok"),
        ]


def idle(house: SmallHouse) -> None:
    house.system.ref("one").tell(Crash())


def leave(house: SmallHouse) -> None:
    """Nothing: the idle timeout ends it."""


@pytest.mark.parametrize(
    ("happens", "outcome"), [(idle, "internal"), (leave, "timeout")]
)
async def test_crashes_and_silence_are_breaks_too(
    happens: Callable[[SmallHouse], None], outcome: str
) -> None:
    silent = Answer([(0.0, event({"content": TOLD}))], hangs=True)
    transports = two(silent, stream(REST))
    kinds_ = kinds("compatible", "groq")
    results: list[Heard] = []
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:

        async def listen() -> None:
            results.append(await heard(house))

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await anyio.sleep(1.0)
            happens(house)
        ((result, text, _),) = results

        assert text == TOLD + REST
        assert outcomes(result)[0] == ("one", "first", outcome)


async def test_the_deadline_is_the_deadline() -> None:
    transports = two(stream(TOLD, **BREAK), stream(REST, gap_s=30.0))
    kinds_ = kinds("compatible", "groq")
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        result, text, _ = await heard(house, deadline_s=5.0)

        assert isinstance(result, ErrorInfo)
        assert (result.kind, text) == ("deadline_exceeded", TOLD)


async def test_a_caller_that_leaves_while_another_goes_on_stops_it() -> None:
    hanging = Answer([(0.0, event({"content": " and"}))], hangs=True)
    transports = two(stream(TOLD, **BREAK), hanging)
    kinds_ = kinds("compatible", "groq")
    async with small_house(transports, settings=RESUME, providers=kinds_) as house:
        handle = house.router.route(request(stream=True), lambda _: None)
        results: list[RouteResult | ErrorInfo] = []
        handle.begin(results.append)
        await anyio.sleep(1.0)
        handle.cancel()
        await anyio.sleep(0.1)

        (result,) = results
        assert isinstance(result, ErrorInfo)
        assert result.kind == "cancelled"
        assert transports["two"].open == 0
        assert outcomes(result)[1] == ("two", "resume", "cancelled")


async def test_what_was_kept_and_cannot_be_read_is_left_aside() -> None:
    keeper = MemoryKeeper()
    keeper.kept["router-refused-prefixes"] = b"\xff"
    transports = two(completion("fine"), completion())
    async with small_house(transports, settings=RESUME, keeper=keeper) as house:
        assert (await house.answer()).content == "fine"
