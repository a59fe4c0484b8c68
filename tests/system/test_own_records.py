"""Users see what they asked, over every reading method; administrators see everything."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import aiohttp
import msgspec
import pytest

from daemon.simulator import ProviderSpec, simulate
from tests.support.daemon_process import configuration, daemon_process
from tests.support.wire_client import wire_client

pytestmark = pytest.mark.slow

BODY = {"model": "auto", "messages": [{"role": "user", "content": "Hi."}]}


class Caller:
    """Somebody with a token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, name: str) -> None:
        self._session = session
        self._url = url
        self._head = {"authorization": f"Bearer {name}"}

    async def ask(self) -> str:
        """Have something answered; the decision's id."""
        where = f"{self._url}/v1/chat/completions"
        async with self._session.post(where, json=BODY, headers=self._head) as answer:
            assert answer.status == 200
            return answer.headers["x-gitbridge-decision"]

    async def read(self, path: str) -> tuple[int, str]:
        where = f"{self._url}/api/{path}"
        async with self._session.get(where, headers=self._head) as answer:
            return answer.status, await answer.text()

    async def decisions(self) -> list[str]:
        status, text = await self.read("history")
        assert status == 200
        return decisions_of(text)


def decisions_of(text: str | bytes) -> list[str]:
    entries = msgspec.json.decode(text)["entries"]
    return [str(entry["decision_id"]) for entry in entries]


@pytest.fixture
async def config() -> AsyncIterator[str]:
    specs = (ProviderSpec(name="openai", kind="openai"),)
    tokens = ", ".join(
        f'{{ name = "{name}", sha256 = "{sha256(name.encode()).hexdigest()}",'
        f' tier = "{tier}", budget_usd_per_day = 5 }}'
        for name, tier in (("ann", "user"), ("bob", "user"), ("root", "admin"))
    )
    more = f'[server]\nlisten = "127.0.0.1:0"\n[access]\ntokens = [{tokens}]\n'
    async with simulate(specs) as providers:
        yield configuration(providers, more)


async def test_each_sees_their_own(tmp_path: Path, config: str) -> None:
    async with (
        daemon_process(tmp_path, config) as daemon,
        aiohttp.ClientSession() as session,
    ):
        (ready,) = daemon.logs("ready")
        url = f"http://{ready['listen']}"
        ann, bob, root = (Caller(session, url, name) for name in ("ann", "bob", "root"))
        hers, his = [await ann.ask(), await ann.ask()], [await bob.ask()]

        assert await ann.decisions() == hers[::-1]
        assert await bob.decisions() == his
        assert await root.decisions() == [*his, *hers[::-1]]

        for path in ("usage?by=user", "status"):
            assert '"bob"' not in (await ann.read(path))[1]
            assert '"ann"' in (await ann.read(path))[1]
            assert '"bob"' in (await root.read(path))[1]
        assert (await ann.read(f"explain?decision_id={hers[0]}"))[0] == 200
        status, text = await ann.read(f"explain?decision_id={his[0]}")
        assert status == 400
        assert "there is no decision" in text
        assert (await root.read(f"explain?decision_id={his[0]}"))[0] == 200

        async with wire_client(daemon.socket) as client:  # the daemon's own user
            told = (await client.call("history", {})).result
        assert len(decisions_of(msgspec.json.encode(told))) == 3
