"""What is said about a failed command, to people and to programs."""

from decimal import Decimal
from pathlib import Path

import pytest

from actors.errors import (
    GitBridgeError,
    InvalidRequest,
    NoProvider,
    NotPermitted,
    ProviderError,
)
from actors.messages.routing import AttemptSummary
from daemon.cli.connection import CommandFailed
from daemon.cli.ending import ending_of, usage_ending
from daemon.exits import ConfigError, Problem
from ipc.calls import CallFailed, DaemonUnreachable
from ipc.results import ErrorData
from ipc.rpc import ErrorBody
from tests.support.cli import FakeDaemon, Machine

PROBLEM = Problem("server.socket", "5", "wanted text", "file")


def told(error: GitBridgeError, **data: object) -> GitBridgeError:
    """The error as the client raises it: its cause is what the daemon said."""
    said = ErrorData(kind=error.kind, **data)  # type: ignore[arg-type] # any field
    error.__cause__ = CallFailed(
        ErrorBody(code=-32000, message=error.message, data=said)
    )
    return error


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (ConfigError("wrong:", (PROBLEM,)), 78, "bad_config"),
        (DaemonUnreachable("nobody"), 69, "unreachable"),
        (CommandFailed("no"), 1, "failed"),
        (CommandFailed("the prompt is empty", 64), 64, "invalid_request"),
        (CommandFailed("not understood", 70), 70, "internal"),
        (NotPermitted("no permission"), 77, "not_permitted"),
        (NoProvider("nobody"), 1, "no_provider"),
        (ValueError("surprise"), 70, "internal"),
    ],
)
def test_every_error_has_an_exit_code_a_kind_and_words(
    error: Exception, code: int, kind: str
) -> None:
    ending = ending_of(error)

    assert (ending.exit_code, ending.data["kind"]) == (code, kind)
    assert ending.data["message"]
    assert str(error).split(":")[0] in ending.text


def test_mistakes_in_the_configuration_are_listed_one_by_one() -> None:
    assert ending_of(ConfigError("wrong:", (PROBLEM,))).data["problems"] == [
        {"key": "server.socket", "got": "5", "text": "wanted text", "origin": "file"}
    ]


def test_a_value_that_is_refused_was_typed_so_it_is_a_usage_error() -> None:
    refused = InvalidRequest("no such provider", field="provider", wanted="openai")

    assert ending_of(refused).exit_code == 64
    assert ending_of(refused).text == (
        "no such provider; wanted openai (invalid_request)"
    )
    assert ending_of(refused).data == {
        "kind": "invalid_request",
        "message": "no such provider",
        "field": "provider",
        "wanted": "openai",
    }


def test_a_provider_that_failed_is_named() -> None:
    failed = ProviderError("500: sorry", provider="grok")

    assert ending_of(failed).text == "grok: 500: sorry (provider_error)"
    named = ProviderError("grok was removed", provider="grok")
    assert ending_of(named).text == "grok was removed (provider_error)"


def test_what_was_wanted_is_not_said_twice() -> None:
    refused = InvalidRequest("got x, wanted a or b", field="y", wanted="a or b")

    assert ending_of(refused).text == "got x, wanted a or b (invalid_request)"


def test_an_id_that_is_not_there_and_a_request_that_is_refused_have_failed() -> None:
    unknown = InvalidRequest("there is no decision 'x'", field="decision_id")

    assert ending_of(told(unknown, field="decision_id")).exit_code == 1
    assert ending_of(told(InvalidRequest("the provider says no"))).exit_code == 1


def test_money_in_an_error_is_a_number() -> None:
    attempt = AttemptSummary(
        provider="openai",
        model="m",
        outcome="timeout",
        latency_s=1.0,
        cost_usd=Decimal("0.5"),
    )
    machine = Machine(
        FakeDaemon({"route": told(NoProvider("nobody"), attempts=(attempt,))})
    )

    assert machine.type("ask", "x", "--json") == 1
    assert '"cost_usd":0.5' in machine.screen.out


def test_a_traceback_is_for_people() -> None:
    ending = ending_of(ValueError("surprise"))

    assert "bug of gitbridge" in ending.text
    assert ending.data["message"] == "ValueError('surprise')"


def test_what_was_not_understood_is_an_invalid_request() -> None:
    ending = usage_ending("gitbridge: what?")

    assert ending.exit_code == 64
    assert ending.data == {"kind": "invalid_request", "message": "gitbridge: what?"}


@pytest.mark.parametrize(
    ("argv", "code", "kind"),
    [
        ("ask x --json --max-tokens 0", 64, "invalid_request"),
        ("nonsense --json", 64, "invalid_request"),
        ("health --format=json --retries x", 64, "invalid_request"),
        ("health --format json --retries x", 64, "invalid_request"),
        ("strategy cost --reset --json", 64, "invalid_request"),
        ("config check --json --config BAD", 78, "bad_config"),
        ("config show --json --config BAD", 78, "bad_config"),
        ("status --json", 70, "internal"),
    ],
)
def test_with_json_every_error_is_one_document(
    argv: str,
    code: int,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = tmp_path / "c.toml"
    bad.write_text("nonsense = 1\n")
    machine = Machine(FakeDaemon({"status": RuntimeError("surprise")}))
    words = argv.replace("BAD", str(bad)).split()

    assert machine.type(*words) == code
    document = machine.screen.document
    assert isinstance(document, dict)
    assert document["error"]["kind"] == kind
    assert machine.screen.err or capsys.readouterr().err


def test_a_prompt_about_json_is_a_prompt() -> None:
    machine = Machine()

    assert machine.type("ask", "--", "--json") == 69
    assert machine.screen.out == ""
