"""Where Azure OpenAI keeps things: three surfaces, told apart by the base URL.

========================================  ===========  ================================
base URL                                  API version  chat completions are at
========================================  ===========  ================================
``https://RES.openai.azure.com`` or       none         ``/openai/v1/chat/completions``
``.../openai`` or ``.../openai/v1``
``https://RES.openai.azure.com`` or       given        ``/openai/deployments/MODEL/chat/
``.../openai``                                         completions?api-version=``
any other (Foundry's ``.../models``)      given        ``/chat/completions?api-version=``
========================================  ===========  ================================

Source: provider-apis 1.1 and 6.
"""

from actors.wire.base import Endpoint

_UNRESERVED = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
)


def chat_url(endpoint: Endpoint, model: str) -> str:
    """Where a model, which on the old surface is a deployment, is asked."""
    if _has_deployments(endpoint):
        return _url(endpoint, f"/deployments/{_quoted(model)}/chat/completions")
    return _url(endpoint, "/chat/completions")


def embeddings_url(endpoint: Endpoint, model: str) -> str:
    """Where a model, which on the old surface is a deployment, embeds."""
    if _has_deployments(endpoint):
        return _url(endpoint, f"/deployments/{_quoted(model)}/embeddings")
    return _url(endpoint, "/embeddings")


def models_url(endpoint: Endpoint) -> str:
    """Where the models are listed."""
    return _url(endpoint, "/models")


def _url(endpoint: Endpoint, path: str) -> str:
    base, version = _root(endpoint), endpoint.api_version
    query = f"?api-version={_quoted(version)}" if version else ""
    return f"{base}{path}{query}"


def _root(endpoint: Endpoint) -> str:
    base, path = endpoint.base_url, _path(endpoint)
    if path == "":
        base += "/openai"
    if path in ("", "openai") and not endpoint.api_version:
        base += "/v1"
    return base


def _has_deployments(endpoint: Endpoint) -> bool:
    return bool(endpoint.api_version) and _path(endpoint) in ("", "openai")


def _path(endpoint: Endpoint) -> str:
    """The path of the base URL without its first slash."""
    return endpoint.base_url.partition("://")[2].partition("/")[2]


def _quoted(name: str) -> str:
    """``name`` as one segment of a URL."""
    return "".join(
        char
        if char in _UNRESERVED
        else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))
        for char in name
    )
