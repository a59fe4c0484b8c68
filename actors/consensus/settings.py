"""What the consensus actor is told."""

from msgspec import Struct

from actors.messages.consensus import ConsensusMethod

MAX_MEMBERS = 12
WRITING_SHARE = 0.4
"""Part of a round's time and money kept for a judge or a chair."""


class ConsensusSettings(Struct, frozen=True, kw_only=True):
    """``[consensus]``: defaults of a round.

    ``members`` empty means the default model of every provider. ``quorum`` is how many
    must have answered. ``priors`` are accuracies in [0, 1] by member, where they are
    known better than from labels. ``replace``: whether somebody else is asked in place
    of a member that failed; ``None`` means unless the members were named.
    ``embeddings`` is the model by which texts are compared that no other rule put
    together, ``embeddings_threshold`` the least cosine of two that are one answer.
    """

    method: ConsensusMethod = "auto"
    members: tuple[str, ...] = ()
    quorum: int = 2
    judge: str | None = None
    deadline_s: float = 120.0
    priors: dict[str, float] = {}
    replace: bool | None = None
    embeddings: str | None = None
    embeddings_threshold: float = 1.0
