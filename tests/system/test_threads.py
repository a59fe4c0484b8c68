"""Threads through a real daemon: recorded, kept over ``kill -9``, and read again."""

from pathlib import Path
from xml.etree import ElementTree as ET

import aiohttp
import msgspec
import pytest

from actors.messages.threads import ThreadSummary
from ipc.threads import ThreadsListResult
from tests.support.daemon_process import assert_well, daemon_process
from tests.support.documents import run_commands, simulated_daemon
from tests.support.outages import outages
from tests.support.wire_client import WireClient, wire_client

pytestmark = pytest.mark.slow

SECRET = "sk-ant-api03-abcdefghijklmnop"


class Row(msgspec.Struct, kw_only=True):
    kind: str
    who: str
    to: str | None
    text: str | None
    request_id: str | None
    decision_id: str | None
    cost_usd: float | None
    data: dict[str, object]


async def entries(client: WireClient, thread: str) -> list[Row]:
    found = await client.call("threads.get", {"thread": thread})
    return msgspec.convert(found.result["entries"], list[Row])


async def threads(client: WireClient) -> tuple[ThreadSummary, ...]:
    listed = (await client.call("threads.list")).result
    return msgspec.convert(listed, ThreadsListResult, strict=False).threads


def story(rows: list[Row]) -> list[tuple[str, str]]:
    return [(each.kind, each.who) for each in rows]


async def test_a_consensus_a_request_and_a_task_are_told_and_survive(
    tmp_path: Path,
) -> None:
    async with outages() as world, daemon_process(tmp_path, world.config) as daemon:
        async with wire_client(daemon.socket) as client:
            asked = {"prompt": f"Is it so? My key is {SECRET}", "thread": "plan-b"}
            decided = (await client.call("consensus", asked)).result
            answered = (
                await client.call("route", {"prompt": "Why?", "thread": "plan-b"})
            ).result
            alone = (await client.call("consensus", {"prompt": "And now?"})).result
            await client.call("route", {"prompt": "Nobody keeps this."})
            kept = (await client.call("tasks.submit", {"prompt": "Later."})).result
            wait = {"task_id": kept["task_id"], "timeout_s": 20}
            assert (await client.call("tasks.wait", wait)).result["done"]
        await daemon.kill()
        await daemon.start()
        async with wire_client(daemon.socket) as client:
            names = [each.thread_id for each in await threads(client)]
            assert names == [kept["task_id"], alone["thread"], "plan-b"]
            plan = await entries(client, "plan-b")
            task = await entries(client, str(kept["task_id"]))
        assert await daemon.stop() == 0
        assert_well(daemon)

    assert decided["thread"] == answered["thread"] == "plan-b"
    user = plan[0].who
    members = {
        f"{name}/{each.behaviour.models[0].id}"
        for name, each in world.providers.items()
    }
    assert story(plan)[0] == ("question", user)
    assert [each.kind for each in plan].count("decision") == 4
    assert {each.who for each in plan if each.kind == "ballot"} == members
    verdict, question, _, answer = plan[-4:]
    assert (verdict.kind, verdict.to, verdict.text) == (
        "verdict",
        user,
        str(decided["content"]).replace(SECRET, "sk-ant-***"),
    )
    assert verdict.decision_id == decided["decision_id"]
    assert verdict.cost_usd == decided["cost_usd"]
    assert (question.text, answer.text) == ("Why?", answered["content"])
    assert answer.who == f"{answered['provider']}/{answered['model']}"
    round_of = {each.request_id for each in plan[:-3]}
    assert len(round_of) == 1
    assert [kind for kind, _ in story(task)] == [
        *("task_state", "task_state"),
        *("question", "decision", "answer", "task_state"),
    ]
    everything = b"".join(p.read_bytes() for p in daemon.state.glob("gitbridge.db*"))
    assert b"Is it so?" in everything
    assert SECRET.encode() not in everything
    assert b"Nobody keeps this." not in everything


