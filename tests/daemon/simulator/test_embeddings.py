"""The pretend provider's vectors."""

import struct
from base64 import b64decode
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from daemon.simulator import default_behaviour
from daemon.simulator.answer import Refusal
from daemon.simulator.embeddings import parse, vector, whole
from daemon.simulator.openai_body import parse_chat

BEHAVIOUR = default_behaviour("openai", ["nomic-embed-text"])
MODEL = "text-embedding-3-small"


def asked(**given: Any) -> bytes:
    return msgspec.json.encode({"model": MODEL, "input": "hello", **given})


def cosine(one: str, other: str) -> float:
    pairs = zip(vector(one, 256), vector(other, 256), strict=True)
    return sum(a * b for a, b in pairs)


def test_the_same_text_lies_in_the_same_place_and_has_length_one() -> None:
    assert vector("hello there", 64) == vector("Hello there!", 64)
    assert cosine("hello there", "hello there") == pytest.approx(1.0, abs=1e-6)
    assert len(vector("", 8)) == 8


def test_words_in_common_bring_texts_closer() -> None:
    near = cosine("the sky is blue", "the sky is green")
    far = cosine("the sky is blue", "quarterly earnings rose")

    assert near > 0.5 > abs(far)


def test_packed_and_written_out_it_is_the_same() -> None:
    numbers: Any = whole(parse(BEHAVIOUR, asked(dimensions=4)))
    packed: Any = whole(parse(BEHAVIOUR, asked(dimensions=4, encoding_format="base64")))
    raw = b64decode(packed["data"][0]["embedding"])

    assert struct.unpack("<4f", raw) == numbers["data"][0]["embedding"]
    assert numbers["usage"] == {"prompt_tokens": 2, "total_tokens": 2}


def test_what_is_billed_is_the_prompt() -> None:
    wanted = parse(BEHAVIOUR, asked(input=["x" * 40, "y" * 40]))

    assert (wanted.prompt_tokens, wanted.dimensions) == (20, 1536)
    assert wanted.cost_usd == Decimal("0.02") * 20 / 1_000_000
    assert parse(BEHAVIOUR, asked(input=[[1, 2], [3]])).prompt_tokens == 3


def test_a_configured_model_embeds_by_its_name() -> None:
    assert parse(BEHAVIOUR, asked(model="nomic-embed-text")).dimensions == 1024


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"model": "no-such"}, 404),
        ({"model": "gpt-4o"}, 403),
        ({"input": ""}, 400),
        ({"input": []}, 400),
        ({"input": [[]]}, 400),
        ({"input": ["a", ""]}, 400),
        ({"input": "x" * 40_000}, 400),
        ({"input": ["a"] * 2049}, 400),
        ({"dimensions": 0}, 400),
        ({"dimensions": 1537}, 400),
        ({"encoding_format": "int8"}, 400),
        ({"nonsense": 1}, 400),
    ],
)
def test_what_the_real_one_refuses_is_refused(
    given: dict[str, Any], status: int
) -> None:
    with pytest.raises(Refusal) as caught:
        parse(BEHAVIOUR, asked(**given))

    assert caught.value.status == status


def test_an_embeddings_model_does_not_chat() -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
    with pytest.raises(Refusal, match="not a chat model"):
        parse_chat(BEHAVIOUR, msgspec.json.encode(body))
