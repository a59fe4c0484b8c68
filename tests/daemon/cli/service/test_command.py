"""``gitbridge service`` on a machine with a pretended systemd."""

from pathlib import Path

import pytest

import daemon as package
from actors.errors import NotPermitted
from actors.messages.routing import Weights
from daemon.cli.connection import CommandFailed
from daemon.cli.service.plan import perform, run
from daemon.cli.service.reach import out_of_reach, parts_of_program
from daemon.cli.service.units import program
from ipc.results import StatusResult
from tests.support.cli import FakeDaemon, Machine
from tests.support.fake_systemd import RUNNING, FakeSystemd

ANSWER = StatusResult(
    version="1.2.3",
    pid=4711,
    started_at=0.0,
    uptime_s=1.0,
    ready=True,
    strategy="hybrid",
    weights=Weights(),
    in_flight=0,
    providers=(),
)
ENABLE = "systemctl enable gitbridge.socket gitbridge.service"


@pytest.fixture
def systemd(tmp_path: Path) -> FakeSystemd:
    return FakeSystemd(tmp_path)


@pytest.fixture
def everybody_can_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this gitbridge were in /opt, wherever the tests run."""
    monkeypatch.setattr("daemon.cli.service.command.out_of_reach", lambda _: None)


def failure(systemd: FakeSystemd, *argv: str) -> CommandFailed:
    with pytest.raises(CommandFailed) as caught:
        systemd.type(*argv)
    return caught.value


# ---- install


@pytest.mark.usefixtures("everybody_can_read_it")
def test_installing_puts_everything_in_its_place_and_starts_nothing(
    systemd: FakeSystemd,
) -> None:
    assert systemd.type("install") == 0

    etc = systemd.root / "etc"
    unit = (systemd.units / "gitbridge.service").read_text()
    started = " ".join(program())
    assert f"\nExecStart={started} serve\n" in unit
    assert "/usr/bin/gitbridge" not in unit
    assert (systemd.units / "gitbridge.socket").exists()
    assert "g gitbridge-users" in (etc / "sysusers.d/gitbridge.conf").read_text()
    assert "[server]" in (etc / "gitbridge/gitbridge.toml").read_text()
    assert (etc / "gitbridge/credentials").stat().st_mode & 0o777 == 0o700
    assert systemd.calls == [
        f"systemd-sysusers {etc}/sysusers.d/gitbridge.conf",
        "systemctl daemon-reload",
        ENABLE,
    ]
    assert f"wrote {systemd.units}/gitbridge.service\n" in systemd.screen.out
    assert "install -m600 /dev/stdin" in systemd.screen.err
    assert "start it: systemctl restart gitbridge.service" in systemd.screen.err


@pytest.mark.usefixtures("everybody_can_read_it")
def test_a_dry_run_says_the_same_and_does_nothing(systemd: FakeSystemd) -> None:
    systemd.type("install", "--dry-run")
    said = systemd.screen.out

    assert systemd.calls == []
    assert not (systemd.root / "etc").exists()

    systemd.type("install")
    done = systemd.screen.out
    for now, then in (("wrote", "write"), ("made", "make"), ("ran", "run")):
        done = done.replace(f"{now} /", f"would {then} /")
        done = done.replace(f"{now} system", f"would {then} system")
    assert said == done


@pytest.mark.usefixtures("everybody_can_read_it")
def test_installing_again_keeps_what_is_yours(systemd: FakeSystemd) -> None:
    systemd.type("install")
    config = systemd.root / "etc/gitbridge/gitbridge.toml"
    config.write_text("# mine\n")
    (systemd.root / "etc/gitbridge/credentials/openai").write_text("k")
    unit = systemd.units / "gitbridge.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=30", "WatchdogSec=10"))
    systemd.type("install")

    assert config.read_text() == "# mine\n"
    assert "WatchdogSec=30" in unit.read_text()
    assert f"kept {config} (yours)" in systemd.screen.out
    assert f"kept {systemd.units}/gitbridge.socket (unchanged)" in systemd.screen.out
    assert "put in a key" not in systemd.screen.err


@pytest.mark.usefixtures("everybody_can_read_it")
def test_now_starts_it_and_sees_that_it_answers(systemd: FakeSystemd) -> None:
    systemd.starts()
    daemon = FakeDaemon({"status": ANSWER})

    assert systemd.type("install", "--now", daemon=daemon) == 0
    assert systemd.calls[-1] == "systemctl restart gitbridge.socket gitbridge.service"
    assert "the daemon answers: version 1.2.3" in systemd.screen.out

    systemd.type("install", "--now", daemon=daemon)
    # the socket is as it was, so that nobody who connects is turned away
    assert systemd.calls[-1] == "systemctl restart gitbridge.service"


@pytest.mark.usefixtures("everybody_can_read_it")
def test_a_service_that_does_not_start_is_a_failure_with_its_reason(
    systemd: FakeSystemd,
) -> None:
    systemd.answer("fails", "systemctl restart")
    systemd.answer(
        "service",
        "LoadState=loaded\nActiveState=failed\nSubState=failed\nMainPID=0\n"
        "Result=exit-code\nExecMainStatus=78\nInvocationID=abc\nNRestarts=0\n",
    )
    systemd.answer("journal", "gitbridge: no key was found\n")
    error = failure(systemd, "install", "--now")

    assert error.exit_code == 1
    assert str(error) == (
        "it was installed, but its configuration is wrong, exit status 78\n"
        "  gitbridge: no key was found"
    )


def test_what_the_service_cannot_see_is_a_warning_and_now_a_refusal(
    systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path("/home/alice/venv/bin/gitbridge")
    monkeypatch.setattr("daemon.cli.service.command.parts_of_program", lambda _: [home])
    assert systemd.type("install") == 0
    assert (
        f"warning: the service will not start: {home} is below /home, which a system "
        "service cannot see; install gitbridge where everybody can read it"
    ) in systemd.screen.err

    said = str(failure(systemd, "install", "--now"))
    assert said.startswith("the service could not start: /home/alice/venv")


@pytest.mark.usefixtures("everybody_can_read_it")
def test_a_user_installs_a_service_of_their_own(tmp_path: Path) -> None:
    alice = FakeSystemd(tmp_path, uid=1000)
    assert alice.type("install", "--user") == 0

    config = alice.root / "home/alice/.config"
    socket = (config / "systemd/user/gitbridge.socket").read_text()
    service = (config / "systemd/user/gitbridge.service").read_text()
    assert "ListenStream=%t/gitbridge/gitbridge.sock" in socket
    assert "WantedBy=default.target" in service
    assert (config / "gitbridge/credentials").stat().st_mode & 0o777 == 0o700
    assert alice.calls == [
        "systemctl --user daemon-reload",
        ENABLE.replace("systemctl", "systemctl --user"),
    ]
    assert "loginctl enable-linger" in alice.screen.err

    linger = alice.root / "var/lib/systemd/linger/alice"
    linger.parent.mkdir(parents=True)
    linger.touch()
    alice.type("install", "--user")
    assert "enable-linger" not in alice.screen.err


@pytest.mark.usefixtures("everybody_can_read_it")
def test_json_is_one_document(systemd: FakeSystemd) -> None:
    systemd.type("install", "--dry-run", "--json")
    document = systemd.screen.document

    assert isinstance(document, dict)
    assert document["scope"] == "system"
    assert document["dry_run"] is True
    assert {"action": "run", "what": ENABLE, "note": ""} in document["steps"]
    assert document["warnings"] == []
    assert len(document["hints"]) == 3


# ---- refusals


def test_only_root_installs_for_the_machine(tmp_path: Path) -> None:
    alice = FakeSystemd(tmp_path, uid=1000)
    for action in ("install", "uninstall"):
        error = failure(alice, action)

        assert error.exit_code == 77
        # by its path: sudo looks for programs elsewhere
        assert f"'sudo {' '.join(program())} service" in str(error)
    assert alice.type("install", "--dry-run") == 0
    assert alice.calls == []


def test_root_has_no_service_of_its_own(systemd: FakeSystemd) -> None:
    error = failure(systemd, "install", "--user")

    assert error.exit_code == 64
    assert "leave out --user" in str(error)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["print", "--now"], "--now is for install, not for print"),
        (["status", "--dry-run"], "--dry-run is for install and uninstall, not for"),
        (["uninstall", "--now"], "--now is for install, not for uninstall"),
    ],
)
def test_a_flag_that_would_do_nothing_is_refused(
    systemd: FakeSystemd, argv: list[str], said: str
) -> None:
    error = failure(systemd, *argv)

    assert error.exit_code == 64
    assert said in str(error)


def test_a_machine_without_systemd_is_told_what_else_there_is(
    systemd: FakeSystemd,
) -> None:
    (systemd.root / "run/systemd/system").rmdir()
    assert "there is no /run/systemd/system" in str(failure(systemd, "install"))

    systemd.environ["PATH"] = str(systemd.root)
    said = str(failure(systemd, "status"))
    assert said.startswith("this machine has no systemctl: run 'gitbridge serve'")
    assert systemd.type("print") == 0


def test_a_systemd_that_is_too_old_is_refused(tmp_path: Path) -> None:
    old = FakeSystemd(tmp_path, version=249)

    assert str(failure(old, "install")) == (
        "systemd 249 is too old: 252 or newer is wanted"
    )


def test_without_a_session_there_is_no_user_service(tmp_path: Path) -> None:
    alice = FakeSystemd(tmp_path, uid=1000)
    alice.answer("fails", "systemctl --user show-environment")
    assert "XDG_RUNTIME_DIR=/run/user/1000" in str(failure(alice, "status", "--user"))

    del alice.environ["XDG_RUNTIME_DIR"]
    assert "your own systemd" in str(failure(alice, "install", "--user"))


@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_somebody_elses_units_are_left_alone(systemd: FakeSystemd, action: str) -> None:
    systemd.units.mkdir(parents=True)
    unit = systemd.units / "gitbridge.service"
    unit.write_text("[Service]\nExecStart=/usr/local/bin/theirs\n")

    assert str(failure(systemd, action)) == (
        f"{unit} is there and not gitbridge's: move it away first"
    )
    assert systemd.calls == []


def test_a_packages_units_are_not_hidden_by_ours(systemd: FakeSystemd) -> None:
    packaged = "/usr/lib/systemd/system/gitbridge.service"
    systemd.answer("service", f"{RUNNING}FragmentPath={packaged}\n")
    said = str(failure(systemd, "install"))

    assert said.startswith(f"a package has installed the service already: {packaged}")


@pytest.mark.usefixtures("everybody_can_read_it")
def test_a_step_that_fails_is_named(systemd: FakeSystemd) -> None:
    systemd.answer("fails", "systemctl enable")
    error = failure(systemd, "install")

    assert str(error) == f"{ENABLE} failed: Failed for a reason."
    assert error.exit_code == 1
    assert "ran systemctl daemon-reload" in systemd.screen.out


def test_what_may_not_be_done_is_not_permitted(
    systemd: FakeSystemd, tmp_path: Path
) -> None:
    program = tmp_path / "not-executable"
    program.write_text("")
    with pytest.raises(CommandFailed, match="may not run") as caught:
        perform(run(str(program)), systemd.environ)

    assert caught.value.exit_code == 77


@pytest.mark.usefixtures("everybody_can_read_it")
def test_a_file_where_a_folder_is_wanted_is_said(systemd: FakeSystemd) -> None:
    (systemd.root / "etc").write_text("")

    assert str(failure(systemd, "install")).startswith("cannot write ")


# ---- uninstall


@pytest.mark.usefixtures("everybody_can_read_it")
def test_uninstalling_leaves_configuration_keys_and_state(
    systemd: FakeSystemd,
) -> None:
    systemd.type("install")
    systemd.answer("calls", "")
    systemd.type("uninstall", "--dry-run")
    assert systemd.calls == []
    assert f"would remove {systemd.units}/gitbridge.service" in systemd.screen.out

    assert systemd.type("uninstall") == 0
    names = "gitbridge.socket gitbridge.service"
    assert systemd.calls == [
        f"systemctl disable --now {names}",
        "systemctl daemon-reload",
        f"systemctl reset-failed {names}",
    ]
    assert list(systemd.units.iterdir()) == []
    assert (systemd.root / "etc/gitbridge/gitbridge.toml").exists()
    assert (systemd.root / "etc/gitbridge/credentials").exists()
    assert "left as they are: " in systemd.screen.err
    assert "/var/lib/gitbridge (state)" in systemd.screen.err

    assert systemd.type("uninstall") == 0
    assert systemd.screen.out == ""
    assert systemd.screen.err == "no service was installed\n"


# ---- status and print


def test_status_of_one_that_runs(systemd: FakeSystemd) -> None:
    systemd.starts()
    assert systemd.type("status", daemon=FakeDaemon({"status": ANSWER})) == 0
    socket = systemd.root / "run/gitbridge/gitbridge.sock"
    assert systemd.screen.out == (
        "gitbridge.service active (running), enabled\n"
        f"gitbridge.socket active (running), enabled, {socket}\n"
        "process 4711, restarts 1: 2 active, 3/3 providers healthy\n"
        "the daemon answers: version 1.2.3\n"
    )


def test_status_of_one_that_is_not_installed(systemd: FakeSystemd) -> None:
    assert systemd.type("status") == 69
    assert systemd.screen.out == (
        "gitbridge.service not installed, not enabled\n"
        "gitbridge.socket not installed, not enabled\n"
        "the service is not installed: gitbridge service install\n"
    )


def test_a_service_that_is_off_is_not_started_by_asking(systemd: FakeSystemd) -> None:
    systemd.answer(
        "service", RUNNING.replace("ActiveState=active", "ActiveState=inactive")
    )
    daemon = FakeDaemon({"status": ANSWER})

    assert systemd.type("status", "--json", daemon=daemon) == 69
    assert daemon.calls == []
    document = systemd.screen.document
    assert isinstance(document, dict)
    assert document["answers"] is None
    assert document["reason"] == "the service is inactive"


def test_status_of_one_that_does_not_answer(systemd: FakeSystemd) -> None:
    systemd.starts()

    assert systemd.type("status") == 69
    assert "the daemon does not answer on " in systemd.screen.out


def test_a_socket_that_is_not_for_us_is_not_permitted(systemd: FakeSystemd) -> None:
    systemd.starts()
    daemon = FakeDaemon({"status": NotPermitted("may not use it")})

    assert systemd.type("status", daemon=daemon) == 77
    assert "you may not use the socket: may not use it" in systemd.screen.out


def test_a_watchdogs_victim_is_called_so(systemd: FakeSystemd) -> None:
    systemd.answer(
        "service",
        "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=watchdog\n"
        "ExecMainStatus=6\nMainPID=0\n",
    )
    systemd.type("status")

    assert "it hung and was ended" in systemd.screen.out


def test_print_shows_the_units_as_they_would_be_written(systemd: FakeSystemd) -> None:
    systemd.type("print", "--json")
    document = systemd.screen.document
    assert isinstance(document, dict)
    files = document["files"]
    assert [Path(path).name for path in files] == [
        "gitbridge.socket",
        "gitbridge.service",
        "gitbridge.conf",
    ]

    systemd.type("print")
    assert systemd.screen.out.startswith(f"# {systemd.units}/gitbridge.socket\n")
    assert all(text in systemd.screen.out for text in files.values())
    assert systemd.calls == []


def test_the_command_line_takes_it() -> None:
    typed = Machine()

    assert typed.type("service", "print") == 0
    assert typed.screen.out.startswith("# /etc/systemd/system/gitbridge.socket\n")
    assert typed.type("service", "print", "--user", "--system") == 64


# ---- what a service can see


def test_a_program_for_everybody_is_in_reach() -> None:
    assert out_of_reach([Path("/bin/sh")]) is None


@pytest.mark.parametrize("folder", ["/home", "/root", "/run/user", "/tmp", "/var/tmp"])
def test_what_is_hidden_from_services_is_out_of_reach(folder: str) -> None:
    assert out_of_reach([Path("/bin/sh"), Path(folder) / "x/python"]) == (
        f"{folder}/x/python is below {folder}, which a system service cannot see"
    )


def test_a_folder_of_one_user_is_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.cli.service.reach.HIDDEN", ())
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python").touch()

    assert "may not be read by other users" in str(out_of_reach([closed / "python"]))


def test_every_part_of_this_program_is_looked_at() -> None:
    parts = parts_of_program(program())

    assert Path(program()[0]) in parts
    assert Path(package.__file__) in parts
    assert all(part.exists() for part in parts)
