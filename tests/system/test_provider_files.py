"""Providers are added, changed and removed by files while requests run."""

from pathlib import Path

import anyio
import pytest

from actors.errors import InvalidRequest, UnknownModel
from ipc.client import Client
from tests.support.daemon_process import DaemonProcess, assert_well, prepared_daemon
from tests.support.local_servers import LocalServer, local_server
from tests.support.waiting import eventually, until

pytestmark = pytest.mark.slow


def table(name: str, server: LocalServer, more: str = "") -> str:
    return (
        f'[providers.{name}]\npreset = "{server.flavour}"\n'
        f'base_url = "{server.base_url}"\nmodel = "{server.models[0]}"\n{more}\n'
    )


class Files:
    """The ``providers.d`` of a daemon."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.folder = daemon.folder / "providers.d"
        self.folder.mkdir()

    def write(self, name: str, text: str) -> None:
        beside = self.folder / f"{name}.new"
        beside.write_text(text)
        beside.rename(self.folder / f"{name}.toml")

    def remove(self, name: str) -> None:
        (self.folder / f"{name}.toml").unlink()


async def conditions(client: Client) -> list[str]:
    return [c.code for c in (await client.status()).conditions]


async def test_providers_come_change_and_go_and_nobody_is_disturbed(
    tmp_path: Path,
) -> None:
    async with (
        local_server("vllm", "base") as base,
        local_server("vllm", "a") as one,
        local_server("vllm", "b") as two,
    ):
        for server in (base, one, two):
            await server.start()
        with prepared_daemon(tmp_path, table("base", base)) as daemon:
            await tell_the_story(daemon, base, one, two)


async def tell_the_story(
    daemon: DaemonProcess, base: LocalServer, one: LocalServer, two: LocalServer
) -> None:
    files = Files(daemon)
    await daemon.start()
    async with Client([daemon.socket]) as client, anyio.create_task_group() as group:
        with pytest.raises(UnknownModel):
            await client.route("Hello?", model="a")

        files.write("extra", table("extra", one))
        await daemon.wait_for_log("provider_added")
        assert (await client.route("Hello?", model="a")).provider == "extra"
        health = await client.health(provider="extra")
        assert health.healthy

        one.hold()
        answers: list[str | None] = []

        async def ask_the_old_one() -> None:
            answers.append((await client.route("Hello?", model="a")).content)

        group.start_soon(ask_the_old_one)
        await until(lambda: one.held == 1)
        files.write("extra", table("extra", two))
        await daemon.wait_for_log("provider_changed")
        assert (await client.route("Hello?", model="b")).content == "I am b."
        assert (await client.route("Hello?", provider="base")).content == "I am base."
        assert answers == []
        one.release()
        await until(lambda: answers == ["I am a."])

        files.write("extra", '[providers.extra]\npreset = "vlm"')
        await daemon.wait_for_log("provider_file_refused")
        assert (await client.route("Hello?", model="b")).provider == "extra"
        [condition] = (await client.status()).conditions[-1:]
        assert condition.code == "provider_file_refused"
        assert "providers.extra.preset" in condition.text
        assert '"vlm"' in condition.text

        files.remove("extra")
        await daemon.wait_for_log("provider_removed")
        assert [p.provider for p in (await client.status()).providers] == ["base"]
        names = {row.provider for row in (await client.models()).models}
        assert names == {None, "base"}
        with pytest.raises(InvalidRequest, match="no provider 'extra'"):
            await client.route("Hello?", provider="extra")
        assert "provider_file_refused" not in await conditions(client)

        files.write("extra", table("extra", two))
        await daemon.wait_for_log("provider_added", count=2)
        known = {p.provider: p for p in (await client.providers()).providers}
        assert known["extra"].totals.requests == 4  # what it did is not forgotten
        assert len(base.asked) == 1
    assert await daemon.stop() == 0
    assert_well(daemon)


async def test_the_last_provider_may_go_and_another_may_come(tmp_path: Path) -> None:
    async with local_server("ollama", "a") as one, local_server("vllm", "b") as two:
        await one.start()
        await two.start()
        with prepared_daemon(tmp_path, "") as daemon:
            files = Files(daemon)
            daemon.config.write_text("[providers.openai]\nenabled = false")
            files.write("one", table("one", one))
            await daemon.start()
            async with Client([daemon.socket]) as client:
                assert (await client.route("Hello?")).provider == "one"
                files.remove("one")
                await daemon.wait_for_log("provider_removed")
                assert (await client.status()).providers == ()
                files.write("two", table("two", two))
                await daemon.wait_for_log("provider_added")

                async def answered() -> bool:
                    return (await client.route("Hello?")).provider == "two"

                await eventually(answered)
            assert_well(daemon)
