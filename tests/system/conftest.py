"""One sandbox with a real systemd for all tests of the service: a boot takes a second."""

from collections.abc import AsyncIterator, Iterator

import pytest

from daemon.simulator import SimulatedProvider, simulate
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
