"""A health check without a daemon, against pretend providers over real HTTP."""

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import pytest

from daemon.simulator import Fault, SimulatedProvider, simulate
from tests.support.daemon_process import configuration, process_environment

pytestmark = pytest.mark.slow

Providers = Mapping[str, SimulatedProvider]


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    async with simulate(["openai", "xai"]) as running:
        yield running


async def health(
    folder: Path, providers: Providers, *flags: str, more: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run ``gitbridge health`` in a process of its own, where no daemon runs."""
    config = folder / "c.toml"
    config.write_text(configuration(providers, more))
    command = [
        *(sys.executable, "-m", "daemon", "health", *flags),
        *("--config", str(config), "--state-dir", str(folder / "state")),
        *("--socket", str(folder / "none")),
    ]
    return await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=folder,
            env=process_environment(folder),
        )
    )


def verdicts(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, object]]:
    """The providers in the one document on stdout."""
    assert done.stdout.count("\n") == 1
    document = msgspec.json.decode(done.stdout, type=dict[str, object])
    found = msgspec.convert(document["providers"], list[dict[str, object]])
    return {str(each["provider"]): each for each in found}


async def test_it_asks_for_the_models_lists_and_nothing_that_costs(
    tmp_path: Path, providers: Providers
) -> None:
    done = await health(tmp_path, providers, "--format", "json")

    assert (done.returncode, done.stderr) == (0, "")
    assert {n: v["healthy"] for n, v in verdicts(done).items()} == {
        "openai": True,
        "xai": True,
    }
    assert all(v["simulated"] for v in verdicts(done).values())
    for provider in providers.values():
        assert provider.stats.requests == 0
        assert provider.stats.models_requests == 1


async def test_chatgpt_is_openai_and_its_log_is_in_the_state_folder(
    tmp_path: Path, providers: Providers
) -> None:
    done = await health(tmp_path, providers, "chatgpt")
    logs = tmp_path / "state" / "logs"

    assert done.returncode == 0, done.stderr
    assert "openai (simulated)  healthy" in done.stdout
    assert [path.name for path in logs.iterdir()] == ["openai_healthcheck.log"]
    assert " openai healthy " in (logs / "openai_healthcheck.log").read_text()


async def test_a_key_that_is_refused_is_unhealthy_and_retried(
    tmp_path: Path, providers: Providers
) -> None:
    await providers["xai"].fail(Fault(kind="status", status=401, scope="models"))
    done = await health(tmp_path, providers, "--retries", "1", "--json")

    assert done.returncode == 1
    assert verdicts(done)["openai"]["healthy"] is True
    assert "auth: " in str(verdicts(done)["xai"]["error"])
    assert providers["xai"].stats.models_requests == 2
    assert providers["openai"].stats.models_requests == 1


async def test_thresholds_come_from_the_flag_or_the_configuration(
    tmp_path: Path, providers: Providers
) -> None:
    strict = "[health]\nmax_latency_s = 0.000001\n"
    slow = await health(tmp_path, providers, "--retries", "0", more=strict)
    patient = await health(tmp_path, providers, "--max-latency", "60", more=strict)

    assert slow.returncode == 1
    assert "slow: at most 1e-06 s is wanted" in slow.stdout
    assert patient.returncode == 0


async def test_an_unknown_provider_or_model_is_said(
    tmp_path: Path, providers: Providers
) -> None:
    nobody = await health(tmp_path, providers, "nobody")
    model = await health(
        tmp_path, providers, "openai", "--model", "gpt-9", "--retries", "0"
    )

    assert nobody.returncode == 64
    assert "there is no provider 'nobody'; wanted one of openai, xai" in nobody.stderr
    assert model.returncode == 1
    assert "openai does not list a model gpt-9" in model.stdout


async def test_stdout_is_one_document_whatever_else_is_wrong(
    tmp_path: Path, providers: Providers
) -> None:
    (tmp_path / "state").write_text("in the way")
    done = await health(tmp_path, providers, "openai", "--json")
    broken = await health(tmp_path, {}, "--json", more="nonsense = 1")

    assert done.returncode == 0
    assert verdicts(done)["openai"]["healthy"] is True
    assert "health_log_unwritable" in done.stderr
    assert broken.returncode == 78
    problem = msgspec.json.decode(broken.stdout)["error"]
    assert problem["kind"] == "bad_config"
    assert problem["problems"][0]["key"] == "nonsense"
