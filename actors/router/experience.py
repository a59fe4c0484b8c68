"""What answers have taught: how long they are, and where conversations are cached."""

from collections.abc import Mapping

from actors.messages.provider import Outcome, ProviderRef
from actors.messages.routing import RouteRequest, Target
from actors.policy.affinity import MIN_TOKENS, Conversations, conversation_key
from actors.policy.lengths import OutputLengths
from actors.policy.measures import target_of
from actors.policy.rank_input import Cached


class Experience:
    """Learns from each answer, and is asked before each ranking.

    Args:
        providers: To know of what kind one is.
    """

    def __init__(self, providers: Mapping[str, ProviderRef]) -> None:
        self._providers = providers
        self._lengths = OutputLengths()
        self._conversations = Conversations()

    def lengths(
        self, request: RouteRequest, at_most: int | None
    ) -> tuple[int, Mapping[Target, int]]:
        """Output tokens to expect of anybody, and of those known apart."""
        if request.chat.embed is not None:
            return 0, {}
        return self._lengths.expected(request.task_type, at_most)

    def cached(
        self, request: RouteRequest, prompt_tokens: int, now: float
    ) -> Cached | None:
        """Where the request's conversation is cached, if it is long enough to be."""
        if prompt_tokens < MIN_TOKENS or request.chat.embed is not None:
            return None
        return self._conversations.home(conversation_key(request.chat), now)

    def answered(self, request: RouteRequest, outcome: Outcome, now: float) -> None:
        """This outcome was the request's answer."""
        if outcome.completion is None or request.chat.embed is not None:
            return
        target = target_of(outcome.provider, outcome.model)
        usage = outcome.completion.usage  # what the provider said, nothing estimated
        if usage.completion_tokens is not None:
            self._lengths.learn(request.task_type, target, usage.completion_tokens)
        if (usage.prompt_tokens or 0) < MIN_TOKENS:
            return
        provider = self._providers.get(outcome.provider)
        if provider is not None:
            kind = provider.snapshot().kind
            key = conversation_key(request.chat)
            self._conversations.answered(key, target, kind, usage, now)
