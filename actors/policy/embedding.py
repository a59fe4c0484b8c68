"""Who may be asked for vectors, and who for nothing else.

Vectors of different models cannot be compared.

So a model must be named, and whoever stands in for its provider serves the same one.
"""

from collections.abc import Callable

from actors.errors import InvalidRequest
from actors.messages.routing import Target
from actors.policy.naming import Resolution

WANTED = "the name of one embeddings model, or an alias of it at several providers"


def check_embedding(
    wanted: str | None, resolution: Resolution, embeds: Callable[[Target], bool | None]
) -> None:
    """See that a name means one model, wherever it is served, that gives vectors.

    Args:
        wanted: What the caller wrote.
        resolution: What it means.
        embeds: Whether a model gives vectors; ``None`` where nobody knows.

    Raises:
        InvalidRequest: It leaves the model open, means several, or one that gives none.
    """
    shown = wanted or "no model"
    if not resolution.named:
        raise InvalidRequest(
            "vectors of different models cannot be compared, so a model for embeddings "
            f"must be named; {shown} leaves it open",
            field="model",
            got=shown,
            wanted=WANTED,
        )
    targets = (*resolution.targets, *resolution.others)
    models = {each.model for each in targets}
    if len(models) > 1:
        names = ", ".join(sorted(models))
        raise InvalidRequest(
            "vectors of different models cannot be compared, and "
            f"{shown} means several: {names}",
            field="model",
            got=shown,
            wanted=WANTED,
        )
    if all(embeds(each) is False for each in targets):
        raise InvalidRequest(
            f"{shown} gives no vectors", field="model", got=shown, wanted=WANTED
        )


def check_chat(
    wanted: str | None, resolution: Resolution, embeds: Callable[[Target], bool | None]
) -> None:
    """See that a name for a chat is not of models that give vectors and no answers.

    Args:
        wanted: What the caller wrote.
        resolution: What it means.
        embeds: Whether a model gives vectors; ``None`` where nobody knows.

    Raises:
        InvalidRequest: All that it means give vectors only.
    """
    targets = (*resolution.targets, *resolution.others)
    if resolution.named and all(embeds(each) is True for each in targets):
        shown = wanted or "no model"
        raise InvalidRequest(
            f"{shown} gives vectors and no answers: its place is /v1/embeddings",
            field="model",
            got=shown,
            wanted="the name of a model that answers",
        )
