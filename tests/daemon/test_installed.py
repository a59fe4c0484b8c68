"""Versions as the installers wrote them down."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from daemon.installed import installed_version


@pytest.mark.parametrize("name", ["gitbridge-smartrouter", "genai-prices", "msgspec"])
def test_the_version_is_that_of_the_metadata(name: str) -> None:
    assert installed_version(name) == version(name)


def test_what_is_not_installed_has_no_version() -> None:
    assert installed_version("no-such-distribution") is None


def test_metadata_of_another_kind_is_found_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    egg = tmp_path / "old_style.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text(
        "Metadata-Version: 2.1\nName: old-style\nVersion: 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    assert installed_version("old-style") == "7"


@pytest.mark.slow
def test_looking_costs_no_further_module() -> None:
    code = (
        "import sys; from daemon.installed import installed_version;"
        "assert installed_version('msgspec');"
        "assert 'importlib.metadata' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
