"""This gitbridge as if installed into /opt/gitbridge, for a sandbox to bind.

A system service sees no home folder, and that is where checkouts, virtual environments
and many an interpreter are. So: a wheel of this checkout, unpacked into the skeleton of
a virtual environment, beside the interpreter and the libraries the tests run with.
"""

import compileall
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.support.documents import ROOT

PREFIX = "/opt/gitbridge"
PROGRAM = f"{PREFIX}/bin/gitbridge"
PYTHON = f"{PREFIX}/bin/python"
LIBRARIES = "/opt/gitbridge-libraries"
INTERPRETER = "/opt/python"
HOOKS = "/opt/gitbridge-hooks"
"""Where the tests' own programs are (``tests/support``)."""

SCRIPT = f"""#!{PYTHON}
import sys
from daemon.__main__ import main
sys.exit(main())
"""

LIBRARY_PATH = f"{INTERPRETER}/lib"
"""For an interpreter that was built with a shared library for another place."""


def installed(folder: Path) -> dict[Path, str]:
    """Make it in ``folder``; returns what to bind where."""
    pytest.importorskip("hatchling", reason="a wheel is built with it")
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    _unpack_wheel(site, folder.parent)
    (site / "libraries.pth").write_text(f"{LIBRARIES}\n")
    base = Path(sys.base_prefix)
    system = base == Path("/usr")
    home = "/usr/bin" if system else f"{INTERPRETER}/bin"
    (folder / "pyvenv.cfg").write_text(f"home = {home}\n")
    prices = Path("share", "gitbridge", "prices.msgpack")
    if (Path(sys.prefix) / prices).exists():  # else each start compiles them anew
        (folder / prices).parent.mkdir(parents=True)
        shutil.copy(Path(sys.prefix) / prices, folder / prices)
    programs = folder / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(f"{home}/{version}")
    (programs / "gitbridge").write_text(SCRIPT)
    (programs / "gitbridge").chmod(0o755)
    binds = {
        folder: PREFIX,
        Path(sysconfig.get_path("purelib")): LIBRARIES,
        ROOT / "tests" / "support": HOOKS,
    }
    return binds if system else {**binds, base: INTERPRETER}


def _unpack_wheel(site: Path, folder: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    compileall.compile_dir(site, quiet=2)