async def test_where_only_facts_are_kept_no_text_is_on_disk(tmp_path: Path) -> None:
    async with outages() as world:
        config = f'[threads]\nkeep = "facts"\n{world.config}'
        async with daemon_process(tmp_path, config) as daemon:
            async with wire_client(daemon.socket) as client:
                asked = {"prompt": "What only we two know", "thread": "t"}
                await client.call("consensus", asked)
                (first, *_) = await entries(client, "t")
            assert await daemon.stop() == 0
        files = [path for path in daemon.state.rglob("*") if path.is_file()]
        everything = b"".join(path.read_bytes() for path in files)

    assert first.text is None
    assert b"What only we two know" not in everything


async def test_over_http_a_header_names_the_thread(tmp_path: Path) -> None:
    async with outages() as world, daemon_process(tmp_path, world.config) as daemon:
        connector = aiohttp.UnixConnector(path=str(daemon.socket))
        async with aiohttp.ClientSession(
            "http://localhost", connector=connector
        ) as web:
            message = {"role": "user", "content": "Why is the sky blue?"}
            for model in ("auto", "consensus"):
                body = {"model": model, "messages": [message]}
                headers = {"x-gitbridge-thread": "from http"}
                async with web.post(
                    "/v1/chat/completions", json=body, headers=headers
                ) as reply:
                    assert reply.status == 200, await reply.text()
                    assert reply.headers["x-gitbridge-thread"] == "from http"
            query = {"query": "SKY blu", "limit": "5"}
            async with web.get("/api/threads.list", params=query) as reply:
                listed = await reply.json()
            asked = {"thread": "from http", "format": "json"}
            async with web.get("/api/threads.export", params=asked) as reply:
                exported = await reply.json()
        assert await daemon.stop() == 0

    (found,) = listed["threads"]
    assert (found["thread_id"], found["title"]) == ("from http", message["content"])
    kinds = [e["kind"] for e in msgspec.json.decode(exported["content"])["entries"]]
    assert kinds.count("question") == 2
    assert kinds[-1] == "verdict"


async def test_a_broken_stream_is_told_as_it_ended(tmp_path: Path) -> None:
    async with outages() as world, daemon_process(tmp_path, world.config) as daemon:
        async with wire_client(daemon.socket) as client:
            params = {"prompt": "Go on", "thread": "t", "stream": True, "model": "nope"}
            refused = await client.call("route", params)
            assert refused.error is not None
            found = await entries(client, "t")
            (listed,) = await threads(client)
        assert await daemon.stop() == 0

    assert [kind for kind, _ in story(found)] == ["question", "decision", "answer"]
    assert found[-1].data["error"] == "unknown_model"
    assert listed.state == "failed"


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    with simulated_daemon(tmp_path) as environ:
        done = run_commands("docs/threads.md", environ, tmp_path)

    assert done.returncode == 0, done.stderr
    assert "Should we ship on Friday?" in done.stdout
    assert "verdict  consensus to " in done.stdout
    assert "Summarise the plan" in done.stdout
    exported = msgspec.json.decode((tmp_path / "plan-b.json").read_bytes())
    assert exported["thread"]["thread_id"] == "plan-b"
    for name in ("how-it-was-decided", "who-agreed", "who-agreed-in-all-threads"):
        assert ET.parse(tmp_path / f"{name}.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "plan-b.md").read_text().startswith("# Thread `plan-b`")
    assert (tmp_path / "plan-b.mmd").read_text().startswith("sequenceDiagram\n")


async def test_what_is_kept_may_change_while_it_runs(tmp_path: Path) -> None:
    async with outages() as world, daemon_process(tmp_path, world.config) as daemon:
        async with wire_client(daemon.socket) as client:
            kept: list[tuple[str | None, object]] = []
            for keep in ("texts", "facts", "nothing"):
                daemon.config.write_text(f'[threads]\nkeep = "{keep}"\n{world.config}')
                assert (await client.call("reload")).error is None
                asked = {"prompt": f"With {keep}", "thread": keep}
                reply = (await client.call("route", asked)).result
                found = await client.call("threads.get", {"thread": keep})
                text = None
                if found.error is None:
                    text = (await entries(client, keep))[0].text or "facts"
                kept.append((text, reply.get("thread")))
        assert await daemon.stop() == 0

    assert kept == [("With texts", "texts"), ("facts", "facts"), (None, None)]
