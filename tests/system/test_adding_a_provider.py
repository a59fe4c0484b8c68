"""docs/adding-a-provider.md does what it says: its lines are added, and a daemon runs."""

import shutil
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import openai
import pytest

from actors.wire.quirks import COMPATIBLE, Quirks
from tests.support.daemon_process import DaemonProcess, assert_well, daemon_process
from tests.support.documents import ROOT, blocks
from tests.support.replay import ReplayServer, replay_server
from tests.support.wire_client import wire_client

PAGE = "docs/adding-a-provider.md"
KEY = "acme-key"

pytestmark = pytest.mark.slow

QUESTION: dict[str, Any] = {
    "max_tokens": 5,
    "logit_bias": {"1": 1},
    "messages": [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": "hi", "name": "ann"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "because",
            "tool_calls": [
                {
                    "id": "call_that_is_long",
                    "type": "function",
                    "function": {"name": "now", "arguments": "{}"},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_that_is_long", "content": "noon"},
    ],
}
ANSWER = {
    "id": "1",
    "model": "acme-large-2",
    "choices": [{"message": {"content": "Noon."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}


def exchange() -> dict[str, Any]:
    body = msgspec.json.encode(ANSWER).decode()
    headers = {"content-type": "application/json"}
    response = {"status": 200, "headers": headers, "stream": False, "body_text": body}
    return {"id": "acme", "response": response}


def copy_with_the_pages_lines(folder: Path) -> None:
    """A source tree as it is once the page's Python has been put where it says."""
    for package in ("actors", "daemon", "ipc"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    declaration, row = blocks(PAGE, "python")
    path = folder / "actors/wire/presets.py"
    text = path.read_text()
    table = "PRESETS: dict[str, Preset]"
    assert text.count(table) == 1
    assert text.count(row.replace(", ACME", "")) == 1
    text = text.replace(row.replace(", ACME", ""), row)
    path.write_text(text.replace(table, f"{declaration}\n\n{table}"))


def configuration(url: str) -> str:
    """The page's own tables; only the addresses are this machine's."""
    box, acme = blocks(PAGE, "toml")
    assert "http://127.0.0.1:8000" in box
    box = box.replace("http://127.0.0.1:8000", f"{url}/box")
    return f'{box}\n{acme}base_url = "{url}/acme/v1"\n[health]\nprobe = "none"\n'


async def ask(daemon: DaemonProcess, model: str) -> tuple[Any, set[str]]:
    """The answer, and what the decision says was left out of the request."""
    transport = httpx2.AsyncHTTPTransport(uds=str(daemon.socket))
    async with openai.AsyncOpenAI(
        base_url="http://localhost/v1",
        api_key="unused",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=transport),
    ) as client:
        answer = await client.chat.completions.with_raw_response.create(
            model=model, **QUESTION
        )
    async with wire_client(daemon.socket) as native:
        decision = answer.headers["x-gitbridge-decision"]
        explained: Any = (await native.call("explain", {"id": decision})).result
    return answer.parse(), set(explained["attempts"][0]["dropped"])


async def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    copy_with_the_pages_lines(tmp_path)
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"ACME_API_KEY={KEY}\n")
    dotenv.chmod(0o600)
    async with replay_server() as replay:
        replay.exchange = exchange()
        async with daemon_process(tmp_path, configuration(replay.url)) as daemon:
            answer, dropped = await ask(daemon, "acme/acme-large")
            assert dropped == {"messages.name", "logit_bias"}
            assert answer.choices[0].message.content == "Noon."
            assert answer.model == "acme-large-2"
            assert_asked_as_declared(replay)

            _, dropped = await ask(daemon, "box/qwen3")
            assert dropped == set()
            assert_asked_as_it_came(replay)
            assert await daemon.stop() == 0
            assert_well(daemon)
            sources = {x["provider"]: x["source"] for x in daemon.logs("credential")}

    assert sources == {"acme": ".env ACME_API_KEY", "box": None}


def assert_asked_as_declared(replay: ReplayServer) -> None:
    asked: Any = replay.asked[-1]
    calling, answered = asked["messages"][2:]

    assert replay.headers[-1]["authorization"] == f"Bearer {KEY}"
    assert asked["max_completion_tokens"] == 5
    assert not {"max_tokens", "logit_bias"} & set(asked)
    assert asked["messages"][0] == {"role": "system", "content": "be brief"}
    assert asked["messages"][1] == {"role": "user", "content": "hi"}
    assert calling["reasoning_content"] == "because"
    assert len(answered["tool_call_id"]) == 12
    assert calling["tool_calls"][0]["id"] == answered["tool_call_id"]


def assert_asked_as_it_came(replay: ReplayServer) -> None:
    asked: Any = replay.asked[-1]

    assert "authorization" not in replay.headers[-1]
    assert asked["max_tokens"] == 5
    assert asked["logit_bias"] == {"1": 1}
    assert asked["messages"][1]["name"] == "ann"
    assert asked["messages"][3]["tool_call_id"] == "call_that_is_long"


def test_the_page_names_everything_that_can_be_declared() -> None:
    page = (ROOT / PAGE).read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]

    named = [row.split("`")[1] for row in rows]
    assert named == list(Quirks.__struct_fields__)
    assert COMPATIBLE.output_cap == "max_tokens"
