"""What tests of the whole house share: a sandbox with a real systemd, where tasks are kept."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from daemon.simulator import SimulatedProvider, simulate
from tests.support.redis_server import redis_server
from tests.support.sandboxed_service import Service, installed_service, secrets_in


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """At the end the whole journal is searched for what must never be in it."""
    folder = tmp_path_factory.mktemp("service")
    journal = folder / "journal"
    with installed_service(folder / "prefix", journal) as service:
        yield service
    assert secrets_in(journal, ["systemd"]) == ["systemd"]


@pytest.fixture
def service(installed: Service) -> Service:
    installed.reset()
    return installed


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    """The provider that the service's configuration names, see ``patient``."""
    async with simulate(["openai"]) as providers:
        yield providers["openai"]


@pytest.fixture(params=["sqlite", "redis"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where tasks are kept: ``[queue]`` of the configuration, as far as it says so."""
    if request.param == "sqlite":
        yield "[queue]\n"
    else:
        with redis_server(tmp_path / "redis") as server:
            yield f'[queue]\nbackend = "redis"\nurl = "{server.url}"\n'
