"""Real traffic of every other chat server decodes to what it says, however it is cut.

What is expected is read from the raw JSON by ``tests.support.recorded``, in other words
than the dialect's.
"""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from actors.errors import FailureClass, ProviderError
from actors.messages.chat import Completion, Delta
from actors.wire.base import Dialect, ResponseHead
from actors.wire.catalogue import dialect_for
from actors.wire.presets import PRESETS
from tests.support.recorded import (
    Exchange,
    Said,
    SaidUsage,
    body_of,
    exchanges,
    headers_of,
    said_in,
    status_of,
    streamed,
)

CUT_IN_TWO_UP_TO = 5000  # bytes: longer streams are cut at every byte, many at a time
COMB_BYTES = 101

ERRORS: dict[str, FailureClass] = {
    "azure-chat-error-429-d99316": "rate_limit",
    "deepseek-chat-error-400-76d073": "context_too_long",
    "deepseek-chat-error-401-90325d": "auth",
    "groq-chat-error-400-edbfb1": "bad_request",
    "mistral-chat-error-401-d9c156": "auth",
    "ollama-chat-error-401-162e8c": "auth",
    "openrouter-chat-error-400-afe1dc": "context_too_long",
    "openrouter-chat-error-401-1f66a3": "auth",
    "perplexity-chat-error-400-1f9f4e": "context_too_long",
    "perplexity-chat-error-401-c132fc": "auth",
}


@pytest.fixture(scope="module")
def chats(recorded_exchanges: Path) -> list[Exchange]:
    return exchanges(recorded_exchanges, providers=PRESETS)


def answers(chats: list[Exchange], *, stream: bool) -> list[Exchange]:
    return [
        row
        for row in chats
        if status_of(row) == 200
        and streamed(row) is stream
        and row["kind"] != "stream_error"
    ]


def head_of(row: Exchange) -> ResponseHead:
    return ResponseHead(status_of(row), headers_of(row))


def decoded(completion: Completion) -> Said:
    usage = completion.usage
    return Said(
        content=completion.content or "",
        reasoning=completion.reasoning or "",
        refusal=completion.refusal or "",
        calls=[(c.id, c.name, c.arguments) for c in completion.tool_calls],
        finish=completion.finish_reason,
        model=completion.model,
        id=completion.response_id,
        tier=completion.service_tier,
        usage=SaidUsage(
            prompt=usage.prompt_tokens,
            completion=usage.completion_tokens,
            total=usage.total_tokens,
            reasoning=usage.reasoning_tokens,
            cached=usage.cached_tokens,
            written=usage.cache_write_tokens,
            cost=usage.reported_cost_usd,
        ),
    )


def replay(
    dialect: Dialect, head: ResponseHead, pieces: list[bytes]
) -> tuple[list[Delta], Completion]:
    decoder = dialect.stream_decoder(head)
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    return deltas, decoder.finish()


def joined(deltas: list[Delta]) -> Said:
    """What a caller who appends deltas ends up with."""
    calls: dict[int, list[str]] = {}
    for piece in (piece for delta in deltas for piece in delta.tool_calls):
        call = calls.setdefault(piece.index, ["", "", ""])
        call[0] += piece.id or ""
        call[1] += piece.name or ""
        call[2] += piece.arguments
    return Said(
        content="".join(delta.content or "" for delta in deltas),
        reasoning="".join(delta.reasoning or "" for delta in deltas),
        refusal="".join(delta.refusal or "" for delta in deltas),
        calls=[(c[0], c[1], c[2] or "{}") for _, c in sorted(calls.items())],
    )


def test_every_preset_with_recordings_has_some_here(chats: list[Exchange]) -> None:
    assert {row["provider"] for row in chats} == set(PRESETS) - {"vllm"}


def test_plain_answers_say_what_they_say(chats: list[Exchange]) -> None:
    for row in answers(chats, stream=False):
        completion = dialect_for(row["provider"]).decode_chat(
            head_of(row), body_of(row)
        )
        said = said_in(row)
        if row["provider"] == "gemini":  # calls come without ids
            assert [call[0] for call in said.calls] == [""]
            assert completion.tool_calls[0].id
            said.calls = [(completion.tool_calls[0].id, *said.calls[0][1:])]

        assert decoded(completion) == said, row["id"]


