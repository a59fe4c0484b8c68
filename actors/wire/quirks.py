"""How servers of the OpenAI chat dialect differ, declared as data.

``OPENAI``, ``XAI`` and ``COMPATIBLE`` are the three kinds; a preset of a compatible
server is ``structs.replace(COMPATIBLE, ...)``. Which model refuses which parameter is in
``model_rules`` (provider-apis 2.2 and 4).
"""

from typing import Literal

from msgspec import Struct

from actors.wire.model_rules import ANY_MODEL, OPENAI_MODELS, XAI_MODELS, ModelRule


class Quirks(Struct, frozen=True, kw_only=True):
    """One kind of server.

    Attributes:
        kind: The word the configuration uses.
        auth: Which header carries the key.
        output_cap: The field that caps visible and reasoning tokens.
        stream_usage: Takes ``stream_options.include_usage``.
        developer_role: Knows the role; otherwise it is sent as ``system``.
        message_name: Takes ``name`` on messages.
        tool_strict: Takes ``strict`` on tools.
        reasoning_echo: The field in which the model's earlier reasoning goes back.
        usage: How its counts are to be read (provider-apis 1.3).
        models: Rules per model; the longest matching prefix wins.
    """

    kind: str
    auth: Literal["bearer", "api-key"] = "bearer"
    output_cap: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True
    developer_role: bool = False
    message_name: bool = True
    tool_strict: bool = True
    reasoning_echo: Literal["reasoning_content", "reasoning"] | None = None
    usage: Literal["openai", "xai", "gemini"] = "openai"
    models: tuple[ModelRule, ...] = ()

    def rule_for(self, model: str) -> ModelRule:
        """What is known about ``model``; nothing about one that no prefix matches."""
        name = model.removeprefix("ft:")
        best = ANY_MODEL
        for rule in self.models:
            if name.startswith(rule.prefix) and len(rule.prefix) > len(best.prefix):
                best = rule
        return best


OPENAI = Quirks(
    kind="openai",
    output_cap="max_completion_tokens",
    developer_role=True,
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
