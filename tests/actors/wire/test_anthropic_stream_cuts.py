"""How a stream is cut into chunks changes nothing, whatever is in it."""

from typing import Any

from hypothesis import given, settings, strategies as st

from actors.errors import ProviderError
from actors.messages.chat import Completion
from actors.wire.anthropic_names import ANSWER_TOOL
from tests.support.message_stream import (
    TEXT_STREAM,
    end,
    event,
    message_start,
    piece,
    run,
    start,
    stop,
)


def test_every_cut_in_two_gives_the_same() -> None:
    stream = b"".join(TEXT_STREAM)
    expected = run(stream)

    for cut in range(len(stream) + 1):
        assert run(stream[:cut], stream[cut:]) == expected


def test_byte_by_byte_gives_the_same() -> None:
    stream = b"".join(TEXT_STREAM)

    assert run(*(bytes([byte]) for byte in stream)) == run(stream)


_VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("type", "index", "delta", "content_block", "message", "usage"),
                    *("error", "text", "partial_json", "input", "name", "id"),
                    *("stop_reason", "output_tokens", "stop_details"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
_KINDS = st.sampled_from(
    [
        *("message_start", "content_block_start", "content_block_delta"),
        *("content_block_stop", "message_delta", "message_stop", "error", "ping"),
    ]
)
_MEMBERS = st.dictionaries(
    st.sampled_from(["index", "delta", "content_block", "message", "usage"]),
    _VALUE,
    max_size=4,
)
_EVENTS = st.lists(
    st.sampled_from(
        [
            *TEXT_STREAM,
            message_start(),
            start(0, "tool_use", id="t", name=ANSWER_TOOL, input={}),
            start(1, "tool_use", id="t", name="f", input={"a": 1}),
            piece(0, "input_json_delta", partial_json="{}"),
            piece(1, "input_json_delta", partial_json="{}"),
            stop(0),
            end(),
        ]
    )
    | st.builds(lambda kind, members: event(kind, **members), _KINDS, _MEMBERS)
    | st.binary(max_size=20),
    max_size=8,
)


def outcome_of(*pieces: bytes) -> Completion | type[ProviderError]:
    try:
        return run(*pieces)[1]
    except ProviderError as error:
        return type(error)


@given(_EVENTS.map(b"".join), st.data())
@settings(max_examples=150)
def test_arbitrary_streams_raise_only_provider_errors_however_cut(
    stream: bytes, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(stream)))

    assert outcome_of(stream[:cut], stream[cut:]) == outcome_of(stream)
