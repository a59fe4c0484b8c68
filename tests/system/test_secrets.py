"""No key gets out, even when every provider quotes it in everything it says.

A server echoes the key that it was sent: in error sentences, codes, ids, headers, pages
of HTML and the models list. Then everything that the daemon says and keeps is searched.
"""

import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import pytest

from tests.support.daemon_process import (
    KEYS,
    DaemonProcess,
    assert_well,
    daemon_process,
    process_environment,
)
from tests.support.raw_server import Caller, raw_server

KEY_FILE = "an-unremarkable-word-that-is-a-key"
CANARIES = (*KEYS.values(), KEY_FILE)
PROVIDERS = ("openai", "grok", "claude", "own")
KINDS_OF_TROUBLE = ("sentence", "page", "answer", "cut")

pytestmark = pytest.mark.slow


async def echo(caller: Caller) -> None:
    """Refuse and answer with the caller's key in every place there is for words."""
    while True:
        head = await caller.request()
        lines = (line.partition(":") for line in head.splitlines()[1:])
        headers = {name.lower(): value.strip() for name, _, value in lines}
        key = headers.get("authorization", headers.get("x-api-key", "none"))
        body = caller.bodies[-1].decode()
        echoed = f"x-request-id: {key}"
        if head.startswith("GET") or '"sentence"' in body:
            said = {"message": f"bad key {key}.", "type": key, "code": f"no {key}"}
            refusal = msgspec.json.encode({"error": said})
            await caller.answer(refusal, echoed, status="401 Unauthorized")
        elif '"page"' in body:
            page = f"<html><b>{key}</b></html>".encode()
            await caller.answer(page, echoed, status="500 Internal Server Error")
        elif '"cut"' in body:
            await caller.answer(f'{{"id": "{key}'.encode(), echoed)
        else:
            await caller.answer(answer(key), echoed)


def answer(key: str) -> bytes:
    """An answer in OpenAI's and Anthropic's shape at once, with the key as its ids."""
    message = {"role": "assistant", "content": "ok"}
    return msgspec.json.encode(
        {
            "id": f"id-{key}",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "ok"}],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"input_tokens": 1, "output_tokens": 1, "prompt_tokens": 1},
        }
    )


def config(url: str, folder: Path) -> str:
    own = folder / "own.key"
    own.write_text(KEY_FILE)
    own.chmod(0o600)
    tables = [f'[providers.{name}]\nbase_url = "{url}/v1"' for name in PROVIDERS]
    more = f'kind = "compatible"\nmodel = "m"\napi_key_file = "{own}"'
    return "\n".join(['[log]\nlevel = "debug"', *tables, more])


async def said_by(daemon: DaemonProcess, *words: str) -> str:
    """Everything that a command prints."""
    environ = process_environment(daemon.folder)
    command = [sys.executable, "-m", "daemon", *words, "--socket", str(daemon.socket)]
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            [
                *command,
                "--config",
                str(daemon.config),
                "--state-dir",
                str(daemon.state),
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=daemon.folder,
            env=environ,
        )
    )
    return f"$ {words}\n{done.stdout}\n{done.stderr}"


async def everything_asked(daemon: DaemonProcess) -> list[str]:
    said: list[str] = []

    async def ask(words: str) -> None:
        said.append(await said_by(daemon, *words.split()))

    async with anyio.create_task_group() as group:
        for provider in PROVIDERS:
            for trouble in KINDS_OF_TROUBLE:
                group.start_soon(ask, f"ask {trouble} --provider {provider} --json")
            group.start_soon(ask, f"ask sentence --provider {provider} --stream")
    async with anyio.create_task_group() as group:
        for words in ("history", "usage", "providers", "metrics", "config show"):
            group.start_soon(ask, f"{words} --json")
        group.start_soon(ask, "health --retries 0")
        group.start_soon(ask, "health --retries 0 --json")
    return said


async def explained(daemon: DaemonProcess) -> list[str]:
    """Every decision of the history, as people see it."""
    history = await said_by(daemon, "history", "--limit", "100", "--json")
    page = msgspec.json.decode(history.splitlines()[1], type=dict[str, object])
    entries = msgspec.convert(page["entries"], list[dict[str, object]])
    assert len(entries) == len(PROVIDERS) * (len(KINDS_OF_TROUBLE) + 1)
    some = [str(entry["decision_id"]) for entry in entries[::5]]
    return [await said_by(daemon, "explain", each) for each in some]


async def test_no_key_gets_out(tmp_path: Path) -> None:
    async with (
        raw_server(echo) as server,
        daemon_process(tmp_path, config(server.url, tmp_path)) as daemon,
    ):
        said = await everything_asked(daemon)
        said += await explained(daemon)
        without_daemon = daemon.socket
        assert await daemon.stop() == 0
        said.append(await said_by(daemon, "health", "--retries", "0", "--json"))
        assert not without_daemon.exists()
        assert_well(daemon)

    text = "\n".join(said)
    assert "[key]" in text  # they were quoted, or nothing is shown here
    assert [key for key in CANARIES if key in text] == []
    assert leaks(tmp_path) == []


def leaks(folder: Path) -> list[str]:
    """Files below the folder that hold a key; the configured key file aside."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert {"gitbridge.db", "openai_healthcheck.log"} <= {path.name for path in found}
    return [
        f"{path.name}: {key}"
        for path in found
        for key in CANARIES
        if path.name != "own.key" and key.encode() in path.read_bytes()
    ]
