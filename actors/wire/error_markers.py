"""The words that tell error classes apart, as data (provider-apis 1.4 and 1.5).

First matching rule wins. Codes are compared whole, phrases as parts of the message, both
in lower case.
"""

from msgspec import Struct

from actors.errors import FailureClass

_CALLER_STATUSES = frozenset({0, 400, 413, 422})


class Rule(Struct, frozen=True, kw_only=True):
    """Errors with one of these statuses (0: none known; empty: any) and words."""

    failure: FailureClass
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()


RULES: tuple[Rule, ...] = (
    # Out of money: waiting does not help, although it mostly comes as a 429.
    Rule(
        failure="quota",
        statuses=frozenset({0, 400, 402, 403, 429}),
        codes=frozenset(
            {
                "insufficient_quota",
                "credit_balance_exhausted",
                "organization_spend_limit_exceeded",
                "project_spend_limit_exceeded",
                "organization_usage_limit_exceeded",
                "enforced_spend_limit_reached",
                "contract_spend_limit_reached",
                "billing_error",
                "billing_hard_limit_reached",
                "insufficient_balance",
                "organization_on_hold",
            }
        ),
        phrases=(
            "used all available credits",
            "monthly spending limit",
            "credit balance is too low",
            "specified api usage limits",
            "spend limit",
            "insufficient balance",
        ),
    ),
    Rule(
        failure="context_too_long",
        statuses=_CALLER_STATUSES,
        codes=frozenset(
            {
                "context_length_exceeded",
                "too_many_prompt_tokens",
                "exceed_context_size_error",
            }
        ),
        phrases=(
            "maximum context length",
            "maximum prompt length",
            "prompt is too long",
            "prompt too long",
            "exceeds the context window",
            "exceeded max context length",
            "exceeds the available context size",
        ),
    ),
    # More than a minute's tokens: no wait makes it less (OpenAI 429, Groq 413).
    Rule(
        failure="context_too_long",
        statuses=frozenset({0, 413, 429}),
        phrases=(
            "request too large for",
            "tokens must be reduced",
            "reduce your message size",
        ),
    ),
    Rule(
        failure="content_filtered",
        statuses=_CALLER_STATUSES | {403},
        codes=frozenset(
            {
                "content_filter",
                "content_policy_violation",
                "responsibleaipolicyviolation",
                "moderation_blocked",
            }
        ),
        phrases=("requires moderation", "flagged by moderation", "was flagged"),
    ),
    # A wrong key is a 400 at xAI and Gemini.
    Rule(
        failure="auth",
        statuses=frozenset({0, 400}),
        codes=frozenset(
            {
                "api_key_invalid",
                "authentication_error",
                "invalid_api_key",
                "permission_error",
            }
        ),
        phrases=("incorrect api key", "invalid api key", "api key not valid"),
    ),
    Rule(
        failure="model_not_found",
        statuses=frozenset({0, 400, 404}),
        codes=frozenset(
            {
                "model_not_found",
                "not_found_error",
                "deploymentnotfound",
                "invalid_model",  # Mistral, Perplexity
                "model_decommissioned",  # Groq
                "model_not_supported",  # Hugging Face
                "model_not_available",  # Together
            }
        ),
        phrases=("model not exist", "is not a valid model id", "unknown model"),
    ),
    # The model is there and does something else: it says nothing about our key.
    Rule(
        failure="model_not_found",
        statuses=frozenset({0, 400, 403, 404, 501}),
        phrases=(
            "not allowed to generate embeddings",  # OpenAI, with 403
            "does not support embeddings",  # Ollama, llama.cpp
            "not a chat model",
        ),
    ),
    # Inside an answer there may be no status to go by.
    Rule(
        failure="rate_limit",
        statuses=frozenset({0}),
        codes=frozenset({"rate_limit_exceeded", "rate_limit_error", "slow_down"}),
    ),
    Rule(
        failure="overloaded",
        statuses=frozenset({0, 500}),
        codes=frozenset({"server_is_overloaded", "overloaded_error"}),
    ),
    Rule(
        failure="bad_request",
        statuses=frozenset({0}),
        codes=frozenset({"invalid_request_error", "request_too_large"}),
    ),
)

_BY_STATUS: dict[int, FailureClass] = {
    401: "auth",
    402: "quota",
    403: "auth",
    # We build the path: a 404 is about the model or the configuration of this
    # provider, so another one can help.
    404: "model_not_found",
    408: "server_error",
    409: "server_error",
    429: "rate_limit",
    498: "overloaded",  # Groq: no capacity in the flex tier
    503: "overloaded",
    529: "overloaded",  # Anthropic; in no HTTP library's list
}


def by_status(status: int) -> FailureClass:
    """The class where the words say nothing; 0 is an error without a status."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:
        return "bad_response"  # redirects are not followed: they carry the key along
    return "bad_request" if 400 <= status < 500 else "server_error"
