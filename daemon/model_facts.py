"""What is publicly known of well-known models: window, longest answer, abilities, end.

Read off the providers' documentation as of ``AS_OF``; providers whose models list says
more, and the configuration, go before it. Prices have their own, fresher source. A model
that is not here is not worse: nothing is known about it, which is ``None``, not "no".
"""

from datetime import date

from msgspec import Struct

from actors.policy.pricing import undated

AS_OF = date(2026, 11, 20)


class ModelFacts(Struct, frozen=True, kw_only=True):
    """One model. Tokens; ``context_window`` holds prompt and answer together.

    ``retires`` is the day (ISO 8601) its provider has announced to switch it off.
    """

    context_window: int
    max_output_tokens: int | None
    tools: bool
    vision: bool
    json_schema: bool
    reasoning: bool
    embeddings: bool
    retires: str | None


def _rows(
    window: int,
    longest: int | None,
    abilities: str,
    names: str,
    retires: str | None = None,
) -> dict[str, ModelFacts]:
    """The same facts for several names.

    T tools, V vision, J JSON schema, R reasoning, E embeddings, and those alone.
    """
    facts = ModelFacts(
        context_window=window,
        max_output_tokens=longest,
        tools="T" in abilities,
        vision="V" in abilities,
        json_schema="J" in abilities,
        reasoning="R" in abilities,
        embeddings="E" in abilities,
        retires=retires,
    )
    return dict.fromkeys(names.split(), facts)


_OPENAI = (
    _rows(
        1_050_000,
        128_000,
        "TVJR",
        "gpt-6.2-astra gpt-6.2-sol gpt-6-astra gpt-6.1-sol gpt-6.1-terra gpt-6-sol "
        "gpt-6-luna gpt-5.6 gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna gpt-5.4",
    )
    | _rows(1_000_000, 128_000, "TVJR", "gpt-5.5")
    | _rows(400_000, 128_000, "TVJR", "gpt-5.4-mini gpt-5.2")
    | _rows(400_000, 128_000, "TVJR", "gpt-5.4-nano gpt-5.1", "2027-04-01")
    | _rows(400_000, 128_000, "TVJR", "gpt-5 gpt-5-mini gpt-5-nano", "2026-12-11")
    | _rows(1_000_000, 32_768, "TVJ", "gpt-4.1 gpt-4.1-mini", "2027-01-14")
    | _rows(1_000_000, 32_768, "TVJ", "gpt-4.1-nano", "2026-10-23")
    | _rows(128_000, 16_384, "TVJ", "gpt-4o gpt-4o-mini", "2027-01-14")
    | _rows(200_000, 100_000, "TVJR", "o3", "2026-12-11")
    | _rows(200_000, 100_000, "TVJR", "o4-mini", "2026-10-23")
    | _rows(8_192, None, "E", "text-embedding-3-small text-embedding-3-large")
)
_XAI = (
    _rows(500_000, 500_000, "TVJR", "grok-4.7 grok-4.6 grok-4.5")
    | _rows(
        1_000_000,
        1_000_000,
        "TVJR",
        "grok-4.3 grok-4.3-latest grok-4.20 grok-4.20-reasoning",
    )
    | _rows(1_000_000, 1_000_000, "TVJ", "grok-4.20-non-reasoning")
    | _rows(256_000, 256_000, "TVJR", "grok-build-0.1")
    | _rows(131_072, None, "TJR", "grok-3-mini grok-3-mini-latest")
)
_ANTHROPIC = (
    _rows(
        1_000_000,
        128_000,
        "TVJR",
        "claude-fable-5-2 claude-fable-5-1 claude-fable-5 claude-opus-5-5 "
        "claude-opus-5 claude-opus-4-8 claude-opus-4-7 claude-opus-4-6 "
        "claude-sonnet-5-5 claude-sonnet-5 claude-sonnet-4-6 claude-haiku-5-5",
    )
    | _rows(200_000, 64_000, "TVJR", "claude-opus-4-5 claude-haiku-4-5")
    | _rows(200_000, 64_000, "TVJR", "claude-sonnet-4-5", "2026-11-30")
)
_GEMINI = (
    _rows(1_048_576, 1_048_576, "TVJR", "gemini-4-argon")
    | _rows(
        1_000_000,
        65_536,
        "TVJR",
        "gemini-3.8-flash gemini-3.7-flash gemini-3.5-flash gemini-3.5-flash-lite "
        "gemini-3.1-flash-lite gemini-2.5-flash-lite",
    )
    | _rows(
        1_048_576,
        65_536,
        "TVJR",
        "gemini-3.1-pro-preview gemini-2.5-pro gemini-2.5-flash",
    )
)
_MISTRAL = (
    _rows(1_048_576, 1_048_576, "TVJR", "mistral-large-4")
    | _rows(
        262_144,
        262_144,
        "TVJ",
        "mistral-large-2512 ministral-14b-2512 ministral-8b-2512",
    )
    | _rows(
        262_144,
        262_144,
        "TVJR",
        "mistral-medium-3-5 mistral-medium-latest "
        "mistral-small-2603 mistral-small-latest",
    )
    | _rows(131_072, 131_072, "TVJ", "ministral-3b-2512")
    | _rows(256_000, 128_000, "TJ", "codestral-2508")
    | _rows(8_192, None, "E", "mistral-embed")
)
_DEEPSEEK = _rows(
    1_000_000,
    393_216,
    "TVR",
    "deepseek-flash deepseek-v4-flash deepseek-chat deepseek-reasoner",
) | _rows(1_000_000, 393_216, "TR", "deepseek-v4-pro")
_GROQ = _rows(131_072, 65_536, "TJR", "openai/gpt-oss-120b openai/gpt-oss-20b") | _rows(
    131_072, 32_768, "T", "llama-3.3-70b-versatile"
)

FACTS: dict[str, dict[str, ModelFacts]] = {
    "openai": _OPENAI,
    "xai": _XAI,
    "anthropic": _ANTHROPIC,
    "gemini": _GEMINI,
    "mistral": _MISTRAL,
    "deepseek": _DEEPSEEK,
    "groq": _GROQ,
}
"""By kind or preset, then by model."""


def facts_of(kind: str, model: str) -> ModelFacts | None:
    """What is known of a model; a dated name is looked up without its date too."""
    known = FACTS.get(kind, {})
    return known.get(model) or known.get(undated(model))


def embeds(kind: str, model: str) -> bool | None:
    """Whether a model gives vectors; ``None`` where nothing is known of it."""
    facts = facts_of(kind, model)
    return None if facts is None else facts.embeddings


def windows_of(kind: str) -> dict[str, int]:
    """Every known context window of a kind or preset, in tokens, by model."""
    return {name: each.context_window for name, each in FACTS.get(kind, {}).items()}
