"""Compatible servers known by name: where they are and how they differ.

Everything about one of them stands here, read off provider-apis 1.1 and 6; error bodies
need no declaration, because ``failures`` reads every shape they come in. Adding a server
is declaring it here and putting it into ``PRESETS``: see docs/adding-a-provider.md.
"""

from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from actors.wire.model_rules import OPENAI_MODELS, ModelRule
from actors.wire.quirks import COMPATIBLE, Quirks, ToolIds


class Preset(Struct, frozen=True, kw_only=True):
    """A compatible server.

    Attributes:
        quirks: How it differs; ``quirks.kind`` is the preset's name.
        base_url: Where it is; ``None`` where everybody has an address of their own.
        key_variables: The environment variables its users keep the key in.
        needs_key: Answers nobody without a key.
    """

    quirks: Quirks
    base_url: str | None
    key_variables: tuple[str, ...]
    needs_key: bool = True


_LOW_TO_HIGH = frozenset({"low", "medium", "high"})

GROQ = Preset(
    base_url="https://api.groq.com/openai/v1",
    key_variables=("GROQ_API_KEY",),
    quirks=replace(
        COMPATIBLE,
        kind="groq",
        prefix="trailing",
        message_name=False,
        refused=frozenset({"logprobs", "top_logprobs", "logit_bias"}),
        models=(
            ModelRule(prefix="openai/gpt-oss", efforts=_LOW_TO_HIGH),
            ModelRule(
                prefix="qwen/qwen3",
                efforts=frozenset({"none", "default"}),
                effort_words=dict.fromkeys(
                    ("minimal", "low", "medium", "high", "xhigh", "max"), "default"
                ),
            ),
        ),
    ),
)

MISTRAL = Preset(
    base_url="https://api.mistral.ai/v1",
    key_variables=("MISTRAL_API_KEY",),
    quirks=replace(
        COMPATIBLE,
        kind="mistral",
        prefix="flag",
        seed="random_seed",
        stream_usage=False,
        message_name=False,
        tool_ids=ToolIds(r"[a-zA-Z0-9]{9}", 9),
        # Whatever it does not know is a 422.
        refused=frozenset(
            {
                *("user", "logit_bias", "logprobs", "top_logprobs", "store"),
                *("service_tier", "verbosity", "prompt_cache_key", "modalities"),
                *("safety_identifier", "prompt_cache_options", "web_search_options"),
            }
        ),
    ),
)

DEEPSEEK = Preset(
    base_url="https://api.deepseek.com",
    key_variables=("DEEPSEEK_API_KEY",),
    quirks=replace(
        COMPATIBLE,
        kind="deepseek",
        prefix="flag",  # under /beta only, see openai.continues_as
        json_schema=False,
        reasoning_echo="reasoning_content",
        reasoning_off={"thinking": {"type": "disabled"}},
        models=(
            ModelRule(
                prefix="deepseek",
                efforts=frozenset({"low", "high", "max"}),
                effort_words={"minimal": "low", "medium": "high", "xhigh": "max"},
            ),
        ),
    ),
)

OPENROUTER = Preset(
    base_url="https://openrouter.ai/api/v1",
    key_variables=("OPENROUTER_API_KEY",),
    quirks=replace(
        COMPATIBLE,
        kind="openrouter",
        prefix="trailing",
        headers={"x-title": "GitBridge SmartRouter"},
        reasoning_echo="reasoning",
    ),
)

TOGETHER = Preset(
    base_url="https://api.together.xyz/v1",
    key_variables=("TOGETHER_API_KEY",),
    quirks=replace(COMPATIBLE, kind="together"),
)

PERPLEXITY = Preset(
    base_url="https://api.perplexity.ai",
    key_variables=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
    quirks=replace(COMPATIBLE, kind="perplexity", stream_usage=False),
)

CEREBRAS = Preset(
    base_url="https://api.cerebras.ai/v1",
    key_variables=("CEREBRAS_API_KEY",),
    quirks=replace(
        COMPATIBLE,
        kind="cerebras",
        refused=frozenset(
            {"frequency_penalty", "presence_penalty", "logit_bias", "service_tier"}
        ),
    ),
)

HUGGINGFACE = Preset(
    base_url="https://router.huggingface.co/v1",
    key_variables=("HF_TOKEN", "HUGGINGFACE_API_KEY"),
    quirks=replace(COMPATIBLE, kind="huggingface"),
)

ZAI = Preset(
    base_url="https://api.z.ai/api/paas/v4",
    key_variables=("ZAI_API_KEY",),
    quirks=replace(COMPATIBLE, kind="zai"),
)

VERCEL = Preset(
    base_url="https://ai-gateway.vercel.sh/v1",
    key_variables=("AI_GATEWAY_API_KEY", "VERCEL_AI_GATEWAY_API_KEY"),
    quirks=replace(COMPATIBLE, kind="vercel"),
)

GEMINI = Preset(
    base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    quirks=replace(
        COMPATIBLE,
        kind="gemini",
        tool_strict=False,
        refused=frozenset({"presence_penalty", "frequency_penalty"}),
        signatures="google",
        usage="gemini",
        models=(
            ModelRule(prefix="gemini", efforts=_LOW_TO_HIGH | {"none", "minimal"}),
        ),
    ),
)

AZURE = Preset(
    base_url=None,
    key_variables=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
    quirks=replace(
        COMPATIBLE,
        kind="azure",
        auth="api-key",
        urls="azure",
        output_cap="max_completion_tokens",
        developer_role=True,
        tool_ids=ToolIds(r".{0,40}", 24),
        usage="xai",  # it serves Grok too, and elsewhere the rule changes nothing
        models=OPENAI_MODELS,  # as far as deployments are called what they deploy
    ),
)

OLLAMA = Preset(
    base_url="http://localhost:11434/v1",
    key_variables=("OLLAMA_API_KEY",),
    needs_key=False,
    quirks=replace(
        COMPATIBLE, kind="ollama", reasoning_echo="reasoning", prefix="trailing"
    ),
)

VLLM = Preset(
    base_url="http://localhost:8000/v1",
    key_variables=("VLLM_API_KEY",),
    needs_key=False,
    # Chat templates of many models raise on a second or a late system message.
    quirks=replace(COMPATIBLE, kind="vllm", merge_system=True, prefix="field"),
)

LLAMACPP = Preset(
    base_url="http://localhost:8080/v1",
    key_variables=("LLAMA_API_KEY",),
    needs_key=False,
    quirks=replace(
        COMPATIBLE,
        kind="llamacpp",
        reasoning_echo="reasoning_content",
        prefix="trailing",
    ),
)

PRESETS: dict[str, Preset] = {
    preset.quirks.kind: preset
    for preset in (
        *(GROQ, MISTRAL, DEEPSEEK, OPENROUTER, TOGETHER, PERPLEXITY, CEREBRAS),
        *(HUGGINGFACE, ZAI, VERCEL, GEMINI, AZURE, OLLAMA, VLLM, LLAMACPP),
    )
}

if TYPE_CHECKING:
    PresetName = str
else:  # the configuration takes these names and no others
    PresetName = Literal[tuple(PRESETS)]
