"""Every example of the Python client's page does what it says, as it stands there."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from actors import errors
from ipc.calls import DaemonUnreachable
from ipc.results import RouteReply
from ipc.route import RouteParams
from tests.support.documents import ROOT, blocks, simulated_daemon

PAGE = "docs/python-client.md"
EXAMPLES = blocks(PAGE, "python")
TEXT = (ROOT / PAGE).read_text()

# Params whose features do not exist yet, and those the client sets itself.
NOT_FOR_CALLERS = {
    "hedge",
    "priority",
    "prompt",
    "stream",
}


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with simulated_daemon(tmp_path_factory.mktemp("home")) as environ:
        yield environ


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_runs(number: int, environ: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[number]],
        env=environ,
        cwd=environ["HOME"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, ""), f"{EXAMPLES[number]}\n{done}"
    assert done.stdout.strip()


def test_both_faces_are_shown() -> None:
    faces = {"ipc.client", "ipc.blocking"}
    shown = {face for face in faces for code in EXAMPLES if f"from {face} " in code}

    assert shown == faces


def test_the_page_names_every_param_and_every_field_of_an_answer() -> None:
    params = set(RouteParams.__struct_fields__) - NOT_FOR_CALLERS
    fields = set(RouteReply.__struct_fields__) - {"response_id"}

    assert [name for name in sorted(params | fields) if f"`{name}`" not in TEXT] == []


def test_the_page_has_the_tree_of_errors() -> None:
    rows = re.findall(r"^\| (?:— )*`(\w+)` \| (?:`(\w+)`)? *\|", TEXT, re.MULTILINE)
    told = dict(rows)
    known = {**vars(errors), "DaemonUnreachable": DaemonUnreachable}

    assert len(told) > 15
    for name, kind in told.items():
        assert issubclass(known[name], errors.GitBridgeError)
        assert kind in {"", known[name].kind}
