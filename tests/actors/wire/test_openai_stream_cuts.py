"""How a stream is cut into chunks changes nothing, whatever is in it."""

from typing import Any

from hypothesis import given, settings, strategies as st

from actors.errors import ProviderError
from actors.messages.chat import Completion
from tests.support.chat_stream import TEXT_STREAM, chunk, event, run


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
                    *("choices", "delta", "content", "tool_calls", "function", "id"),
                    *("name", "arguments", "finish_reason", "usage", "error", "index"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
_EVENTS = st.lists(
    st.sampled_from([*TEXT_STREAM, chunk(error={"code": 502}), event({}, b"error")])
    | _VALUE.map(event)
    | _VALUE.map(chunk)
    | st.binary(max_size=20),
    max_size=8,
)


def outcome_of(*pieces: bytes) -> Completion | type[ProviderError]:
    try:
        return run(*pieces)[1]
    except ProviderError as error:
        return type(error)


@given(_EVENTS.map(b"".join), st.data())
@settings(max_examples=100)
def test_arbitrary_streams_raise_only_provider_errors_however_cut(
    stream: bytes, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(stream)))

    assert outcome_of(stream[:cut], stream[cut:]) == outcome_of(stream)
