"""Where a conversation's prompt is cached, and how much of it that is likely to be.

Providers keep the beginning of a prompt for some minutes and charge less for it when it
comes again. A conversation is known by a hash of its leading messages, up to the first
one of its user; it is at home where it was answered last, until the provider's cache has
probably let go of it.

How much is cached is what the prompt before was long, times the share that this model
has really reported as cached (``usage.cached_tokens``) when a conversation came back to
it. A model that has reported nothing yet is credited with nothing.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import NamedTuple

from actors.messages.chat import ChatRequest, Message, TextPart, Usage
from actors.messages.routing import Target
from actors.policy.rank_input import Cached

MIN_TOKENS = 1024
"""Shorter prompts are cached nowhere (OpenAI and Anthropic; Anthropic's small models
want more)."""

LIFETIME_S = {"openai": 300.0, "anthropic": 300.0}
"""Seconds without use, by kind of provider: OpenAI says 5 to 10 minutes, Anthropic 5,
begun anew with each use."""

DEFAULT_LIFETIME_S = 300.0
KEPT_CONVERSATIONS = 4096
KEPT_MODELS = 512

_GAIN = 0.2
_HASHED_CHARS = 8192  # of each message; what is longer differs in its length, mostly


class _Home(NamedTuple):
    target: Target
    tokens: int
    until: float


def conversation_key(request: ChatRequest) -> bytes:
    """The same for every turn of a conversation; stable over restarts."""
    digest = blake2b(digest_size=12)
    for message in request.messages:
        text = _text(message)
        head = f"{message.role}:{len(text)}:{text[:_HASHED_CHARS]}\0"
        digest.update(head.encode("utf-8", "surrogatepass"))
        if message.role == "user":
            break
    return digest.digest()


def _text(message: Message) -> str:
    content = message.content
    if content is None or isinstance(content, str):
        return content or ""
    return "\0".join(part.text for part in content if isinstance(part, TextPart))


class Conversations:
    """Where conversations are at home; the ones used last are remembered."""

    __slots__ = ("_homes", "_shares")

    def __init__(self) -> None:
        self._homes: OrderedDict[bytes, _Home] = OrderedDict()
        self._shares: OrderedDict[Target, float] = OrderedDict()

    def home(self, key: bytes, now: float) -> Cached | None:
        """Where this conversation is cached, if it still is."""
        home = self._homes.get(key)
        if home is None or now >= home.until:
            return None
        share = self._shares.get(home.target, 0.0)
        return Cached(home.target, round(home.tokens * share))

    def answered(
        self, key: bytes, target: Target, kind: str, usage: Usage, now: float
    ) -> None:
        """The conversation was answered there, with this usage."""
        prompt = usage.prompt_tokens
        if prompt is None or prompt < MIN_TOKENS:
            return
        before = self._homes.pop(key, None)
        if before is not None and before.target == target and now < before.until:
            self._learn(target, usage.cached_tokens, min(before.tokens, prompt))
        until = now + LIFETIME_S.get(kind, DEFAULT_LIFETIME_S)
        self._homes[key] = _Home(target, prompt, until)
        if len(self._homes) > KEPT_CONVERSATIONS:
            self._homes.popitem(last=False)

    def _learn(self, target: Target, reported: int | None, possible: int) -> None:
        if reported is None:
            return
        share = min(1.0, reported / possible)
        known = self._shares.pop(target, share)
        self._shares[target] = known + _GAIN * (share - known)
        if len(self._shares) > KEPT_MODELS:
            self._shares.popitem(last=False)
