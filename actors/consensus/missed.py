"""What a round ends as when too few have answered."""

from collections.abc import Mapping, Sequence
from typing import Final

from actors.consensus.members import Asked
from actors.errors import (
    BudgetExceeded,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    ErrorKind,
    GitBridgeError,
    NoProvider,
    Overloaded,
    ProviderError,
    ProviderRateLimited,
    RequestRejected,
    UnknownModel,
)
from actors.messages.routing import ErrorInfo

_SHARED: Final[Mapping[ErrorKind, type[GitBridgeError]]] = {
    each.kind: each
    for each in (
        ContentFiltered,
        ContextTooLong,
        NoProvider,
        Overloaded,
        ProviderRateLimited,
        RequestRejected,
        UnknownModel,
    )
}


def no_quorum(asked: Sequence[Asked], quorum: int) -> GitBridgeError:
    """Whose fault it is: the caller's, where it was time or money that ran out.

    Where nobody at all answered and all of them say why in the same word, that word is
    the round's.
    """
    answered = sum(each.answered is not None for each in asked)
    text = f"{answered} of {len(asked)} members answered, the quorum is {quorum}"
    failed = [each.reply for each in asked if isinstance(each.reply, ErrorInfo)]
    kinds = {each.kind for each in failed}
    if any(each.reply is None for each in asked) or kinds == {"deadline_exceeded"}:
        return DeadlineExceeded(f"the deadline passed: {text}")
    if kinds == {"budget_exceeded"}:
        return BudgetExceeded(f"{text}: {_reasons(asked)}")
    if answered or len(failed) < len(asked) or len(kinds) != 1:
        return ProviderError(text)
    shared = _SHARED.get(failed[0].kind, ProviderError)
    waits = [each.retry_after_s for each in failed if each.retry_after_s is not None]
    return shared(
        f"{text}: {failed[0].message}", retry_after_s=min(waits, default=None)
    )


def _reasons(asked: Sequence[Asked]) -> str:
    """Of each member why it was refused; the same words only once."""
    members: dict[str, list[str]] = {}
    for each in asked:
        if isinstance(each.reply, ErrorInfo):
            members.setdefault(each.reply.message, []).append(each.member)
    return "; ".join(
        why if who[0] in why else f"{', '.join(who)}: {why}"
        for why, who in members.items()
    )
