"""The configuration is read again by a real daemon, by signal, method and command."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import aiohttp
import anyio
import msgspec
import pytest

from actors.errors import InvalidRequest, UnknownModel
from daemon.exits import EXIT_CONFIG, EXIT_OK
from daemon.simulator import SimulatedProvider, simulate
from ipc.calls import details
from ipc.client import Client
from ipc.control import ReloadResult
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
    prepared_daemon,
    process_environment,
)
from tests.support.systemd_socket import listening
from tests.support.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture
async def providers() -> AsyncIterator[dict[str, SimulatedProvider]]:
    async with simulate(["openai", "xai", "anthropic"]) as started:
        yield started


def some(providers: dict[str, SimulatedProvider], *names: str, more: str = "") -> str:
    return configuration({name: providers[name] for name in names}, more)


async def reloaded(client: Client) -> ReloadResult:
    return cast("ReloadResult", await client.call("reload"))


def command(daemon: DaemonProcess, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "daemon", *words, "--socket", str(daemon.socket)],
        capture_output=True,
        text=True,
        timeout=20,
        env=process_environment(daemon.folder),
        check=False,
    )


async def test_everything_that_was_said_is_followed_at_once(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    config = some(providers, "openai")
    async with (
        daemon_process(tmp_path, config) as daemon,
        Client([daemon.socket]) as client,
    ):
        with pytest.raises(UnknownModel):
            await client.route("Hi.", model="quick")
        more = (
            '[models]\nquick = ["xai"]\n[routing]\nstrategy = "cost"\n'
            '[log]\nlevel = "debug"\n[health]\nmax_latency_s = 7\n'
        )
        daemon.config.write_text(some(providers, "xai", more=more))

        result = await reloaded(client)

        changed = {each.key: (each.before, each.after) for each in result.changes}
        assert changed["routing.strategy"] == ("hybrid", "cost")
        assert changed["models.quick.candidates"] == (None, ["xai"])
        assert changed["log.level"] == ("info", "debug")
        assert {(p.provider, p.change) for p in result.providers} == {
            ("openai", "removed"),
            ("xai", "added"),
        }
        assert result.restart_needed == ()
        assert (await client.route("Hi.", model="quick")).provider == "xai"
        assert (await client.strategy()).strategy == "cost"
        assert (await client.health()).max_latency_s == 7
        assert [p.provider for p in (await client.status()).providers] == ["xai"]
        names = {row.name for row in (await client.models()).models}
        assert "quick" in names
        with pytest.raises(InvalidRequest):
            await client.route("Hi.", provider="openai")
        await daemon.wait_for_log("actor_exited")  # told at level debug only
        assert await daemon.stop() == EXIT_OK
        assert_well(daemon)
    (line,) = daemon.logs("reloaded")
    assert 'routing.strategy: "hybrid" -> "cost"' in cast("list[str]", line["changes"])


async def test_a_wrong_configuration_changes_nothing_and_lists_every_mistake(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    good = some(providers, "openai", more='[routing]\nstrategy = "cost"\n')
    async with (
        daemon_process(tmp_path, good) as daemon,
        Client([daemon.socket]) as client,
    ):
        folder = tmp_path / "providers.d"
        folder.mkdir()
        (folder / "box.toml").write_text("[providers.box]\nkind = 7\n")
        bad = '[routing]\nstrategy = "cheap"\nmax_attempt = 3\n'
        daemon.config.write_text(some(providers, "openai", "xai", more=bad))

        with pytest.raises(InvalidRequest, match="nothing has changed") as caught:
            await reloaded(client)

        said = details(caught.value)
        assert said is not None
        assert said.mistakes
        found = {(m.file, m.key, m.got) for m in said.mistakes}
        assert found == {
            (str(daemon.config), "routing.strategy", '"cheap"'),
            (str(daemon.config), "routing.max_attempt", "3"),
            (str(folder / "box.toml"), "providers.box.kind", "7"),
        }
        assert all(m.wanted for m in said.mistakes)
        status = await client.status()
        assert [p.provider for p in status.providers] == ["openai"]
        assert status.strategy == "cost"
        assert "configuration_refused" in {c.code for c in status.conditions}

        (folder / "box.toml").unlink()
        daemon.config.write_text(good)
        await reloaded(client)

        codes = {c.code for c in (await client.status()).conditions}
        assert "configuration_refused" not in codes
        assert await daemon.stop() == EXIT_OK
        assert_well(daemon)


async def test_systemd_hears_of_the_beginning_and_the_end_good_or_bad(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    with (
        listening(tmp_path / "n") as systemd,
        prepared_daemon(tmp_path, some(providers, "openai")) as daemon,
    ):
        daemon.environ["NOTIFY_SOCKET"] = str(systemd.path)
        await daemon.start()
        await systemd.wait_for("READY=1")
        daemon.config.write_text("[routing]\nstrategy = 1\n")
        daemon.signal(signal.SIGHUP)
        refused = await systemd.wait_for("READY=1", count=2)
        daemon.config.write_text(some(providers, "openai", "xai"))
        daemon.signal(signal.SIGHUP)
        fine = await systemd.wait_for("READY=1", count=3)
        assert await daemon.stop() == EXIT_OK
        said = [each.split("\n")[0] for each in systemd.said]
        begun = systemd.first("RELOADING=1")

    assert "configuration refused at the last reload" in refused
    assert "configuration refused" not in fine
    assert all(each.split("\n")[1].startswith("MONOTONIC_USEC=") for each in begun)
    told = [x for x in said if x in {"READY=1", "RELOADING=1", "STOPPING=1"}]
    assert told == [
        *("READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1"),
        "STOPPING=1",
    ]
    (line,) = daemon.logs("reload_refused")
    assert "routing.strategy" in cast("list[str]", line["mistakes"])[0]
    assert_well(daemon)


async def test_a_changed_key_is_picked_up_where_it_can_be(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    key = tmp_path / "key"
    key.write_text("sk-first-key\n")
    key.chmod(0o600)
    config = some(providers, "openai", "xai").replace(
        'kind = "openai"', 'kind = "openai"\napi_key_file = "key"'
    )
    async with (
        daemon_process(tmp_path, config) as daemon,
        Client([daemon.socket]) as client,
    ):
        key.write_text("sk-second-key\n")

        result = await reloaded(client)

        (changed,) = result.providers
        assert (changed.provider, changed.change, changed.new_key) == (
            *("openai", "changed"),
            True,
        )
        assert changed.key_source == f"file {key}"
        assert result.changes == ()
        (note,) = result.key_notes
        assert note.startswith("the key of xai comes from the environment")
        key.unlink()
        with pytest.raises(InvalidRequest, match=r"api_key_file.*cannot be read"):
            await reloaded(client)
        assert await daemon.stop() == EXIT_OK
    said = daemon.everything_said()
    assert "sk-first" not in said
    assert "sk-second" not in said


async def test_what_only_a_restart_changes_is_named_until_it_comes(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    async with (
        daemon_process(tmp_path, some(providers, "openai")) as daemon,
        Client([daemon.socket]) as client,
    ):
        more = '[ledger]\nsync = "full"\n'
        daemon.config.write_text(some(providers, "openai", more=more))
        for _ in range(2):
            result = await reloaded(client)
            assert result.restart_needed == ("ledger.sync",)
            assert [each.key for each in result.changes] == ["ledger.sync"]
            codes = {c.code: c.text for c in (await client.status()).conditions}
            assert "ledger.sync" in codes["restart_needed"]
        await daemon.stop()
        await daemon.start()

        assert (await reloaded(client)).changes == ()
        codes = {c.code: c.text for c in (await client.status()).conditions}
        assert "restart_needed" not in codes
        assert await daemon.stop() == EXIT_OK


async def test_the_sockets_mode_follows(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    async with (
        daemon_process(tmp_path, some(providers, "openai")) as daemon,
        Client([daemon.socket]) as client,
    ):
        more = '[server]\nsocket_mode = "0600"\n[ledger]\nretention_days = 7\n'
        daemon.config.write_text(some(providers, "openai", more=more))

        result = await reloaded(client)

        assert {each.key for each in result.changes} == {
            *("server.socket_mode", "ledger.retention_days")
        }
        assert result.restart_needed == ()
        assert daemon.socket.stat().st_mode & 0o777 == 0o600
        assert await daemon.stop() == EXIT_OK


async def test_a_token_holds_or_not_from_one_request_to_the_next(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    def tokens(*names: str) -> str:
        rows = ", ".join(
            f'{{ name = "{name}", sha256 = "{sha256(name.encode()).hexdigest()}" }}'
            for name in names
        )
        more = f'[server]\nlisten = "127.0.0.1:0"\n[access]\ntokens = [{rows}]\n'
        return some(providers, "openai", more=more)

    async with (
        daemon_process(tmp_path, tokens("ann", "bob")) as daemon,
        Client([daemon.socket]) as client,
        aiohttp.ClientSession() as session,
    ):
        url = f"http://{daemon.logs('ready')[0]['listen']}/v1/models"

        async def status(name: str) -> int:
            headers = {"authorization": f"Bearer {name}"}
            async with session.get(url, headers=headers) as answer:
                await answer.read()
                return answer.status

        assert [await status(x) for x in ("ann", "bob", "eve")] == [200, 200, 401]
        daemon.config.write_text(tokens("bob", "eve"))
        result = await reloaded(client)
        assert [await status(x) for x in ("ann", "bob", "eve")] == [401, 200, 200]
        assert sha256(b"eve").hexdigest() not in str(result)
        assert await daemon.stop() == EXIT_OK
        assert sha256(b"eve").hexdigest() not in daemon.everything_said()


async def test_a_run_time_override_holds_over_what_was_read(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    async with (
        daemon_process(tmp_path, some(providers, "openai")) as daemon,
        Client([daemon.socket]) as client,
    ):
        await client.set_strategy("performance")
        more = '[routing]\nstrategy = "cost"\n'
        daemon.config.write_text(some(providers, "openai", more=more))

        (change,) = (await reloaded(client)).changes

        assert change.note
        assert "strategy --reset" in change.note
        assert (await client.strategy()).strategy == "performance"
        assert (await client.set_strategy(None)).strategy == "cost"
        assert await daemon.stop() == EXIT_OK


async def test_the_command_shows_the_difference_and_ends_as_it_should(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    async with daemon_process(tmp_path, some(providers, "openai")) as daemon:
        more = "[routing]\nmax_attempts = 9\n"
        daemon.config.write_text(some(providers, "openai", "xai", more=more))
        shown = await anyio.to_thread.run_sync(command, daemon, "reload")
        assert (shown.returncode, "provider xai added" in shown.stdout) == (0, True)
        assert "routing.max_attempts" in shown.stdout

        daemon.config.write_text("[routing]\nmax_attempts = 0\n")
        refused = await anyio.to_thread.run_sync(command, daemon, "reload", "--json")
        assert refused.returncode == EXIT_CONFIG
        document: Any = msgspec.json.decode(refused.stdout)
        (problem,) = document["error"]["problems"]
        assert document["error"]["kind"] == "bad_config"
        assert problem["file"] == str(daemon.config)
        assert problem["key"] == "routing.max_attempts"
        assert problem["got"] == "0"
        assert await daemon.stop() == EXIT_OK


async def test_http_reloads_too_and_tells_by_its_status(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    async with (
        daemon_process(tmp_path, some(providers, "openai")) as daemon,
        aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(daemon.socket))
        ) as session,
    ):
        asked = {"id": 1, "method": "reload"}
        async with session.post("http://localhost/rpc", json=asked) as answer:
            document = await answer.json()
            assert (answer.status, document["result"]["changes"]) == (200, [])
        daemon.config.write_text("nonsense")
        async with session.post("http://localhost/rpc", json=asked) as answer:
            document = await answer.json()
            assert answer.status == 400
        assert document["error"]["data"]["mistakes"][0]["file"] == str(daemon.config)
        assert await daemon.stop() == EXIT_OK


async def test_a_hangup_reloads_and_many_at_once_are_one_wish(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    async with daemon_process(tmp_path, some(providers, "openai")) as daemon:
        daemon.config.write_text(some(providers, "openai", "xai"))
        for _ in range(20):
            daemon.signal(signal.SIGHUP)
        await daemon.wait_for_log("reloaded")
        async with Client([daemon.socket]) as client:
            assert len((await client.status()).providers) == 2
        assert await daemon.stop() == EXIT_OK
        assert 1 <= len(daemon.logs("reloaded")) <= 20
        assert_well(daemon)


async def test_a_hangup_while_it_starts_is_not_forgotten(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    with prepared_daemon(tmp_path, some(providers, "openai")) as daemon:
        daemon.spawn()
        await until(daemon.socket.exists)
        daemon.signal(signal.SIGHUP)
        await daemon.wait_for_log("reloaded")
        assert daemon.running
        assert await daemon.stop() == EXIT_OK
        assert_well(daemon)


async def test_pretended_providers_come_with_the_configuration(tmp_path: Path) -> None:
    with prepared_daemon(tmp_path, "[providers.openai]\n") as daemon:
        daemon.flags.append("--simulate")
        await daemon.start()
        async with Client([daemon.socket]) as client:
            daemon.config.write_text(
                '[providers.openai]\nmodel = "gpt-4.1"\n[providers.claude]\n'
            )
            result = await reloaded(client)
            assert {(p.provider, p.change) for p in result.providers} == {
                ("openai", "changed"),
                ("claude", "added"),
            }
            for name in ("openai", "claude"):
                answer = await client.route("Hi.", provider=name)
                assert (answer.provider, answer.simulated) == (name, True)
        await until(lambda: len(daemon.logs("simulating")) == 3)
        assert await daemon.stop() == EXIT_OK
        assert_well(daemon)
