"""What is shared and what is not, by the configuration."""

from pathlib import Path

import msgspec
import pytest

from daemon.config import Config
from daemon.sharing import ID_FILE, Around, open_sharing, own_id, redis_address


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
