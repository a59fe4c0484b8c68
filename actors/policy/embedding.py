"""Who may be asked for vectors: vectors of different models cannot be compared.

So a model must be named, and whoever stands in for its provider serves the same one.
"""

from actors.errors import InvalidRequest
from actors.policy.naming import Resolution

WANTED = "the name of one embeddings model, or an alias of it at several providers"


def check_one_model(wanted: str | None, resolution: Resolution) -> None:
    """See that a name means one model, wherever it is served.

    Args:
        wanted: What the caller wrote.
        resolution: What it means.

    Raises:
        InvalidRequest: It leaves the model open, or means several.
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
    models = {each.model for each in (*resolution.targets, *resolution.others)}
    if len(models) > 1:
        names = ", ".join(sorted(models))
        raise InvalidRequest(
            "vectors of different models cannot be compared, and "
            f"{shown} means several: {names}",
            field="model",
            got=shown,
            wanted=WANTED,
        )
