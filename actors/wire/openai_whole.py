"""A whole JSON answer where a stream was asked for.

Some servers ignore ``stream`` for some models or answers, and some send their error so.
"""

from actors.errors import ProviderResponseError
from actors.messages.chat import Completion, Delta, ToolCallDelta
from actors.wire.openai_response import decode_completion
from actors.wire.openai_usage import UsagePolicy
from actors.wire.tolerant import ANY

_TRIES = 8  # looking whether it is whole costs a reading of everything


class WholeAnswer:
    """Collects one JSON document in any chunking.

    Attributes:
        completion: The answer, once it is whole.
    """

    def __init__(self, policy: UsagePolicy, max_bytes: int) -> None:
        self._policy: UsagePolicy = policy
        self._limit = max_bytes
        self._body = bytearray()
        self._tries = _TRIES
        self.completion: Completion | None = None

    @property
    def text_bytes(self) -> int:
        """UTF-8 length of everything said, once it is whole."""
        answer = self.completion
        if answer is None:
            return 0
        texts = [answer.content, answer.reasoning, answer.refusal]
        texts += [call.arguments for call in answer.tool_calls]
        return sum(len(text.encode()) for text in texts if text)

    def feed(self, data: bytes) -> list[Delta]:
        """Take the next bytes; when they may be the last, everything in one delta.

        Raises:
            ProviderError: It is an error, or longer than allowed.
        """
        if len(self._body) + len(data) > self._limit:
            text = f"the answer is longer than {self._limit} bytes"
            raise ProviderResponseError(text)
        self._body += data
        if not self._tries or data.rstrip()[-1:] not in (b"}", b"]"):
            return []
        self._tries -= 1
        if not self._whole():
            return []
        self.completion = decode_completion(bytes(self._body), self._policy)
        return [_delta(self.completion)]

    def finish(self) -> Completion:
        """The answer.

        Raises:
            ProviderError: It is an error, was cut, or is no answer.
        """
        if self.completion is None:
            self.completion = decode_completion(bytes(self._body), self._policy)
        return self.completion

    def _whole(self) -> bool:
        try:
            ANY.decode(self._body)
        except (ValueError, RecursionError):
            return False
        return True


def _delta(completion: Completion) -> Delta:
    return Delta(
        completion.content or None,
        completion.reasoning,
        completion.refusal,
        tuple(
            ToolCallDelta(index, call.id, call.name, call.arguments)
            for index, call in enumerate(completion.tool_calls)
        ),
    )
