"""What is shared and what is not, by the configuration."""

from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from actors.messages.peers import Beat, OpenBreaker
from actors.messages.provider import (
    Attempt,
    ModelSnapshot,
    Outcome,
    ProbeResult,
    ProviderSnapshot,
)
from actors.runtime import ActorStopped
from daemon.config import Config
from daemon.sharing import ID_FILE, Around, open_sharing, own_id, redis_address
from tests.support.redis_server import redis_server
from tests.support.waiting import until


def config(url: str | None) -> Config:
    queue = {} if url is None else {"url": url}
    return msgspec.convert({"queue": queue}, Config)


def test_without_a_url_there_is_no_redis() -> None:
    assert redis_address(config(None), {"GITBRIDGE_REDIS_PASSWORD": "x"}) is None


@pytest.mark.parametrize(
    ("url", "environ", "password"),
    [
        ("redis://h", {}, None),
        ("redis://:own@h", {"GITBRIDGE_REDIS_PASSWORD": "other"}, "own"),
        ("redis://me@h", {"GITBRIDGE_REDIS_PASSWORD": " other\n"}, "other"),
    ],
)
def test_the_password_is_the_urls_or_that_of_the_environment(
    url: str, environ: dict[str, str], password: str | None
) -> None:
    address = redis_address(config(url), environ)

    assert address is not None
    assert address.password == password


def test_the_password_may_be_a_credential(tmp_path: Path) -> None:
    (tmp_path / "redis_password").write_text("kept\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    address = redis_address(config("redis://h"), environ)

    assert address is not None
    assert address.password == "kept"


@pytest.mark.parametrize("spoiled", [None, b"", b"\xff\xfe", b"a b", b"x" * 65])
def test_the_id_is_made_once_and_kept(tmp_path: Path, spoiled: bytes | None) -> None:
    if spoiled is not None:
        (tmp_path / ID_FILE).write_bytes(spoiled)
    made = own_id(tmp_path)

    assert made.isalnum()
    assert own_id(tmp_path) == made


async def test_nothing_is_told_where_nothing_is_shared(tmp_path: Path) -> None:
    async with open_sharing(config(None), tmp_path) as sharing:
        sharing.connect(Around({}, lambda: 0, lambda: 0))

        assert sharing.peers() == ()
        assert sharing.findings() == ()
        assert [each.values for each in sharing.figures()] == [{}, {}]
    assert not (tmp_path / ID_FILE).exists()


class Provider:
    """A provider that is asked for its health, and may be gone."""

    name = "openai"

    def __init__(self) -> None:
        self.looked = 0

    async def attempt(self, attempt: Attempt) -> Outcome:
        raise NotImplementedError

    def cancel(self, attempt_id: str, *, lost: bool = False) -> None:
        raise NotImplementedError

    def resumes_as(self, model: str) -> None:
        raise NotImplementedError

    async def check_health(self, model: str | None = None) -> ProbeResult:
        self.looked += 1
        raise ActorStopped("openai was removed")

    def snapshot(self) -> ProviderSnapshot:
        return ProviderSnapshot(
            provider=self.name,
            kind="openai",
            version=1,
            models=(ModelSnapshot(provider=self.name, model="gpt-4o"),),
            default_model="gpt-4o",
        )


async def test_a_bug_in_what_is_told_does_not_end_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.sharing.AFTER_A_BUG_S", 0.01)
    told: list[int] = []

    def in_flight() -> int:
        told.append(1)
        if len(told) < 3:
            raise ZeroDivisionError
        return 0

    with redis_server(tmp_path / "redis") as server, capture_logs() as lines:
        async with open_sharing(config(server.url), tmp_path) as sharing:
            sharing.connect(Around({}, in_flight, lambda: 0))
            await until(lambda: len(told) >= 3)

    assert [line["event"] for line in lines] == ["sharing_bug"] * 2


async def test_a_hint_about_a_provider_that_is_being_removed_does_no_harm(
    tmp_path: Path,
) -> None:
    provider = Provider()
    with redis_server(tmp_path / "redis") as server:
        async with open_sharing(config(server.url), tmp_path) as sharing:
            sharing.connect(Around({"openai": provider}, lambda: 3, lambda: 2))
            other = Beat(
                id="other",
                name="other",
                version="1",
                started_at=0.0,
                open=(OpenBreaker("openai", "gpt-4o"), OpenBreaker("who", "what")),
            )
            assert sharing.link is not None
            now = await sharing.link.call("TIME")
            assert isinstance(now, tuple | list)
            word = f"{int(now[0]) * 1000}:".encode() + msgspec.json.encode(other)
            await sharing.link.call("HSET", sharing.link.key("peers"), "other", word)

            await until(lambda: provider.looked == 1)
            await until(lambda: [p.name for p in sharing.peers()] == ["other"])
            assert [each.values for each in sharing.figures()] == [{(): 1}, {(): 1}]
            server.kill()
            await until(lambda: sharing.link is not None and sharing.link.away)
            assert [each.code for each in sharing.findings()] == ["redis_away"]
            assert sharing.figures()[0].values == {(): 0}
