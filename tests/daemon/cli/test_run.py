"""Dispatch, exit codes, and how fast it starts."""

import subprocess
import sys

import pytest

from actors.errors import (
    GitBridgeError,
    InternalError,
    InvalidRequest,
    NoProvider,
    NotPermitted,
    Overloaded,
    ProviderRateLimited,
)
from daemon.config import ServeOptions
from ipc.calls import CallFailed
from ipc.results import ErrorData
from ipc.rpc import ErrorBody
from tests.support.cli import FakeDaemon, Machine


def test_without_a_command_the_help_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert Machine().type() == 64
    assert "usage: gitbridge" in capsys.readouterr().err


def test_version() -> None:
    machine = Machine()

    assert machine.type("--version") == 0
    assert machine.screen.out == "gitbridge 1.2.3\n"


def test_serve_gets_its_flags() -> None:
    machine = Machine()
    line = "serve --config c --socket s --state-dir d --listen h:1 --simulate --check"

    assert machine.type(*line.split()) == 0
    assert machine.served == [
        ServeOptions(
            config="c",
            socket="s",
            state_dir="d",
            listen="h:1",
            simulate=True,
            check=True,
        )
    ]


def test_no_daemon_is_69_with_the_places_and_what_to_do() -> None:
    machine = Machine()

    assert machine.type("status", "--socket", "/tmp/none.sock") == 69
    assert "the daemon is not running: nobody answers on /tmp/none.sock" in (
        machine.screen.err
    )
    assert "gitbridge serve" in machine.screen.err
    assert machine.screen.out == ""


def test_the_socket_is_looked_for_as_documented() -> None:
    machine = Machine()
    machine.environ["XDG_RUNTIME_DIR"] = "/run/user/7"
    machine.type("status", "--state-dir", "/state")

    assert [str(path) for path in machine.sockets] == [
        "/run/gitbridge/gitbridge.sock",
        "/run/user/7/gitbridge/gitbridge.sock",
        "/state/gitbridge.sock",
    ]
    machine.environ["GITBRIDGE_SOCKET"] = "/named.sock"
    machine.type("status")
    assert [str(path) for path in machine.sockets] == ["/named.sock"]


def test_a_socket_that_may_not_be_used_is_77() -> None:
    machine = Machine()
    machine.refuse = NotPermitted("no permission to use the socket /s")

    assert machine.type("status") == 77
    assert "ask for the group that owns it" in machine.screen.err


def refused(error: GitBridgeError, **data: object) -> GitBridgeError:
    """The error as the client raises it: its cause is what the daemon said."""
    said = ErrorData(kind=error.kind, **data)  # type: ignore[arg-type] # any field
    error.__cause__ = CallFailed(
        ErrorBody(code=-32000, message=error.message, data=said)
    )
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("x"), 1),
        (NoProvider("x"), 1),
        (NotPermitted("x"), 77),
        (Overloaded("x", retry_after_s=2.0), 75),
        (ProviderRateLimited("x"), 75),
        (InternalError("x"), 70),
    ],
)
def test_the_daemons_refusals_have_their_exit_codes(
    error: GitBridgeError, code: int
) -> None:
    machine = Machine(FakeDaemon({"status": refused(error)}))

    assert machine.type("status") == code
    assert f"x ({error.kind})" in machine.screen.err


def test_a_refusal_says_when_to_come_back_and_why() -> None:
    error = refused(Overloaded("busy", retry_after_s=2.0), decision_id="d7")
    machine = Machine(FakeDaemon({"route": error}))
    machine.type("ask", "x")

    assert "busy (overloaded); try again in 2 s" in machine.screen.err
    assert "gitbridge explain d7" in machine.screen.err


def test_with_json_an_error_is_a_document_too() -> None:
    error = refused(NoProvider("nobody"), decision_id="d7")
    machine = Machine(FakeDaemon({"route": error}))

    assert machine.type("ask", "x", "--json") == 1
    document = machine.screen.document
    assert isinstance(document, dict)
    assert document["error"]["kind"] == "no_provider"
    assert document["error"]["message"] == "nobody"
    assert document["error"]["decision_id"] == "d7"


def test_an_unexpected_exception_is_our_bug() -> None:
    machine = Machine(FakeDaemon({"status": RuntimeError("surprise")}))

    assert machine.type("status") == 70
    assert "RuntimeError: surprise" in machine.screen.err


def test_control_c_is_not_a_failure_with_a_traceback() -> None:
    machine = Machine(FakeDaemon({"status": KeyboardInterrupt()}))

    assert machine.type("status") == 130
    assert machine.screen.err == ""


HEAVY = (
    "aiohttp",
    "anyio",
    "asyncio",
    "uvloop",
    "structlog",
    "genai_prices",
    "sqlite3",
)


def test_the_command_line_starts_without_the_daemons_libraries() -> None:
    code = (
        "import sys, daemon.__main__, daemon.cli.run, daemon.cli.ask, daemon.cli.health, "
        "daemon.cli.reading, daemon.cli.control, daemon.cli.configure, ipc.blocking\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_a_reader_that_has_enough_is_no_error() -> None:
    code = "import sys; from daemon.__main__ import main; sys.exit(main())"
    command = f"{sys.executable} -c '{code}' config example | head -c 1"
    shell = f"set -o pipefail; {command}"
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "#", "")
