"""Why a request went where it went: what ``explain`` is asked and answers."""

from typing import Self

from msgspec import Struct

from actors.messages.routing import Decision, RequestRecord
from ipc import fields


class ExplainParams(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the three: the id of a decision, of a request, or of either.

    ``all``: every candidate, not only the best eight that are in the record.
    """

    decision_id: str | None = None
    request_id: str | None = None
    id: str | None = None
    all: bool = False

    def __post_init__(self) -> None:
        fields.name(self.any_id, "decision_id")

    @property
    def any_id(self) -> str:
        return self.decision_id or self.request_id or self.id or ""


class Explanation(RequestRecord, frozen=True, gc=False, kw_only=True):
    """The record of a request.

    ``recomputed`` says that the decision was made again from the figures it saw, came
    out the same to the last figure, and that its ``candidates`` and ``excluded`` are
    everybody. ``not_recomputed`` is why that was asked for and could not be; they are as
    they were recorded then. ``part_of`` is the decision of the round of consensus that
    asked for it; ``part_of_lost`` is why that is not known, though there was one.
    """

    recomputed: bool = False
    not_recomputed: str | None = None
    part_of: str | None = None
    part_of_lost: str | None = None

    @classmethod
    def of(
        cls,
        record: RequestRecord,
        decision: Decision | None = None,
        *,
        not_recomputed: str | None = None,
    ) -> Self:
        """The record as it is, or with the decision as it was made again."""
        recorded = {name: getattr(record, name) for name in record.__struct_fields__}
        if decision is not None:
            recorded |= {"decision": decision}
        return cls(
            **recorded,
            recomputed=decision is not None,
            not_recomputed=not_recomputed,
        )
