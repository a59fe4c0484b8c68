"""``serve --simulate`` pretends the providers as they are configured."""

from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from daemon.app import prepare
from daemon.config import ServeOptions
from daemon.simulated import Pretenders

CONFIG = """
[providers.openai]
model = "gpt-of-tomorrow"
[providers.groq]
preset = "groq"
models = ["llama-3.3-70b-versatile", "other"]
[providers.claude]
"""


async def listed(base_url: str) -> set[str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{base_url}/models") as answer,
    ):
        document = await answer.json()
    return {model["id"] for model in document["data"]}


@pytest.mark.slow
async def test_pretended_providers_serve_the_configured_models(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)
    plan = prepare(ServeOptions(config=str(config), simulate=True), {})
    async with AsyncExitStack() as stack:
        urls = await Pretenders(stack).urls(plan.resolved.settings.config)
        assert "gpt-of-tomorrow" in await listed(urls["openai"])
        assert {"llama-3.3-70b-versatile", "other"} <= await listed(urls["groq"])
        assert "claude-sonnet-5-5" in await listed(urls["claude"])
