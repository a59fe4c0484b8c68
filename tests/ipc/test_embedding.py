"""Texts in and vectors out, as every door has them."""

import struct
from base64 import b64decode
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.chat import EmbedAsk
from actors.messages.routing import RouteRequest
from ipc.embedding import (
    EmbedParams,
    base64_of,
    embed_chat,
    embed_reply,
    embed_request,
    floats_of,
)
from ipc.params import read_params
from tests.support.fake_service import route_result


def request(**params: Any) -> RouteRequest:
    given = {"input": "x", "model": "m", **params}
    return embed_request(
        read_params(EmbedParams, given), request_id="r1", user="ada", door="json"
    )


def refused(**params: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        request(**params)
    return caught.value


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("one", ("one",)),
        (["one", "two"], ("one", "two")),
        ([1, 2], ((1, 2),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
        (["one", [3]], ("one", (3,))),
    ],
)
def test_texts_and_tokens_are_taken(given: Any, inputs: Any) -> None:
    assert request(input=given).chat.embed == EmbedAsk(inputs=inputs)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": {}}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", 7]}, "input[1]"),
        ({"input": [[]]}, "input[0]"),
        ({"input": [1, "a"]}, "input[1]"),
        ({"input": [[1, -1]]}, "input[0][1]"),
        ({"input": [True]}, "input[0]"),
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": "consensus:quorum"}, "model"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "8"}, "dimensions"),
        ({"strategy": "luck"}, "strategy"),
        ({"budget_usd": -1}, "budget_usd"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"metadata": []}, "metadata"),
    ],
)
def test_what_is_wrong_is_named(params: dict[str, Any], field: str) -> None:
    assert refused(**params).field == field


def test_everything_else_is_as_in_route() -> None:
    asked = request(
        dimensions=8,
        user="u",
        provider="openai",
        strategy="cost",
        task_type="search",
        deadline_s=2,
        budget_usd="0.01",
        priority="low",
        cache=True,
        idempotency_key="k",
        metadata={"a": 1},
    )

    assert asked == RouteRequest(
        request_id="r1",
        chat=asked.chat,
        model="m",
        provider="openai",
        strategy="cost",
        task_type="search",
        deadline_s=2.0,
        budget_usd=Decimal("0.01"),
        priority="low",
        metadata={"a": 1},
        user="ada",
        door="json",
        cache="on",
        idempotency_key="k",
    )
    assert asked.chat.user == "u"
    assert asked.chat.embed == EmbedAsk(inputs=("x",), dimensions=8)
    assert not asked.stream


def test_fields_that_are_not_known_go_through() -> None:
    chat = embed_chat(
        {"input": "x", "model": "m", "truncate": True, "none": None, "user": None}
    )
    assert chat.extra == {"truncate": True}


def test_packing_is_asked_for_by_name() -> None:
    chat = embed_chat({"input": "x", "encoding_format": "base64"})

    assert chat.embed is not None
    assert chat.embed.base64
    with pytest.raises(InvalidRequest, match="float, base64"):
        embed_chat({"input": "x", "encoding_format": "int8"})


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32)))
def test_a_vector_is_written_without_loss(values: list[float]) -> None:
    vector = struct.pack(f"<{len(values)}d", *values)
    packed = b64decode(base64_of(vector))

    assert floats_of(vector) == tuple(values)
    assert struct.unpack(f"<{len(values)}f", packed) == tuple(values)


def test_a_reply_has_the_vectors_and_who_gave_them() -> None:
    result = replace(route_result(), vectors=(struct.pack("<2d", 0.5, 1.0),))
    reply = embed_reply(result)

    assert reply.embeddings == ((0.5, 1.0),)
    assert (reply.provider, reply.cost_usd) == ("openai", result.cost_usd)
