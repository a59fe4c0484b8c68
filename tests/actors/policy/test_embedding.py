"""Who may be asked for vectors."""

from collections.abc import Callable

import pytest

from actors.errors import InvalidRequest
from actors.messages.routing import Target
from actors.policy.embedding import check_chat, check_embedding
from actors.policy.naming import Resolution


def named(*models: str, named: bool = True) -> Resolution:
    first, *others = (Target(f"p{n}", model) for n, model in enumerate(models))
    return Resolution(targets=(first,), others=tuple(others), named=named)


def known(answer: bool | None) -> Callable[[Target], bool | None]:
    return lambda _: answer


@pytest.mark.parametrize("embeds", [True, None])
def test_one_model_at_several_providers_will_do(embeds: bool | None) -> None:
    check_embedding("m", named("m", "m", "m"), known(embeds))


@pytest.mark.parametrize(
    ("resolution", "words"),
    [
        (named("m", named=False), "must be named"),
        (named("m", "n"), "means several: m, n"),
    ],
)
def test_vectors_of_different_models_are_not_mixed(
    resolution: Resolution, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        check_embedding("alias", resolution, known(None))

    assert caught.value.field == "model"


def test_no_model_at_all_is_said_so() -> None:
    with pytest.raises(InvalidRequest, match="no model leaves it open"):
        check_embedding(None, named("m", named=False), known(None))


def test_a_model_that_is_known_to_give_none_is_not_asked() -> None:
    with pytest.raises(InvalidRequest, match="gpt-4o gives no vectors"):
        check_embedding("gpt-4o", named("gpt-4o"), known(False))

    check_embedding(
        "m", named("m", "m"), lambda target: None if target.provider == "p1" else False
    )


def test_a_model_that_gives_vectors_only_is_not_asked_for_answers() -> None:
    with pytest.raises(InvalidRequest, match="text-e gives vectors and no") as caught:
        check_chat("text-e", named("text-e", "text-e"), known(True))

    assert (caught.value.field, caught.value.got) == ("model", "text-e")


def test_a_provider_whose_default_gives_vectors_is_named_without_a_model() -> None:
    with pytest.raises(InvalidRequest, match="no model gives vectors"):
        check_chat(None, named("text-e"), known(True))


@pytest.mark.parametrize(
    ("resolution", "embeds"),
    [
        (named("m"), False),
        (named("m"), None),
        (named("m", named=False), True),
    ],
)
def test_whoever_may_answer_is_asked(
    resolution: Resolution, embeds: bool | None
) -> None:
    check_chat("m", resolution, known(embeds))
