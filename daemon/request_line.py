"""The one log line of a request: its fields, and the short way it usually takes.

Always of one shape, and a thousand a second, it is encoded as a Struct and goes straight
to the writer. Ids, numbers and words of ours cannot hold a key; the few fields that
others put words into are looked through once for all requests that share them. Whatever
is unusual goes the way of every other line: a level that is off, a text to be masked or
cut, text that is no Unicode, lines for people.
"""

from decimal import Decimal
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from actors.messages.routing import RequestRecord
from daemon.log_lines import MAX_LINE_BYTES, SERVICE
from daemon.logs import DirectLog

_KNOWN: Final = 1000
_HEAD: Final = ("timestamp", "level", "event", "service")
_encode = msgspec.json.Encoder(decimal_format="number").encode

Words = tuple[str | None, ...]


class RequestLine(Struct, frozen=True, gc=False):
    """The line, in the order of its fields; ``docs/logs.md`` says what they are."""

    timestamp: str
    level: str
    event: str
    service: str
    actor: str
    request_id: str
    decision_id: str
    outcome: str
    error: str | None
    provider: str | None
    model: str | None
    strategy: str
    attempts: int
    latency_s: float
    overhead_s: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: Decimal | None
    cost_source: str
    task_type: str | None
    user: str | None
    door: str
    stream: bool
    simulated: bool
    reused: str | None


class RequestLog:
    """Writes the line of each finished request; without ``direct`` the long way."""

    def __init__(self, direct: DirectLog | None = None) -> None:
        self._direct = direct
        self._log = structlog.get_logger()
        self._clean: set[Words] = set()  # nothing to mask in these
        self._secrets = 0  # how many are known that these were held against

    def __call__(self, record: RequestRecord) -> None:
        level = "info" if record.outcome in {"ok", "cancelled"} else "warning"
        direct = self._direct
        if direct is None or not direct.writes(level):
            self._write(_line(record, level, ""))
            return
        line = _line(record, level, direct.timestamp())
        words = (line.error, line.provider, line.model, line.task_type, line.user)
        data = self._encoded(line, words, direct)
        if data is None:
            self._write(line)
        else:
            direct.put(level, data)

    def _encoded(
        self, line: RequestLine, words: Words, direct: DirectLog
    ) -> bytes | None:
        """The line as JSON, if it can be written as it is."""
        try:
            data = _encode(line)
        except (ValueError, TypeError, OverflowError):
            return None
        if len(data) > MAX_LINE_BYTES:
            return None
        redactor = direct.redactor
        if self._secrets != redactor.secrets or len(self._clean) >= _KNOWN:
            self._clean.clear()
            self._secrets = redactor.secrets
        if words not in self._clean:
            if not redactor.is_clean(data):
                return None
            self._clean.add(words)
        return data

    def _write(self, line: RequestLine) -> None:
        """The way of every other line."""
        fields = msgspec.structs.asdict(line)
        for name in _HEAD:
            del fields[name]
        tell = self._log.info if line.level == "info" else self._log.warning
        tell("request_finished", **fields)


def _line(record: RequestRecord, level: str, timestamp: str) -> RequestLine:
    usage, decision = record.usage, record.decision
    provider, model = record.provider, record.model
    if provider is None or model is None:
        # Those it failed with; nobody, where nobody was asked.
        last = record.attempts[-1] if record.attempts else None
        provider = provider or (last.provider if last else None)
        model = model or (last.model if last else None)
    return RequestLine(
        timestamp,
        level,
        "request_finished",
        SERVICE,
        "router",
        record.request_id,
        decision.decision_id,
        record.outcome,
        record.error_message,
        provider,
        model,
        decision.strategy,
        len(record.attempts),
        round(record.latency_s, 6),
        round(record.overhead_s, 6),
        usage.prompt_tokens,
        usage.completion_tokens,
        record.cost_usd,
        record.cost_source,
        record.task_type,
        record.user,
        record.door,
        record.stream,
        record.simulated,
        None if record.reused is None else record.reused.kind,
    )