def test_streams_say_what_they_say(chats: list[Exchange]) -> None:
    for row in answers(chats, stream=True):
        dialect = dialect_for(row["provider"])
        deltas, completion = replay(dialect, head_of(row), [body_of(row)])
        said = said_in(row)

        assert decoded(completion) == said, row["id"]
        appended = joined(deltas)
        for name in ("content", "reasoning", "refusal", "calls"):
            assert getattr(appended, name) == getattr(said, name), (row["id"], name)


@pytest.mark.slow
def test_streams_cut_in_two_anywhere_say_the_same(chats: list[Exchange]) -> None:
    for row in answers(chats, stream=True):
        dialect, head, body = dialect_for(row["provider"]), head_of(row), body_of(row)
        if len(body) > CUT_IN_TWO_UP_TO:
            continue
        expected = replay(dialect, head, [body])

        for cut in range(len(body) + 1):
            assert replay(dialect, head, [body[:cut], body[cut:]]) == expected, cut


@pytest.mark.slow
def test_streams_cut_at_every_byte_say_the_same(chats: list[Exchange]) -> None:
    """Chunks of one length, begun at every offset: each byte boundary is cut once."""
    for row in answers(chats, stream=True):
        dialect, head, body = dialect_for(row["provider"]), head_of(row), body_of(row)
        expected = replay(dialect, head, [body])

        for offset in range(COMB_BYTES):
            cuts = [0, *range(offset, len(body), COMB_BYTES), len(body)]
            pieces = [body[a:b] for a, b in pairwise(cuts)]
            assert replay(dialect, head, pieces) == expected, (row["id"], offset)


@pytest.mark.slow
def test_streams_byte_by_byte_say_the_same(chats: list[Exchange]) -> None:
    for row in answers(chats, stream=True):
        dialect, head, body = dialect_for(row["provider"]), head_of(row), body_of(row)
        single = [bytes([byte]) for byte in body]

        assert replay(dialect, head, single) == replay(dialect, head, [body]), row["id"]


def test_streams_that_end_early_are_never_whole(chats: list[Exchange]) -> None:
    for row in answers(chats, stream=True):
        before = body_of(row).split(b'"finish_reason":"')[0]
        decoder = dialect_for(row["provider"]).stream_decoder(head_of(row))
        decoder.feed(before)

        with pytest.raises(ProviderError, match=r"without a finish|cannot be decoded"):
            decoder.finish()


def test_errors_have_their_class(chats: list[Exchange]) -> None:
    found: dict[str, FailureClass] = {}
    for row in chats:
        if status_of(row) >= 400:
            failure = dialect_for(row["provider"]).decode_error(
                head_of(row), body_of(row), 0.0
            )
            found[row["id"]] = failure.failure
            assert failure.status == status_of(row)
            assert failure.code != "None"

    assert found == ERRORS


def test_errors_inside_streams_end_them_wherever_they_are_cut(
    chats: list[Exchange],
) -> None:
    rows = [row for row in chats if row["kind"] == "stream_error"]
    assert len(rows) == 3
    for row in rows:
        dialect, head, body = dialect_for(row["provider"]), head_of(row), body_of(row)
        error = body.rindex(b'"error":')

        for cut in range(error - 50, len(body), 7):
            with pytest.raises(ProviderError) as raised:
                replay(dialect, head, [body[:cut], body[cut:]])
            assert raised.value.failure == "bad_request"
            assert raised.value.status == 400


def test_models_lists_name_every_model(recorded_exchanges: Path) -> None:
    rows = exchanges(recorded_exchanges, endpoint="models")
    assert rows
    for row in rows:
        models = dialect_for(row["provider"]).decode_models(head_of(row), body_of(row))
        listed = msgspec.json.decode(body_of(row))["data"]

        assert [model.id for model in models] == [entry["id"] for entry in listed]
