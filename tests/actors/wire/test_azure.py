"""Azure's three surfaces have their own addresses."""

import pytest

from actors.wire.azure import chat_url, models_url
from actors.wire.base import Endpoint

RESOURCE = "https://res.openai.azure.com"
FOUNDRY = "https://res.services.ai.azure.com/models"


@pytest.mark.parametrize("path", ["", "/openai", "/openai/v1"])
def test_without_a_version_it_is_the_new_surface(path: str) -> None:
    endpoint = Endpoint(base_url=RESOURCE + path)

    assert chat_url(endpoint, "o4-mini") == f"{RESOURCE}/openai/v1/chat/completions"
    assert models_url(endpoint) == f"{RESOURCE}/openai/v1/models"


@pytest.mark.parametrize("path", ["", "/openai"])
def test_with_a_version_the_deployment_is_in_the_path(path: str) -> None:
    endpoint = Endpoint(base_url=RESOURCE + path, api_version="2024-10-21")

    assert chat_url(endpoint, "my-gpt") == (
        f"{RESOURCE}/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"
    )
    assert models_url(endpoint) == f"{RESOURCE}/openai/models?api-version=2024-10-21"


def test_any_other_base_is_kept_and_gets_the_version() -> None:
    version = "2024-05-01-preview"
    endpoint = Endpoint(base_url=FOUNDRY, api_version=version)

    assert chat_url(endpoint, "grok-4") == (
        f"{FOUNDRY}/chat/completions?api-version={version}"
    )


def test_any_other_base_without_a_version_is_kept() -> None:
    endpoint = Endpoint(base_url=FOUNDRY)

    assert chat_url(endpoint, "grok-4") == f"{FOUNDRY}/chat/completions"


def test_names_cannot_leave_their_place_in_the_url() -> None:
    endpoint = Endpoint(base_url=RESOURCE, api_version="1&x=2")

    url = chat_url(endpoint, "../a b?/ü\ud800")

    assert url == (
        f"{RESOURCE}/openai/deployments/..%2Fa%20b%3F%2F%C3%BC%3F"
        "/chat/completions?api-version=1%26x%3D2"
    )
