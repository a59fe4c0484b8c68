"""The service's log in a real journal, read as an operator would."""

import shutil

import anyio
import anyio.to_thread
import msgspec
import pytest

from daemon.simulator import Fault, SimulatedProvider
from tests.support.documents import blocks
from tests.support.installed import PROGRAM
from tests.support.sandbox import messages
from tests.support.sandboxed_service import UNIT, Service, asked, patient
from tests.support.wire_client import wire_client

# journalctl leaves fields above 4096 bytes out, unless asked: a reload of so much is told
# in such a line.
RULES = [f"task_{number}" for number in range(100)]
LONG = "".join(f"\n[routing.tasks.{name}]\nmax_tokens = 4321\n" for name in RULES)
ONE_LINERS = [
    line.replace(" -f ", " ")
    for code in blocks("README.md", "console")
    for line in code.splitlines()
    if line.startswith("journalctl")
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def busy(service: Service, provider: SimulatedProvider) -> None:
    """A service that answered twice, said much of a reload, and was refused once."""
    service.configure(patient(provider))
    await service.start()
    await asked(service)
    async with wire_client(service.socket) as client:
        service.configure(patient(provider) + LONG)
        await service.do("reload", UNIT)
        await service.has_said('"event":"reloaded"')
        assert (await client.call("route", {"prompt": "hi"})).error is None
        await provider.fail(Fault(kind="status", status=401))
        assert (await client.call("route", {"prompt": "hi"})).error is not None
    await service.has_said("provider_key_refused", '"outcome":"provider_error"')


def shown(service: Service, *words: str) -> list[str]:
    return service.box.run(PROGRAM, "logs", *words).stdout.splitlines()


async def test_gitbridge_logs_shows_the_journal_readably(
    service: Service, provider: SimulatedProvider
) -> None:
    await busy(service, provider)
    everything = shown(service, "--since", "5m")
    last = shown(service, "-n", "1")
    grave = shown(service, "--since", "5m", "--level", "error")
    answer = service.box.run(PROGRAM, "logs", "--since", "5m", "--json").stdout

    assert any("Started gitbridge" in line for line in everything)
    assert sum(" request_finished openai/" in line for line in everything) >= 3
    assert any(" reloaded " in line and RULES[-1] in line for line in everything)
    assert not any("{" in line or "does not show" in line for line in everything)
    assert last == everything[-len(last) :]
    assert " condition_raised " in last[0] or " request_finished " in last[0]
    assert any("condition_raised provider_key_refused" in line for line in grave)
    assert not any("  info  " in line for line in grave)
    lines = msgspec.json.decode(answer)["lines"]
    events = {each.get("event") for each in lines}
    assert {"ready", "request_finished", "condition_raised"} <= events


async def test_lines_are_shown_as_they_come(
    service: Service, provider: SimulatedProvider
) -> None:
    service.configure(patient(provider))
    await service.start()
    followed: list[str] = []

    def follow() -> None:
        words = ("timeout", "-s", "INT", "4", PROGRAM, "logs", "-f", "-n", "1")
        done = service.box.run(*words, check=False)
        followed.extend(done.stdout.splitlines())

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, follow)
        await anyio.sleep(2.0)
        await asked(service)

    assert " request_finished openai/" in followed[-1]
    assert not any("{" in line for line in followed)


async def test_one_request_is_followed_by_its_id(
    service: Service, provider: SimulatedProvider
) -> None:
    await busy(service, provider)
    failed = service.logs("request_finished")[-1]
    by_request = shown(service, "--request", str(failed["request_id"]))
    by_decision = shown(service, "--request", str(failed["decision_id"]))

    assert len(by_request) >= 2  # the call that failed, and the request
    assert by_request == by_decision
    assert all(str(failed["request_id"]) in line for line in by_request)


async def test_journalctl_tells_what_is_grave_and_jq_reads_the_rest(
    service: Service, provider: SimulatedProvider
) -> None:
    await busy(service, provider)
    # With a cursor journalctl passes over the first entry that fits.
    grave = messages(service.box.journal("-u", UNIT, "-p", "err"))
    ours = [m for m in grave if m.startswith("{")]
    told = [msgspec.json.decode(m, type=dict[str, object]) for m in ours]

    assert {each["level"] for each in told} <= {"error", "critical"}
    assert "provider_key_refused" in {each.get("code") for each in told}
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    for line in ONE_LINERS:
        assert service.box.run("sh", "-euc", line).stdout.strip(), line
    assert len(ONE_LINERS) == 4
