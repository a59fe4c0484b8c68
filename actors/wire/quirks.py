"""How servers of the OpenAI chat dialect differ, declared as data.

``OPENAI``, ``XAI`` and ``COMPATIBLE`` are the kinds; ``presets`` holds the compatible
servers we know by name, each ``structs.replace(COMPATIBLE, ...)``. Which model refuses
which parameter is in ``model_rules`` (provider-apis 2.2, 4 and 6).
"""

from typing import Final, Literal

from msgspec import Struct

from actors.wire.model_rules import ANY_MODEL, OPENAI_MODELS, XAI_MODELS, ModelRule


class ToolIds(Struct, frozen=True):
    """The ids of tool calls a server takes back: ``pattern`` matches a whole id.

    One that does not match is replaced by ``length`` letters and digits made from it.
    """

    pattern: str
    length: int


class Quirks(Struct, frozen=True, kw_only=True):
    """One kind of server.

    Attributes:
        kind: The kind or preset the configuration names.
        auth: Which header carries the key.
        headers: Sent with every request, unless the endpoint says otherwise.
        urls: ``azure``: a deployment and an API version may stand in the path.
        output_cap: The field that caps visible and reasoning tokens.
        seed: What the server calls ``seed``.
        stream_usage: Takes ``stream_options.include_usage``; those that do not, send
            the usage unasked.
        developer_role: Knows the role; otherwise it is sent as ``system``.
        merge_system: Wants at most one system message, the first of all.
        message_name: Takes ``name`` on messages.
        tool_strict: Takes ``strict`` on tools.
        tool_ids: Which ids of tool calls it takes; any, when ``None``.
        json_schema: Takes response formats with a schema.
        refused: Fields that are never taken.
        reasoning_echo: The field in which the model's earlier reasoning goes back.
        reasoning_off: The fields that stand for an effort of ``none``, where that is
            not a word the server knows.
        signatures: ``google``: thought signatures come with tool calls and must go back.
        prefix: How it is told to go on from the beginning of an answer: not at all;
            by nothing but a last message of the assistant (``trailing``); with
            ``prefix: true`` in it, which repeats it in the answer (``flag``); with
            ``continue_final_message`` beside it (``field``).
        usage: How its counts are to be read (provider-apis 1.3).
        models: Rules per model; the longest matching prefix wins.
    """

    kind: str
    auth: Literal["bearer", "api-key"] = "bearer"
    headers: dict[str, str] = {}
    urls: Literal["plain", "azure"] = "plain"
    output_cap: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed: Literal["seed", "random_seed"] = "seed"
    stream_usage: bool = True
    developer_role: bool = False
    merge_system: bool = False
    message_name: bool = True
    tool_strict: bool = True
    tool_ids: ToolIds | None = None
    json_schema: bool = True
    refused: frozenset[str] = frozenset()
    reasoning_echo: Literal["reasoning_content", "reasoning"] | None = None
    reasoning_off: dict[str, object] = {}
    signatures: Literal["google"] | None = None
    prefix: Literal["none", "trailing", "flag", "field"] = "none"
    usage: Literal["openai", "xai", "gemini"] = "openai"
    models: tuple[ModelRule, ...] = ()

    def rule_for(self, model: str) -> ModelRule:
        """What is known about ``model``; nothing about one that no prefix matches."""
        known = _FOUND.get(model)
        if known is not None and known[0] is self.models:
            return known[1]
        rule = _longest_prefix(self.models, model.removeprefix("ft:"))
        if len(_FOUND) >= _FOUND_KEPT:
            _FOUND.clear()
        _FOUND[model] = self.models, rule
        return rule


_FOUND_KEPT: Final = 256
_FOUND: Final[dict[str, tuple[tuple[ModelRule, ...], ModelRule]]] = {}
"""What was found last for a model, and among which rules: few are asked for, and often."""


def _longest_prefix(rules: tuple[ModelRule, ...], name: str) -> ModelRule:
    best, length = ANY_MODEL, 0
    for rule in rules:
        prefix = rule.prefix
        if name.startswith(prefix) and len(prefix) > length:
            best, length = rule, len(prefix)
    return best


OPENAI = Quirks(
    kind="openai",
    output_cap="max_completion_tokens",
    developer_role=True,
    tool_ids=ToolIds(r".{0,40}", 24),
    models=OPENAI_MODELS,
)

XAI = Quirks(
    kind="xai",
    output_cap="max_completion_tokens",
    message_name=False,
    tool_strict=False,
    usage="xai",
    models=XAI_MODELS,
)

COMPATIBLE = Quirks(kind="compatible")
